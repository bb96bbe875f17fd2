public import FerryWire

/// The 24-byte nonce of XChaCha20-Poly1305, long enough to be drawn at random.
public struct ExtendedNonce: Sendable, Hashable {
    /// The bytes that choose the subkey.
    public let prefix: FixedBytes16
    /// The last eight bytes, as they lie in memory.
    public let suffix: AEADNonce

    /// Copies the first 24 bytes, or returns nil when there are fewer.
    public init?(copying bytes: RawSpan) {
        guard bytes.byteCount >= 24, let prefix = FixedBytes16(copying: bytes) else { return nil }
        self.prefix = prefix
        suffix = AEADNonce(prefix: 0, suffix: UInt64(littleEndian: bytes.littleEndianUInt64(at: 16)))
    }
}

extension CryptoProvider {
    /// Seals with XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03): by the provider where it can, else by an own HChaCha20 in front of
    /// its ChaCha20-Poly1305.
    ///
    /// - Throws: `.unsupported`, `.invalidKey` unless the key has 32 bytes, `.bufferTooSmall`.
    public func sealExtended(
        _ plaintext: RawSpan, key: borrowing SecretBytes, nonce: ExtendedNonce, authenticating header: RawSpan,
        into output: inout OutputRawSpan
    ) throws(CryptoFailure) {
        try extendedCipher(key: key, nonce: nonce).seal(plaintext, nonce: nonce.suffix, authenticating: header, into: &output)
    }

    /// Opens what `sealExtended` sealed.
    ///
    /// - Throws: `.unsupported`, `.invalidKey` unless the key has 32 bytes, `.authenticationFailed`, `.bufferTooSmall`.
    public func openExtended(
        _ ciphertext: RawSpan, key: borrowing SecretBytes, nonce: ExtendedNonce, authenticating header: RawSpan,
        into output: inout OutputRawSpan
    ) throws(CryptoFailure) {
        try extendedCipher(key: key, nonce: nonce).open(ciphertext, nonce: nonce.suffix, authenticating: header, into: &output)
    }

    private func extendedCipher(key: borrowing SecretBytes, nonce: ExtendedNonce) throws(CryptoFailure) -> any AEADCipher {
        let aead = try aead(for: .chaCha20Poly1305)
        if let extended = aead as? any ExtendedNonceAEAD { return try extended.makeCipher(key: key, extendedBy: nonce.prefix) }
        guard key.byteCount == AEADAlgorithm.keyByteCount else {
            throw CryptoFailure(.invalidKey, "a key of \(key.byteCount) bytes instead of \(AEADAlgorithm.keyByteCount)")
        }
        let subkey = SecretBytes(byteCount: 32, allocator: WipedHeap()) {
            HChaCha20.derive(key: key.bytes, prefix: nonce.prefix, into: &$0)
        }
        return try aead.makeCipher(key: subkey)
    }
}
