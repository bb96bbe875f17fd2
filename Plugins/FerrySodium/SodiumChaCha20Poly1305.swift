internal import CSodium
public import FerryCrypto
public import FerryWire

/// ChaCha20-Poly1305 (RFC 8439), and by its own HChaCha20 also XChaCha20-Poly1305.
public struct SodiumChaCha20Poly1305: ExtendedNonceAEAD {
    /// Initializes the library.
    public init() {
        _ = SodiumLibrary.ready
    }

    /// ChaCha20-Poly1305.
    public var algorithm: AEADAlgorithm { .chaCha20Poly1305 }

    /// Copies the key into guarded memory.
    public func makeCipher(key: borrowing SecretBytes) throws(CryptoFailure) -> any AEADCipher {
        try key.require(byteCount: 32)
        return SodiumChaChaCipher(key: key.copy())
    }

    /// Derives the subkey straight into guarded memory.
    public func makeCipher(key: borrowing SecretBytes, extendedBy prefix: FixedBytes16) throws(CryptoFailure) -> any AEADCipher {
        try key.require(byteCount: 32)
        let subkey = SecretBytes(byteCount: 32, allocator: SodiumAllocator()) { output in
            _ = unsafe output.append(byteCount: 32) { subkey in
                unsafe key.withPointer { key in
                    unsafe prefix.withPointer { prefix in unsafe crypto_core_hchacha20(subkey, prefix, key, nil) == 0 }
                }
            }
        }
        return SodiumChaChaCipher(key: subkey)
    }
}

/// A ChaCha20-Poly1305 key in guarded memory.
final class SodiumChaChaCipher: AEADCipher {
    private let key: SecretBytes

    init(key: consuming SecretBytes) {
        self.key = key
    }

    func seal(
        _ plaintext: RawSpan, nonce: AEADNonce, authenticating header: RawSpan, into output: inout OutputRawSpan
    ) throws(CryptoFailure) {
        let byteCount = try sealedByteCount(plaintext, output)
        let sealed = unsafe withPointers(plaintext, nonce, header) { plain, plainCount, header, headerCount, nonce, key in
            unsafe output.append(byteCount: byteCount) {
                unsafe crypto_aead_chacha20poly1305_ietf_encrypt($0, nil, plain, plainCount, header, headerCount, nil, nonce, key) == 0
            }
        }
        guard sealed else { throw CryptoFailure(.failed, "libsodium cannot seal") }
    }

    func open(
        _ ciphertext: RawSpan, nonce: AEADNonce, authenticating header: RawSpan, into output: inout OutputRawSpan
    ) throws(CryptoFailure) {
        let byteCount = try openedByteCount(ciphertext, output)
        let opened = unsafe withPointers(ciphertext, nonce, header) { sealed, sealedCount, header, headerCount, nonce, key in
            unsafe output.append(byteCount: byteCount) {
                unsafe crypto_aead_chacha20poly1305_ietf_decrypt($0, nil, nil, sealed, sealedCount, header, headerCount, nonce, key) == 0
            }
        }
        guard opened else { throw CryptoFailure(.authenticationFailed, "the tag does not match") }
    }

    private func withPointers(
        _ input: RawSpan, _ nonce: AEADNonce, _ header: RawSpan,
        _ body: (
            UnsafePointer<UInt8>, UInt64, UnsafePointer<UInt8>, UInt64, UnsafePointer<UInt8>, UnsafePointer<UInt8>
        ) -> Bool
    ) -> Bool {
        unsafe key.withPointer { key in
            unsafe input.withPointer { input, inputCount in
                unsafe header.withPointer { header, headerCount in
                    unsafe nonce.withPointer { nonce in unsafe body(input, UInt64(inputCount), header, UInt64(headerCount), nonce, key) }
                }
            }
        }
    }
}
