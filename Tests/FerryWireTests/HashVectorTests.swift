import FerryWire
import Testing

@Suite("Hashes and identities equal the vectors")
struct HashVectorTests {
    let vectors: JSON

    init() throws { vectors = try JSON.netMesh.get() }

    @Test("XXH3 of every length class")
    func xxh3Lengths() throws {
        let cases = vectors["xxh3_64"]["vectors"].elements
        #expect(cases.count >= 30)
        for vector in cases {
            let count = Int(try #require(vector["len"].integer))
            #expect(xxh3(patternBytes(count).rawSpan) == vector["hash"].hexInteger, "length \(count)")
        }
    }

    @Test("a parent hash is the same for short and long payloads")
    func parentHashes() throws {
        let group = vectors["parent_hash"]
        let link = try #require(group["link"].bytes.flatMap { CausalLink($0) })
        let cases = group["vectors"].elements
        #expect(cases.count >= 5)
        for vector in cases {
            let count = Int(try #require(vector["payload_len"].integer))
            #expect(forwardHash(link, patternBytes(count).rawSpan) == vector["parent_hash"].integer, "payload of \(count)")
        }
    }

    @Test("the two ways to hash link and payload agree around the point where one takes over", arguments: 470...530)
    func forwardHashEqualsOneShot(payloadByteCount: Int) {
        let link = CausalLink(origin: OriginHash(rawValue: 1), horizon: 2, sequence: 3, parent: 4)
        let payload = patternBytes(payloadByteCount)
        #expect(forwardHash(link, payload.rawSpan) == xxh3((link.bytes + payload).rawSpan))
    }

    @Test("keyed BLAKE2s")
    func keyedDigests() throws {
        let cases = vectors["blake2s_keyed"]["vectors"].elements
        #expect(!cases.isEmpty)
        for vector in cases {
            let key = try #require(vector["key"].text)
            let message = try #require(vector["message"].bytes)
            #expect(keyedBlake2s(key: Array(key.utf8).rawSpan, message.rawSpan).hex == vector["digest"].text, "\(key)")
        }
    }

    @Test("origin hashes and node ids")
    func identities() throws {
        let cases = vectors["identity"]["vectors"].elements
        #expect(!cases.isEmpty)
        for vector in cases {
            let key = try #require(vector["entity_id"].bytes)
            #expect(EntityID(key)?.originHash.rawValue == vector["origin_hash"].integer)
            #expect(NodeKey(key)?.nodeID.rawValue == vector["node_id"].integer)
        }
    }

    @Test("the horizon's three bits of each origin, alone and joined in any order")
    func horizonBloom() throws {
        let group = vectors["horizon_bloom"]
        #expect(!group["single"].elements.isEmpty && !group["sets"].elements.isEmpty)
        for vector in group["single"].elements {
            let origin = OriginHash(rawValue: try #require(vector["origin"].integer))
            let bloom = HorizonBloom([origin])
            #expect(bloom.rawValue == vector["bits"].hexInteger)
            #expect(bloom.mightContain(origin))
            #expect(!HorizonBloom.empty.mightContain(origin))
        }
        for vector in group["sets"].elements {
            let origins = vector["origins"].elements.compactMap(\.integer).map(OriginHash.init)
            #expect(HorizonBloom(origins).rawValue == vector["encoded"].hexInteger)
            #expect(HorizonBloom(origins.reversed()) == HorizonBloom(origins))
            #expect(origins.allSatisfy(HorizonBloom(origins).mightContain))
        }
    }
}
