internal import Crypto
public import FerryCrypto
internal import FerryWire

/// SHA-256 (FIPS 180-4).
public struct SwiftCryptoSHA256: HashAlgorithm {
    /// Makes the function; it has no state.
    public init() {}

    /// SHA-256.
    public var algorithm: HashName { .sha256 }

    /// Appends the 32-byte digest.
    public func hash(_ message: RawSpan, into output: inout OutputRawSpan) {
        guard let digest = unsafe message.withBytes({ unsafe SHA256.hash(data: $0) }) else { return }
        output.append(data: digest)
    }
}

/// Swift's generator on top of the operating system's; it never gives weak bytes.
public struct SystemRandom: SecureRandom {
    /// Makes the source; it has no state.
    public init() {}

    /// Fills the output's whole free capacity.
    public func fill(_ output: inout OutputRawSpan) {
        var generator = SystemRandomNumberGenerator()
        while output.freeCapacity >= 8 { output.append(littleEndian: generator.next()) }
        guard output.freeCapacity > 0 else { return }
        var rest = generator.next()
        while output.freeCapacity > 0 {
            output.append(UInt8(truncatingIfNeeded: rest))
            rest >>= 8
        }
    }
}

extension CryptoProvider {
    /// apple/swift-crypto: no library to install. It has no BLAKE2b, and XChaCha20-Poly1305 uses Ferry's own HChaCha20.
    public static var swiftCrypto: CryptoProvider {
        CryptoProvider(
            aeads: [SwiftCryptoAES256GCM(), SwiftCryptoChaCha20Poly1305()], keyAgreements: [SwiftCryptoX25519()],
            signatureSchemes: [SwiftCryptoEd25519()], hashes: [SwiftCryptoSHA256()], random: SystemRandom(), secrets: WipedPages())
    }
}
