internal import CSodium
public import FerryCrypto

/// AES-256-GCM in hardware; absent on processors without AES-NI and CLMUL.
public struct SodiumAES256GCM: AEAD {
    /// Nil where the processor lacks the instructions: libsodium has no other implementation.
    public init?() {
        guard SodiumLibrary.ready, crypto_aead_aes256gcm_is_available() == 1 else { return nil }
    }

    /// AES-256-GCM.
    public var algorithm: AEADAlgorithm { .aes256GCM }

    /// Expands the key once; sealing and opening reuse the round keys and hash tables.
    public func makeCipher(key: borrowing SecretBytes) throws(CryptoFailure) -> any AEADCipher {
        try key.require(byteCount: 32)
        let stateByteCount = crypto_aead_aes256gcm_statebytes()
        // Guarded memory ends at a page boundary, so a multiple of 16 bytes is aligned as the library demands.
        let state = SecretBytes(byteCount: (stateByteCount + 15) & ~15, allocator: SodiumAllocator()) { output in
            let whole = output.freeCapacity
            _ = unsafe output.append(byteCount: whole) { state in
                unsafe key.withPointer { key in
                    let state = unsafe UnsafeMutableRawPointer(state).assumingMemoryBound(to: crypto_aead_aes256gcm_state.self)
                    return unsafe crypto_aead_aes256gcm_beforenm(state, key) == 0
                }
            }
        }
        return SodiumCipher<AES256GCMCalls>(key: state)
    }
}

/// The key is the expanded one.
private enum AES256GCMCalls: SodiumAEADCalls {
    static func seal(_ call: borrowing SodiumAEADCall) -> Bool {
        unsafe crypto_aead_aes256gcm_encrypt_afternm(
            call.output, nil, call.input, call.inputCount, call.header, call.headerCount, nil, call.nonce, state(call.key)) == 0
    }

    static func open(_ call: borrowing SodiumAEADCall) -> Bool {
        unsafe crypto_aead_aes256gcm_decrypt_afternm(
            call.output, nil, nil, call.input, call.inputCount, call.header, call.headerCount, call.nonce, state(call.key)) == 0
    }

    private static func state(_ key: UnsafePointer<UInt8>) -> UnsafePointer<crypto_aead_aes256gcm_state> {
        unsafe UnsafeRawPointer(key).assumingMemoryBound(to: crypto_aead_aes256gcm_state.self)
    }
}
