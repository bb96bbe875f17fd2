internal import Crypto
public import FerryCrypto
public import FerryWire

/// X25519 (RFC 7748).
public struct SwiftCryptoX25519: KeyAgreement {
    /// Makes the function; it has no state.
    public init() {}

    /// "25519".
    public var noiseName: String { "25519" }

    /// Multiplies the base point.
    public func publicKey(of secret: borrowing SecretBytes) throws(CryptoFailure) -> FixedBytes32 {
        let key = unsafe try secret.with32Bytes { unsafe try Curve25519.KeyAgreement.PrivateKey(rawRepresentation: $0) }
        guard let publicKey = FixedBytes32(data: key.publicKey.rawRepresentation) else {
            throw CryptoFailure(.failed, "swift-crypto cannot derive an X25519 public key")
        }
        return publicKey
    }

    /// Multiplies the peer's point; swift-crypto lets an all-zero result pass, so it is refused here (RFC 7748 §6.1).
    public func sharedSecret(
        secret: borrowing SecretBytes, publicKey: FixedBytes32, allocator: any SecretAllocator
    ) throws(CryptoFailure) -> SecretBytes {
        let key = unsafe try secret.with32Bytes { unsafe try Curve25519.KeyAgreement.PrivateKey(rawRepresentation: $0) }
        guard let peer = try? Curve25519.KeyAgreement.PublicKey(rawRepresentation: publicKey.bytes),
            let agreed = try? key.sharedSecretFromKeyAgreement(with: peer)
        else { throw CryptoFailure(.failed, "swift-crypto cannot agree on a key") }
        let zero = [UInt8](repeating: 0, count: 32)
        return try SecretBytes(byteCount: 32, allocator: allocator) { output throws(CryptoFailure) in
            output.append(data: agreed)
            guard !equalInConstantTime(output.bytes, zero.rawSpan) else {
                throw CryptoFailure(.invalidKey, "an X25519 public key of small order")
            }
        }
    }
}

/// Ed25519 (RFC 8032), strict. BoringSSL tests S itself; small-order and non-canonical points are tested here.
public struct SwiftCryptoEd25519: SignatureScheme {
    /// Makes the scheme; it has no state.
    public init() {}

    /// "ed25519".
    public var name: String { "ed25519" }

    /// Expands the seed.
    public func publicKey(ofSeed seed: borrowing SecretBytes) throws(CryptoFailure) -> FixedBytes32 {
        let key = unsafe try seed.with32Bytes { unsafe try Curve25519.Signing.PrivateKey(rawRepresentation: $0) }
        guard let publicKey = FixedBytes32(data: key.publicKey.rawRepresentation) else {
            throw CryptoFailure(.failed, "swift-crypto cannot derive an ed25519 public key")
        }
        return publicKey
    }

    /// Signs; the expanded key is in memory that swift-crypto wipes.
    public func sign(_ message: RawSpan, seed: borrowing SecretBytes) throws(CryptoFailure) -> Signature {
        let key = unsafe try seed.with32Bytes { unsafe try Curve25519.Signing.PrivateKey(rawRepresentation: $0) }
        let made = unsafe message.withBytes { unsafe try key.signature(for: $0) }
        guard let made, let signature = Signature(data: made) else { throw CryptoFailure(.failed, "swift-crypto cannot sign") }
        return signature
    }

    /// Strict verification.
    public func isValid(_ signature: Signature, for message: RawSpan, publicKey: FixedBytes32) -> Bool {
        let bytes = signature.bytes
        guard Edwards25519.isCanonical(publicKey), !Edwards25519.hasSmallOrder(publicKey), let r = FixedBytes32(copying: bytes.rawSpan),
            !Edwards25519.hasSmallOrder(r), let key = try? Curve25519.Signing.PublicKey(rawRepresentation: publicKey.bytes)
        else { return false }
        return unsafe message.withBytes { unsafe key.isValidSignature(bytes, for: $0) } ?? false
    }
}
