import FerryCrypto
import FerryWire
import Testing

@Suite("Identity envelopes, in both providers")
struct IdentityEnvelopeTests {
    @Test("envelopes that real net-mesh nodes sealed are opened", arguments: NamedProvider.all)
    func sealedByNetMesh(provider: NamedProvider) throws {
        let vectors = try NetMeshVectors.load().identityEnvelope.sealedByWheel.vectors
        #expect(vectors.count == 4)
        for vector in vectors {
            let node = try provider.crypto.identity(staticSecret: vector.targetSecret)
            #expect(node.staticPublicKey.hex == vector.targetPublic)
            let daemon = try provider.crypto.keypair(seed: vector.daemonSeed)
            let envelope = try #require(IdentityEnvelope(hex(vector.envelope)))
            #expect(envelope.bytes.hex == vector.envelope)
            let opened = try envelope.opened(node, binding: hex(vector.link), expecting: daemon.entityID)
            #expect(opened.entityID == daemon.entityID && opened.canSign)
        }
    }

    @Test("sealing with a given ephemeral key gives net-mesh's bytes", arguments: NamedProvider.all)
    func sealedByUs(provider: NamedProvider) throws {
        let crypto = provider.crypto
        let vectors = try NetMeshVectors.load().identityEnvelope.sealedByUs.vectors
        #expect(vectors.count == 2)
        for vector in vectors {
            let binding = try hex(vector.link)
            let envelope = try IdentityEnvelope(
                sealing: crypto.keypair(seed: vector.daemonSeed), to: bytes32(vector.targetPublic), binding: binding.rawSpan,
                crypto: crypto, random: FixedRandom(bytes: hex(vector.ephemeralSecret)))
            #expect(envelope.bytes.hex == vector.envelope)
            let node = try crypto.identity(staticSecret: vector.targetSecret)
            #expect(try envelope.opened(node, binding: binding).canSign)
        }
    }

    @Test("what one provider seals, the other opens, under a binding of any length", arguments: ProviderPair.all)
    func providersAgree(pair: ProviderPair) throws {
        let daemon = try EntityKeypair.generate(crypto: pair.left.crypto)
        let node = try NodeIdentity.generate(crypto: pair.right.crypto)
        for byteCount in [0, 1, 32, 200] {
            let binding = [UInt8](repeating: 0x77, count: byteCount)
            let envelope = try IdentityEnvelope(
                sealing: daemon, to: node.staticPublicKey, binding: binding.rawSpan, crypto: pair.left.crypto,
                random: pair.left.crypto.random)
            let opened = try envelope.opened(node, binding: binding, expecting: daemon.entityID)
            let message: [UInt8] = [1, 2, 3]
            let signature = try opened.sign(message.rawSpan)
            #expect(try daemon.entityID.isValid(signature, over: message, crypto: pair.left.crypto))
            expectFailure(.invalidAttestation) { _ = try envelope.opened(node, binding: binding + [0]) }
        }
    }

