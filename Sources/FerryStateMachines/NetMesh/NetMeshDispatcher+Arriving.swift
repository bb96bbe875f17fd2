internal import FerryWire

// SnapshotReady: passed on by an orchestrator, put together by a target.
extension NetMeshDispatcher {
    /// The first record that knows the daemon decides whose piece counts.
    mutating func snapshotReady(_ piece: SnapshotPiece, from sender: NodeID, now: Timestamp) throws(NetMeshRefusal) {
        guard let move = state.orchestrator.records[piece.origin] else {
            return try arrive(piece, from: sender, orchestrator: sender, now: now)
        }
        guard move.source == sender else { throw move.target == sender ? wrongPeer(sender) : notExpected(piece, from: sender) }
        guard move.phase <= .transfer else {
            counters.repeats += 1
            return
        }
        try check(piece, of: move)
        if move.target == localNode {
            do throws(NetMeshRefusal) {
                try arrive(piece, from: sender, orchestrator: localNode, now: now)
            } catch {
                // A piece that is merely odd is refused; a reason ends the move that this node orchestrates itself.
                guard let reason = error.reason else { throw error }
                counters.count(error, type: 1)
                return failOrchestration(piece.origin, reason, toldBy: nil, now: now)
            }
        }
        noteForwarded(piece, now: now)
        if move.target != localNode { send(.snapshotReady(piece), to: move.target) }
    }

    /// What an orchestrator can tell from one piece.
    private func check(_ piece: SnapshotPiece, of move: NetMeshOrchestration) throws(NetMeshRefusal) {
        guard piece.totalCount > 0, piece.index < piece.totalCount, move.agrees(with: piece) else {
            throw NetMeshRefusal(.badSnapshot, "a piece of another snapshot")
        }
        do {
            try StateSnapshot.checkHead(of: piece.bytes.rawSpan, index: piece.index, origin: piece.origin)
        } catch {
            let text = "snapshot of another daemon, or none: \(error)"
            throw NetMeshRefusal(.badSnapshot, text, reason: FailureReason(.stateFailed, text))
        }
        guard piece.totalCount == 1 else { return }
        guard let snapshot = try? StateSnapshot(decoding: piece.bytes), snapshot.throughSequence == piece.throughSequence else {
            let text = "the snapshot is malformed or does not reach the sequence that its message says"
            throw NetMeshRefusal(.badSnapshot, text, reason: FailureReason(.stateFailed, text))
        }
    }

    private mutating func noteForwarded(_ piece: SnapshotPiece, now: Timestamp) {
        guard var move = state.orchestrator.records.removeValue(forKey: piece.origin) else { return }
        defer { state.orchestrator.records[piece.origin] = move }
        if move.phase == .snapshot { try? move.advance(to: .transfer, budget: configuration.budgets.transfer, now: now) }
        move.note(piece)
        move.retry.start(now, first: max(configuration.budgets.retry.lowerBound, .milliseconds(2 * Int64(piece.totalCount))))
    }

    // MARK: Target

    /// A piece for this node as the target. Nothing is put together before it is clear that the daemon is expected, and from whom.
    private mutating func arrive(
        _ piece: SnapshotPiece, from sender: NodeID, orchestrator: NodeID, now: Timestamp
    ) throws(NetMeshRefusal) {
        let origin = piece.origin
        if let arrival = state.target.records[origin] { try checkSender(sender, of: piece, orchestrator: orchestrator, against: arrival) }
        if let arrival = state.target.records[origin], arrival.sender == sender, arrival.orchestrator == orchestrator {
            // Once another snapshot has begun, what comes belongs to it.
            if !state.assemblies.isPending(origin, from: sender) {
                guard try isAnotherSnapshot(piece, than: arrival) else { return repeated(piece, of: arrival) }
            }
        }
        let isAuthorized = try gate(piece, orchestrator: orchestrator)
        let isSingle = piece.totalCount == 1
        guard let whole = try state.assemblies.feed(piece, from: sender, limits: configuration.limits, now: now) else { return }
        do throws(NetMeshRefusal) {
            try admit(
                whole, wireSequence: piece.throughSequence, origin: origin, sender: sender, orchestrator: orchestrator,
                isAuthorized: isAuthorized, now: now)
            state.assemblies.drop(origin, from: sender)
        } catch {
            var refusal = error
            if !isAuthorized { refusal.reason = refusal.reason?.forUnproven }
            // The pieces before this one were taken; that they make no snapshot ends their assembly, so this one is not refused.
            guard !isSingle, orchestrator != localNode || refusal.reason == nil else { throw refusal }
            counters.count(refusal, type: 1)
            if let reason = refusal.reason { send(.migrationFailed(origin: origin, reason: reason), to: orchestrator) }
        }
    }

