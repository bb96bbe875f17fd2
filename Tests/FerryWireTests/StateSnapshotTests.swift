import FerryWire
import Testing

@Suite("CDS1 version 2")
struct StateSnapshotTests {
    let vectors: JSON

    init() throws { vectors = try JSON.netMesh.get() }

    @Test("a snapshot parses exactly when net-mesh parses it, and re-encodes to its bytes")
    func oracle() throws {
        let cases = vectors["cds1_oracle"]["vectors"].elements
        #expect(cases.count >= 36)
        for vector in cases {
            let bytes = try #require(vector["hex"].bytes)
            let name = vector["case"].text ?? ""
            do {
                let snapshot = try StateSnapshot(decoding: bytes)
                #expect(vector["parse"].isTrue, "\(name)")
                #expect(try snapshot.encoded() == bytes, "\(name)")
                #expect(snapshot.headPayload == nil)
            } catch {
                #expect(!vector["parse"].isTrue, "\(name): \(error)")
            }
        }
    }

    @Test("a ledger in a snapshot is good exactly when net-mesh restores with it")
    func ledgers() throws {
        var judged = 0
        for vector in vectors["cds1_oracle"]["vectors"].elements {
            guard let name = vector["case"].text, name.hasPrefix("bindings: "), let bytes = vector["hex"].bytes else { continue }
            judged += 1
            let snapshot = try StateSnapshot(decoding: bytes)
            let ledger = Result { () throws(WireError) in try SubscriptionLedger(decoding: snapshot.bindings) }
            #expect(((try? ledger.get()) != nil) == vector["restore_ok"].isTrue, "\(name)")
            guard let ledger = try? ledger.get(), let resnapshot = vector["resnapshot"].bytes else { continue }
            let again = try StateSnapshot(decoding: resnapshot)
            #expect(try SubscriptionLedger(decoding: again.bindings) == ledger, "\(name)")
        }
        #expect(judged >= 18)
    }

    @Test("made-up snapshots, an envelope included, and a recorded run of one daemon")
    func derivedAndRecorded() throws {
        let cases = vectors["cds1_derived"]["vectors"].elements
        #expect(cases.count == 2)
        for vector in cases {
            let bytes = try #require(vector["hex"].bytes)
            #expect(try StateSnapshot(decoding: bytes).encoded() == bytes)
        }
        let steps = vectors["snapshot_sequence"]["steps"].elements
        #expect(!steps.isEmpty)
        for step in steps {
            let bytes = try #require(step["hex"].bytes)
            let snapshot = try StateSnapshot(decoding: bytes)
            #expect(snapshot.throughSequence == step["parsed"]["through_seq"].integer)
            #expect(try snapshot.encoded() == bytes)
        }
    }

