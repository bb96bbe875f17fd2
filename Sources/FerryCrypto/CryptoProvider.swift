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
