import FerryCrypto
import FerrySodium
import FerrySwiftCrypto
import FerryWire
import Testing

@Suite struct SizeRoutedAEADTests {
    private func cipher(_ aead: any AEAD) throws -> any AEADCipher {
        let key = SecretBytes(byteCount: 32, allocator: CryptoProvider.sodium.secrets) { output in
            for byte in 0..<32 { output.append(littleEndian: UInt8(byte)) }
        }
        return try aead.makeCipher(key: key)
    }

    @Test(arguments: [0, 1, 4_063, 4_079, 4_080, 4_095, 4_096, 4_097, 70_000])
    func `every length opens with either back-end alone, on both sides of the threshold`(byteCount: Int) throws {
        let short = try CryptoProvider.sodium.aead(for: .chaCha20Poly1305)
        let long = try CryptoProvider.swiftCrypto.aead(for: .chaCha20Poly1305)
        let routed = try cipher(SizeRoutedAEAD(short: short, long: long))
        let plain = (0..<byteCount).map { UInt8(truncatingIfNeeded: $0) }
        let nonce = AEADAlgorithm.chaCha20Poly1305.nonce(counter: 7)
        let header: [UInt8] = [1, 2, 3]
        let sealed = try [UInt8](rawCapacity: byteCount + 16) { output throws(CryptoFailure) in
            try routed.seal(plain.rawSpan, nonce: nonce, authenticating: header.rawSpan, into: &output)
        }
        for opener in [routed, try cipher(short), try cipher(long)] {
            let opened = try [UInt8](rawCapacity: byteCount) { output throws(CryptoFailure) in
                try opener.open(sealed.rawSpan, nonce: nonce, authenticating: header.rawSpan, into: &output)
            }
            #expect(opened == plain)
        }
    }

    @Test(arguments: [100, 5_000])
    func `an altered message is refused by both back-ends`(byteCount: Int) throws {
        let short = try CryptoProvider.sodium.aead(for: .chaCha20Poly1305)
        let routed = try cipher(SizeRoutedAEAD(short: short, long: try CryptoProvider.swiftCrypto.aead(for: .chaCha20Poly1305)))
        let nonce = AEADAlgorithm.chaCha20Poly1305.nonce(counter: 1)
        let plain = [UInt8](repeating: 5, count: byteCount)
        var sealed = try [UInt8](rawCapacity: byteCount + 16) { output throws(CryptoFailure) in
            try routed.seal(plain.rawSpan, nonce: nonce, authenticating: RawSpan(), into: &output)
        }
        sealed[byteCount / 2] ^= 1
        let error = #expect(throws: CryptoFailure.self) {
            _ = try [UInt8](rawCapacity: byteCount) { output throws(CryptoFailure) in
                try routed.open(sealed.rawSpan, nonce: nonce, authenticating: RawSpan(), into: &output)
            }
        }
        #expect(error?.code == .authenticationFailed)
    }
}
