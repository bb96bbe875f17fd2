internal import FerryWire

// How a move is given up: everybody is told, the failure hook runs, then it is undone.
extension NetMeshDispatcher {
    /// MigrationFailed: of a participant, in a move that can still fail. About anything unknown it is no error and changes nothing.
    mutating func migrationFailed(
        _ origin: OriginHash, _ reason: FailureReason, from sender: NodeID, now: Timestamp
    ) throws(NetMeshRefusal) {
        if let move = state.orchestrator.records[origin] {
            guard move.isParticipant(sender) else { throw wrongPeer(sender) }
            // A source hears its own word again: it may be in an attempt before this one, or wait to learn that it was heard.
            let knows = sender == move.target ? sender : nil
            guard move.isCommitted else { return failOrchestration(origin, reason, toldBy: knows, now: now) }
            // From here on the source has no say any more.
            if sender == move.target { return doubt(move, reason) }
            counters.repeats += 1
            return
        }
        if let departure = state.source.records[origin], departure.isRevocable {
            if departure.orchestrator == sender { return failureHeard(departure, reason, now: now) }
            guard state.target.records[origin]?.orchestrator == sender else { throw wrongPeer(sender) }
        }
        if let arrival = state.target.records[origin] {
            guard arrival.orchestrator == sender else { throw wrongPeer(sender) }
            guard arrival.stage < .activating, !arrival.isActivationRequested else {
                throw NetMeshRefusal(.wrongPhase, "failure of a target that goes live")
            }
            return beginFailing(origin, reason, role: .target, now: now)
        }
        counters.repeats += 1
        state.assemblies.drop(origin, from: sender)
        state.source.acknowledgeWithdrawal(origin, of: sender)
    }

    /// A retired source takes the first word for what it may be, a late one about an attempt before: it asks again, and only the answer counts.
    /// Until it retires its orchestrator cannot have told the target to go live, and any word will do.
    private mutating func failureHeard(_ departure: NetMeshDeparture, _ reason: FailureReason, now: Timestamp) {
        guard departure.stage == .retired, departure.heardFailure == nil else {
            return beginFailing(departure.origin, reason, role: .source, now: now)
        }
        state.source.records[departure.origin]?.heardFailure = reason
        state.source.records[departure.origin]?.retry.start(now, first: configuration.budgets.retry.lowerBound)
        send(.cleanupComplete(origin: departure.origin), to: departure.orchestrator)
    }

    /// The target was told to go live, so nothing is undone: only its acknowledgement or an operator ends the move.
    ///
    /// That nothing is registered, or not ready, is what a target says to pieces that its own success has overtaken: it means nothing here.
    mutating func doubt(_ move: NetMeshOrchestration, _ reason: FailureReason) {
        guard move.doubt == nil, reason.code != .factoryNotFound, reason.code != .notReady else {
            counters.repeats += 1
            return
        }
        state.orchestrator.records[move.origin]?.doubt = reason
        act(.ended(origin: move.origin, outcome: .inDoubt(reason)))
    }

    /// Ends a move that this node orchestrates and that is not committed.
    mutating func failOrchestration(_ origin: OriginHash, _ reason: FailureReason, toldBy sender: NodeID?, now: Timestamp) {
        guard let move = state.orchestrator.records[origin], state.failing[origin] == nil else { return }
        for node in [move.source, move.target] where node != sender && node != localNode {
            send(.migrationFailed(origin: origin, reason: reason), to: node)
        }
        beginFailing(origin, reason, role: .orchestrator, now: now)
    }

    /// The hook comes first; without one, or when its time is up, the move is undone.
    mutating func beginFailing(_ origin: OriginHash, _ reason: FailureReason, role: NetMeshState.Role, now: Timestamp) {
        guard state.failing[origin] == nil else { return }
        let attempt = makeAttempt()
        state.failing[origin] = NetMeshState.Failing(
            attempt: attempt, reason: reason, deadline: now + configuration.budgets.hook, role: role)
        guard configuration.hooks.contains(.failure) else { return undo(origin, now: now) }
        act(.failureHook(origin: origin, attempt: attempt, reason: reason))
    }

    /// After the failure hook, whatever became of it.
    mutating func undo(_ origin: OriginHash, now: Timestamp) {
        guard let failing = state.failing.removeValue(forKey: origin) else { return }
        switch failing.role {
        case .source: undoDeparture(origin)
        case .target:
            if let arrival = state.target.records[origin] { dropArrival(arrival) }
        case .orchestrator:
            guard let move = state.orchestrator.records[origin] else { return }
            if move.source == localNode { undoDeparture(origin) }
            if move.target == localNode, let arrival = state.target.records[origin] { dropArrival(arrival) }
            state.assemblies.drop(origin, from: move.source)
            state.orchestrator.end(origin, failure: failing.reason, local: localNode, limits: configuration.limits, now: now)
            act(.ended(origin: origin, outcome: .failed(failing.reason)))
        }
    }

    /// The source goes on as it was, with the inputs that came meanwhile.
    mutating func undoDeparture(_ origin: OriginHash) {
        guard let departure = state.source.records[origin], departure.isRevocable else { return }
        state.source.records[origin] = nil
        // Only what has left the registry comes back into it: one that was stopped meanwhile stays out.
        if departure.stage == .retired { state.hosted.insert(origin) }
        act(.resume(origin: origin, captured: departure.captured, afterCleanup: departure.isCutOver))
    }
}
