import FerryWire
import Testing

/// Every prefix and every changed byte of every accepted vector: a value whose encoding is what was read, or a typed error.
@Suite("Hostile bytes in net-mesh's formats")
struct NetMeshHostileTests {
    let vectors: JSON

    init() throws { vectors = try JSON.netMesh.get() }

    @Test("messages: what decodes encodes to what was read, whatever follows it")
    func messages() throws {
        let groups = ["messages", "messages_real", "decode_table", "decode_oracle"]
        let pool = groups.flatMap { group in vectors[group]["vectors"].elements.compactMap { $0["hex"].bytes } }
        let accepted = Set(pool.filter { (try? MigrationMessage(decoding: $0)) != nil })
        #expect(accepted.count >= 60)
        // Full pieces differ only in what their bytes are: one of them stands for all.
        let full = accepted.filter { $0.count > 1_000 }.prefix(1)
        for bytes in accepted.filter({ $0.count <= 1_000 }) + full {
            checkHostileInputs(
                bytes, name: "message of \(bytes.count) bytes",
                decode: { changed throws(WireError) in
                    let encoded = try MigrationMessage(decoding: changed).encoded()
                    return encoded.count <= changed.byteCount && [UInt8](copying: changed.extracting(0..<encoded.count)) == encoded
                })
        }
    }

    @Test("snapshots: what decodes encodes to exactly its bytes")
    func snapshots() throws {
        let pool = vectors["cds1_oracle"]["vectors"].elements + vectors["cds1_derived"]["vectors"].elements
        let accepted = pool.compactMap { $0["hex"].bytes }.filter { (try? StateSnapshot(decoding: $0)) != nil }
        #expect(accepted.count >= 25)
        for bytes in accepted {
            checkHostileInputs(
                bytes, name: "snapshot of \(bytes.count) bytes",
                decode: { changed throws(WireError) in
                    try StateSnapshot(decoding: changed).encoded() == [UInt8](copying: changed)
                })
        }
    }

    @Test("ledgers: a second encoding is the first, and differs from what was read only in order and in repeated pairs")
    func ledgers() throws {
        var pool = vectors["bindings"]["encode"].elements.compactMap { $0["hex"].bytes }
        for vector in vectors["cds1_oracle"]["vectors"].elements {
            guard let bytes = vector["hex"].bytes, let snapshot = try? StateSnapshot(decoding: bytes) else { continue }
            pool.append(snapshot.bindings)
        }
        #expect(pool.count >= 20)
        for bytes in pool {
            checkHostileInputs(
                bytes, name: "ledger of \(bytes.count) bytes",
                decode: { changed throws(WireError) in
                    let ledger = try SubscriptionLedger(decoding: changed)
                    let encoded = try ledger.encoded()
                    let again = try SubscriptionLedger(decoding: encoded)
                    // No bytes at all are an empty ledger, which encodes as its count.
                    return again == ledger && (encoded.count <= changed.byteCount || changed.byteCount == 0)
                })
        }
    }

    @Test("links and proofs: any 32 and any 40 bytes are one, and come back")
    func fixedSizes() throws {
        for vector in vectors["causal_link"]["vectors"].elements {
            checkHostileInputs(
                try #require(vector["bytes"].bytes), name: "link",
                decode: { changed throws(WireError) in
                    guard let link = CausalLink(copying: changed) else { throw WireError(.truncated, "link") }
                    return link.bytes == [UInt8](copying: changed)
                })
        }
        for vector in vectors["continuity_proof"]["vectors"].elements {
            checkCanonical(ContinuityProof.self, try #require(vector["hex"].bytes), name: "proof")
        }
    }
}