    @Test("exactly 209 bytes that begin with 1 parse; garbage after that parses too")
    func parsing() throws {
        let garbage = [1] + [UInt8](repeating: 0xaa, count: 208)
        #expect(IdentityEnvelope(garbage)?.bytes == garbage)
        #expect(IdentityEnvelope(Array(garbage.dropLast())) == nil)
        #expect(IdentityEnvelope(garbage + [0]) == nil)
        for version: UInt8 in [0, 2, 255] { #expect(IdentityEnvelope([version] + garbage.dropFirst()) == nil) }
    }

    @Test("checks come in the specification's order", arguments: NamedProvider.all)
    func orderOfChecks(provider: NamedProvider) throws {
        let crypto = provider.crypto
        let vector = try #require(try NetMeshVectors.load().identityEnvelope.sealedByUs.vectors.first)
        let genuine = try hex(vector.envelope)
        let binding = try hex(vector.link)
        let node = try crypto.identity(staticSecret: vector.targetSecret)
        let stranger = try NodeIdentity.generate(crypto: crypto)
        let other = try EntityKeypair.generate(crypto: crypto).entityID
        func open(_ bytes: [UInt8], _ node: NodeIdentity, expecting signer: EntityID? = nil) throws {
            _ = try #require(IdentityEnvelope(bytes)).opened(node, binding: binding, expecting: signer)
        }
        func replaced(_ range: Range<Int>, with bytes: [UInt8]) -> [UInt8] {
            var changed = genuine
            changed.replaceSubrange(range, with: bytes)
            return changed
        }
        let notAPoint = try hex("8c2e0718822ce47ca8c74107e66cb0e4b2b3f4d58d82ca6386d2c96e3b87c04d")
        let smallOrder = [1] + [UInt8](repeating: 0, count: 31)
        // Step 0 comes before everything: all else is wrong too.
        expectFailure(.invalidSignerKey) { try open([1] + [UInt8](repeating: 0xaa, count: 208), stranger, expecting: other) }
        expectFailure(.invalidSignerKey) { try open(genuine, node, expecting: other) }
        // Step 1a: no point; step 1b: a point whose signature does not verify, though the node is a stranger as well.
        expectFailure(.invalidSignerKey) { try open(replaced(113..<145, with: notAPoint), stranger) }
        expectFailure(.invalidAttestation) { try open(replaced(113..<145, with: smallOrder), stranger) }
        expectFailure(.invalidAttestation) { try open(replaced(113..<145, with: other.bytes), stranger) }
        expectFailure(.invalidAttestation) { try open(replaced(200..<201, with: [genuine[200] ^ 1]), stranger) }
        expectFailure(.invalidAttestation) { try open(replaced(1..<33, with: stranger.staticPublicKey.bytes), stranger) }
        // Step 2: the signature is good, the key is not ours.
        expectFailure(.sealOpenFailed) { try open(genuine, stranger) }
        // Step 3: ephemeral key, ciphertext, tag.
        for offset in [33, 64, 65, 96, 97, 112] {
            expectFailure(.sealOpenFailed) { try open(replaced(offset..<offset + 1, with: [genuine[offset] ^ 1]), node) }
        }
        expectFailure(.sealOpenFailed) { try open(replaced(33..<65, with: [UInt8](repeating: 0, count: 32)), node) }
        try open(genuine, node)
    }

    @Test("a seed that is not the signer's is refused after opening", arguments: NamedProvider.all)
    func foreignSeed(provider: NamedProvider) throws {
        let crypto = provider.crypto
        let node = try NodeIdentity.generate(crypto: crypto)
        let (victim, thief) = (try EntityKeypair.generate(crypto: crypto), try EntityKeypair.generate(crypto: crypto))
        let binding: [UInt8] = [1]
        let honest = try IdentityEnvelope(
            sealing: victim, to: node.staticPublicKey, binding: binding.rawSpan, crypto: crypto, random: crypto.random)
        let forged = try IdentityEnvelope(
            sealing: thief, to: node.staticPublicKey, binding: binding.rawSpan, crypto: crypto, random: crypto.random)
        // The signature does not cover the ciphertext, so the last check must.
        let mixed = try #require(IdentityEnvelope(Array(forged.bytes.prefix(113)) + honest.bytes.dropFirst(113)))
        expectFailure(.invalidAttestation) { _ = try mixed.opened(node, binding: binding, expecting: victim.entityID) }
    }

    @Test("a target key of small order cannot be sealed to", arguments: NamedProvider.all)
    func smallOrderTarget(provider: NamedProvider) throws {
        let crypto = provider.crypto
        let daemon = try EntityKeypair.generate(crypto: crypto)
        let zero = try bytes32(String(repeating: "00", count: 32))
        expectFailure(.invalidKey) {
            _ = try IdentityEnvelope(sealing: daemon, to: zero, binding: [UInt8]().rawSpan, crypto: crypto, random: crypto.random)
        }
    }

    @Test("every secret is released on every path", arguments: NamedProvider.all)
    func secretsAreReleased(provider: NamedProvider) throws {
        let allocator = CountingAllocator()
        var crypto = provider.crypto
        crypto.secrets = allocator
        let node = try NodeIdentity.generate(crypto: crypto)
        let held = allocator.liveCount
        let daemon = try EntityKeypair.generate(crypto: crypto)
        let binding: [UInt8] = [3]
        let envelope = try IdentityEnvelope(
            sealing: daemon, to: node.staticPublicKey, binding: binding.rawSpan, crypto: crypto, random: crypto.random)
        daemon.wipe()
        #expect(allocator.liveCount == held)
        for offset in [1, 40, 70, 100, 120, 150] {
            var bytes = envelope.bytes
            bytes[offset] ^= 1
            let changed = try #require(IdentityEnvelope(bytes))
            #expect(throws: CryptoFailure.self) { _ = try changed.opened(node, binding: binding) }
            #expect(allocator.liveCount == held)
        }
        let opened = try envelope.opened(node, binding: binding)
        #expect(allocator.liveCount == held + 1)
        opened.wipe()
        #expect(allocator.liveCount == held)
    }
}

extension IdentityEnvelope {
    init?(_ bytes: [UInt8]) {
        self.init(copying: bytes.rawSpan)
    }

    func opened(_ node: NodeIdentity, binding: [UInt8], expecting signer: EntityID? = nil) throws(CryptoFailure) -> EntityKeypair {
        try open(with: node, binding: binding.rawSpan, expecting: signer)
    }
}
