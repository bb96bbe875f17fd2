internal import FerryCrypto
internal import FerryStateMachines
internal import FerryWire

/// A node: the shipping dispatcher and ownership machines, and around them the host's duties, done in one thread.
///
/// Answers each `MigrationAction` as `MoveInterpreter` does; what that does in tasks takes virtual time here.
final class SimulationNode {
    let endpoint: SimulationEndpoint
    unowned let world: SimulationWorld
    var dispatcher: MigrationDispatcher
    /// Owners and stubs, by the daemon's number.
    var hosts: [SimulationHost?] = []
    /// Restored copies, by the daemon's number; of two the later one answers.
    var standbys: [SimulationHost?] = []
    var departures: [Departure] = []
    var arrivals: [DaemonArrival] = []
    /// Streams that peers have opened.
    var incoming: [SimulationTransfer] = []
    /// Daemons as they came in, for the defect that obeys a commit again.
    var keptCopies: [MigrationID: KeptCopy] = [:]

    /// A state on its way out.
    struct Departure {
        let migration: MigrationID
        let transfer: SimulationTransfer?
    }

    /// A daemon on its way in.
    final class DaemonArrival {
        let migration: MigrationID
        let daemon: DaemonTruth
        let isLive: Bool
        var snapshot: SnapshotHeader?
        var transfer: SimulationTransfer?
        var hasBegun = false
        var host: SimulationHost?
        var follower = LogFollower()
        /// Whether the daemon serves elsewhere meanwhile.
        var isFollowing = false
        /// When the last replay is done: they come in order.
        var replayedAt = Timestamp.zero

        init(migration: MigrationID, daemon: DaemonTruth, isLive: Bool) {
            self.migration = migration
            self.daemon = daemon
            self.isLive = isLive
        }
    }

    init(endpoint: SimulationEndpoint, world: SimulationWorld) {
        self.endpoint = endpoint
        self.world = world
        dispatcher = MigrationDispatcher(environment: Self.environment(endpoint, world))
    }

    private static func environment(_ endpoint: SimulationEndpoint, _ world: SimulationWorld) -> MoveEnvironment {
        // Strangers have sessions and nothing to say.
        let nodes = Set(world.endpoints.prefix(world.settings.nodeCount).map(\.key))
        var environment = MoveEnvironment(
            identity: endpoint.identity, boot: endpoint.boot, crypto: world.crypto,
            policy: MigrationPolicy(orchestrators: .only(nodes), sources: .only(nodes)), budgets: world.settings.budgets,
            limits: world.settings.moveLimits)
        environment.defect = world.seededDefect
        return environment
    }

    var now: Timestamp { world.clock(of: endpoint) }
    var wallClock: UInt64 { world.wallClock(of: endpoint) }

    func makeRoom(for count: Int) {
        while hosts.count < count {
            hosts.append(nil)
            standbys.append(nil)
        }
    }

    func host(_ host: SimulationHost) {
        hosts[host.truth.index] = host
        host.truth.owner = endpoint.index
    }

    // MARK: Life

    /// Loses everything.
    func crash(for downtime: Duration) {
        guard endpoint.isUp else { return }
        world.say("\(endpoint.name) crashes")
        var lost: [DaemonTruth] = []
        for host in hosts {
            guard let host, !host.isStub else { continue }
            host.truth.mayBeLost = true
            lost.append(host.truth)
        }
        for view in dispatcher.moves {
            guard let move = world.move(view.migration) else { continue }
            // Its take is on its way to a source that obeys it.
            if view.role == .target, view.outcome == nil, move.targetState == .took { world.daemons[move.daemon].mayBeLost = true }
            move.forget(view.role)
            switch view.role {
            case .source: move.enters(.sourceForgotten)
            case .target: move.enters(.targetForgotten)
            case .orchestrator: break
            }
        }
        endpoint.isUp = false
        endpoint.bootCount += 1
        endpoint.armedAt = .distantFuture
        for index in hosts.indices {
            hosts[index] = nil
            standbys[index] = nil
        }
        departures = []
        arrivals = []
        incoming = []
        world.network.changed(endpoint)
        world.after(downtime) { [self] _ in
            start(respawning: lost.count)
            if world.has(.respawn) { respawn(lost) }
        }
    }

    /// Starts again, under a new boot id.
    func start(respawning count: Int = 0) {
        guard !endpoint.isUp else { return }
        world.count(.restart)
        world.say("\(endpoint.name) starts again")
        endpoint.boot = world.crypto.random.next()
        endpoint.isUp = true
        endpoint.pausedUntil = .zero
        dispatcher = MigrationDispatcher(environment: Self.environment(endpoint, world))
        world.network.changed(endpoint)
        for _ in 0..<count where world.isFaulty && world.daemons.count < 3 * world.settings.daemonCount {
            do {
                try world.spawn(on: self)
            } catch {
                world.violate("S9", "a daemon without a key: \(error)")
            }
        }
    }

    // MARK: What comes in

    func deadlineReached() {
        dispatcher.deadlineReached(now: now, wallClock: wallClock)
        drain()
        repeatOutputs()
    }

    func receive(_ message: FerryMessage, from peer: PeerIdentity) {
        if case .cutoverNotify = message.body { obeyAgain(message.header.migration) }
        dispatcher.receive(message, from: peer, now: now, wallClock: wallClock)
        drain()
    }

    func sessionEstablished(_ peer: PeerIdentity) {
        dispatcher.sessionEstablished(peer, now: now, wallClock: wallClock)
        drain()
        sessionChanged(with: peer.nodeKey)
    }

