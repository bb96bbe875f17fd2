import FerryCrypto
import FerryWire
import Testing

/// Encodings of small-order points: orders 4, 1, 8, 8, 2, and the non-canonical forms of orders 4 and 1; each in both signs.
private let smallOrderPoints: [String] = [
    String(repeating: "00", count: 32), "01" + String(repeating: "00", count: 31),
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "ec" + String(repeating: "ff", count: 30) + "7f", "ed" + String(repeating: "ff", count: 30) + "7f",
    "ee" + String(repeating: "ff", count: 30) + "7f",
]

@Suite("Strict verification, in both providers")
struct SignatureStrictnessTests {
    @Test("net-mesh's verdicts", arguments: NamedProvider.all)
    func netMeshVerdicts(provider: NamedProvider) throws {
        let vectors = try NetMeshVectors.load().signatureStrictness.vectors
        #expect(vectors.count == 3)
        let scheme = try provider.crypto.ed25519
        for vector in vectors {
            let message = try hex(vector.message)
            let signature = try #require(Signature(hex: vector.signature))
            #expect(try scheme.isValid(signature, over: message, by: bytes32(vector.entityId)) == vector.valid)
        }
    }

    @Test("small-order public keys and R never verify", arguments: NamedProvider.all)
    func smallOrderIsRefused(provider: NamedProvider) throws {
        let scheme = try provider.crypto.ed25519
        let honest = try scheme.publicKey(ofSeed: provider.crypto.secret(String(repeating: "05", count: 32)))
        let message: [UInt8] = [0x78]
        for encoding in smallOrderPoints {
            var bytes = try hex(encoding)
            for sign: UInt8 in [0, 0x80] {
                bytes[31] = bytes[31] & 0x7f | sign
                let point = try #require(FixedBytes32(bytes))
                #expect(Edwards25519.hasSmallOrder(point))
                for zeroS in [[UInt8](repeating: 0, count: 32), [1] + [UInt8](repeating: 0, count: 31)] {
                    let signature = try #require(Signature(bytes + zeroS))
                    #expect(!scheme.isValid(signature, over: message, by: point))
                    #expect(!scheme.isValid(signature, over: message, by: honest))
                }
            }
        }
    }

    @Test("a changed signature, message or key does not verify", arguments: NamedProvider.all)
    func changesAreRefused(provider: NamedProvider) throws {
        let scheme = try provider.crypto.ed25519
        let seed = try provider.crypto.secret(String(repeating: "05", count: 32))
        let publicKey = try scheme.publicKey(ofSeed: seed)
        let message = Array("a message".utf8)
        let signature = try scheme.sign(message.rawSpan, seed: seed)
        for offset in 0..<64 {
            var bytes = signature.bytes
            bytes[offset] ^= 1
            let changed = try #require(Signature(bytes))
            #expect(!scheme.isValid(changed, over: message, by: publicKey))
        }
        for offset in 0..<32 {
            var bytes = publicKey.bytes
            bytes[offset] ^= 1
            let changed = try #require(FixedBytes32(bytes))
            #expect(!scheme.isValid(signature, over: message, by: changed))
        }
        #expect(!scheme.isValid(signature, over: Array(message.prefix(8)), by: publicKey))
    }

    @Test("points are told from other 32 bytes")
    func pointsAreRecognized() throws {
        for (encoding, isPoint) in [
            ("f5b165224a58b791df6af1d8303e61cdc4bb86c3d1c427103c344c41c4f5170f", true),
            ("8c2e0718822ce47ca8c74107e66cb0e4b2b3f4d58d82ca6386d2c96e3b87c04d", false),
            ("3129903ac1d45597a242fdf11f8f2b1a39f3c3e693114351dcbed4077173db02", false),
            ("a0661970ef3f6df0148ded7e8a34888d396cab3b80d27f58df111a3b1ef9a256", false),
            ("df0e7337420c13f8f5d40f6ce079d1b987376f07bcb81287fdc8c03847f4c0e1", true),
            ("02" + String(repeating: "00", count: 31), false), ("03" + String(repeating: "00", count: 31), true),
            ("07" + String(repeating: "00", count: 31), false), ("13" + String(repeating: "00", count: 31), true),
            ("ef" + String(repeating: "ff", count: 30) + "7f", false), ("f0" + String(repeating: "ff", count: 30) + "ff", true),
        ] {
            #expect(try Edwards25519.isPoint(bytes32(encoding)) == isPoint, "\(encoding)")
        }
        #expect(try Edwards25519.isCanonical(bytes32("ec" + String(repeating: "ff", count: 30) + "ff")))
        #expect(try !Edwards25519.isCanonical(bytes32("ed" + String(repeating: "ff", count: 30) + "7f")))
        for seed in 0..<64 as Range<UInt8> {
            let crypto = NamedProvider.sodium.crypto
            let key = try crypto.keypair(seed: [UInt8](repeating: seed, count: 32).hex).entityID.rawValue
            #expect(Edwards25519.isPoint(key) && Edwards25519.isCanonical(key) && !Edwards25519.hasSmallOrder(key))
        }
    }
}
