public import FerryCrypto
public import FerryWire

/// How a node opens identity envelopes and knows to whom it may seal one: two closures and nothing else.
///
/// No key can be reached through it, and printing or mirroring it shows none. (net-mesh migration §G.2, §H 1.)
public struct NetMeshIdentityContext: Sendable, CustomStringConvertible, CustomReflectable {
    let unseal: @Sendable (StateSnapshot) async throws -> EntityKeypair?
    let peerStaticKey: @Sendable (NodeID) async -> FixedBytes32?

    /// Takes both closures; neither may hold this node up for long, and what they return too late is wiped.
    ///
    /// - Parameters:
    ///   - unseal: opens a snapshot's envelope; nil when there is none. The keypair is the runtime's from then on.
    ///   - peerStaticKey: the X25519 static key that a peer has proved, nil when it is not known.
    public init(
        unseal: @escaping @Sendable (StateSnapshot) async throws -> EntityKeypair?,
        peerStaticKey: @escaping @Sendable (NodeID) async -> FixedBytes32?
    ) {
        self.unseal = unseal
        self.peerStaticKey = peerStaticKey
    }

    /// Opens envelopes with a node's identity, which hands out no key either.
    public init(identity: NodeIdentity, peerStaticKey: @escaping @Sendable (NodeID) async -> FixedBytes32?) {
        self.init(unseal: { snapshot in try snapshot.openIdentity(with: identity) }, peerStaticKey: peerStaticKey)
    }

    /// The type's name.
    public var description: String { "NetMeshIdentityContext" }

    /// Shows nothing.
    public var customMirror: Mirror { Mirror(self, children: []) }
}
