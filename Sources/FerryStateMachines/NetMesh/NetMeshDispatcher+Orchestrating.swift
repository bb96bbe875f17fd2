internal import FerryWire

// The orchestrator's arms. SnapshotReady's is beside the target's.
extension NetMeshDispatcher {
    /// A local source has sent its snapshot.
    mutating func localSnapshotSent(_ departure: NetMeshDeparture, now: Timestamp) {
        let origin = departure.origin
        guard var move = state.orchestrator.records.removeValue(forKey: origin) else { return }
        defer { state.orchestrator.records[origin] = move }
        try? move.advance(to: .transfer, budget: configuration.budgets.transfer, now: now)
        move.throughSequence = departure.head?.sequence
        move.snapshotByteCount = departure.snapshot.count
        if let head = departure.head { move.superposition.sourceAdvanced(head) }
        // A large snapshot takes its time; sending it again before that only adds to it.
        let pieceCount = departure.snapshot.count / WireLimits.netMeshChunkByteCount + 1
        move.retry.start(now, first: max(configuration.budgets.retry.lowerBound, .milliseconds(2 * pieceCount)))
    }

    /// RestoreComplete: the target has the daemon; it gets the captured inputs, or an empty batch.
    mutating func restoreComplete(
        _ origin: OriginHash, through sequence: UInt64, from sender: NodeID, now: Timestamp
    ) throws(NetMeshRefusal) {
        guard let move = state.orchestrator.records[origin] else { throw unknownMove(origin) }
        guard move.target == sender else { throw wrongPeer(sender) }
        guard move.phase >= .transfer, sequence == move.throughSequence else {
            throw NetMeshRefusal(.wrongPhase, "restored through \(sequence) in phase \(move.phase)")
        }
        guard move.phase == .transfer else {
            counters.repeats += 1
            return
        }
        try state.orchestrator.records[origin]?.advance(to: .restore, budget: .zero, now: now)
        try state.orchestrator.records[origin]?.advance(to: .replay, budget: configuration.budgets.replayStep, now: now)
        state.orchestrator.records[origin]?.restoredSequence = sequence
        state.orchestrator.records[origin]?.replayDeadline = now + configuration.budgets.replay
        sendBatch(try takeBatch(origin, of: move), of: origin, now: now)
    }

    /// The next inputs captured at a local source; a remote one sends its own after the cutover.
    private mutating func takeBatch(_ origin: OriginHash, of move: NetMeshOrchestration) throws(NetMeshRefusal) -> [CausalEvent] {
        guard move.source == localNode else { return [] }
        return try state.source.records[origin]?.takeBatch() ?? []
    }

    /// One batch at a time: the next one only after this one's answer. One with inputs is never sent again, since its answers could not be
    /// told apart; if it is lost, the move is rolled back and nothing else is.
    mutating func sendBatch(_ batch: [CausalEvent], of origin: OriginHash, now: Timestamp) {
        guard var move = state.orchestrator.records.removeValue(forKey: origin) else { return }
        defer { state.orchestrator.records[origin] = move }
        move.replaySentCount += 1
        move.deadline = min(now + configuration.budgets.replayStep, move.replayDeadline ?? .distantFuture)
        if batch.isEmpty {
            move.retry.start(now, first: configuration.budgets.retry.lowerBound)
        } else {
            move.hasSentEvents = true
            move.retry.stop()
        }
        send(.bufferedEvents(origin: origin, events: batch), to: move.target)
    }

    /// ReplayComplete: more inputs, or the cutover. What comes after that is the answer to the source's own tail.
    mutating func replayComplete(
        _ origin: OriginHash, through sequence: UInt64, head: CausalLink, from sender: NodeID, now: Timestamp
    ) throws(NetMeshRefusal) {
        guard let move = state.orchestrator.records[origin] else { throw unknownMove(origin) }
        guard move.target == sender else { throw wrongPeer(sender) }
        guard move.phase >= .replay, head.origin == origin,
            head.sequence >= (move.superposition.sourceHead?.sequence ?? 0)
        else { throw NetMeshRefusal(.wrongPhase, "replayed through \(sequence) in phase \(move.phase)") }
        guard move.phase == .replay else {
            counters.repeats += 1
            return
        }
        state.orchestrator.records[origin]?.replayAnsweredCount += 1
        state.orchestrator.records[origin]?.replayedSequence = sequence
        state.orchestrator.records[origin]?.superposition.targetReplayed(head)
        guard state.orchestrator.records[origin]?.isReplayAnswered ?? false else { return }
        let batch = try takeBatch(origin, of: move)
        guard batch.isEmpty else { return sendBatch(batch, of: origin, now: now) }
        try state.orchestrator.records[origin]?.advance(to: .cutover, budget: configuration.budgets.cutover, now: now)
        if move.source == localNode {
            state.orchestrator.records[origin]?.retry.stop()
        } else {
            state.orchestrator.records[origin]?.retry.start(now, first: configuration.budgets.retry.lowerBound)
        }
        send(.cutoverNotify(origin: origin, target: move.target), to: move.source)
    }