    func sessionLost(_ node: NodeKey) {
        dispatcher.sessionLost(node, now: now, wallClock: wallClock)
        drain()
        sessionChanged(with: node)
    }

    func order(_ order: MoveOrder, isNew: Bool = true) throws(FailureReason) {
        try dispatcher.order(order, isNew: isNew, now: now, wallClock: wallClock)
        drain()
    }

    func plan(_ order: MoveOrder) {
        // A refusal is an answer as well.
        _ = try? dispatcher.plan(order, now: now, wallClock: wallClock)
        drain()
    }

    func cancel(_ migration: MigrationID) {
        dispatcher.cancel(migration, reason: FailureReason(.cancelled, "given up"), now: now, wallClock: wallClock)
        drain()
    }

    /// Runs a result of an action past the dispatcher.
    func report(_ body: (inout MigrationDispatcher, Timestamp, UInt64) -> Void) {
        body(&dispatcher, now, wallClock)
        drain()
    }

    /// Runs `body` in this boot, once the host has done its part.
    func later(_ delay: Duration, _ body: @escaping (SimulationNode) -> Void) {
        let index = endpoint.index
        world.after(delay, endpoint: index, boot: endpoint.bootCount) { body($0.nodes[index]) }
    }

    /// How long a callback of the host takes.
    func callbackTime() -> Duration {
        if world.strikes(.slowCallback, 40) { return world.random.milliseconds(1_000...6_000) }
        return world.random.milliseconds(0...8)
    }

    // MARK: Lanes

    func receive(_ message: LaneMessage, from sender: SimulationEndpoint) {
        switch message.body {
        case .hello, .event: break
        default: return takeAnswer(message, from: sender)
        }
        guard let body = answer(message, from: sender) else { return }
        reply(LaneMessage(emitter: message.emitter, daemon: message.daemon, body: body), to: sender)
    }

    func reply(_ message: LaneMessage, to emitter: SimulationEndpoint) {
        world.checkAnswer(message.body, to: message.emitter, of: message.daemon, by: self)
        carry(message, to: emitter)
    }

    /// Who speaks for a daemon on its lanes: a stub rather than a copy that follows a daemon which serves elsewhere.
    private func answering(_ daemon: DaemonTruth) -> SimulationHost? {
        let copy = standbys[daemon.index]
        if let stub = hosts[daemon.index], arrivals.contains(where: { $0.isFollowing && $0.host === copy }) { return stub }
        return copy ?? hosts[daemon.index]
    }

    func answer(_ message: LaneMessage, from sender: SimulationEndpoint) -> LaneMessage.Body? {
        guard let daemon = world.daemon(message.daemon), let host = answering(daemon) else { return .notHere }
        let body = answer(message, from: sender, host)
        if case .hold = body {
            host.heldPaths[message.emitter] = sender.index
            if message.emitter == sender.origin, arrivals.contains(where: { $0.host === host && !$0.isFollowing }) {
                host.parked.park(message, from: SimulationSender(index: sender.index, bootCount: sender.bootCount))
            }
        }
        return body
    }

    private func answer(_ message: LaneMessage, from sender: SimulationEndpoint, _ host: SimulationHost) -> LaneMessage.Body? {
        if let early = movedTooEarly(host) { return early }
        let isNode = message.emitter == sender.origin
        if !isNode, host.isActive, case .hello = message.body, let held = holdForLog(message.emitter, host) { return held }
        if let objection = objection(to: message, from: sender, host) { return objection }
        switch message.body {
        case .hello: return host.ownership.welcome(message.emitter).reply
        case .event(let event):
            guard event.link.origin == message.emitter else { return .violation }
            let verdict = host.ownership.admit(event, from: message.emitter)
            if verdict != .process { return defective(verdict, event, host, message.emitter) ?? verdict.reply }
            guard host.lanes.hasRoom(forInputOfDaemon: !isNode) else {
                return host.ownership.holdForRoom(message.emitter).reply
            }
            if let held = holdForLog(message.emitter, host) { return held }
            // Not accepted, so the emitter keeps it and sends it again.
            if world.strikes(.fullBuffer, 15) { return nil }
            if world.has(.acknowledgeUnprocessed), world.random.chance(10) {
                return host.ownership.processed(emitter: message.emitter, sequence: event.link.sequence).reply
            }
            process(event, on: host)
            return host.ownership.processed(emitter: message.emitter, sequence: event.link.sequence).reply
        default: return nil
        }
    }

    /// Makes an emitter wait for room in the log of a daemon that moves.
    private func holdForLog(_ emitter: OriginHash, _ host: SimulationHost) -> LaneMessage.Body? {
        guard let live = host.live, !live.log.hasRoom else { return nil }
        if world.isFaulty { world.count(.logFull) }
        if live.route == nil { reportFull(host, live) }
        return host.ownership.holdForRoom(emitter).reply
    }

    func process(_ event: LaneEvent, on host: SimulationHost) {
        if world.has(.forgetTail), host.truth.processedCount % 4 == 0 { host.stale = host.daemon }
        // What an emitter has proven travels from its first event on.
        if let proof = host.fence.keep(event.link.origin) { log(proof, of: host) }
        let input = CausalEvent(link: event.link, payload: event.payload, receivedAt: wallClock, content: event.content)
        let outcome = world.take(input, on: host, at: self)
        log(input, outcome, of: host)
        sendOutputs(host)
    }
}
