internal import FerryCrypto
internal import FerryStateMachines
internal import FerryWire
internal import Logging
internal import Synchronization

extension NetMeshCore {
    var hostContext: NetMeshDaemonHost.Context {
        NetMeshDaemonHost.Context(outputs: configuration.outputs)
    }

    // MARK: Life

    /// False once the runtime has been shut down.
    func becomeReady() -> Bool {
        let isReady = state.withLock { state in
            guard state.life != .shuttingDown else { return false }
            state.life = .ready
            return true
        }
        if isReady { transact { dispatcher, _ in dispatcher.setReady(true) } }
        return isReady
    }

    func requireReady() throws(FerryError) {
        switch state.withLock({ $0.life }) {
        case .ready: return
        case .registering: throw FerryError(.notReady, "the runtime has not been started")
        case .shuttingDown: throw Self.shuttingDown
        }
    }

    func requireLife() throws(FerryError) {
        if state.withLock({ $0.life == .shuttingDown }) { throw Self.shuttingDown }
    }

    private static var shuttingDown: FerryError { FerryError(.shuttingDown, "the runtime shuts down") }

    /// Messages are dispatched at once; what they cause goes on by itself.
    func receive(_ message: [UInt8], from sender: NodeID) {
        let refusal = transact { dispatcher, now -> NetMeshRefusal? in
            do throws(NetMeshRefusal) {
                try dispatcher.receive(message.rawSpan, from: sender, now: now)
                return nil
            } catch {
                return error
            }
        }
        if let refusal { logger.debug("a message was refused", metadata: ["node": "\(sender)", "refusal": "\(refusal)"]) }
    }

    // MARK: Registration

    func register(_ factory: NetMeshDaemonFactory) throws(FerryError) {
        try requireLife()
        let isNew = state.withLock { state in
            guard state.kinds[factory.kind] == nil else { return false }
            state.kinds[factory.kind] = factory
            return true
        }
        guard isNew else { throw FerryError(.factoryExists, "kind \(factory.kind) is already registered") }
    }

    func expect(
        _ origin: OriginHash, kind: String, fallbackKey: EntityKeypair?, orchestrator: NodeID?, source: NodeID?
    ) throws(FerryError) {
        try requireLife()
        guard state.withLock({ $0.kinds[kind] != nil }) else { throw FerryError(.unknownKind, "kind \(kind) is not registered") }
        let refusal: NetMeshRefusal? = state.withLock { state in
            do throws(NetMeshRefusal) {
                try state.dispatcher.expect(
                    origin, kind: kind, hasFallbackKey: fallbackKey != nil, orchestrator: orchestrator, source: source)
                state.expectations[origin] = Expectation(kind: kind, fallbackKey: fallbackKey)
                return nil
            } catch {
                return error
            }
        }
        if let refusal { throw Self.error(refusal) }
    }

    /// Drops what is expected and wipes the user's own key for it; false when nothing is, or the daemon is arriving.
    func forgetExpectation(_ origin: OriginHash) -> Bool {
        let expectation: Expectation? = state.withLock { state in
            guard state.arrivals[origin] == nil, let expectation = state.expectations.removeValue(forKey: origin) else { return nil }
            state.dispatcher.forgetExpectation(origin)
            return expectation
        }
        expectation?.fallbackKey?.wipe()
        return expectation != nil
    }

    // MARK: Daemons

    func spawn(_ daemon: any Daemon, keypair: EntityKeypair) throws(FerryError) -> OriginHash {
        try requireReady()
        let origin = keypair.originHash
        let host = NetMeshDaemonHost(spawning: daemon, keypair: keypair, context: hostContext)
        // A copy that arrives, and one that has left without an answer, are the daemon too.
        let isElsewhere = state.withLock { $0.arrivals[origin] != nil || $0.departures[origin] != nil }
        guard !isElsewhere else { throw Self.moving(origin) }
        try registry.register(host)
        transact { dispatcher, _ in dispatcher.daemonStarted(origin) }
        return origin
    }

    func replace(_ daemon: any Daemon, keypair: EntityKeypair) async throws(FerryError) {
        try requireReady()
        let origin = keypair.originHash
        guard registry.host(origin) != nil else { throw Self.notFound(origin) }
        guard !isMoving(origin) else { throw Self.moving(origin) }
        let host = NetMeshDaemonHost(spawning: daemon, keypair: keypair, context: hostContext)
        guard let old = registry.replace(host) else { return }
        // What the old one was given says nothing about the new one.
        transact { dispatcher, now in
            dispatcher.daemonStopped(origin, now: now)
            dispatcher.daemonStarted(origin)
        }
        await leaveAll(old)
        // With the same keypair the new one signs; the same key in another keypair is a copy too many.
        await old.release(keepsKey: await old.holds(keypair))
    }

    func stop(_ origin: OriginHash) async throws(FerryError) {
        guard !isMoving(origin) else { throw Self.moving(origin) }
        let host = try registry.unregister(origin)
        transact { dispatcher, now in dispatcher.daemonStopped(origin, now: now) }
        await leaveAll(host)
        await host.release()
    }

    private func isMoving(_ origin: OriginHash) -> Bool {
        let now = now
        return state.withLock { state in
            state.dispatcher.sources(now: now).contains { $0.origin == origin } || state.arrivals[origin] != nil
                || state.moves[origin] != nil
        }
    }

    // MARK: Shutdown

    func shutDown() async {
        let moves: [OrderedMove] = state.withLock { state in
            state.life = .shuttingDown
            return state.moves.values.sorted { $0.order.origin < $1.order.origin }
        }
        transact { dispatcher, now in
            dispatcher.setReady(false)
            for move in moves {
                _ = dispatcher.abort(
                    move.order.origin, reason: FailureReason(.stateFailed, "the orchestrator's runtime shuts down"), now: now)
            }
            // Those that others have ordered: without a word their orchestrators would wait for their budgets.
            for origin in dispatcher.sources(now: now).map(\.origin) + dispatcher.targets(now: now).map(\.origin) {
                _ = dispatcher.abort(origin, reason: FailureReason(.stateFailed, "the node's runtime shuts down"), now: now)
            }
        }
        for move in moves { move.handle.end(.failure(Self.shuttingDown)) }
        await rest(atMost: configuration.budgets.hook)
        stopTimer()
        for host in registry.all {
            _ = await host.control(.shutdown)
            _ = registry.remove(host)
            await host.release()
        }
        await dropEverything()
    }

    /// Waits until what is under way has ended and what is to be sent has been sent.
    private func rest(atMost bound: Duration) async {
        let isOver = NetMeshAnswer(false)
        let alarm = alarms.add(after: bound) {
            isOver.set(true)
            self.activity.wake()
        }
        rearm()
        await activity.waitUntilIdle { isOver.value }
        alarms.remove(alarm)
    }

    private func dropEverything() async {
        let (arrivals, departures, expectations, jobs) = state.withLock { state in
            defer {
                state.moves = [:]
                state.arrivals = [:]
                state.departures = [:]
                state.expectations = [:]
                state.kinds = [:]
            }
            return (
                Array(state.arrivals.values), Array(state.departures.values), Array(state.expectations.values), Array(state.jobs.keys)
            )
        }
        progressed.signal()
        for origin in jobs { cancelJobs(for: origin) }
        for arrival in arrivals {
            arrival.key?.wipe()
            await arrival.host?.release()
        }
        for host in departures { await host.release() }
        for expectation in expectations { expectation.fallbackKey?.wipe() }
    }
}