    private func sample() throws -> StateSnapshot {
        let vector = try #require(vectors["cds1_derived"]["vectors"].elements.last)
        return try StateSnapshot(decoding: try #require(vector["hex"].bytes))
    }

    @Test("a snapshot without encoding says why")
    func unencodable() throws {
        var foreign = try sample()
        foreign.chainLink.origin = OriginHash(rawValue: 1)
        #expect(errorCode { () throws(WireError) in try foreign.encoded() } == .inconsistent)
        var short = try sample()
        short.envelope = [UInt8](repeating: 1, count: 208)
        #expect(errorCode { () throws(WireError) in try short.encoded() } == .invalidValue)
        var other = try sample()
        other.envelope = [UInt8](repeating: 2, count: 209)
        #expect(errorCode { () throws(WireError) in try other.encoded() } == .invalidValue)
    }

    @Test("the first piece must begin as a snapshot of that daemon; later pieces pass")
    func heads() throws {
        let cases = vectors["chunk_header_check"]["vectors"].elements
        #expect(!cases.isEmpty)
        for vector in cases {
            let bytes = try #require(vector["hex"].bytes)
            let index = UInt32(try #require(vector["chunk_index"].integer))
            let origin = OriginHash(rawValue: try #require(vector["daemon_origin"].integer))
            let code = errorCode { () throws(WireError) in try StateSnapshot.checkHead(of: bytes.rawSpan, index: index, origin: origin) }
            #expect((code == nil) == vector["ok"].isTrue)
        }
    }

    @Test("no prefix and no changed byte traps, and what decodes is exactly what the bytes say")
    func hostileInputs() throws {
        let bytes = try sample().encoded()
        checkHostileInputs(
            bytes, name: "snapshot",
            decode: { bytes throws(WireError) in try StateSnapshot(decoding: bytes).encoded() == [UInt8](copying: bytes) })
    }
}

@Suite("Subscription ledger")
struct SubscriptionLedgerTests {
    private func entry(_ publisher: UInt64, _ name: String, _ token: [UInt8]? = nil) throws -> SubscriptionLedger.Entry {
        SubscriptionLedger.Entry(publisher: publisher, channel: try #require(ChannelName(name)), token: token)
    }

    @Test("known ledgers have known bytes, and an absent token is not an empty one")
    func knownBytes() throws {
        for vector in try JSON.netMesh.get()["bindings"]["encode"].elements {
            var ledger = SubscriptionLedger()
            for subscription in vector["subscriptions"].elements {
                let parts = subscription.elements
                ledger.record(
                    try entry(
                        try #require(parts[0].integer), try #require(parts[1].text), parts[2].text.map { Array($0.utf8) }))
            }
            #expect(try ledger.encoded() == vector["hex"].bytes)
            #expect(try SubscriptionLedger(decoding: ledger.encoded()) == ledger)
        }
        #expect(try SubscriptionLedger(decoding: []).isEmpty)
    }

    @Test("bytes do not depend on the order in which subscriptions were made")
    func canonicalOrder() throws {
        let entries = [try entry(2, "b"), try entry(1, "b/c"), try entry(2, "a", [1]), try entry(1, "b"), try entry(.max, "z")]
        var forward = SubscriptionLedger()
        entries.forEach { forward.record($0) }
        var backward = SubscriptionLedger()
        entries.reversed().forEach { backward.record($0) }
        #expect(forward == backward)
        #expect(forward.entries.map(\.publisher) == [1, 1, 2, 2, .max])
        forward.record(try entry(2, "a", [9]))
        #expect(forward.entries.count == 5 && forward.entries[2].token == [9])
        let channel = try #require(ChannelName("a"))
        forward.forget(publisher: 2, channel: channel)
        forward.forget(publisher: 2, channel: channel)
        #expect(forward.entries.count == 4)
    }

    @Test("of two entries for one pair the later wins")
    func duplicates() throws {
        let bytes = try #require([UInt8](hex: "02000000" + "0100000000000000010061010100aa" + "0100000000000000010061010100bb"))
        let ledger = try SubscriptionLedger(decoding: bytes)
        #expect(ledger.entries.count == 1)
        #expect(ledger.entries.first?.token == [0xBB])
    }

    @Test("channel names", arguments: ["a", "...", "a..b", "a/b/c", "-", "_", "x.y", "0/9", String(repeating: "n", count: 255)])
    func goodNames(name: String) { #expect(ChannelName(name)?.description == name) }

    @Test(
        "names that are none",
        arguments: [
            "", "/", "/a", "a/", "a//b", ".", "..", "a/.", "../a", "a/../b", "A", "a b", "a#", "é", String(repeating: "n", count: 256),
        ])
    func badNames(name: String) { #expect(ChannelName(name) == nil) }

    @Test("a token has at most 65,535 bytes")
    func tokenLimit() throws {
        var ledger = SubscriptionLedger()
        ledger.record(try entry(1, "a", [UInt8](repeating: 0, count: 65_535)))
        #expect(try SubscriptionLedger(decoding: ledger.encoded()) == ledger)
        ledger.record(try entry(1, "a", [UInt8](repeating: 0, count: 65_536)))
        #expect(errorCode { () throws(WireError) in try ledger.encoded() } == .limitExceeded)
    }

    @Test("no prefix and no changed byte traps, and a second encoding is the first")
    func hostileInputs() throws {
        var ledger = SubscriptionLedger()
        for index in 0..<6 { ledger.record(try entry(UInt64(index / 2), "channel/\(index)", index.isMultiple(of: 2) ? [7] : nil)) }
        checkHostileInputs(
            try ledger.encoded(), name: "ledger",
            decode: { bytes throws(WireError) in
                let decoded = try SubscriptionLedger(decoding: bytes)
                return try SubscriptionLedger(decoding: decoded.encoded()) == decoded
            })
    }
}
