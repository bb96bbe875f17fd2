import FerryCrypto
import FerrySodium
import FerryWire
import Testing

@Suite("The libsodium provider")
struct SodiumProviderTests {
    private let crypto = CryptoProvider.sodium

    @Test("AES-256-GCM is preferred exactly where the processor has it")
    func preference() {
        let hasAES = SodiumAES256GCM() != nil
        #expect(crypto.aeads.map(\.algorithm) == (hasAES ? [.aes256GCM, .chaCha20Poly1305] : [.chaCha20Poly1305]))
        #expect(crypto.hashes.map(\.algorithm) == [.sha256, .blake2b256])
    }

    @Test("it derives XChaCha20-Poly1305 keys itself, with the same result as the fallback")
    func nativeExtendedNonce() throws {
        let native = try crypto.aead(for: .chaCha20Poly1305)
        #expect(native is any ExtendedNonceAEAD)
        var reduced = crypto
        reduced.aeads = [WithoutExtendedNonce(base: native)]
        let key = SecretBytes(randomByteCount: 32, crypto: crypto)
        let nonce = try #require(ExtendedNonce.random(crypto))
        let message: [UInt8] = [1, 2, 3]
        let sealed = try [UInt8](rawCapacity: 19) {
            try crypto.sealExtended(message.rawSpan, key: key, nonce: nonce, authenticating: message.rawSpan, into: &$0)
        }
        let opened = try [UInt8](rawCapacity: 3) {
            try reduced.openExtended(sealed.rawSpan, key: key, nonce: nonce, authenticating: message.rawSpan, into: &$0)
        }
        #expect(opened == message)
    }

    @Test("guarded memory is zeroed at first and holds what is written", arguments: [0, 1, 15, 16, 32, 4_096, 10_000])
    func allocator(byteCount: Int) {
        let allocator = SodiumAllocator()
        let buffer = unsafe allocator.allocate(byteCount: byteCount)
        let (count, isZero) = unsafe (buffer.count, buffer.allSatisfy { $0 == 0 })
        #expect(count == byteCount && isZero)
        for index in 0..<byteCount { unsafe buffer[index] = 7 }
        let isSeven = unsafe buffer.allSatisfy { $0 == 7 }
        #expect(isSeven)
        unsafe allocator.deallocate(buffer)
    }

    @Test("random bytes fill the whole capacity and differ", arguments: [1, 7, 8, 32, 1_000])
    func random(byteCount: Int) {
        let drawn = (0..<8).map { _ in [UInt8](rawCapacity: byteCount) { crypto.random.fill(&$0) } }
        #expect(drawn.allSatisfy { $0.count == byteCount })
        if byteCount >= 8 { #expect(Set(drawn).count == 8) }
    }
}

/// Hides the native derivation, so that the fallback is taken.
private struct WithoutExtendedNonce: AEAD {
    let base: any AEAD
    var algorithm: AEADAlgorithm { base.algorithm }
    func makeCipher(key: borrowing SecretBytes) throws(CryptoFailure) -> any AEADCipher { try base.makeCipher(key: key) }
}

extension ExtendedNonce {
    static func random(_ crypto: CryptoProvider) -> ExtendedNonce? {
        let bytes = [UInt8](rawCapacity: 24) { crypto.random.fill(&$0) }
        return ExtendedNonce(copying: bytes.rawSpan)
    }
}
