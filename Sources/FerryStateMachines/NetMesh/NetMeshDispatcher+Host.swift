public import FerryWire

// What the host tells a dispatcher: its orders, its daemons, its peers, the inputs that arrive.
extension NetMeshDispatcher {
    // MARK: Orders

    /// Begins a move as its orchestrator; it ends with the action `ended`.
    ///
    /// - Returns: the target, chosen or given.
    /// - Throws: `.noTargetAvailable`, `.sameNode`, `.alreadyMigrating`, `.daemonNotFound`, `.daemonExists`, `.factoryNotFound`, `.capacity`;
    ///   the refusal's reason is for whoever gave the order.
    @discardableResult
    public mutating func start(_ order: NetMeshOrder, now: Timestamp) throws(NetMeshRefusal) -> NodeID {
        let origin = order.origin
        let target = try resolve(order)
        try state.orchestrator.check(origin, source: order.source, target: target, limit: configuration.limits.movesPerRole)
        guard state.failing[origin] == nil, state.target.records[origin] == nil else {
            throw NetMeshRefusal(.alreadyMigrating, "the daemon is migrating", reason: FailureReason(.alreadyMigrating))
        }
        if order.source == localNode { try checkDeparture(origin, to: target) }
        if target == localNode { try checkArrival(origin) }
        let attempt = makeAttempt()
        var move = NetMeshOrchestration(
            origin: origin, source: order.source, target: target, attempt: attempt, budgets: configuration.budgets, now: now)
        if order.source != localNode { move.retry.start(now, first: configuration.budgets.retry.lowerBound) }
        try state.orchestrator.begin(move, limit: configuration.limits.movesPerRole)
        if order.source == localNode {
            beginDeparture(
                origin, orchestrator: localNode, target: target, identityTransport: order.identityTransport, attempt: attempt, now: now)
        } else {
            send(.takeSnapshot(origin: origin, target: target), to: order.source)
        }
        return target
    }

    private func resolve(_ order: NetMeshOrder) throws(NetMeshRefusal) -> NodeID {
        switch order.target {
        case .node(let node): return node
        case .automatic(let requirements):
            guard let node = state.placement.target(requirements: requirements, source: order.source) else {
                let text = "no target available: no node has what the daemon requires"
                throw NetMeshRefusal(.noTargetAvailable, text, reason: FailureReason(.stateFailed, text))
            }
            return node
        }
    }

    private func checkArrival(_ origin: OriginHash) throws(NetMeshRefusal) {
        guard !state.hosted.contains(origin) else {
            let text = "daemon \(origin.rawValue.prefixedHex) is hosted here already"
            throw NetMeshRefusal(.daemonExists, text, reason: FailureReason(.stateFailed, text))
        }
        guard let entry = state.factories[origin] else {
            let reason = FailureReason(.factoryNotFound)
            throw NetMeshRefusal(.factoryNotFound, "nothing is registered for daemon \(origin.rawValue.prefixedHex)", reason: reason)
        }
        guard entry.orchestrator ?? localNode == localNode else {
            let reason = FailureReason.notAuthorized(localNode)
            throw NetMeshRefusal(.unauthorized, reason.message, reason: reason)
        }
    }

    /// Gives a move up, from whatever role this node plays, and tells the other participants.
    ///
    /// - Returns: false when no move of the daemon is known, or when it is too late: the target was told to go live, or a source whose
    ///   orchestrator is another node has cut over.
    @discardableResult
    public mutating func abort(_ origin: OriginHash, reason: FailureReason, now: Timestamp) -> Bool {
        defer { drainLoopback(now: now) }
        guard state.failing[origin] == nil else { return false }
        if let move = state.orchestrator.records[origin] {
            guard !move.isCommitted else { return false }
            failOrchestration(origin, reason, toldBy: nil, now: now)
            return true
        }
        if let departure = state.source.records[origin], !departure.isCutOver {
            failDeparture(origin, reason, now: now)
            return true
        }
        guard let arrival = state.target.records[origin], arrival.stage < .activating, !arrival.isActivationRequested else {
            return false
        }
        failArrival(origin, reason, now: now)
        return true
    }

    /// An operator's word on a move in doubt, or on a source's copy whose orchestrator is silent: the target has the daemon, or has it not.
    ///
    /// - Returns: false when there is no doubt.
    @discardableResult
    public mutating func settle(_ origin: OriginHash, asCompleted: Bool, now: Timestamp) -> Bool {
        defer { drainLoopback(now: now) }
        if let move = state.orchestrator.records[origin] {
            guard let doubt = move.doubt else { return false }
            if asCompleted {
                complete(move, sequence: move.replayedSequence, now: now)
            } else {
                failOrchestration(origin, doubt, toldBy: nil, now: now)
            }
            return true
        }
        guard let departure = state.source.records[origin], departure.stage == .retired, state.failing[origin] == nil else { return false }
        if asCompleted {
            releaseDeparture(origin, now: now)
        } else {
            beginFailing(origin, .timedOut(in: departure.phase), role: .source, now: now)
        }
        return true
    }

