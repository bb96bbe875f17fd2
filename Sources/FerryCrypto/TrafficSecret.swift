internal import FerryWire

/// One direction's traffic secret, which yields a cipher and, at a key update, its successor (as RFC 9001 §6).
///
/// A secret that was updated away cannot be computed back, so it protects what was sent before.
public struct TrafficSecret: ~Copyable, Sendable {
    private let secret: SecretBytes
    private let hash: any HashAlgorithm
    private let allocator: any SecretAllocator

    /// Takes over one of a handshake's two secrets.
    ///
    /// - Throws: `.invalidKey` unless it has 32 bytes; `.unsupported` without SHA-256.
    public init(_ secret: consuming SecretBytes, crypto: CryptoProvider) throws(CryptoFailure) {
        guard secret.byteCount == 32 else { throw CryptoFailure(.invalidKey, "a traffic secret has 32 bytes") }
        let hash = try crypto.sha256
        self.init(secret, hash: hash, allocator: crypto.secrets)
    }

    private init(_ secret: consuming SecretBytes, hash: any HashAlgorithm, allocator: any SecretAllocator) {
        self.secret = secret
        self.hash = hash
        self.allocator = allocator
    }

    /// The cipher of this generation, keyed with HKDF-Expand-Label(secret, "ferry key").
    ///
    /// - Throws: `.failed`.
    public borrowing func makeCipher(_ aead: any AEAD) throws(CryptoFailure) -> any AEADCipher {
        let key = expand(label: "ferry key", allocator: WipedHeap())
        return try aead.makeCipher(key: key)
    }

    /// The next generation: HKDF-Expand-Label(secret, "ferry ku").
    public borrowing func next() -> TrafficSecret {
        TrafficSecret(expand(label: "ferry ku", allocator: allocator), hash: hash, allocator: allocator)
    }

    /// HkdfLabel of RFC 8446 §7.1, without its "tls13 " prefix and with an empty context.
    private borrowing func expand(label: String, allocator: any SecretAllocator) -> SecretBytes {
        let text = Array(label.utf8)
        let info = [0, 32, UInt8(text.count)] + text + [0]
        return SecretBytes(byteCount: 32, allocator: allocator) {
            hash.hkdfExpand(key: secret.bytes, info: info.rawSpan, byteCount: 32, into: &$0)
        }
    }
}
