public import FerryCrypto
public import FerryStateMachines
public import FerryWire
internal import Synchronization

/// A node of the net-mesh network: hosts daemons, and moves them by the rules of subprotocol 0x0500.
///
/// Its life: **registering**, when factories, expectations and identities are registered and arrivals are told NotReady; **ready**, from
/// ``start()`` on; **shutting down**. Whatever a peer sends comes through the ``NetMeshEndpoint``, whose handler this is between start and
/// ``shutDown()``. (net-mesh migration §F.10.)
public final class NetMeshRuntime: NetMeshHandler {
    let core: NetMeshCore
    private let endpoint: NetMeshEndpoint

    /// Makes a runtime that is registering, and installs it so that peers hear that it is starting.
    public init(_ configuration: NetMeshConfiguration, endpoint: NetMeshEndpoint) {
        core = NetMeshCore(configuration)
        self.endpoint = endpoint
        core.transact { dispatcher, _ in dispatcher.setReady(false) }
        endpoint.install(self)
    }

    // MARK: Life

    /// Serves from now on: the handler is installed first, so that no peer finds a ready node without one.
    ///
    /// - Throws: `.shuttingDown`.
    public func start() throws(FerryError) {
        try core.requireLife()
        endpoint.install(self)
        guard core.becomeReady() else {
            endpoint.remove(self)
            throw FerryError(.shuttingDown, "the runtime has been shut down")
        }
    }

    /// Ends all moves that can be given up, tells peers and waiters, forgets what was registered, and wipes every key.
    public func shutDown() async {
        endpoint.remove(self)
        await core.shutDown()
    }

    /// Whether daemons are served.
    public var isReady: Bool { core.state.withLock { $0.life == .ready } }

    /// Takes one message of a peer; called by the endpoint.
    public func receive(_ message: [UInt8], from sender: NodeID) async { core.receive(message, from: sender) }

    // MARK: Registration

    /// Registers a kind of daemon; a duplicate is refused and the incumbent kept.
    ///
    /// - Throws: `.factoryExists`, `.shuttingDown`.
    public func register(_ factory: NetMeshDaemonFactory) throws(FerryError) { try core.register(factory) }

    /// Registers a type of daemon.
    ///
    /// - Throws: as ``register(_:)``.
    public func register(_ type: any Daemon.Type) throws(FerryError) { try core.register(NetMeshDaemonFactory(type)) }

    /// Expects a daemon whose key comes with it.
    ///
    /// - Parameters:
    ///   - kind: a registered kind.
    ///   - orchestrator: the only node that may bring it; nil lets the first one that proves the daemon's own key.
    ///   - source: where it comes from, so that its last inputs are accepted from there although another node orchestrates.
    /// - Throws: `.unknownKind`, `.factoryExists`, `.limitExceeded`, `.shuttingDown`.
    public func expectMigration(
        kind: String, origin: OriginHash, orchestrator: NodeID? = nil, source: NodeID? = nil
    ) throws(FerryError) {
        try core.expect(origin, kind: kind, fallbackKey: nil, orchestrator: orchestrator, source: source)
    }

    /// Expects a daemon whose key is here already, for moves that do not carry it; an envelope that comes nevertheless must open and wins.
    ///
    /// The runtime wipes the keypair when the daemon arrives with one of its own, when it moves away again, or when the runtime shuts down.
    ///
    /// - Throws: as ``expectMigration(kind:origin:orchestrator:source:)``.
    public func registerMigrationTargetIdentity(
        kind: String, identity: EntityKeypair, orchestrator: NodeID? = nil, source: NodeID? = nil
    ) throws(FerryError) {
        try core.expect(identity.originHash, kind: kind, fallbackKey: identity, orchestrator: orchestrator, source: source)
    }

    /// Binds the node that may bring an expected daemon; false when none is expected or another one is bound.
    public func bindExpectedOrchestrator(_ origin: OriginHash, to orchestrator: NodeID) -> Bool {
        core.transact { dispatcher, _ in dispatcher.bindExpectedOrchestrator(origin, to: orchestrator) }
    }

    /// Withdraws what ``expectMigration(kind:origin:orchestrator:source:)`` or
    /// ``registerMigrationTargetIdentity(kind:identity:orchestrator:source:)`` has registered, and wipes the keypair if there is one.
    ///
    /// - Returns: false when nothing is expected, or the daemon is arriving already.
    @discardableResult
    public func forgetExpectation(_ origin: OriginHash) -> Bool { core.forgetExpectation(origin) }

