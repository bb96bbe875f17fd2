internal import FerryWire

// The target from the first inputs to the acknowledged activation.
extension NetMeshDispatcher {
    /// BufferedEvents: only of the orchestrator or the source, only into a restored copy; after the activation they are late, not lost.
    mutating func bufferedEvents(
        _ origin: OriginHash, _ events: [CausalEvent], from sender: NodeID, now: Timestamp
    ) throws(NetMeshRefusal) {
        // Only the two nodes are read out, so that nothing holds the record's tables when they change and they are not copied.
        guard let (orchestrator, source) = state.target.records[origin].map({ ($0.orchestrator, $0.source) }) else {
            if try passOn(origin, events, from: sender) { return }
            return try lateEvents(origin, events, from: sender, now: now)
        }
        guard maySendInputs(sender, orchestrator: orchestrator, source: source) else { throw wrongPeer(sender) }
        try state.target.records[origin]?.take(events, limits: configuration.limits, now: now)
        replayNext(origin, now: now)
    }

    /// The orchestrator, and the source where it is known.
    private func maySendInputs(_ sender: NodeID, orchestrator: NodeID, source: NodeID?) -> Bool {
        sender == orchestrator || sender == source
    }

    /// The last inputs of a source that the target may not know: passed on in front of the order to go live, or after it.
    private mutating func passOn(
        _ origin: OriginHash, _ events: [CausalEvent], from sender: NodeID
    ) throws(NetMeshRefusal) -> Bool {
        let target: NodeID
        if let move = state.orchestrator.records[origin], move.target != localNode {
            guard move.source == sender else { throw wrongPeer(sender) }
            guard move.phase >= .cutover else { throw NetMeshRefusal(.wrongPhase, "last inputs in phase \(move.phase)") }
            target = move.target
        } else if let ended = state.orchestrator.ended[origin], ended.failure == nil, ended.source == sender, ended.target != localNode {
            target = ended.target
        } else {
            return false
        }
        send(.bufferedEvents(origin: origin, events: events), to: target)
        return true
    }

    private mutating func lateEvents(
        _ origin: OriginHash, _ events: [CausalEvent], from sender: NodeID, now: Timestamp
    ) throws(NetMeshRefusal) {
        guard let (orchestrator, source) = state.target.completed[origin].map({ ($0.orchestrator, $0.source) }) else {
            throw unknownMove(origin)
        }
        guard maySendInputs(sender, orchestrator: orchestrator, source: source) else { throw wrongPeer(sender) }
        let isLeaving = state.source.records[origin] != nil
        guard isLeaving || state.hosted.contains(origin) else { throw unknownMove(origin) }
        guard state.source.records[origin]?.hasRoom(for: events, limits: configuration.limits) ?? true else {
            throw NetMeshRefusal(.capacity, "no room for late inputs of a daemon that leaves again")
        }
        let fresh = events.filter { state.target.isFresh($0, for: origin, limit: configuration.limits.rememberedInputCount) }
        guard !fresh.isEmpty else {
            counters.repeats += 1
            return
        }
        guard isLeaving else { return act(.deliver(origin: origin, events: fresh)) }
        for event in fresh { _ = capture(event, for: origin, now: now) }
    }

    /// The next batch into the copy; one without anything new is answered at once.
    private mutating func replayNext(_ origin: OriginHash, now: Timestamp) {
        while let batch = state.target.records[origin]?.nextBatch(now: now) {
            guard batch.isEmpty, let head = state.target.records[origin]?.head else {
                guard let attempt = state.target.records[origin]?.attempt else { return }
                return act(.replay(origin: origin, attempt: attempt, events: batch))
            }
            answerReplay(origin, head: head, now: now)
        }
        if state.target.records[origin]?.isReadyToActivate ?? false { activate(origin, now: now) }
    }

    private mutating func answerReplay(_ origin: OriginHash, head: CausalLink, now: Timestamp) {
        state.target.records[origin]?.batchReplayed(head: head, now: now)
        guard let orchestrator = state.target.records[origin]?.orchestrator else { return }
        send(.replayComplete(origin: origin, replayedSequence: head.sequence, targetHead: head), to: orchestrator)
    }

    mutating func arrivalReplayed(_ origin: OriginHash, _ replay: NetMeshReplay, now: Timestamp) {
        switch replay {
        case .replayed(let head):
            answerReplay(origin, head: head, now: now)
            replayNext(origin, now: now)
        case .failed(let landedCount, let reason):
            let text = "replay failed after \(landedCount) events: \(reason.netMeshDescription)"
            failArrival(origin, FailureReason(.stateFailed, text), now: now)
        }
    }

    /// ActivateTarget: an active arrival comes before a remembered one; the latter only has its acknowledgement repeated.
    mutating func activateTarget(_ origin: OriginHash, from sender: NodeID, now: Timestamp) throws(NetMeshRefusal) {
        guard let arrival = state.target.records[origin] else {
            guard let completed = state.target.completed[origin] else { throw unknownMove(origin) }
            guard completed.orchestrator == sender else { throw wrongPeer(sender) }
            counters.repeats += 1
            return send(.activateAck(origin: origin, replayedSequence: completed.replayedSequence), to: sender)
        }
        guard arrival.orchestrator == sender else { throw wrongPeer(sender) }
        guard arrival.stage < .activating, !arrival.isActivationRequested else {
            counters.repeats += 1
            return
        }
        guard arrival.stage == .replaying, arrival.hasReplayed else {
            throw NetMeshRefusal(.wrongPhase, "activation of a target that is \(arrival.stage)")
        }
        // What is still being replayed lands first.
        guard !arrival.isReplaying, arrival.queue.isEmpty else {
            state.target.records[origin]?.isActivationRequested = true
            return
        }
        activate(origin, now: now)
    }

    private mutating func activate(_ origin: OriginHash, now: Timestamp) {
        guard let arrival = state.target.records[origin] else { return }
        let held = state.target.records[origin]?.takeHeld() ?? []
        state.target.records[origin]?.enter(.activating, now: now)
        act(.activate(origin: origin, attempt: arrival.attempt, held: held))
    }

    mutating func arrivalActivated(_ arrival: NetMeshArrival, now: Timestamp) {
        let origin = arrival.origin
        let late = state.target.records[origin]?.takeHeld() ?? []
        let sequence = arrival.head?.sequence ?? arrival.wireSequence
        state.target.complete(origin, replayedSequence: sequence, limits: configuration.limits, now: now)
        state.hosted.insert(origin)
        state.factories.remove(origin)
        // It has come back: its old address is of no use.
        if state.source.records[origin]?.stage == .released { state.source.records[origin] = nil }
        if !late.isEmpty { act(.deliver(origin: origin, events: late)) }
        send(.activateAck(origin: origin, replayedSequence: sequence), to: arrival.orchestrator)
    }
}
