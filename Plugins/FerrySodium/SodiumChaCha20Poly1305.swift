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
        return SodiumCipher<ChaCha20Poly1305Calls>(key: key.copy())
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
        return SodiumCipher<ChaCha20Poly1305Calls>(key: subkey)
    }
}

private enum ChaCha20Poly1305Calls: SodiumAEADCalls {
    static func seal(_ call: borrowing SodiumAEADCall) -> Bool {
        unsafe crypto_aead_chacha20poly1305_ietf_encrypt(
            call.output, nil, call.input, call.inputCount, call.header, call.headerCount, nil, call.nonce, call.key) == 0
    }

    static func open(_ call: borrowing SodiumAEADCall) -> Bool {
        unsafe crypto_aead_chacha20poly1305_ietf_decrypt(
            call.output, nil, nil, call.input, call.inputCount, call.header, call.headerCount, call.nonce, call.key) == 0
    }
}
