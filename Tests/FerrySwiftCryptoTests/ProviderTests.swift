import FerryCrypto
import FerrySwiftCrypto
import FerryWire
import Testing

@Suite("The swift-crypto provider")
struct SwiftCryptoProviderTests {
    private let crypto = CryptoProvider.swiftCrypto

    @Test("AES-256-GCM is preferred, and BLAKE2b is absent")
    func contents() {
        #expect(crypto.aeads.map(\.algorithm) == [.aes256GCM, .chaCha20Poly1305])
        #expect(crypto.hashes.map(\.algorithm) == [.sha256])
    }

    @Test("random bytes fill the whole capacity and differ", arguments: [1, 7, 8, 9, 32, 1_000])
    func random(byteCount: Int) {
        let drawn = (0..<8).map { _ in [UInt8](rawCapacity: byteCount) { crypto.random.fill(&$0) } }
        #expect(drawn.allSatisfy { $0.count == byteCount })
        if byteCount >= 8 { #expect(Set(drawn).count == 8) }
    }

    @Test("secret pages are zeroed at first and hold what is written", arguments: [0, 1, 32, 4_096, 10_000])
    func pages(byteCount: Int) {
        let allocator = WipedPages()
        let buffer = unsafe allocator.allocate(byteCount: byteCount)
        let (count, isZero) = unsafe (buffer.count, buffer.allSatisfy { $0 == 0 })
        #expect(count == byteCount && isZero)
        for index in 0..<byteCount { unsafe buffer[index] = 7 }
        let isSeven = unsafe buffer.allSatisfy { $0 == 7 }
        #expect(isSeven)
        unsafe allocator.deallocate(buffer)
    }
}