    /// While a daemon arrives, its pieces are of one sender. One that has proven nothing yet keeps nobody out: who may bring the daemon goes
    /// before it, and who may prove it later is asked to come again.
    private func checkSender(
        _ sender: NodeID, of piece: SnapshotPiece, orchestrator: NodeID, against arrival: NetMeshArrival
    ) throws(NetMeshRefusal) {
        guard arrival.sender != sender || arrival.orchestrator != orchestrator else { return }
        guard !arrival.isAuthorized, arrival.stage < .restoring else {
            throw arrival.orchestrator == sender || arrival.source == sender ? wrongPeer(sender) : notExpected(piece, from: sender)
        }
        guard try !gate(piece, orchestrator: orchestrator) else { return }
        throw NetMeshRefusal(
            .notReady, "another snapshot of the daemon is being examined", reason: piece.index == 0 ? FailureReason(.notReady) : nil)
    }

    /// Whether a piece that comes while the daemon arrives begins another snapshot of the same orchestrator, which then counts instead.
    private func isAnotherSnapshot(_ piece: SnapshotPiece, than arrival: NetMeshArrival) throws(NetMeshRefusal) -> Bool {
        if piece.index == 0 {
            guard piece.bytes != arrival.firstPiece || piece.throughSequence != arrival.wireSequence else { return false }
            guard arrival.stage < .activating, !arrival.isActivationRequested else {
                throw NetMeshRefusal(.wrongPhase, "a snapshot for a target that goes live")
            }
            return true
        }
        guard piece.throughSequence == arrival.wireSequence else { throw NetMeshRefusal(.badSnapshot, "a piece of another snapshot") }
        return false
    }

    /// The last piece again: the answer again, and no second restore.
    private mutating func repeated(_ piece: SnapshotPiece, of arrival: NetMeshArrival) {
        counters.repeats += 1
        guard arrival.stage >= .restored, piece.index &+ 1 == piece.totalCount else { return }
        send(.restoreComplete(origin: arrival.origin, restoredSequence: arrival.wireSequence), to: arrival.orchestrator)
    }

    /// For a sender that has no part in the daemon's arrival: what a node answers that knows nothing of it.
    func notExpected(_ piece: SnapshotPiece, from sender: NodeID) -> NetMeshRefusal {
        var refusal = wrongPeer(sender)
        if piece.index == 0, sender != localNode { refusal.reason = FailureReason(.factoryNotFound) }
        return refusal
    }

