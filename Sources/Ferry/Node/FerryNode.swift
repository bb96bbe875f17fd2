public import FerryCrypto
public import FerryStateMachines
public import FerryTransports
public import FerryWire
internal import Logging
public import ServiceLifecycle

/// A node: hosts daemons, talks to its peers, and moves daemons to and from them.
///
/// Nothing happens before ``run()``, which a host awaits in a task of its own or leaves to a `ServiceGroup`. Calls that need the node to
/// run wait for its start.
public final class FerryNode: Service, Sendable {
    let core: NodeCore

    /// Checks the composition and assembles the node.
    ///
    /// - Throws: all mistakes of the composition at once.
    public init(_ composition: Composition) throws(CompositionError) {
        try composition.validate()
        core = NodeCore(composition, kind: composition.makeSessionKind())
    }

    /// The node's ed25519 key.
    public var nodeKey: NodeKey { core.nodeKey }

    /// Where the node listens, with ports resolved; empty until it does.
    public var listenAddresses: [TransportAddress] { core.sessions.listenAddresses }

    /// Where peers dial this node, with its key; empty until it listens.
    public var endpoints: [Endpoint] { listenAddresses.map { Endpoint(address: $0, nodeKey: nodeKey) } }

    /// Returns once every listener is bound.
    ///
    /// - Throws: `.shuttingDown`; `CancellationError`.
    public func waitUntilListening() async throws { try await core.sessions.waitUntilListening() }

    // MARK: Daemons

    /// Begins a daemon's life on this node.
    ///
    /// - Parameter identity: the daemon's key, which the node wipes when the daemon has moved away or is stopped; nil draws a new one.
    /// - Returns: the daemon's public key.
    /// - Throws: `.daemonExists`, `.limitExceeded`, `.shuttingDown`, `.crypto`.
    @discardableResult
    public func spawn(_ daemon: some Daemon, identity: EntityKeypair? = nil) async throws(FerryError) -> EntityID {
        guard core.phase <= .ready else { throw FerryError(.shuttingDown, "the node shuts down") }
        let keypair: EntityKeypair
        do throws(CryptoFailure) {
            if let identity { keypair = identity } else { keypair = try .generate(crypto: core.composition.crypto) }
        } catch {
            throw FerryError(.crypto, "no key for the daemon: \(error.message)", cause: error)
        }
        guard keypair.canSign else { throw FerryError(.crypto, "the daemon's key has no secret half") }
        guard core.table.count < core.composition.limits.daemonCount else {
            throw FerryError(.limitExceeded, "the node has \(core.table.count) daemons, as many as it may")
        }
        let host = DaemonHost(
            spawning: daemon, keypair: keypair, lineage: core.composition.crypto.random.next(LineageID.self),
            context: core.daemonContext)
        guard core.table.insert(host) else { throw FerryError(.daemonExists, "daemon \(host.origin) is here already") }
        for observer in core.composition.observers { observer.daemonActivated(host.origin, epoch: .first, stateByteCount: 0) }
        return host.entity
    }

    /// Ends a daemon's life on this node: its state is gone, its key wiped.
    ///
    /// - Throws: `.daemonNotFound`; `.daemonMoving` while a move holds it.
    public func stop(_ daemon: OriginHash) async throws(FerryError) {
        guard let host = core.table.host(daemon), core.table.owns(daemon) else {
            throw FerryError(.daemonNotFound, "daemon \(daemon) is not here")
        }
        guard await host.activeMigration == nil else { throw FerryError(.daemonMoving, "daemon \(daemon) is moving") }
        core.table.remove(daemon)
        await host.release()
    }

    /// Delivers a payload from this node to a daemon, wherever it is; returns when its owner has accepted it.
    ///
    /// - Parameter endpoint: who is asked first for a daemon that is not here; nil asks every known peer.
    /// - Throws: as ``EventEmitter/deliver(_:)``.
    public func deliver(_ payload: [UInt8], to daemon: OriginHash, at endpoint: Endpoint? = nil) async throws {
        try await emitter(to: daemon, at: endpoint).deliver(payload)
    }

    /// The lane from this node to a daemon; one for all callers.
    ///
    /// - Parameter endpoint: who is asked first for a daemon that is not here; nil asks every known peer.
    /// - Throws: `.shuttingDown`, `.limitExceeded`.
    public func emitter(to daemon: OriginHash, at endpoint: Endpoint? = nil) throws(FerryError) -> EventEmitter {
        if let endpoint { core.addresses.learn(endpoint) }
        let belief = OwnerBelief(
            node: endpoint?.nodeKey ?? (core.table.owns(daemon) ? nodeKey : nil), address: endpoint?.address?.description ?? "")
        return try core.emitters.emitter(from: ChainBuilder(origin: nodeKey.originHash), to: daemon, belief: belief)
    }

    /// The daemons that this node hosts, and stubs of those that it did, by origin.
    public var daemons: [DaemonStatus] {
        get async {
            var statuses: [DaemonStatus] = []
            for host in core.table.all { statuses.append(await host.status) }
            return statuses
        }
    }

    /// Writes a daemon's snapshot into a digest; the daemon serves meanwhile.
    ///
    /// - Throws: `.daemonNotFound`; what the daemon's snapshot throws.
    public func stateDigest(of daemon: OriginHash) async throws -> StateDigest {
        guard let host = core.table.host(daemon), let view = await host.digestView else {
            throw FerryError(.daemonNotFound, "daemon \(daemon) is not here")
        }
        return try await view.digest()
    }

