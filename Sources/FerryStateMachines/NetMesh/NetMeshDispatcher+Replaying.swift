internal import FerryWire

// The target from the first inputs to the acknowledged activation.
extension NetMeshDispatcher {
    /// BufferedEvents: only of the orchestrator or the source, only into a restored copy; after the activation they are late, not lost.
    mutating func bufferedEvents(
        _ origin: OriginHash, _ events: [CausalEvent], from sender: NodeID, now: Timestamp
    ) throws(NetMeshRefusal) {
        guard let arrival = state.target.records[origin] else { return try lateEvents(origin, events, from: sender, now: now) }
        guard maySendInputs(sender, orchestrator: arrival.orchestrator, source: arrival.source) else { throw wrongPeer(sender) }
        if arrival.stage == .activating || arrival.isActivationRequested {
            for event in events { _ = state.target.records[origin]?.hold(event, limits: limits) }
            return
        }
        try state.target.records[origin]?.queueBatch(events, limits: limits, now: now)
        if sender != arrival.orchestrator { state.target.records[origin]?.source = sender }
        replayNext(origin, now: now)
    }

    /// The orchestrator, the source that is expected, or with none expected one that may bring daemons here.
    private func maySendInputs(_ sender: NodeID, orchestrator: NodeID, source: NodeID?) -> Bool {
        if sender == orchestrator { return true }
        guard let source else { return configuration.arrivals.admits(sender, local: localNode) }
        return sender == source
    }

    private mutating func lateEvents(
        _ origin: OriginHash, _ events: [CausalEvent], from sender: NodeID, now: Timestamp
    ) throws(NetMeshRefusal) {
        guard let completed = state.target.completed[origin] else { throw unknownMove(origin) }
        guard maySendInputs(sender, orchestrator: completed.orchestrator, source: completed.source) else { throw wrongPeer(sender) }
        let isLeaving = state.source.records[origin] != nil
        guard isLeaving || state.hosted.contains(origin) else { throw unknownMove(origin) }
        let fresh = events.filter { state.target.isFresh($0, for: origin, limit: limits.rememberedInputCount) }
        guard !fresh.isEmpty else {
            counters.repeats += 1
            return
        }
        guard isLeaving else { return act(.deliver(origin: origin, events: fresh)) }
        for event in fresh { _ = capture(event, for: origin, now: now) }
    }

    /// The next batch into the copy; one without anything new is answered at once.
    private mutating func replayNext(_ origin: OriginHash, now: Timestamp) {
        while let arrival = state.target.records[origin], let batch = state.target.records[origin]?.nextBatch(now: now) {
            guard batch.isEmpty, let head = arrival.head else {
                return act(.replay(origin: origin, attempt: arrival.attempt, events: batch))
            }
            answerReplay(arrival, head: head, now: now)
        }
        if let arrival = state.target.records[origin], arrival.isActivationRequested, !arrival.isReplaying, arrival.stage < .activating {
            activate(origin, now: now)
        }
    }

    private mutating func answerReplay(_ arrival: NetMeshArrival, head: CausalLink, now: Timestamp) {
        state.target.records[arrival.origin]?.batchReplayed(head: head, now: now)
        send(
            .replayComplete(origin: arrival.origin, replayedSequence: head.sequence, targetHead: head), to: arrival.orchestrator)
    }

    mutating func arrivalReplayed(_ arrival: NetMeshArrival, _ replay: NetMeshReplay, now: Timestamp) {
        switch replay {
        case .replayed(let head):
            answerReplay(arrival, head: head, now: now)
            replayNext(arrival.origin, now: now)
        case .failed(let landedCount, let reason):
            let text = "replay failed after \(landedCount) events: \(reason.netMeshDescription)"
            failArrival(arrival.origin, FailureReason(.stateFailed, text), now: now)
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
        state.target.complete(origin, replayedSequence: sequence, limits: limits, now: now)
        state.hosted.insert(origin)
        state.factories.remove(origin)
        // It has come back: its old address is of no use.
        if state.source.records[origin]?.stage == .released { state.source.records[origin] = nil }
        if !late.isEmpty { act(.deliver(origin: origin, events: late)) }
        send(.activateAck(origin: origin, replayedSequence: sequence), to: arrival.orchestrator)
    }
}
