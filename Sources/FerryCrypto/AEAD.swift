public import FerryWire

/// An authenticated cipher with 32-byte keys, 12-byte nonces and 16-byte tags (RFC 5116).
public protocol AEAD: Sendable {
    /// Names the cipher on the wire and in Noise protocol names.
    var algorithm: AEADAlgorithm { get }
    /// Prepares a key for many calls; the cipher keeps its own wiped copy.
    ///
    /// - Throws: `.invalidKey` unless the key has 32 bytes.
    func makeCipher(key: borrowing SecretBytes) throws(CryptoFailure) -> any AEADCipher
}

/// A ChaCha20-Poly1305 that derives XChaCha20-Poly1305 subkeys itself; `ExtendedNonceCipher` derives them for every other one.
public protocol ExtendedNonceAEAD: AEAD {
    /// Prepares the cipher whose key is HChaCha20(key, `prefix`), the first 16 bytes of the 24-byte nonce
    /// (draft-irtf-cfrg-xchacha-03 §2.2).
    ///
    /// - Throws: `.invalidKey` unless the key has 32 bytes.
    func makeCipher(key: borrowing SecretBytes, extendedBy prefix: FixedBytes16) throws(CryptoFailure) -> any AEADCipher
}

/// A cipher with its key inside; safe to share, wiped when released.
public protocol AEADCipher: AnyObject, Sendable {
    /// Appends ciphertext and tag (`plaintext.byteCount + 16` bytes).
    ///
    /// - Throws: `.bufferTooSmall`, `.failed`.
    func seal(
        _ plaintext: RawSpan, nonce: AEADNonce, authenticating header: RawSpan, into output: inout OutputRawSpan
    ) throws(CryptoFailure)
    /// Appends the plaintext (`ciphertext.byteCount - 16` bytes), or nothing at all when the tag does not match.
    ///
    /// - Throws: `.authenticationFailed`, `.bufferTooSmall`.
    func open(
        _ ciphertext: RawSpan, nonce: AEADNonce, authenticating header: RawSpan, into output: inout OutputRawSpan
    ) throws(CryptoFailure)
}

/// The ciphers that Ferry's suites name.
public enum AEADAlgorithm: UInt8, Sendable, CaseIterable {
    /// AES-256-GCM; Noise "AESGCM".
    case aes256GCM = 1
    /// ChaCha20-Poly1305 (RFC 8439); Noise "ChaChaPoly".
    case chaCha20Poly1305 = 2

    /// The name inside a Noise protocol name.
    public var noiseName: String {
        switch self {
        case .aes256GCM: "AESGCM"
        case .chaCha20Poly1305: "ChaChaPoly"
        }
    }

    /// Bytes that sealing adds.
    public static var tagByteCount: Int { 16 }
    /// Bytes of a key.
    public static var keyByteCount: Int { 32 }

    /// The nonce for message `counter`, in the byte order that Noise §12 gives this cipher.
    public func nonce(counter: UInt64) -> AEADNonce {
        switch self {
        case .aes256GCM: AEADNonce(prefix: 0, suffix: counter.bigEndian)
        case .chaCha20Poly1305: AEADNonce(prefix: 0, suffix: counter.littleEndian)
        }
    }
}

/// Twelve bytes: four of prefix, eight of suffix, as they lie in memory.
public struct AEADNonce: Sendable, Hashable, BitwiseCopyable {
    /// The first four bytes.
    public var prefix: UInt32
    /// The last eight bytes.
    public var suffix: UInt64

    /// Joins the two parts; both are stored as given, without a byte swap.
    public init(prefix: UInt32, suffix: UInt64) {
        self.prefix = prefix
        self.suffix = suffix
    }
}
