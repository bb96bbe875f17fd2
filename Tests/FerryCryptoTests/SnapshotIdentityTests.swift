import FerryCrypto
import FerryWire
import Testing

@Suite("Identities in snapshots, in both providers")
struct SnapshotIdentityTests {
    private func snapshot(of keypair: EntityKeypair, sequence: UInt64 = 3) -> StateSnapshot {
        let link = CausalLink(origin: keypair.originHash, horizon: 1, sequence: sequence, parent: 2)
        return StateSnapshot(entity: keypair.entityID, chainLink: link, createdAt: 4, state: [5])
    }

    @Test(
        "snapshots that real net-mesh nodes sealed give up their daemon's key, and carry the recorded envelope and link",
        arguments: NamedProvider.all)
    func sealedByNetMesh(provider: NamedProvider) throws {
        for vector in try NetMeshEnvelopeVectors.load().identityEnvelope.sealedByWheel.vectors {
            let snapshot = try StateSnapshot(decoding: hex(vector.snapshot))
            #expect(snapshot.envelope?.hex == vector.envelope && snapshot.chainLink.hex == vector.link)
            let node = try provider.crypto.identity(staticSecret: vector.targetSecret)
            let opened = try #require(try snapshot.openIdentity(with: node))
            #expect(opened.canSign)
            #expect(try opened.entityID == provider.crypto.keypair(seed: vector.daemonSeed).entityID)
        }
    }

    @Test("no envelope is no key and no error", arguments: NamedProvider.all)
    func absent(provider: NamedProvider) throws {
        let keypair = try EntityKeypair.generate(crypto: provider.crypto)
        let node = try NodeIdentity.generate(crypto: provider.crypto)
        #expect(try snapshot(of: keypair).openIdentity(with: node) == nil)
    }

    @Test("what is sealed survives the wire and opens at its node alone", arguments: ProviderPair.all)
    func roundTrip(pair: ProviderPair) throws {
        let crypto = pair.left.crypto
        let daemon = try EntityKeypair.generate(crypto: crypto)
        let (node, stranger) = (try NodeIdentity.generate(crypto: pair.right.crypto), try NodeIdentity.generate(crypto: pair.right.crypto))
        var sealed = snapshot(of: daemon)
        try sealed.sealIdentity(of: daemon, to: node.staticPublicKey, crypto: crypto, random: crypto.random)
        let arrived = try StateSnapshot(decoding: sealed.encoded())
        #expect(try arrived.openIdentity(with: node)?.entityID == daemon.entityID)
        expectFailure(.sealOpenFailed) { _ = try arrived.openIdentity(with: stranger) }
    }

    @Test("an envelope replayed at another link, even of the same daemon, does not open", arguments: NamedProvider.all)
    func replayedAtAnotherLink(provider: NamedProvider) throws {
        let crypto = provider.crypto
        let daemon = try EntityKeypair.generate(crypto: crypto)
        let node = try NodeIdentity.generate(crypto: crypto)
        var sealed = snapshot(of: daemon)
        try sealed.sealIdentity(of: daemon, to: node.staticPublicKey, crypto: crypto, random: crypto.random)
        for offset in 0..<32 {
            var bytes = sealed.chainLink.bytes
            bytes[offset] ^= 1
            var replayed = sealed
            replayed.chainLink = try #require(CausalLink(bytes))
            expectFailure(.invalidAttestation) { _ = try replayed.openIdentity(with: node) }
        }
    }

