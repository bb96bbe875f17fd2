public import FerryWire

/// A node's identity: an ed25519 key that names it, and an independent X25519 static key for handshakes and envelopes.
///
/// The object is the capability to use both keys; it never hands out their bytes.
public final class NodeIdentity: Sendable, CustomStringConvertible, CustomReflectable {
    /// The ed25519 public key.
    public let nodeKey: NodeKey
    /// The node's short name.
    public let nodeID: NodeID
    /// The X25519 public key.
    public let staticPublicKey: FixedBytes32

    let seed: SecretBytes
    let staticSecret: SecretBytes
    let crypto: CryptoProvider
    private let scheme: any SignatureScheme
    private let agreement: any KeyAgreement

    /// Takes over both secrets, 32 bytes each.
    ///
    /// - Throws: `.invalidKey` on other lengths; `.unsupported` when the provider lacks ed25519 or X25519.
    public init(seed: consuming SecretBytes, staticSecret: consuming SecretBytes, crypto: CryptoProvider) throws(CryptoFailure) {
        scheme = try crypto.ed25519
        agreement = try crypto.x25519
        nodeKey = NodeKey(rawValue: try scheme.publicKey(ofSeed: seed))
        nodeID = nodeKey.nodeID
        staticPublicKey = try agreement.publicKey(of: staticSecret)
        self.seed = seed
        self.staticSecret = staticSecret
        self.crypto = crypto
    }

    /// Draws an identity that lives in memory only.
    ///
    /// - Throws: `.unsupported`.
    public static func generate(crypto: CryptoProvider) throws(CryptoFailure) -> NodeIdentity {
        try NodeIdentity(
            seed: SecretBytes(randomByteCount: 32, crypto: crypto), staticSecret: SecretBytes(randomByteCount: 32, crypto: crypto),
            crypto: crypto)
    }

    /// Signs `message` with the node's ed25519 key.
    ///
    /// - Throws: `.failed`.
    public func sign(_ message: RawSpan) throws(CryptoFailure) -> Signature {
        try scheme.sign(message, seed: seed)
    }

    /// The X25519 secret that the node's static key shares with `publicKey`.
    ///
    /// - Throws: `.invalidKey` for a small-order public key.
    package func sharedSecret(
        with publicKey: FixedBytes32, allocator: any SecretAllocator = WipedHeap()
    ) throws(CryptoFailure) -> SecretBytes {
        try agreement.sharedSecret(secret: staticSecret, publicKey: publicKey, allocator: allocator)
    }

    /// The node key in hex; never a secret.
    public var description: String { nodeKey.hex }

    /// Shows the public halves only.
    public var customMirror: Mirror { Mirror(self, children: ["nodeKey": nodeKey]) }
}
