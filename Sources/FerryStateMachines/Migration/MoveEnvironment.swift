public import FerryCrypto
public import FerryWire

/// What every machine of one node knows of its node; fixed for the node's life.
public struct MoveEnvironment: Sendable {
    /// Signs releases and takes, opens envelopes.
    public var identity: NodeIdentity
    /// This process start.
    public var boot: BootID
    /// Whether the node keeps a journal.
    public var isDurable: Bool
    /// Hashes, signatures and envelopes.
    public var crypto: CryptoProvider
    /// Whom the node obeys.
    public var policy: MigrationPolicy
    /// How long things may take.
    public var budgets: PhaseBudgets
    /// How much is kept.
    public var limits: MigrationLimits
    /// A rule that is left out on purpose; nil but in tests.
    package var defect: SeededDefect?

    /// Describes a node.
    public init(
        identity: NodeIdentity, boot: BootID, isDurable: Bool = false, crypto: CryptoProvider, policy: MigrationPolicy = .init(),
        budgets: PhaseBudgets = .init(), limits: MigrationLimits = .init()
    ) {
        self.identity = identity
        self.boot = boot
        self.isDurable = isDurable
        self.crypto = crypto
        self.policy = policy
        self.budgets = budgets
        self.limits = limits
    }

    var localKey: NodeKey { identity.nodeKey }

    /// The node as its peers see it; messages to itself come from here.
    var localPeer: PeerIdentity {
        PeerIdentity(
            nodeKey: identity.nodeKey, staticKey: identity.staticPublicKey, bootID: boot, profileVersion: 1, isDurable: isDurable,
            compressorIDs: [])
    }
}
