public import FerryWire

/// What a host does at the turning points of moves; each is optional, runs in a task of its own and is abandoned when its time is over.
///
/// Order: `failure` before the move is given up, `postRestore` before the orchestrator hears that the daemon is restored, `preCleanup` before
/// the source gives the daemon up. The runtime's own work comes first in each: it subscribes the restored daemon to what its ledger
/// lists, and unsubscribes the leaving one. (net-mesh migration §G.2.)
public struct NetMeshHooks: Sendable {
    /// Opens and seals identity envelopes; without it no key travels.
    public var identity: NetMeshIdentityContext?
    /// A restored daemon's turn to be wired up; a throw fails the move.
    public var postRestore: (@Sendable (OriginHash) async throws -> Void)?
    /// A leaving daemon's turn to be unwired; a throw is logged, and the daemon leaves.
    public var preCleanup: (@Sendable (OriginHash) async throws -> Void)?
    /// Whether this node restores daemons now; without it, as soon as the runtime is ready.
    public var readiness: (@Sendable () async -> Bool)?
    /// A move that this node takes part in has failed.
    public var failure: (@Sendable (OriginHash, FailureReason) async -> Void)?

    /// Takes the hooks; none by default.
    public init(
        identity: NetMeshIdentityContext? = nil, postRestore: (@Sendable (OriginHash) async throws -> Void)? = nil,
        preCleanup: (@Sendable (OriginHash) async throws -> Void)? = nil, readiness: (@Sendable () async -> Bool)? = nil,
        failure: (@Sendable (OriginHash, FailureReason) async -> Void)? = nil
    ) {
        self.identity = identity
        self.postRestore = postRestore
        self.preCleanup = preCleanup
        self.readiness = readiness
        self.failure = failure
    }
}

/// Hears every output of a net-mesh node's daemons, in the order of each chain.
///
/// Called inside the daemon's isolation, under no lock: whatever it does delays that daemon and no other.
public protocol NetMeshOutputObserver: Sendable {
    /// The daemon has emitted an output; those of replayed inputs come when the daemon goes live, in order.
    func daemon(_ daemon: OriginHash, emitted output: CausalEvent)
}