    /// CleanupComplete: the source has stopped for good, so the target may go live. From here on nothing is rolled back.
    mutating func cleanupComplete(_ origin: OriginHash, from sender: NodeID, now: Timestamp) throws(NetMeshRefusal) {
        guard let move = state.orchestrator.records[origin] else { return try answerEnded(origin, to: sender) }
        guard move.source == sender else { throw wrongPeer(sender) }
        guard !move.isCommitted else {
            counters.repeats += 1
            return
        }
        guard move.phase == .cutover else {
            // Before the first piece this can only be about an attempt that the source does not know to be over.
            let text = "cleanup in phase \(move.phase)"
            throw NetMeshRefusal(.wrongPhase, text, reason: move.phase == .snapshot ? FailureReason(.stateFailed, text) : nil)
        }
        try state.orchestrator.records[origin]?.advance(to: .complete, budget: configuration.budgets.activation, now: now)
        state.orchestrator.records[origin]?.retry.start(now, first: configuration.budgets.retry.lowerBound)
        send(.activateTarget(origin: origin), to: move.target)
    }

    /// A source that has missed how its move ended asks by repeating CleanupComplete.
    private mutating func answerEnded(_ origin: OriginHash, to sender: NodeID) throws(NetMeshRefusal) {
        guard let ended = state.orchestrator.ended[origin] else { throw unknownMove(origin) }
        guard ended.source == sender else { throw wrongPeer(sender) }
        counters.repeats += 1
        if let failure = ended.failure {
            send(.migrationFailed(origin: origin, reason: failure), to: sender)
        } else {
            send(.activateAck(origin: origin, replayedSequence: ended.replayedSequence), to: sender)
        }
    }

    /// ActivateAck: the move has completed. A remote source hears it too, and drops what it kept.
    mutating func activateAck(
        _ origin: OriginHash, through sequence: UInt64, from sender: NodeID, now: Timestamp
    ) throws(NetMeshRefusal) {
        guard let move = state.orchestrator.records[origin] else {
            return try acknowledgedElsewhere(origin, through: sequence, from: sender, now: now)
        }
        guard move.target == sender else { throw wrongPeer(sender) }
        // Every target begins at the snapshot's head: an acknowledgement of less is one of a move before.
        guard move.isCommitted, sequence >= move.superposition.sourceHead?.sequence ?? 0 else {
            throw NetMeshRefusal(.wrongPhase, "acknowledgement through \(sequence) in phase \(move.phase)")
        }
        state.orchestrator.records[origin]?.replayedSequence = sequence
        complete(move, sequence: sequence, now: now)
    }

    mutating func complete(_ move: NetMeshOrchestration, sequence: UInt64, now: Timestamp) {
        let origin = move.origin
        state.orchestrator.end(origin, failure: nil, local: localNode, limits: configuration.limits, now: now)
        if move.source == localNode {
            releaseDeparture(origin, now: now)
        } else {
            send(.activateAck(origin: origin, replayedSequence: sequence), to: move.source)
        }
        act(.ended(origin: origin, outcome: .completed(replayedSequence: sequence)))
    }

    private mutating func acknowledgedElsewhere(
        _ origin: OriginHash, through sequence: UInt64, from sender: NodeID, now: Timestamp
    ) throws(NetMeshRefusal) {
        if let departure = state.source.records[origin] {
            return try activationRelayed(departure, through: sequence, from: sender, now: now)
        }
        guard let ended = state.orchestrator.ended[origin] else { throw unknownMove(origin) }
        guard ended.target == sender else { throw wrongPeer(sender) }
        counters.repeats += 1
    }

    /// Sends again what a participant has not answered.
    mutating func resend(_ move: NetMeshOrchestration, now: Timestamp) {
        let origin = move.origin
        switch move.phase {
        case .snapshot, .transfer:
            // A target here that has the snapshot needs no second one.
            if move.source != localNode, state.target.records[origin] == nil {
                send(.takeSnapshot(origin: origin, target: move.target), to: move.source)
            } else if let departure = state.source.records[origin], departure.stage == .transferring {
                sendPieces(of: departure)
            } else {
                return
            }
        case .restore: return
        case .replay:
            guard !move.hasSentEvents else { return }
            state.orchestrator.records[origin]?.replaySentCount += 1
            send(.bufferedEvents(origin: origin, events: []), to: move.target)
        case .cutover: send(.cutoverNotify(origin: origin, target: move.target), to: move.source)
        case .complete: send(.activateTarget(origin: origin), to: move.target)
        }
        state.orchestrator.records[origin]?.retryCount += 1
        counters.resent += 1
    }
}
