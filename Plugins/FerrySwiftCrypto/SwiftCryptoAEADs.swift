internal import Crypto
public import FerryCrypto
internal import FerryWire

/// AES-256-GCM: swift-crypto's fastest cipher from 8 KiB on.
public struct SwiftCryptoAES256GCM: AEAD {
    /// Makes the cipher; it has no state.
    public init() {}

    /// AES-256-GCM.
    public var algorithm: AEADAlgorithm { .aes256GCM }

    /// Copies the key into memory that swift-crypto wipes.
    public func makeCipher(key: borrowing SecretBytes) throws(CryptoFailure) -> any AEADCipher {
        SwiftCryptoCipher(key: try key.symmetricKey(), suite: .aes256GCM)
    }
}

/// ChaCha20-Poly1305 (RFC 8439).
public struct SwiftCryptoChaCha20Poly1305: AEAD {
    /// Makes the cipher; it has no state.
    public init() {}

    /// ChaCha20-Poly1305.
    public var algorithm: AEADAlgorithm { .chaCha20Poly1305 }

    /// Copies the key into memory that swift-crypto wipes.
    public func makeCipher(key: borrowing SecretBytes) throws(CryptoFailure) -> any AEADCipher {
        SwiftCryptoCipher(key: try key.symmetricKey(), suite: .chaCha20Poly1305)
    }
}

/// A key of either suite. swift-crypto allocates its results, so each call costs one copy more than the library's own.
private final class SwiftCryptoCipher: AEADCipher {
    private let key: SymmetricKey
    private let suite: AEADAlgorithm

    init(key: SymmetricKey, suite: AEADAlgorithm) {
        self.key = key
        self.suite = suite
    }

    func seal(
        _ plaintext: RawSpan, nonce: AEADNonce, authenticating header: RawSpan, into output: inout OutputRawSpan
    ) throws(CryptoFailure) {
        _ = try sealedByteCount(plaintext, output)
        guard let sealed = suite.seal(plaintext, nonce: nonce, authenticating: header, key: key) else {
            throw CryptoFailure(.failed, "swift-crypto cannot seal")
        }
        output.append(data: sealed, from: 12)
    }

    func open(
        _ ciphertext: RawSpan, nonce: AEADNonce, authenticating header: RawSpan, into output: inout OutputRawSpan
    ) throws(CryptoFailure) {
        let byteCount = try openedByteCount(ciphertext, output)
        let body = ciphertext.extracting(0..<byteCount)
        let tag = ciphertext.extracting(byteCount..<ciphertext.byteCount)
        guard let opened = suite.open(body, tag: tag, nonce: nonce, authenticating: header, key: key) else {
            throw CryptoFailure(.authenticationFailed, "the tag does not match")
        }
        output.append(data: opened)
    }
}