    // MARK: The node

    /// Whether daemons may arrive; while not, a sender is answered NotReady at once.
    public mutating func setReady(_ isReady: Bool) { state.isReady = isReady }

    /// Replaces the policies; moves in progress go on.
    public mutating func setPolicy(orchestrators: NetMeshPolicy? = nil, arrivals: NetMeshPolicy? = nil) {
        if let orchestrators { configuration.orchestrators = orchestrators }
        if let arrivals { configuration.arrivals = arrivals }
    }

    /// A daemon runs here from now on; not for those that arrive.
    public mutating func daemonStarted(_ origin: OriginHash) {
        state.hosted.insert(origin)
        // It is here again, so its old address is of no use.
        if state.source.records[origin]?.stage == .released { state.source.records[origin] = nil }
    }

    /// A daemon was stopped for good; a move of it that can still fail does.
    public mutating func daemonStopped(_ origin: OriginHash, now: Timestamp) {
        if let departure = state.source.records[origin], !departure.isCutOver {
            failDeparture(
                origin, FailureReason(.stateFailed, "daemon \(origin.rawValue.prefixedHex) was stopped"), now: now)
        }
        state.hosted.remove(origin)
        state.target.forget(origin)
        drainLoopback(now: now)
    }

    /// The host can build this daemon when it arrives.
    ///
    /// - Parameters:
    ///   - hasFallbackKey: whether the host has its keypair, for snapshots without an envelope.
    ///   - orchestrator: the only node that may bring it; nil lets the envelope or the arrivals policy decide.
    ///   - source: the node whose last inputs are taken, when another one orchestrates.
    /// - Throws: `.factoryExists`, `.capacity`.
    public mutating func expect(
        _ origin: OriginHash, kind: String, hasFallbackKey: Bool, orchestrator: NodeID? = nil, source: NodeID? = nil
    ) throws(NetMeshRefusal) {
        let entry = NetMeshFactories.Entry(kind: kind, hasFallbackKey: hasFallbackKey, orchestrator: orchestrator, source: source)
        try state.factories.register(entry, for: origin, limit: configuration.limits.factoryCount)
    }

    /// Binds the only node that may bring a daemon.
    ///
    /// - Returns: false without an expectation, or when another node is bound.
    public mutating func bindExpectedOrchestrator(_ origin: OriginHash, to orchestrator: NodeID) -> Bool {
        state.factories.bind(origin, to: orchestrator)
    }

    /// Drops an expectation; harmless without one.
    public mutating func forgetExpectation(_ origin: OriginHash) { state.factories.remove(origin) }

    /// The daemons that this node can build.
    public var factories: NetMeshFactories { state.factories }

    /// What a node says that it can do, for automatic placement.
    public mutating func advertise(_ node: NodeID, capabilities: Set<String>) {
        state.placement.advertise(node, capabilities, limit: configuration.limits.placementNodeCount)
    }

    /// Forgets what a node has advertised.
    public mutating func withdraw(_ node: NodeID) { state.placement.withdraw(node) }

    /// The carrier's session with a node has ended: what it was sending is dropped, and moves that wait for it and may still fail do.
    public mutating func peerLost(_ node: NodeID, now: Timestamp) {
        state.placement.withdraw(node)
        state.assemblies.drop(sender: node)
        let reason = FailureReason(.stateFailed, "session with node \(node.rawValue.prefixedHex) lost")
        for origin in state.orchestrator.records.keys.sorted() {
            guard let move = state.orchestrator.records[origin], move.isParticipant(node), move.phase < .cutover else { continue }
            failOrchestration(origin, reason, toldBy: node, now: now)
            drainLoopback(now: now)
        }
        // Without this source's CleanupComplete nobody can be told to go live: the daemon need not stand still any longer.
        for origin in state.source.records.keys.sorted() {
            guard let departure = state.source.records[origin], departure.orchestrator == node, !departure.isCutOver else { continue }
            failDeparture(origin, reason, now: now)
            drainLoopback(now: now)
        }
    }

    // MARK: Inputs

    /// Offers an input to the source's record before the daemon would process it.
    public mutating func capture(_ event: CausalEvent, for origin: OriginHash, now: Timestamp) -> NetMeshCapture {
        guard let result = state.source.records[origin]?.capture(event, limits: configuration.limits) else { return .notMoving }
        if case .forward = result {
            sendLate([event], of: origin)
            state.source.records[origin]?.startTail(now, first: configuration.budgets.retry.lowerBound)
        }
        return result
    }

    /// Offers an input that came by subscription to the target's record.
    public mutating func hold(_ event: CausalEvent, for origin: OriginHash, now: Timestamp) -> NetMeshHold {
        if let result = state.target.records[origin]?.hold(event, limits: configuration.limits) { return result }
        guard state.hosted.contains(origin) else { return .notHere }
        return state.target.isFresh(event, for: origin, limit: configuration.limits.rememberedInputCount) ? .deliver : .duplicate
    }
}
