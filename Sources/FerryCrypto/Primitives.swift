public import FerryWire

/// A Diffie-Hellman function with 32-byte keys (X25519, RFC 7748).
public protocol KeyAgreement: Sendable {
    /// The name inside a Noise protocol name: "25519".
    var noiseName: String { get }
    /// The public key of a 32-byte secret.
    func publicKey(of secret: borrowing SecretBytes) throws(CryptoFailure) -> FixedBytes32
    /// The shared secret; refuses an all-zero result.
    ///
    /// - Throws: `.invalidKey` for a small-order public key.
    func sharedSecret(secret: borrowing SecretBytes, publicKey: FixedBytes32, allocator: any SecretAllocator) throws(CryptoFailure)
        -> SecretBytes
}

/// A deterministic signature scheme with 32-byte seeds and public keys (ed25519, RFC 8032).
public protocol SignatureScheme: Sendable {
    /// "ed25519".
    var name: String { get }
    /// The public key of a 32-byte seed.
    func publicKey(ofSeed seed: borrowing SecretBytes) throws(CryptoFailure) -> FixedBytes32
    /// Signs `message`.
    func sign(_ message: RawSpan, seed: borrowing SecretBytes) throws(CryptoFailure) -> Signature
    /// Strict verification: canonical S, no small-order public key or R.
    func isValid(_ signature: Signature, for message: RawSpan, publicKey: FixedBytes32) -> Bool
}

/// A hash function.
public protocol HashAlgorithm: Sendable {
    /// Which function this is.
    var algorithm: HashName { get }
    /// Appends the digest of `message` (`algorithm.digestByteCount` bytes).
    func hash(_ message: RawSpan, into output: inout OutputRawSpan)
}

/// The hash functions that Ferry names.
public enum HashName: String, Sendable, CaseIterable {
    /// SHA-256 (FIPS 180-4); the handshake's and the release's hash.
    case sha256 = "SHA256"
    /// BLAKE2b with a 32-byte digest (RFC 7693).
    case blake2b256 = "BLAKE2b-256"

    /// Bytes of a digest.
    public var digestByteCount: Int { 32 }

    /// Bytes of the input block, which HMAC pads keys to.
    public var blockByteCount: Int {
        switch self {
        case .sha256: 64
        case .blake2b256: 128
        }
    }
}

/// A source of unpredictable bytes.
public protocol SecureRandom: Sendable {
    /// Fills the output's whole free capacity; never returns weak bytes (a failing source ends the process).
    func fill(_ output: inout OutputRawSpan)
}

extension SecureRandom {
    /// A fresh random identifier.
    public func next<Value: FixedByteCount>(_ type: Value.Type = Value.self) -> Value {
        let bytes = [UInt8](rawCapacity: Value.byteCount) { fill(&$0) }
        guard let value = Value(bytes) else { preconditionFailure("the random source filled too few bytes") }
        return value
    }
}
