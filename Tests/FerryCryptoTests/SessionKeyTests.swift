import FerryCrypto
import FerryWire
import Testing

@Suite("Traffic secrets and static key bindings")
struct SessionKeyTests {
    @Test("keys and generations follow HKDF-Expand-Label", arguments: NamedProvider.all)
    func trafficSecrets(provider: NamedProvider) throws {
        let crypto = provider.crypto
        let secret = try TrafficSecret(crypto.secret((0..<32).map { UInt8($0) }.hex), crypto: crypto)
        // Computed with an independent HKDF over the info 0020 ‖ length ‖ label ‖ 00.
        let expected = [
            "f0a76636b0d5967679fd235cbcb1d6042e9975ef8f28ce83946f346b7c996425",
            "82761299ad62ae631e3c2e7dbec27fb7de9420a0dddb65e8a0db7afdbdc00182",
        ]
        let nonce = AEADAlgorithm.aes256GCM.nonce(counter: 1)
        let aead = try crypto.aead(for: .aes256GCM)
        let next = secret.next()
        for (cipher, key) in zip([try secret.makeCipher(aead), try next.makeCipher(aead)], expected) {
            let reference = try aead.makeCipher(key: crypto.secret(key))
            #expect(try reference.opened(cipher.sealed([1, 2, 3], nonce: nonce), nonce: nonce) == [1, 2, 3])
        }
    }

    @Test("a traffic secret has exactly 32 bytes", arguments: [31, 33])
    func trafficSecretLength(byteCount: Int) throws {
        let crypto = NamedProvider.swiftCrypto.crypto
        expectFailure(.invalidKey) { _ = try TrafficSecret(SecretBytes(randomByteCount: byteCount, crypto: crypto), crypto: crypto) }
    }

    @Test("a binding holds for one static key and one handshake only", arguments: ProviderPair.all)
    func staticKeyBinding(pair: ProviderPair) throws {
        let node = try NodeIdentity.generate(crypto: pair.left.crypto)
        let other = try NodeIdentity.generate(crypto: pair.left.crypto)
        let hash = try bytes32(String(repeating: "5a", count: 32))
        let otherHash = try bytes32(String(repeating: "5b", count: 32))
        let made = try StaticKeyBinding(identity: node, handshakeHash: hash)
        let wire = [UInt8](rawCapacity: StaticKeyBinding.byteCount) { made.append(to: &$0) }
        #expect(wire.count == 96)
        let read = try #require(StaticKeyBinding(wire))
        #expect(read == made && read.nodeKey == node.nodeKey)
        try read.verify(staticPublicKey: node.staticPublicKey, handshakeHash: hash, crypto: pair.right.crypto)
        expectFailure(.invalidSignature) {
            try read.verify(staticPublicKey: other.staticPublicKey, handshakeHash: hash, crypto: pair.right.crypto)
        }
        expectFailure(.invalidSignature) {
            try read.verify(staticPublicKey: node.staticPublicKey, handshakeHash: otherHash, crypto: pair.right.crypto)
        }
        let stolen = try #require(StaticKeyBinding(other.nodeKey.bytes + wire.dropFirst(32)))
        expectFailure(.invalidSignature) {
            try stolen.verify(staticPublicKey: node.staticPublicKey, handshakeHash: hash, crypto: pair.right.crypto)
        }
        #expect(StaticKeyBinding(Array(wire.dropLast())) == nil)
    }

    @Test("a provider without an algorithm says so")
    func missingAlgorithms() throws {
        let empty = CryptoProvider(
            aeads: [], keyAgreements: [], signatureSchemes: [], hashes: [], random: NamedProvider.swiftCrypto.crypto.random,
            secrets: WipedPages())
        expectFailure(.unsupported) { _ = try empty.sha256 }
        expectFailure(.unsupported) { _ = try empty.ed25519 }
        expectFailure(.unsupported) { _ = try empty.x25519 }
        expectFailure(.unsupported) { _ = try empty.aead(for: .aes256GCM) }
        expectFailure(.unsupported) { _ = try NodeIdentity.generate(crypto: empty) }
        expectFailure(.unsupported) { _ = try EntityKeypair.generate(crypto: empty) }
        expectFailure(.unsupported) { _ = try NamedProvider.swiftCrypto.crypto.hash(.blake2b256) }
    }

    @Test("comparison in constant time tells equal from different")
    func constantTimeEquality() {
        for (left, right) in [([], []), ([1], [1]), ([1, 2, 3], [1, 2, 3])] as [([UInt8], [UInt8])] {
            let equal = equalInConstantTime(left.rawSpan, right.rawSpan)
            #expect(equal)
        }
        for (left, right) in [([], [0]), ([1], [2]), ([1, 2, 3], [1, 2]), ([1, 2, 3], [0x81, 2, 3])] as [([UInt8], [UInt8])] {
            let equal = equalInConstantTime(left.rawSpan, right.rawSpan)
            #expect(!equal)
        }
    }
}

extension StaticKeyBinding {
    fileprivate init?(_ bytes: [UInt8]) {
        self.init(copying: bytes.rawSpan)
    }
}
