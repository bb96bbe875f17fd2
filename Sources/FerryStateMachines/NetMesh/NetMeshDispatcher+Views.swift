package import FerryWire

// What operators see.
extension NetMeshDispatcher {
    /// The moves that this node orchestrates, by daemon.
    public func orchestrations(now: Timestamp) -> [NetMeshOrchestrationView] {
        state.orchestrator.records.keys.sorted().compactMap { origin in
            guard let move = state.orchestrator.records[origin] else { return nil }
            return NetMeshOrchestrationView(
                origin: origin, source: move.source, target: move.target, phase: move.phase, elapsed: now - move.startedAt,
                ageInPhase: now - move.phaseEnteredAt, snapshotByteCount: move.snapshotByteCount,
                bufferedEventCount: move.source == localNode ? state.source.records[origin]?.captured.count ?? 0 : 0,
                retryCount: move.retryCount, progressPercent: move.progressPercent, superposition: move.superposition.phase,
                replayGap: move.superposition.replayGap, continuityProof: move.superposition.continuityProof, doubt: move.doubt,
                bound: move.bound)
        }
    }

    /// How far the move of one daemon is that this node orchestrates; nil without one.
    package func phase(of origin: OriginHash) -> MigrationPhase? { state.orchestrator.records[origin]?.phase }

    /// The daemons that leave this node, or have left it, by daemon.
    public func sources(now: Timestamp) -> [NetMeshSourceView] {
        state.source.records.keys.sorted().compactMap { origin in
            guard let departure = state.source.records[origin] else { return nil }
            return NetMeshSourceView(
                origin: origin, orchestrator: departure.orchestrator, target: departure.target, phase: departure.phase,
                stage: departure.stage, elapsed: now - departure.startedAt, ageInPhase: now - departure.progressAt,
                snapshotByteCount: departure.snapshot.isEmpty ? nil : departure.snapshot.count,
                bufferedEventCount: departure.captured.count, bufferedByteCount: departure.capturedByteCount)
        }
    }

    /// The daemons that come to this node, by daemon.
    public func targets(now: Timestamp) -> [NetMeshTargetView] {
        state.target.records.keys.sorted().compactMap { origin in
            guard let arrival = state.target.records[origin] else { return nil }
            return NetMeshTargetView(
                origin: origin, orchestrator: arrival.orchestrator, source: arrival.source, phase: arrival.phase,
                elapsed: now - arrival.startedAt, ageInPhase: now - arrival.progressAt, snapshotByteCount: arrival.snapshotByteCount,
                bufferedEventCount: arrival.queuedEventCount + arrival.heldEventCount, head: arrival.head)
        }
    }
}