    /// Says who may order daemons away from here, and who may bring some, from now on; nil changes nothing.
    public func setPolicy(orchestrators: NetMeshPolicy? = nil, arrivals: NetMeshPolicy? = nil) {
        core.transact { dispatcher, _ in dispatcher.setPolicy(orchestrators: orchestrators, arrivals: arrivals) }
    }

    /// Takes note of what a node advertises, for automatic placement.
    public func advertise(_ node: NodeID, capabilities: Set<String>) {
        core.transact { dispatcher, _ in dispatcher.advertise(node, capabilities: capabilities) }
    }

    /// Forgets what a node advertised.
    public func withdraw(_ node: NodeID) { core.transact { dispatcher, _ in dispatcher.withdraw(node) } }

    /// The carrier's session with a node has ended.
    public func peerLost(_ node: NodeID) { core.transact { dispatcher, now in dispatcher.peerLost(node, now: now) } }

    // MARK: Daemons

    /// Hosts a daemon that begins its life here; the keypair is the runtime's from now on, which wipes it when the daemon has left.
    ///
    /// - Throws: `.daemonExists`, without touching the incumbent; `.notReady`, `.shuttingDown`.
    @discardableResult
    public func spawn(_ daemon: some Daemon, keypair: EntityKeypair) throws(FerryError) -> OriginHash {
        try core.spawn(daemon, keypair: keypair)
    }

    /// Puts a daemon in the place of one with the same key, with a new chain and no subscriptions; the old one is released.
    ///
    /// - Throws: `.daemonNotFound`, `.daemonMoving`, `.notReady`, `.shuttingDown`.
    public func replace(_ daemon: some Daemon, keypair: EntityKeypair) async throws(FerryError) {
        try await core.replace(daemon, keypair: keypair)
    }

    /// Stops a daemon, ends its subscriptions and wipes its key.
    ///
    /// - Throws: `.daemonNotFound`, `.daemonMoving`.
    public func stop(_ origin: OriginHash) async throws(FerryError) { try await core.stop(origin) }

    /// Gives a daemon an event; waits while the daemon's queue is full.
    ///
    /// - Throws: `.daemonNotFound`, `.processFailed`, `.busy`, `.notReady`, `.shuttingDown`.
    @discardableResult
    public func deliver(_ event: CausalEvent, to origin: OriginHash) async throws(FerryError) -> NetMeshDelivery {
        try await core.deliver(event, to: origin)
    }

    /// Gives an event of a channel to every daemon that listens to it; to be called by the carrier, in order for each publisher.
    ///
    /// - Throws: the first refusal, after every daemon had its turn.
    public func receive(_ event: CausalEvent, on channel: ChannelName, from publisher: UInt64) async throws(FerryError) {
        try await core.receive(event, on: channel, from: publisher)
    }

    /// Tells a daemon what its host wants; false when it is not here, is moving, or does not care.
    public func control(_ origin: OriginHash, _ signal: DaemonControl) async -> Bool {
        await core.registry.host(origin)?.control(signal) ?? false
    }

    /// The daemons of this node, by origin; those that move away are listed until they have left.
    public var daemons: [NetMeshDaemonStatus] {
        get async {
            var statuses: [NetMeshDaemonStatus] = []
            for host in core.registry.all { statuses.append(await host.status) }
            return statuses
        }
    }

    // MARK: Channels

    /// Subscribes a daemon to a channel; the subscription moves with it. A second one to the same channel replaces the token.
    ///
    /// - Throws: `.daemonNotFound`, `.daemonMoving`, `.notReady`, `.shuttingDown`; what the carrier throws.
    public func subscribe(_ origin: OriginHash, to channel: ChannelName, at publisher: UInt64, token: [UInt8]? = nil) async throws {
        try await core.subscribe(origin, to: SubscriptionLedger.Entry(publisher: publisher, channel: channel, token: token))
    }

    /// Ends a subscription; harmless when there is none, and without effect on other daemons of this node.
    ///
    /// - Throws: as ``subscribe(_:to:at:token:)``.
    public func unsubscribe(_ origin: OriginHash, from channel: ChannelName, at publisher: UInt64) async throws {
        try await core.unsubscribe(origin, from: channel, at: publisher)
    }
}
