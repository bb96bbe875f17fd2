public import FerryWire
internal import Synchronization

/// A daemon's identity: an ed25519 key whose secret half may be absent, or leave for good with `wipe()`.
public final class EntityKeypair: Sendable, CustomStringConvertible, CustomReflectable {
    /// The public key.
    public let entityID: EntityID
    /// The daemon's name on every wire.
    public let originHash: OriginHash

    private let scheme: (any SignatureScheme)?
    private let seed: Mutex<SecretBytes?>

    /// Takes over an RFC 8032 seed.
    ///
    /// - Throws: `.invalidKey` unless the seed has 32 bytes; `.unsupported` when the provider has no ed25519.
    public init(seed: consuming SecretBytes, crypto: CryptoProvider) throws(CryptoFailure) {
        let scheme = try crypto.ed25519
        entityID = EntityID(rawValue: try scheme.publicKey(ofSeed: seed))
        originHash = entityID.originHash
        self.scheme = scheme
        self.seed = Mutex(seed)
    }

    /// A keypair without a secret half: it names and verifies, and refuses to sign or to be sealed.
    public init(publicOnly entityID: EntityID) {
        self.entityID = entityID
        originHash = entityID.originHash
        scheme = nil
        seed = Mutex(nil)
    }

    /// Draws a new identity from the provider's random source.
    ///
    /// - Throws: `.unsupported`.
    public static func generate(crypto: CryptoProvider) throws(CryptoFailure) -> EntityKeypair {
        try EntityKeypair(seed: SecretBytes(randomByteCount: 32, crypto: crypto), crypto: crypto)
    }

    /// Whether the secret half is still here.
    public var canSign: Bool { seed.withLock { $0 != nil } }

    /// Signs `message`: plain ed25519, deterministic.
    ///
    /// - Throws: `.readOnly` without the secret half.
    public func sign(_ message: RawSpan) throws(CryptoFailure) -> Signature {
        let scheme = scheme
        return try withSeed { (seed: borrowing SecretBytes) throws(CryptoFailure) in
            guard let scheme else { throw Self.readOnly }
            return try scheme.sign(message, seed: seed)
        }
    }

    /// Wipes the secret half; from here on the keypair is public-only. Harmless when repeated.
    public func wipe() {
        seed.withLock { $0 = nil }
    }

    /// Lends the seed to the envelope; it cannot be wiped meanwhile.
    func withSeed<Result: Sendable>(
        _ body: (borrowing SecretBytes) throws(CryptoFailure) -> Result
    ) throws(CryptoFailure) -> Result {
        try seed.withLock { (seed: inout SecretBytes?) throws(CryptoFailure) in
            switch seed {
            case .none: throw Self.readOnly
            case .some(let secret): return try body(secret)
            }
        }
    }

    private static var readOnly: CryptoFailure { CryptoFailure(.readOnly, "the keypair has no secret half") }

    /// The public key in hex; never the secret.
    public var description: String { entityID.hex }

    /// Shows the public key only.
    public var customMirror: Mirror { Mirror(self, children: ["entityID": entityID]) }
}

extension EntityID {
    /// Whether the daemon's key made `signature` over `message`; strict verification.
    public func isValid(_ signature: Signature, for message: RawSpan, crypto: CryptoProvider) throws(CryptoFailure) -> Bool {
        try crypto.ed25519.isValid(signature, for: message, publicKey: rawValue)
    }
}

extension NodeKey {
    /// Whether the node's key made `signature` over `message`; strict verification.
    public func isValid(_ signature: Signature, for message: RawSpan, crypto: CryptoProvider) throws(CryptoFailure) -> Bool {
        try crypto.ed25519.isValid(signature, for: message, publicKey: rawValue)
    }
}