    // MARK: Moves

    /// Orders a move as its orchestrator, and returns once it is under way.
    ///
    /// Any number may be ordered at once: those that the nodes cannot take yet wait for their turn, and their orders' life begins then.
    ///
    /// - Parameters:
    ///   - daemon: the daemon's public key.
    ///   - source: the node that owns it; nil for this one. It must name this node's key among its orchestrators.
    ///   - target: the node that shall own it, this one included.
    ///   - options: mode and expiry.
    /// - Throws: `.invalidEndpoint` without a key, `.declined` when this node refuses the order, `.notReady`, `.shuttingDown`.
    public func migrate(
        _ daemon: EntityID, from source: Endpoint? = nil, to target: Endpoint, options: MoveOptions = MoveOptions()
    ) async throws(FerryError) -> MigrationHandle {
        try await core.order(daemon, from: source, to: target, options: options)
    }

    /// The same for a daemon that is here, by its origin.
    ///
    /// - Throws: `.daemonNotFound`, and as above.
    public func migrate(
        _ daemon: OriginHash, to target: Endpoint, options: MoveOptions = MoveOptions()
    ) async throws(FerryError) -> MigrationHandle {
        guard let host = core.table.host(daemon) else { throw FerryError(.daemonNotFound, "daemon \(daemon) is not here") }
        return try await migrate(host.entity, to: target, options: options)
    }

    /// The same for a target in text, `scheme:rest#NODEKEY`.
    ///
    /// - Throws: `.invalidEndpoint`, and as above.
    public func migrate(
        _ daemon: EntityID, to target: String, options: MoveOptions = MoveOptions()
    ) async throws(FerryError) -> MigrationHandle {
        try await migrate(daemon, to: try Endpoint(target), options: options)
    }

    /// Gives an order that somebody else has written, as its orchestrator: signed by an operator or by the daemon's own key, it is good at
    /// a source that obeys no foreign orchestrator.
    ///
    /// - Parameters:
    ///   - order: it names this node as its orchestrator.
    ///   - source: where the source is reached; nil when it is this node or a session exists.
    ///   - target: where this node reaches the target; nil when it is this node or a session exists.
    /// - Throws: `.declined` when this node refuses the order, `.invalidEndpoint` for an endpoint of another node than the order's,
    ///   `.notReady`, `.shuttingDown`.
    public func migrate(
        _ order: MoveOrder, from source: Endpoint? = nil, to target: Endpoint? = nil
    ) async throws(FerryError) -> MigrationHandle {
        try await core.order(order, from: source, to: target)
    }

    /// Asks source and target what a move would cost, without making it.
    ///
    /// - Parameters: those of ``migrate(_:from:to:options:)``.
    /// - Throws: `.declined` with the reason of whoever refuses, `.invalidEndpoint` without a key, `.limitExceeded`, `.notReady`,
    ///   `.shuttingDown`.
    public func plan(
        _ daemon: EntityID, from source: Endpoint? = nil, to target: Endpoint, options: MoveOptions = MoveOptions()
    ) async throws(FerryError) -> MovePlan {
        try await core.plan(daemon, from: source, to: target, options: options)
    }

    /// Ends the doubt of a move whose other side does not answer, by the operator's word.
    ///
    /// Nothing can tell whether the word is right: that the other node is gone for good, or was told the opposite, is the operator's to know.
    ///
    /// - Throws: `.notInDoubt` when this node knows no such move, or it is not reported as in doubt here; then nothing has changed.
    public func resolve(_ migration: MigrationID, _ resolution: MoveResolution) async throws(FerryError) {
        guard await core.moves.resolve(migration, resolution) else {
            throw FerryError(.notInDoubt, "the move \(migration) is not in doubt here")
        }
    }

    /// The moves that this node takes part in or remembers, oldest first; one for each role that it plays.
    public var moves: [MoveStatus] {
        get async { await core.moves.moves }
    }

    /// Asks for a move to be given up, from whatever role this node plays in it.
    ///
    /// - Returns: false when this node knows no such move or it is over.
    @discardableResult
    public func cancel(_ migration: MigrationID) async -> Bool { await core.moves.cancel(migration) }

    // MARK: Life

    /// Listens, serves and moves until the task is cancelled or the service is asked to shut down gracefully.
    ///
    /// A graceful shutdown takes no new moves, refuses the daemons on their way here that have not taken, and gives the other moves ten seconds.
    ///
    /// - Throws: `TransportError` when a listener cannot be bound; `.controlSocket`; `.shuttingDown` when a daemon had taken here and ends
    ///   with the node.
    public func run() async throws { try await core.run(self) }

    /// Takes in no daemon from here on, while the node serves and lets daemons go; what a host does before it moves its daemons away.
    ///
    /// Daemons on their way here that have not taken stay where they are. Returns once those that have are this node's, or their sources have
    /// not said so for ten seconds.
    ///
    /// - Throws: `CancellationError`.
    public func refuseArrivals() async throws { try await core.refuseArrivals() }

    /// Asks the node to shut down gracefully; ``run()`` returns once it has.
    public func requestStop() { core.requestStop() }
}
