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
        return SodiumAESCipher(state: state)
    }
}

/// An expanded AES-256-GCM key in guarded memory.
final class SodiumAESCipher: AEADCipher {
    private let state: SecretBytes

    init(state: consuming SecretBytes) {
        self.state = state
    }

    func seal(
        _ plaintext: RawSpan, nonce: AEADNonce, authenticating header: RawSpan, into output: inout OutputRawSpan
    ) throws(CryptoFailure) {
        let byteCount = try sealedByteCount(plaintext, output)
        let sealed = unsafe withPointers(plaintext, nonce, header) { plain, plainCount, header, headerCount, nonce, state in
            unsafe output.append(byteCount: byteCount) {
                unsafe crypto_aead_aes256gcm_encrypt_afternm($0, nil, plain, plainCount, header, headerCount, nil, nonce, state) == 0
            }
        }
        guard sealed else { throw CryptoFailure(.failed, "libsodium cannot seal") }
    }

    func open(
        _ ciphertext: RawSpan, nonce: AEADNonce, authenticating header: RawSpan, into output: inout OutputRawSpan
    ) throws(CryptoFailure) {
        let byteCount = try openedByteCount(ciphertext, output)
        let opened = unsafe withPointers(ciphertext, nonce, header) { sealed, sealedCount, header, headerCount, nonce, state in
            unsafe output.append(byteCount: byteCount) {
                unsafe crypto_aead_aes256gcm_decrypt_afternm($0, nil, nil, sealed, sealedCount, header, headerCount, nonce, state) == 0
            }
        }
        guard opened else { throw CryptoFailure(.authenticationFailed, "the tag does not match") }
    }

    private func withPointers(
        _ input: RawSpan, _ nonce: AEADNonce, _ header: RawSpan,
        _ body: (
            UnsafePointer<UInt8>, UInt64, UnsafePointer<UInt8>, UInt64, UnsafePointer<UInt8>, UnsafePointer<crypto_aead_aes256gcm_state>
        ) -> Bool
    ) -> Bool {
        unsafe state.withPointer { state in
            unsafe input.withPointer { input, inputCount in
                unsafe header.withPointer { header, headerCount in
                    unsafe nonce.withPointer { nonce in
                        let state = unsafe UnsafeRawPointer(state).assumingMemoryBound(to: crypto_aead_aes256gcm_state.self)
                        return unsafe body(input, UInt64(inputCount), header, UInt64(headerCount), nonce, state)
                    }
                }
            }
        }
    }
}
