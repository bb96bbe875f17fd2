/// A set of primitives; a value, so that a host swaps one primitive by editing one list.
public struct CryptoProvider: Sendable {
    /// Ciphers in order of preference.
    public var aeads: [any AEAD]
    /// Diffie-Hellman functions in order of preference.
    public var keyAgreements: [any KeyAgreement]
    /// Signature schemes; the identity scheme is ed25519.
    public var signatureSchemes: [any SignatureScheme]
    /// Hash functions.
    public var hashes: [any HashAlgorithm]
    /// Random bytes; an argument everywhere, so that a simulator passes a seeded source.
    public var random: any SecureRandom
    /// Where key bytes live.
    public var secrets: any SecretAllocator

    /// Assembles a provider.
    public init(
        aeads: [any AEAD], keyAgreements: [any KeyAgreement], signatureSchemes: [any SignatureScheme], hashes: [any HashAlgorithm],
        random: any SecureRandom, secrets: any SecretAllocator
    ) {
        self.aeads = aeads
        self.keyAgreements = keyAgreements
        self.signatureSchemes = signatureSchemes
        self.hashes = hashes
        self.random = random
        self.secrets = secrets
    }
}

extension CryptoProvider {
    /// The cipher of the given algorithm.
    ///
    /// - Throws: `.unsupported`.
    public func aead(for algorithm: AEADAlgorithm) throws(CryptoFailure) -> any AEAD {
        for aead in aeads where aead.algorithm == algorithm { return aead }
        throw CryptoFailure(.unsupported, "the provider has no \(algorithm.noiseName)")
    }

    /// The hash function of the given name.
    ///
    /// - Throws: `.unsupported`.
    public func hash(_ name: HashName) throws(CryptoFailure) -> any HashAlgorithm {
        for hash in hashes where hash.algorithm == name { return hash }
        throw CryptoFailure(.unsupported, "the provider has no \(name.rawValue)")
    }

    /// SHA-256.
    ///
    /// - Throws: `.unsupported`.
    public var sha256: any HashAlgorithm {
        get throws(CryptoFailure) { try hash(.sha256) }
    }

    /// The identity signature scheme.
    ///
    /// - Throws: `.unsupported`.
    public var ed25519: any SignatureScheme {
        get throws(CryptoFailure) {
            for scheme in signatureSchemes where scheme.name == "ed25519" { return scheme }
            throw CryptoFailure(.unsupported, "the provider has no ed25519")
        }
    }

    /// The handshake's and the envelope's key agreement.
    ///
    /// - Throws: `.unsupported`.
    public var x25519: any KeyAgreement {
        get throws(CryptoFailure) {
            for agreement in keyAgreements where agreement.noiseName == "25519" { return agreement }
            throw CryptoFailure(.unsupported, "the provider has no X25519")
        }
    }
}
