internal import CSodium
public import FerryCrypto
public import FerryWire

/// X25519 (RFC 7748).
public struct SodiumX25519: KeyAgreement {
    /// Initializes the library.
    public init() {
        _ = SodiumLibrary.ready
    }

    /// "25519".
    public var noiseName: String { "25519" }

    /// Multiplies the base point.
    public func publicKey(of secret: borrowing SecretBytes) throws(CryptoFailure) -> FixedBytes32 {
        try secret.require(byteCount: 32)
        let key = unsafe secret.withPointer { secret in
            unsafe FixedBytes32(filling: { unsafe crypto_scalarmult_curve25519_base($0, secret) == 0 })
        }
        guard let key else { throw CryptoFailure(.failed, "libsodium cannot derive an X25519 public key") }
        return key
    }

    /// Multiplies the peer's point; libsodium refuses an all-zero result itself.
    public func sharedSecret(
        secret: borrowing SecretBytes, publicKey: FixedBytes32, allocator: any SecretAllocator
    ) throws(CryptoFailure) -> SecretBytes {
        try secret.require(byteCount: 32)
        return try SecretBytes(byteCount: 32, allocator: allocator) { output throws(CryptoFailure) in
            let agreed = unsafe secret.withPointer { secret in
                unsafe publicKey.withPointer { publicKey in
                    unsafe output.append(byteCount: 32) { unsafe crypto_scalarmult_curve25519($0, secret, publicKey) == 0 }
                }
            }
            guard agreed else { throw CryptoFailure(.invalidKey, "an X25519 public key of small order") }
        }
    }
}

/// Ed25519 (RFC 8032). libsodium itself verifies strictly: canonical S, canonical public key, no small-order public key or R.
public struct SodiumEd25519: SignatureScheme {
    /// Initializes the library.
    public init() {
        _ = SodiumLibrary.ready
    }

    /// "ed25519".
    public var name: String { "ed25519" }

    /// Expands the seed.
    public func publicKey(ofSeed seed: borrowing SecretBytes) throws(CryptoFailure) -> FixedBytes32 {
        try seed.require(byteCount: 32)
        let expanded = expand(seed)
        guard let key = FixedBytes32(copying: expanded.bytes.extracting(32..<64)) else {
            throw CryptoFailure(.failed, "libsodium cannot derive an ed25519 public key")
        }
        return key
    }

    /// Signs; the expanded key lives in wiped memory meanwhile.
    public func sign(_ message: RawSpan, seed: borrowing SecretBytes) throws(CryptoFailure) -> Signature {
        try seed.require(byteCount: 32)
        let expanded = expand(seed)
        let signature = unsafe message.withPointer { message, messageCount in
            unsafe expanded.withPointer { key in
                unsafe Signature(filling: { unsafe crypto_sign_ed25519_detached($0, nil, message, UInt64(messageCount), key) == 0 })
            }
        }
        guard let signature else { throw CryptoFailure(.failed, "libsodium cannot sign") }
        return signature
    }

    /// Strict verification.
    public func isValid(_ signature: Signature, for message: RawSpan, publicKey: FixedBytes32) -> Bool {
        unsafe message.withPointer { message, messageCount in
            unsafe signature.withPointer { signature in
                unsafe publicKey.withPointer { key in
                    unsafe crypto_sign_ed25519_verify_detached(signature, message, UInt64(messageCount), key) == 0
                }
            }
        }
    }

    /// Seed and public key, 64 bytes, as libsodium keeps a secret key.
    private func expand(_ seed: borrowing SecretBytes) -> SecretBytes {
        SecretBytes(byteCount: 64, allocator: WipedHeap()) { output in
            _ = unsafe output.append(byteCount: 64) { secretKey in
                unsafe seed.withPointer { seed in
                    let publicKey = unsafe FixedBytes32(filling: { unsafe crypto_sign_ed25519_seed_keypair($0, secretKey, seed) == 0 })
                    return publicKey != nil
                }
            }
        }
    }
}
