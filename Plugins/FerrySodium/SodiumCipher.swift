internal import FerryCrypto

/// The arguments of one call of libsodium's AEAD functions, lent for its duration.
@safe struct SodiumAEADCall {
    let output: UnsafeMutablePointer<UInt8>
    let input: UnsafePointer<UInt8>
    let inputCount: UInt64
    let header: UnsafePointer<UInt8>
    let headerCount: UInt64
    let nonce: UnsafePointer<UInt8>
    let key: UnsafePointer<UInt8>
}

/// The two C functions in which libsodium's ciphers differ; each returns whether it succeeded.
protocol SodiumAEADCalls {
    static func seal(_ call: borrowing SodiumAEADCall) -> Bool
    static func open(_ call: borrowing SodiumAEADCall) -> Bool
}

/// A key in guarded memory, ready for many calls.
final class SodiumCipher<Calls: SodiumAEADCalls>: AEADCipher {
    private let key: SecretBytes

    init(key: consuming SecretBytes) {
        self.key = key
    }

    func seal(
        _ plaintext: RawSpan, nonce: AEADNonce, authenticating header: RawSpan, into output: inout OutputRawSpan
    ) throws(CryptoFailure) {
        let byteCount = try sealedByteCount(plaintext, output)
        guard run(plaintext, nonce, header, byteCount, &output, Calls.seal) else {
            throw CryptoFailure(.failed, "libsodium cannot seal")
        }
    }

    func open(
        _ ciphertext: RawSpan, nonce: AEADNonce, authenticating header: RawSpan, into output: inout OutputRawSpan
    ) throws(CryptoFailure) {
        let byteCount = try openedByteCount(ciphertext, output)
        guard run(ciphertext, nonce, header, byteCount, &output, Calls.open) else {
            throw CryptoFailure(.authenticationFailed, "the tag does not match")
        }
    }

    private func run(
        _ input: RawSpan, _ nonce: AEADNonce, _ header: RawSpan, _ byteCount: Int, _ output: inout OutputRawSpan,
        _ call: (borrowing SodiumAEADCall) -> Bool
    ) -> Bool {
        unsafe key.withPointer { key in
            unsafe input.withPointer { input, inputCount in
                unsafe header.withPointer { header, headerCount in
                    unsafe nonce.withPointer { nonce in
                        unsafe output.append(byteCount: byteCount) { output in
                            call(
                                unsafe SodiumAEADCall(
                                    output: output, input: input, inputCount: UInt64(inputCount), header: header,
                                    headerCount: UInt64(headerCount), nonce: nonce, key: key))
                        }
                    }
                }
            }
        }
    }
}
