internal import FerryWire

// Timers: hooks, budgets, repetitions, expiry. Nothing here is a reaction to a message.
extension NetMeshDispatcher {
    /// When ``deadlineReached(now:)`` wants to be called; nil when nothing is pending.
    public var nextDeadline: Timestamp? {
        var deadlines = state.failing.values.map(\.deadline)
        for move in state.orchestrator.records.values { deadlines += nextDeadlines(of: move) }
        for departure in state.source.records.values { deadlines += nextDeadlines(of: departure) }
        for arrival in state.target.records.values { deadlines += nextDeadlines(of: arrival) }
        deadlines += state.orchestrator.ended.values.map(\.expiresAt)
        deadlines += state.target.completed.values.map(\.expiresAt)
        deadlines += state.source.withdrawn.values.map(\.expiresAt)
        if let expiry = state.assemblies.nextDeadline(age: configuration.limits.recordAge) { deadlines.append(expiry) }
        return deadlines.min()
    }

    /// Runs what is due; early, late and repeated calls are harmless.
    public mutating func deadlineReached(now: Timestamp) {
        for origin in state.failing.keys.sorted() {
            if let failing = state.failing[origin], failing.deadline <= now { undo(origin, now: now) }
            drainLoopback(now: now)
        }
        for origin in state.orchestrator.records.keys.sorted() {
            if let move = state.orchestrator.records[origin] { run(move, now: now) }
            drainLoopback(now: now)
        }
        for origin in state.source.records.keys.sorted() {
            if let departure = state.source.records[origin] { run(departure, now: now) }
            drainLoopback(now: now)
        }
        for origin in state.target.records.keys.sorted() {
            if let arrival = state.target.records[origin] { run(arrival, now: now) }
            drainLoopback(now: now)
        }
        state.assemblies.expire(age: configuration.limits.recordAge, now: now)
        state.target.expire(now: now)
        state.orchestrator.expire(now: now)
        state.source.expire(now: now)
    }

    // MARK: Orchestrator

    private func nextDeadlines(of move: NetMeshOrchestration) -> [Timestamp] {
        guard state.failing[move.origin] == nil else { return [] }
        return (move.doubt == nil ? [giveUpTime(of: move)] : []) + [move.retry.deadline].compactMap { $0 }
    }

    /// The step's deadline; before the commit the whole move's too, so that the published bound holds.
    private func giveUpTime(of move: NetMeshOrchestration) -> Timestamp {
        move.isCommitted ? move.deadline : min(move.deadline, move.startedAt + (move.bound - configuration.budgets.activation))
    }

    private mutating func run(_ move: NetMeshOrchestration, now: Timestamp) {
        guard state.failing[move.origin] == nil else { return }
        if move.doubt == nil, giveUpTime(of: move) <= now {
            let reason = FailureReason.timedOut(in: move.phase)
            if !move.isCommitted { return failOrchestration(move.origin, reason, toldBy: nil, now: now) }
            doubt(move, reason)
        }
        if state.orchestrator.records[move.origin]?.retry.isDue(now, longest: configuration.budgets.retry.upperBound) ?? false {
            resend(move, now: now)
        }
    }

    // MARK: Source

    /// When a record without progress goes; a local orchestrator's budgets end its own.
    private func expiry(of departure: NetMeshDeparture) -> Timestamp? {
        guard departure.orchestrator != localNode || departure.stage == .released else { return nil }
        let age = departure.stage == .retired ? configuration.limits.retiredAge : configuration.limits.recordAge
        return departure.progressAt + age
    }

    private func nextDeadlines(of departure: NetMeshDeparture) -> [Timestamp] {
        guard state.failing[departure.origin] == nil else { return [] }
        return [departure.hookDeadline, departure.retry.deadline, departure.tailRetry.deadline, expiry(of: departure)].compactMap { $0 }
    }

    private mutating func run(_ departure: NetMeshDeparture, now: Timestamp) {
        let origin = departure.origin
        guard state.failing[origin] == nil else { return }
        if let hook = departure.hookDeadline, hook <= now {
            guard departure.stage == .cleaning else { return failDeparture(origin, .sealFailed("out of time"), now: now) }
            finishCleanup(origin, now: now)
        }
        if let expiry = expiry(of: departure), expiry <= now { return expire(departure, now: now) }
        if state.source.records[origin]?.isTailDue(now, longest: configuration.budgets.retry.upperBound) ?? false {
            sendTail(departure.tail, of: departure)
            state.source.records[origin]?.tailRepeated(limit: Self.tailRepeatLimit)
            counters.resent += 1
        }
        if state.source.records[origin]?.retry.isDue(now, longest: configuration.budgets.retry.upperBound) ?? false {
            send(.cleanupComplete(origin: origin), to: departure.orchestrator)
            counters.resent += 1
        }
    }

    /// Before the cutover the daemon goes on here: no target can be told to go live without it. After it, it is gone: an orchestrator that
    /// does not say more is one of net-mesh, which never does.
    private mutating func expire(_ departure: NetMeshDeparture, now: Timestamp) {
        switch departure.stage {
        case .released: state.source.records[departure.origin] = nil
        case .retired:
            guard let failure = departure.heardFailure else { return releaseDeparture(departure.origin, now: now) }
            beginFailing(departure.origin, failure, role: .source, now: now)
        default: failDeparture(departure.origin, .timedOut(in: departure.phase), now: now)
        }
    }

    // MARK: Target

    private func reasonOfLateHook(in stage: NetMeshArrival.Stage) -> FailureReason {
        switch stage {
        case .deciding: FailureReason(.notReady)
        case .unsealing: .openFailed("out of time")
        default: FailureReason(.stateFailed, "post-restore hook ran out of time")
        }
    }

    /// When a record without progress goes; not while the host makes the daemon live, and not under this node's own budgets.
    private func expiry(of arrival: NetMeshArrival) -> Timestamp? {
        guard arrival.orchestrator != localNode, arrival.stage < .activating else { return nil }
        return arrival.progressAt + configuration.limits.recordAge
    }

    private func nextDeadlines(of arrival: NetMeshArrival) -> [Timestamp] {
        guard state.failing[arrival.origin] == nil else { return [] }
        return [arrival.hookDeadline, expiry(of: arrival)].compactMap { $0 }
    }

    private mutating func run(_ arrival: NetMeshArrival, now: Timestamp) {
        guard state.failing[arrival.origin] == nil else { return }
        if let hook = arrival.hookDeadline, hook <= now {
            failArrival(arrival.origin, reasonOfLateHook(in: arrival.stage), now: now)
        } else if let expiry = expiry(of: arrival), expiry <= now {
            failArrival(arrival.origin, .timedOut(in: arrival.phase), now: now)
        }
    }
}