    @Test(
        "the link is associated data of the cipher: a re-signed envelope of another link does not open either", arguments: NamedProvider.all
    )
    func linkIsAssociatedData(provider: NamedProvider) throws {
        let crypto = provider.crypto
        let daemon = try EntityKeypair.generate(crypto: crypto)
        let node = try NodeIdentity.generate(crypto: crypto)
        var (one, other) = (snapshot(of: daemon, sequence: 3), snapshot(of: daemon, sequence: 4))
        try one.sealIdentity(of: daemon, to: node.staticPublicKey, crypto: crypto, random: crypto.random)
        try other.sealIdentity(of: daemon, to: node.staticPublicKey, crypto: crypto, random: crypto.random)
        let (first, second) = (try #require(one.envelope), try #require(other.envelope))
        // The other's signature is good for the other's link; the ciphertext was made for this one.
        other.envelope = Array(first.prefix(113)) + second.dropFirst(113)
        expectFailure(.sealOpenFailed) { _ = try other.openIdentity(with: node) }
    }

    @Test("another daemon's envelope is refused at the first check", arguments: NamedProvider.all)
    func substitutedSigner(provider: NamedProvider) throws {
        let crypto = provider.crypto
        let (victim, thief) = (try EntityKeypair.generate(crypto: crypto), try EntityKeypair.generate(crypto: crypto))
        let node = try NodeIdentity.generate(crypto: crypto)
        var snapshot = snapshot(of: victim)
        let binding = snapshot.chainLink.bytes
        snapshot.envelope = try IdentityEnvelope(
            sealing: thief, to: node.staticPublicKey, binding: binding.rawSpan, crypto: crypto, random: crypto.random
        ).bytes
        expectFailure(.invalidSignerKey) { _ = try snapshot.openIdentity(with: node) }
    }

    @Test("an envelope that is re-addressed keeps neither its signature nor its key", arguments: NamedProvider.all)
    func retargeted(provider: NamedProvider) throws {
        let crypto = provider.crypto
        let daemon = try EntityKeypair.generate(crypto: crypto)
        let (node, other) = (try NodeIdentity.generate(crypto: crypto), try NodeIdentity.generate(crypto: crypto))
        var sealed = snapshot(of: daemon)
        try sealed.sealIdentity(of: daemon, to: node.staticPublicKey, crypto: crypto, random: crypto.random)
        var bytes = try #require(sealed.envelope)
        bytes.replaceSubrange(1..<33, with: other.staticPublicKey.bytes)
        sealed.envelope = bytes
        for identity in [node, other] { expectFailure(.invalidAttestation) { _ = try sealed.openIdentity(with: identity) } }
    }

    @Test("a failed seal is an error and leaves the snapshot without an envelope", arguments: NamedProvider.all)
    func failedSeal(provider: NamedProvider) throws {
        let crypto = provider.crypto
        let daemon = try EntityKeypair.generate(crypto: crypto)
        let node = try NodeIdentity.generate(crypto: crypto)
        let zero = try bytes32(String(repeating: "00", count: 32))
        let before = snapshot(of: daemon)
        for (keypair, target, code): (EntityKeypair, FixedBytes32, CryptoFailure.Code) in [
            (EntityKeypair(publicOnly: daemon.entityID), node.staticPublicKey, .readOnly), (daemon, zero, .invalidKey),
            (try EntityKeypair.generate(crypto: crypto), node.staticPublicKey, .invalidSignerKey),
        ] {
            var snapshot = before
            expectFailure(code) { try snapshot.sealIdentity(of: keypair, to: target, crypto: crypto, random: crypto.random) }
            #expect(snapshot == before)
        }
    }

    @Test("the parts of an envelope are those of the vectors", arguments: NamedProvider.all)
    func parts(provider: NamedProvider) throws {
        let group = try NetMeshEnvelopeVectors.load().identityEnvelope
        #expect(group.sealedByUs.vectors.count == 2)
        for vector in group.sealedByUs.vectors {
            let envelope = try #require(try IdentityEnvelope(hex(vector.envelope)))
            #expect(envelope.signer.hex == vector.signerPub && envelope.targetStaticKey.hex == vector.targetPublic)
            #expect(envelope.ephemeralKey.hex == vector.ephemeralPublic && envelope.ciphertext.hex == vector.ciphertext)
            #expect(envelope.signature.hex == vector.signature)
            #expect(vector.transcript == vector.targetPublic + vector.link && vector.aad == vector.link)
            try checkDerivation(of: vector, crypto: provider.crypto)
        }
        let fixture = try hex(group.upstreamTest.fixtureHex)
        #expect(fixture.count == group.upstreamTest.size)
        #expect((IdentityEnvelope(fixture) != nil) == group.upstreamTest.parses)
        #expect(IdentityEnvelope(fixture)?.bytes == fixture)
    }

    private func checkDerivation(of vector: NetMeshEnvelopeVectors.ByUs, crypto: CryptoProvider) throws {
        let secret = try crypto.secret(vector.targetSecret)
        let shared = try crypto.x25519.sharedSecret(
            secret: secret, publicKey: bytes32(vector.ephemeralPublic), allocator: crypto.secrets)
        let sharedBytes = shared.copiedForTest()
        #expect(sharedBytes.hex == vector.shared)
        #expect(FixedBytes32(label: "net-identity-envelope", sharedBytes).hex == vector.aeadKey)
        let keys = try hex(vector.ephemeralPublic + vector.targetPublic)
        #expect(FixedBytes32(label: "net-identity-nonce", keys).hex.hasPrefix(vector.nonce) && vector.nonce.count == 48)
    }

    @Test("every length but 209, and every first byte but 1, is no envelope; of the rest every byte is kept")
    func hostileEnvelopes() throws {
        let valid = try hex(try #require(try NetMeshEnvelopeVectors.load().identityEnvelope.sealedByUs.vectors.first).envelope)
        for count in 0..<valid.count { #expect(IdentityEnvelope(Array(valid[..<count])) == nil) }
        for extra in 1...64 { #expect(IdentityEnvelope(valid + [UInt8](repeating: 0, count: extra)) == nil) }
        var changed = valid
        for index in valid.indices {
            for mask in 1...UInt8.max {
                changed[index] = valid[index] ^ mask
                let parsed = IdentityEnvelope(changed)
                #expect(index == 0 ? parsed == nil : parsed?.bytes == changed)
            }
            changed[index] = valid[index]
        }
    }
}

/// The parts of the envelopes' vectors.
private struct NetMeshEnvelopeVectors: Decodable {
    struct Section<Vector: Decodable>: Decodable { let vectors: [Vector] }

    struct ByNetMesh: Decodable {
        let targetSecret, snapshot, envelope, daemonSeed, link: String
    }

    struct ByUs: Decodable {
        let signerPub, targetSecret, targetPublic, ephemeralPublic, link, shared, aeadKey, nonce, aad, ciphertext, transcript, signature,
            envelope: String
    }

    struct Fixture: Decodable {
        let fixtureHex: String
        let size: Int
        let parses: Bool
    }

    struct Group: Decodable {
        let sealedByWheel: Section<ByNetMesh>
        let sealedByUs: Section<ByUs>
        let upstreamTest: Fixture

        private enum CodingKeys: String, CodingKey {
            case sealedByWheel, sealedByUs
            case upstreamTest = "upstream-test"
        }
    }

    let identityEnvelope: Group

    static func load() throws -> NetMeshEnvelopeVectors { try vectorFile("net-mesh-migration.json") }
}
