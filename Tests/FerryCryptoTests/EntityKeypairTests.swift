import FerryCrypto
import FerryWire
import Testing

@Suite("Keypairs")
struct EntityKeypairTests {
    @Test("net-mesh identities: public key, origin, node id and signatures", arguments: NamedProvider.all)
    func netMeshIdentities(provider: NamedProvider) throws {
        let vectors = try NetMeshVectors.load().identity.vectors
        #expect(vectors.count == 4)
        for vector in vectors {
            let keypair = try provider.crypto.keypair(seed: vector.seed)
            #expect(keypair.entityID.hex == vector.entityId)
            #expect(keypair.originHash.description == vector.originHash)
            #expect(NodeKey(rawValue: keypair.entityID.rawValue).nodeID.description == vector.nodeId)
            for signed in vector.signatures {
                let message = try hex(signed.message)
                let signature = try keypair.sign(message.rawSpan)
                #expect(signature.hex == signed.signature)
                #expect(try keypair.entityID.isValid(signature, over: message, crypto: provider.crypto))
            }
        }
    }

    @Test("wiping releases the seed, leaves the public half, and may be repeated", arguments: NamedProvider.all)
    func wipe(provider: NamedProvider) throws {
        let allocator = CountingAllocator()
        var crypto = provider.crypto
        crypto.secrets = allocator
        let keypair = try EntityKeypair.generate(crypto: crypto)
        let (entityID, originHash) = (keypair.entityID, keypair.originHash)
        #expect(keypair.canSign)
        #expect(allocator.liveCount == 1)
        keypair.wipe()
        keypair.wipe()
        #expect(allocator.liveCount == 0)
        #expect(!keypair.canSign)
        #expect(keypair.entityID == entityID && keypair.originHash == originHash)
        expectFailure(.readOnly) { _ = try keypair.sign([UInt8]().rawSpan) }
    }

    @Test("a public-only keypair names its daemon and refuses to sign and to be sealed", arguments: NamedProvider.all)
    func publicOnly(provider: NamedProvider) throws {
        let crypto = provider.crypto
        let full = try EntityKeypair.generate(crypto: crypto)
        let keypair = EntityKeypair(publicOnly: full.entityID)
        let node = try NodeIdentity.generate(crypto: crypto)
        #expect(keypair.originHash == full.originHash)
        #expect(!keypair.canSign)
        expectFailure(.readOnly) { _ = try keypair.sign([UInt8]().rawSpan) }
        expectFailure(.readOnly) {
            _ = try IdentityEnvelope(
                sealing: keypair, to: node.staticPublicKey, binding: [UInt8]().rawSpan, crypto: crypto, random: crypto.random)
        }
        keypair.wipe()
    }

    @Test("seeds have exactly 32 bytes", arguments: NamedProvider.all, [0, 31, 33, 64])
    func seedLengths(provider: NamedProvider, byteCount: Int) throws {
        expectFailure(.invalidKey) {
            _ = try EntityKeypair(seed: SecretBytes(randomByteCount: byteCount, crypto: provider.crypto), crypto: provider.crypto)
        }
    }

    @Test("no secret byte shows in descriptions, mirrors or dumps")
    func secretsStayHidden() throws {
        let crypto = NamedProvider.swiftCrypto.crypto
        let seed = (0xa0...0xbf).map { UInt8($0) }.hex
        let keypair = try crypto.keypair(seed: seed)
        let node = try crypto.identity(seed: seed, staticSecret: seed)
        var shown = "\(keypair) \(node) \(String(reflecting: keypair)) \(String(reflecting: node))"
        dump(keypair, to: &shown)
        dump(node, to: &shown)
        #expect(shown.contains(keypair.entityID.hex))
        #expect(!shown.contains("a0a1a2") && !shown.contains("160, 161"))
        #expect(Mirror(reflecting: keypair).children.map(\.label) == ["entityID"])
        #expect(Mirror(reflecting: node).children.map(\.label) == ["nodeKey"])
    }

    @Test("two generated identities differ")
    func generatedIdentitiesDiffer() throws {
        for provider in NamedProvider.all {
            let keys = try (0..<16).map { _ in try EntityKeypair.generate(crypto: provider.crypto).entityID }
            #expect(Set(keys).count == 16)
        }
    }
}