    /// What must hold before the first byte is kept.
    ///
    /// - Returns: whether the orchestrator may bring the daemon without proving it by an envelope.
    private func gate(_ piece: SnapshotPiece, orchestrator: NodeID) throws(NetMeshRefusal) -> Bool {
        let origin = piece.origin
        // One answer a snapshot, not one a piece.
        let answers = piece.index == 0
        guard state.isReady else {
            throw NetMeshRefusal(.notReady, "this node takes no daemons now", reason: answers ? FailureReason(.notReady) : nil)
        }
        guard let entry = state.factories[origin] else {
            throw NetMeshRefusal(
                .factoryNotFound, "nothing is registered for daemon \(origin.rawValue.prefixedHex)",
                reason: answers ? FailureReason(.factoryNotFound) : nil)
        }
        guard entry.orchestrator ?? orchestrator == orchestrator else { throw notExpected(piece, from: orchestrator) }
        let isAuthorized = entry.orchestrator == orchestrator || configuration.arrivals.admits(orchestrator, local: localNode)
        guard !state.hosted.contains(origin) else {
            let reason = FailureReason.restoreFailed(FailureReason(.stateFailed, "daemon already registered"))
            throw NetMeshRefusal(
                .daemonExists, "the daemon is hosted here",
                reason: answers ? (isAuthorized ? reason : FailureReason(.factoryNotFound)) : nil)
        }
        if let departure = state.source.records[origin], departure.stage < .retired {
            throw NetMeshRefusal(
                .alreadyMigrating, "the daemon is leaving",
                reason: answers ? FailureReason(isAuthorized ? .alreadyMigrating : .factoryNotFound) : nil)
        }
        return isAuthorized
    }

    /// A whole snapshot: parsed, of this daemon, and brought by somebody who may bring it.
    private mutating func admit(
        _ whole: [UInt8], wireSequence: UInt64, origin: OriginHash, sender: NodeID, orchestrator: NodeID, isAuthorized: Bool,
        now: Timestamp
    ) throws(NetMeshRefusal) {
        guard let snapshot = try? StateSnapshot(decoding: whole) else {
            let reason = FailureReason.unparsableSnapshot
            throw NetMeshRefusal(.badSnapshot, reason.message, reason: reason)
        }
        guard snapshot.chainLink.origin == origin else {
            let reason = FailureReason.restoreFailed(.originMismatch(snapshot.chainLink.origin, origin))
            throw NetMeshRefusal(.badSnapshot, reason.message, reason: reason)
        }
        let entry = state.factories[origin]
        if let reason = missingProof(of: snapshot, entry, isAuthorized: isAuthorized, orchestrator: orchestrator) {
            throw NetMeshRefusal(.unauthorized, reason.message, reason: reason)
        }
        let attempt = state.nextAttempt
        let source = entry?.source ?? (orchestrator == sender ? nil : sender)
        let arrival = NetMeshArrival(
            origin: origin, orchestrator: orchestrator, sender: sender, source: source, attempt: attempt, snapshot: snapshot,
            wireSequence: wireSequence, firstPiece: Array(whole.prefix(WireLimits.netMeshChunkByteCount)),
            isAuthorized: isAuthorized, now: now)
        if let superseded = state.target.records[origin] {
            guard superseded.stage < .activating, !superseded.isActivationRequested else {
                throw NetMeshRefusal(.wrongPhase, "a snapshot for a target that goes live")
            }
            dropArrival(superseded)
        }
        try state.target.begin(arrival, limits: configuration.limits, limit: configuration.limits.movesPerRole)
        _ = makeAttempt()
        guard configuration.hooks.contains(.readiness) else { return decideIdentity(origin, now: now) }
        state.target.records[origin]?.hookDeadline = now + configuration.budgets.hook
        act(.askReadiness(origin: origin, attempt: attempt))
    }

    /// Why a snapshot cannot be restored by this node, or not for this orchestrator; nil when an envelope may decide it.
    private func missingProof(
        of snapshot: StateSnapshot, _ entry: NetMeshFactories.Entry?, isAuthorized: Bool, orchestrator: NodeID
    ) -> FailureReason? {
        let hasKey = entry?.hasFallbackKey ?? false
        if snapshot.envelope == nil, !hasKey { return .noEnvelope }
        if snapshot.envelope != nil {
            if configuration.hooks.contains(.identity) { return nil }
            if !hasKey { return .noContextToOpen }
        }
        return isAuthorized ? nil : .notAuthorized(orchestrator)
    }
}
