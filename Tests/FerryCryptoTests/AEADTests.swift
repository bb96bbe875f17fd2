import FerryCrypto
import FerryWire
import Testing

private let sunscreen = Array(
    "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.".utf8)

@Suite("Authenticated ciphers, in both providers")
struct AEADTests {
    @Test("ChaCha20-Poly1305 (RFC 8439 §2.8.2)", arguments: NamedProvider.all)
    func chaCha20Poly1305(provider: NamedProvider) throws {
        let key = try provider.crypto.secret((0x80...0x9f).map { UInt8($0) }.hex)
        let cipher = try provider.crypto.aead(for: .chaCha20Poly1305).makeCipher(key: key)
        let header = try hex("50515253c0c1c2c3c4c5c6c7")
        let sealed = try cipher.sealed(sunscreen, nonce: nonce("070000004041424344454647"), header: header)
        #expect(
            sealed.hex == "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da92728b"
                + "1a71de0a9e060b2905d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc"
                + "3ff4def08e4b7a9de576d26586cec64b61161ae10b594f09e26a7e902ecbd0600691")
        #expect(try cipher.opened(sealed, nonce: nonce("070000004041424344454647"), header: header) == sunscreen)
    }

    @Test("AES-256-GCM (test cases 13, 14 and 16 of the GCM specification)", arguments: NamedProvider.all)
    func aes256GCM(provider: NamedProvider) throws {
        let zero = try provider.crypto.aead(for: .aes256GCM).makeCipher(key: provider.crypto.secret(String(repeating: "00", count: 32)))
        let zeroNonce = AEADNonce(prefix: 0, suffix: 0)
        #expect(try zero.sealed([], nonce: zeroNonce).hex == "530f8afbc74536b9a963b4f1c4cb738b")
        #expect(
            try zero.sealed([UInt8](repeating: 0, count: 16), nonce: zeroNonce).hex
                == "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919")
        let key = try provider.crypto.secret("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308")
        let cipher = try provider.crypto.aead(for: .aes256GCM).makeCipher(key: key)
        let plaintext = try hex(
            "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525"
                + "b16aedf5aa0de657ba637b39")
        let header = try hex("feedfacedeadbeeffeedfacedeadbeefabaddad2")
        let sealed = try cipher.sealed(plaintext, nonce: nonce("cafebabefacedbaddecaf888"), header: header)
        #expect(
            sealed.hex == "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838"
                + "c5f61e6393ba7a0abcc9f66276fc6ece0f4e1768cddf8853bb2d551b")
        #expect(try cipher.opened(sealed, nonce: nonce("cafebabefacedbaddecaf888"), header: header) == plaintext)
    }

    @Test("XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03 A.3.1)", arguments: NamedProvider.all)
    func xChaCha20Poly1305(provider: NamedProvider) throws {
        let crypto = provider.crypto
        let key = try crypto.secret((0x80...0x9f).map { UInt8($0) }.hex)
        let header = try hex("50515253c0c1c2c3c4c5c6c7")
        let nonceBytes = (0x40...0x57).map { UInt8($0) }
        let nonce = try #require(ExtendedNonce(nonceBytes))
        let sealed = try [UInt8](rawCapacity: sunscreen.count + 16) {
            try crypto.sealExtended(sunscreen.rawSpan, key: key, nonce: nonce, authenticating: header.rawSpan, into: &$0)
        }
        #expect(
            sealed.hex == "bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb731c7f1b0b4aa6440bf3a82f4eda7e39"
                + "ae64c6708c54c216cb96b72e1213b4522f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3fff9"
                + "21f9664c97637da9768812f615c68b13b52ec0875924c1c7987947deafd8780acf49")
        let opened = try [UInt8](rawCapacity: sunscreen.count) {
            try crypto.openExtended(sealed.rawSpan, key: key, nonce: nonce, authenticating: header.rawSpan, into: &$0)
        }
        #expect(opened == sunscreen)
        #expect(ExtendedNonce(Array(nonceBytes.prefix(23))) == nil)
    }

    @Test("what one provider seals, the other opens", arguments: ProviderPair.all, AEADAlgorithm.allCases)
    func providersAgree(pair: ProviderPair, algorithm: AEADAlgorithm) throws {
        let keyHex = (1...32).map { UInt8($0) }.hex
        let left = try pair.left.crypto.aead(for: algorithm).makeCipher(key: pair.left.crypto.secret(keyHex))
        let right = try pair.right.crypto.aead(for: algorithm).makeCipher(key: pair.right.crypto.secret(keyHex))
        for byteCount in [0, 1, 15, 16, 17, 1_400, 65_536] {
            let plaintext = [UInt8](rawCapacity: byteCount) { pair.left.crypto.random.fill(&$0) }
            for (headerByteCount, counter) in [(0, UInt64.max), (1, 0), (40, 1)] {
                let header = [UInt8](repeating: 9, count: headerByteCount)
                let nonce = algorithm.nonce(counter: counter)
                let sealed = try left.sealed(plaintext, nonce: nonce, header: header)
                #expect(try right.opened(sealed, nonce: nonce, header: header) == plaintext)
            }
        }
    }

    @Test("any change is refused and nothing is appended", arguments: NamedProvider.all, AEADAlgorithm.allCases)
    func changesAreRefused(provider: NamedProvider, algorithm: AEADAlgorithm) throws {
        let aead = try provider.crypto.aead(for: algorithm)
        let cipher = try aead.makeCipher(key: provider.crypto.secret(String(repeating: "01", count: 32)))
        let other = try aead.makeCipher(key: provider.crypto.secret(String(repeating: "02", count: 32)))
        let nonce = algorithm.nonce(counter: 5)
        let header: [UInt8] = [1, 2, 3]
        let sealed = try cipher.sealed([UInt8](repeating: 0x61, count: 40), nonce: nonce, header: header)
        func expectRefused(_ cipher: any AEADCipher, _ ciphertext: [UInt8], _ nonce: AEADNonce, _ header: [UInt8]) {
            let appended = [UInt8](rawCapacity: 64) { output in
                expectFailure(.authenticationFailed) {
                    try cipher.open(ciphertext.rawSpan, nonce: nonce, authenticating: header.rawSpan, into: &output)
                }
            }
            #expect(appended.isEmpty)
        }
        for offset in sealed.indices {
            var changed = sealed
            changed[offset] ^= 1
            expectRefused(cipher, changed, nonce, header)
        }
        for byteCount in 0..<sealed.count { expectRefused(cipher, Array(sealed.prefix(byteCount)), nonce, header) }
        expectRefused(cipher, sealed + [0], nonce, header)
        expectRefused(cipher, sealed, algorithm.nonce(counter: 6), header)
        expectRefused(cipher, sealed, nonce, [1, 2])
        expectRefused(cipher, sealed, nonce, [])
        expectRefused(other, sealed, nonce, header)
    }

    @Test("an output one byte short is refused, an exact one is not", arguments: NamedProvider.all, AEADAlgorithm.allCases)
    func outputTooSmall(provider: NamedProvider, algorithm: AEADAlgorithm) throws {
        let cipher = try provider.crypto.aead(for: algorithm).makeCipher(key: provider.crypto.secret(String(repeating: "01", count: 32)))
        let nonce = algorithm.nonce(counter: 0)
        let empty = [UInt8]()
        let plaintext = [UInt8](repeating: 3, count: 100)
        expectFailure(.bufferTooSmall) {
            _ = try [UInt8](rawCapacity: 115) {
                try cipher.seal(plaintext.rawSpan, nonce: nonce, authenticating: empty.rawSpan, into: &$0)
            }
        }
        let sealed = try cipher.sealed(plaintext, nonce: nonce)
        expectFailure(.bufferTooSmall) {
            _ = try [UInt8](rawCapacity: 99) { try cipher.open(sealed.rawSpan, nonce: nonce, authenticating: empty.rawSpan, into: &$0) }
        }
        #expect(try cipher.opened(sealed, nonce: nonce) == plaintext)
    }

    @Test("keys have exactly 32 bytes", arguments: NamedProvider.all, [31, 33, 0])
    func keyLengths(provider: NamedProvider, byteCount: Int) throws {
        let crypto = provider.crypto
        let key = SecretBytes(randomByteCount: byteCount, crypto: crypto)
        for algorithm in AEADAlgorithm.allCases {
            let aead = try crypto.aead(for: algorithm)
            expectFailure(.invalidKey) { _ = try aead.makeCipher(key: key) }
        }
        let ed25519 = try crypto.ed25519
        let x25519 = try crypto.x25519
        let nonceBytes = [UInt8](repeating: 0, count: 24)
        let nonce = try #require(ExtendedNonce(nonceBytes))
        expectFailure(.invalidKey) { _ = try ed25519.publicKey(ofSeed: key) }
        expectFailure(.invalidKey) { _ = try ed25519.sign(nonceBytes.rawSpan, seed: key) }
        expectFailure(.invalidKey) { _ = try x25519.publicKey(of: key) }
        expectFailure(.invalidKey) {
            _ = try x25519.sharedSecret(secret: key, publicKey: bytes32(String(repeating: "09", count: 32)), allocator: crypto.secrets)
        }
        expectFailure(.invalidKey) {
            _ = try [UInt8](rawCapacity: 40) {
                try crypto.sealExtended(nonceBytes.rawSpan, key: key, nonce: nonce, authenticating: nonceBytes.rawSpan, into: &$0)
            }
        }
    }

    @Test("a sealed message is appended after what the output holds", arguments: NamedProvider.all, AEADAlgorithm.allCases)
    func sealingAppends(provider: NamedProvider, algorithm: AEADAlgorithm) throws {
        let cipher = try provider.crypto.aead(for: algorithm).makeCipher(key: provider.crypto.secret(String(repeating: "01", count: 32)))
        let nonce = algorithm.nonce(counter: 0)
        let header: [UInt8] = [7, 7]
        let body: [UInt8] = [1, 2, 3]
        let frame = try [UInt8](rawCapacity: 2 + 3 + 16) {
            $0.append(contentsOf: header.rawSpan)
            try cipher.seal(body.rawSpan, nonce: nonce, authenticating: header.rawSpan, into: &$0)
        }
        #expect(Array(frame.prefix(2)) == header)
        #expect(try cipher.opened(Array(frame.dropFirst(2)), nonce: nonce, header: header) == body)
    }
}
