public import FerryCrypto

extension CryptoProvider {
    /// libsodium: the default provider. Where the processor has it, AES-256-GCM comes first: it is the faster cipher there.
    public static var sodium: CryptoProvider {
        var aeads: [any AEAD] = [SodiumChaCha20Poly1305()]
        if let aes = SodiumAES256GCM() { aeads.insert(aes, at: 0) }
        return CryptoProvider(
            aeads: aeads, keyAgreements: [SodiumX25519()], signatureSchemes: [SodiumEd25519()],
            hashes: [SodiumSHA256(), SodiumBLAKE2b256()], random: SodiumRandom(), secrets: SodiumAllocator())
    }
}
