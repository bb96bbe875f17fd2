import FerryWire
import Testing

@Suite("Net-mesh's formats, rule by rule")
struct NetMeshRuleTests {
    let vectors: JSON

    init() throws { vectors = try JSON.netMesh.get() }

    private func code(_ bytes: [UInt8]) -> WireError.Code? {
        errorCode { () throws(WireError) in try MigrationMessage(decoding: bytes) }
    }

    private func bytes(_ hex: String) throws -> [UInt8] { try #require([UInt8](hex: hex)) }

    @Test("what upstream's own tests spell out")
    func literals() throws {
        var literals: [String: JSON] = [:]
        for vector in vectors["upstream_test_literals"]["vectors"].elements { literals[vector["what"].text ?? ""] = vector["value"] }
        #expect(literals.count == 14)
        #expect(try SubscriptionLedger().encoded() == literals["empty DaemonBindings encodes to"]?.bytes)
        #expect(UInt64(CausalLink.byteCount) == literals["CausalLink size"]?.integer)
        #expect(literals["IdentityEnvelope size / version"]?.elements.first?.integer == UInt64(WireLimits.identityEnvelopeByteCount))
        let plain = try #require(vectors["cds1_derived"]["vectors"].elements.first?["hex"].bytes)
        let beginning = try #require(literals["snapshot starts with"]?.bytes)
        #expect(plain.starts(with: beginning))
        #expect(plain.last == 0 && literals["last byte when no envelope"]?.integer == 0)
        #expect(literals["through_seq offset in CDS1"]?.integer == vectors["cds1_derived"]["offsets_no_envelope"]["through_seq"].integer)
        for (what, expected) in [
            ("hand-built SnapshotReady total 0", WireError.Code.invalidValue), ("hand-built SnapshotReady 5/3", .invalidValue),
            ("hand-built MSG_FAILED 0xFFFF", .unknownType), ("hand-built BufferedEvents count u32max", .limitExceeded),
        ] {
            let message = try #require(literals[what]?.bytes)
            #expect(code(message) == expected, "\(what)")
        }
        let text = FailureReason(.stateFailed, String(repeating: "x", count: 65_536))
        let tooLong = MigrationMessage.migrationFailed(origin: OriginHash(rawValue: 1), reason: text)
        #expect(literals["reason string of 65536 bytes"]?.text == "encode error")
        #expect(errorCode { () throws(WireError) in try tooLong.encoded() } == .limitExceeded)
    }

    @Test("the fields of a snapshot stand at the offsets of the specification")
    func offsets() throws {
        let offsets = vectors["cds1_derived"]["offsets_no_envelope"]
        let bytes = try #require(vectors["cds1_derived"]["vectors"].elements.last?["hex"].bytes)
        let snapshot = try StateSnapshot(decoding: bytes)
        func field(_ name: String, _ count: Int) throws -> [UInt8] {
            let offset = Int(try #require(offsets[name].integer))
            return Array(bytes[offset..<offset + count])
        }
        #expect(try field("magic", 4) == Array("CDS1".utf8))
        #expect(try field("version", 1) == [StateSnapshot.version])
        #expect(try field("entity_id", 32) == snapshot.entity.bytes)
        #expect(try field("through_seq", 8) == Array(snapshot.chainLink.bytes[16..<24]))
        #expect(try field("chain_link", 32) == snapshot.chainLink.bytes)
        let (createdAt, stateLength) = (try field("created_at", 8), try field("state_len", 4))
        #expect(createdAt.rawSpan.littleEndianUInt64(at: 0) == snapshot.createdAt)
        #expect(Int(stateLength.rawSpan.littleEndianUInt32(at: 0)) == snapshot.state.count)
        #expect(try field("state", snapshot.state.count) == snapshot.state)
        #expect(try UInt64(StateSnapshot(decoding: bytes).encoded().count) == UInt64(bytes.count))
        #expect(bytes.count == 94 + snapshot.state.count + snapshot.bindings.count + (snapshot.envelope?.count ?? 0))
    }

    @Test("every message of every transcript decodes to the fields beside it")
    func transcripts() throws {
        var count = 0
        try forEachMessage(in: vectors) { vector in
            let message = try MigrationMessage(decoding: try #require(vector["hex"].bytes))
            #expect(message.typeName == vector["type"].text)
            #expect(message.origin.rawValue == vector["daemon_origin"].integer)
            #expect(try message.encoded() == vector["hex"].bytes)
            switch message {
            case .takeSnapshot(_, let node), .cutoverNotify(_, let node): #expect(node.rawValue == vector["target_node"].integer)
            case .restoreComplete(_, let sequence), .activateAck(_, let sequence): #expect(sequence == vector["seq"].integer)
            case .replayComplete(_, let sequence, let head):
                #expect(sequence == vector["seq"].integer)
                let fields = vector["target_head"].elements.compactMap(\.integer)
                #expect([head.origin.rawValue, head.horizon, head.sequence, head.parent] == fields)
            case .migrationFailed(_, let reason):
                #expect(UInt64(reason.code.rawValue) == vector["code"].integer)
                #expect(reason.message == vector["arg"].text ?? "")
            case .bufferedEvents(_, let events): #expect(UInt64(events.count) == vector["events"].integer)
            case .snapshotReady(let piece):
                #expect(piece.throughSequence == vector["seq_through"].integer && UInt64(piece.bytes.count) == vector["len"].integer)
            case .cleanupComplete, .activateTarget: break
            }
            count += 1
        }
        #expect(count >= 100)
    }

    private func forEachMessage(in value: JSON, _ body: (JSON) throws -> Void) throws {
        switch value {
        case .object(let members):
            if value["type"].text != nil, value["daemon_origin"].text != nil, value["hex"].bytes != nil { try body(value) }
            for (_, member) in members { try forEachMessage(in: member, body) }
        case .array(let elements): for element in elements { try forEachMessage(in: element, body) }
        default: break
        }
    }

    @Test("verdicts that the vectors describe in words hold for the bytes: 7,000 of a piece, 7,001 of a piece and of a payload")
    func describedVectors() throws {
        let groups = vectors["decode_oracle"]["vectors"].elements + vectors["decode_table"]["vectors"].elements
        let described = groups.filter { $0["hex"].bytes == nil }
        #expect(
            described.map { $0["case"].text ?? $0["name"].text } == [
                "SnapshotReady 7000 bytes", "SnapshotReady len 7001", "BufferedEvents payload 7001",
            ])
        let verdicts = described.map { $0["decoded"].isTrue || $0["accept"].isTrue }
        let origin = OriginHash(rawValue: 8_658_788_451_821_909_695)
        func piece(_ count: Int) -> MigrationMessage {
            .snapshotReady(
                SnapshotPiece(origin: origin, throughSequence: 1, index: 0, totalCount: 1, bytes: [UInt8](repeating: 0x78, count: count)))
        }
        let event = CausalEvent(link: .genesis(origin), payload: [UInt8](repeating: 1, count: 7_001), receivedAt: 1)
        for (message, isAccepted) in zip([piece(7_000), piece(7_001), .bufferedEvents(origin: origin, events: [event])], verdicts) {
            let bytes = try message.encoded()
            #expect((code(bytes) == nil) == isAccepted)
        }
        #expect(try piece(7_001).encoded().count == 7_030)
    }

    @Test("a piece of no pieces, beyond the last, or of too many is refused on the wire")
    func pieceNumbersOnTheWire() throws {
        for (numbers, expected): (String, WireError.Code?) in [
            ("00000000" + "00000000", .invalidValue), ("05000000" + "03000000", .invalidValue), ("03000000" + "03000000", .invalidValue),
            ("02000000" + "03000000", nil), ("00000000" + "60ae0a00", nil), ("00000000" + "61ae0a00", .limitExceeded),
            ("00000000" + "ffffffff", .limitExceeded),
        ] {
            #expect(code(try bytes("01" + String(repeating: "00", count: 16) + numbers + "00000000")) == expected, "\(numbers)")
        }
    }

    @Test("a count of events is held against the bytes at hand and against 1,000,000 before room is made for any")
    func eventCountBeforeAllocation() throws {
        let head = "07" + String(repeating: "00", count: 8)
        #expect(code(try bytes(head + "ffffffff")) == .limitExceeded)
        #expect(code(try bytes(head + "41420f00")) == .limitExceeded)
        #expect(code(try bytes(head + "40420f00")) == .truncated)
        #expect(code(try bytes(head + "01000000" + String(repeating: "00", count: 43))) == .truncated)
        #expect(code(try bytes(head + "01000000" + String(repeating: "00", count: 44))) == nil)
        #expect(code(try bytes(head + "02000000" + String(repeating: "00", count: 87))) == .truncated)
    }

    @Test("a declared payload of 4 GiB is refused by its length, before memory or addition could suffer")
    func eventPayloadLength() throws {
        let head = "07" + String(repeating: "00", count: 8) + "01000000" + String(repeating: "00", count: 32)
        for length in ["ffffffff", "591b0000", "f0ffffff"] {
            #expect(code(try bytes(head + length + String(repeating: "00", count: 8))) == .limitExceeded, "\(length)")
        }
        #expect(code(try bytes(head + "581b0000" + String(repeating: "00", count: 8))) == .truncated)
    }

    @Test("a failure text one byte too long for its length is an error, and is never cut")
    func failureTextIsNotCut() throws {
        let longest = FailureReason(.identityTransportFailed, String(repeating: "é", count: 32_767) + "x")
        let message = MigrationMessage.migrationFailed(origin: OriginHash(rawValue: 1), reason: longest)
        #expect(try MigrationMessage(decoding: message.encoded()) == message)
        let longer = FailureReason(.identityTransportFailed, longest.message + "x")
        let refused = MigrationMessage.migrationFailed(origin: OriginHash(rawValue: 1), reason: longer)
        #expect(errorCode { () throws(WireError) in try refused.encoded() } == .limitExceeded)
    }

    @Test("only the seven codes of net-mesh are failures; every other number is refused")
    func failureCodes() throws {
        for number in 0...UInt16.max {
            var message = try bytes("06" + String(repeating: "00", count: 12))
            message[9] = UInt8(truncatingIfNeeded: number)
            message[10] = UInt8(truncatingIfNeeded: number >> 8)
            #expect(code(message) == (number <= 6 ? nil : .unknownType), "\(number)")
        }
    }

    @Test("codes, names, texts and the one retriable failure are fixed")
    func failureNames() throws {
        let cases = vectors["failure_reasons"]["vectors"].elements
        #expect(Set(cases.compactMap { $0["code"].integer }) == Set(0...6))
        for vector in cases {
            let code = FailureReason.Code(rawValue: UInt16(try #require(vector["code"].integer)))
            let reason = FailureReason(code, vector["arg"].text ?? "", attempts: UInt8(vector["arg"].integer ?? 0))
            #expect(reason.netMeshName == vector["name"].text)
            #expect(reason.netMeshDescription == vector["display"].text)
            #expect(reason.isRetriable == (code == .notReady))
        }
    }

    @Test("every message cut anywhere is refused, and never half read")
    func truncation() throws {
        for vector in vectors["messages"]["vectors"].elements + vectors["messages_real"]["vectors"].elements {
            let whole = try #require(vector["hex"].bytes)
            #expect((0..<whole.count).allSatisfy { code(Array(whole[..<$0])) == .truncated })
        }
    }

    @Test("a snapshot whose entity is not the link's, or whose sequence is not, is neither read nor written")
    func foreignEntity() throws {
        let whole = try #require(vectors["cds1_derived"]["vectors"].elements.last?["hex"].bytes)
        for offset in [5, 36, 37, 44, 45, 61, 68] {
            var changed = whole
            changed[offset] ^= 1
            #expect(errorCode { () throws(WireError) in try StateSnapshot(decoding: changed) } == .inconsistent, "\(offset)")
        }
        var other = try StateSnapshot(decoding: whole)
        other.entity = try #require(EntityID([UInt8](repeating: 7, count: 32)))
        #expect(errorCode { () throws(WireError) in try other.encoded() } == .inconsistent)
    }

    @Test("snapshots of versions 0, 1, 3 and 255, and those from before the magic, are refused")
    func versions() throws {
        let whole = try #require(vectors["cds1_derived"]["vectors"].elements.first?["hex"].bytes)
        for version: UInt8 in [0, 1, 3, 255] {
            var changed = whole
            changed[4] = version
            #expect(errorCode { () throws(WireError) in try StateSnapshot(decoding: changed) } == .unknownVersion)
        }
        #expect(errorCode { () throws(WireError) in try StateSnapshot(decoding: Array(whole.dropFirst(4))) } == .badMagic)
        #expect(errorCode { () throws(WireError) in try StateSnapshot(decoding: whole + [0]) } == .trailingBytes)
    }

    @Test("an absent envelope is one byte, and the head payload is never on the wire")
    func absentEnvelope() throws {
        let entity = try #require(EntityID([UInt8](repeating: 3, count: 32)))
        var snapshot = StateSnapshot(entity: entity, chainLink: .genesis(entity.originHash), createdAt: 0, state: [])
        let without = try snapshot.encoded()
        #expect(without.count == 94 && without.last == 0)
        snapshot.headPayload = [1, 2, 3]
        #expect(try snapshot.encoded() == without)
        #expect(try StateSnapshot(decoding: without).headPayload == nil)
        snapshot.envelope = [1] + [UInt8](repeating: 9, count: 208)
        #expect(try snapshot.encoded().count == 94 + 209)
        for flag: UInt8 in [1, 2, 255] {
            var changed = without
            changed[93] = flag
            #expect(errorCode { () throws(WireError) in try StateSnapshot(decoding: changed) } == (flag == 1 ? .truncated : .invalidValue))
        }
    }

    @Test("a state beyond 32 bits is an error and is not copied")
    func oversizedState() throws {
        let entity = try #require(EntityID([UInt8](repeating: 3, count: 32)))
        // Reserved and never touched: the memory is not there, so measuring must not read it.
        let state = unsafe [UInt8](unsafeUninitializedCapacity: 1 << 32) { _, count in count = 1 << 32 }
        var snapshot = StateSnapshot(entity: entity, chainLink: .genesis(entity.originHash), createdAt: 0, state: state)
        #expect(errorCode { () throws(WireError) in try snapshot.encoded() } == .limitExceeded)
        (snapshot.state, snapshot.bindings) = ([], state)
        #expect(errorCode { () throws(WireError) in try snapshot.encoded() } == .limitExceeded)
        snapshot.bindings.removeLast()
        #expect(try snapshot.measured() == 94 + (1 << 32) - 1)
    }

    @Test("a ledger with a count beyond its bytes, a bad flag, a bad name, a short header or a byte too many is refused")
    func ledgers() throws {
        func verdict(_ hex: String) throws -> WireError.Code? {
            let bytes = try bytes(hex)
            return errorCode { () throws(WireError) in try SubscriptionLedger(decoding: bytes) }
        }
        let (one, head) = ("01000000", "0700000000000000")
        let (entry, named) = (head + "01006100", head + "010061")
        let cases: [(parts: [String], expected: WireError.Code?)] = [
            ([], nil), (["00000000"], nil), ([one, entry], nil), ([one, named, "010000"], nil),
            (["00"], .truncated), (["000000"], .truncated), (["ffffffff", entry], .truncated), (["02000000", entry], .truncated),
            ([one, named, "010100"], .truncated), ([one, entry, "00"], .trailingBytes), (["0000000000"], .trailingBytes),
            ([one, named, "02"], .invalidValue), ([one, head, "02002e2e00"], .invalidText), ([one, head, "000000"], .invalidText),
            ([one, head, "0100ff00"], .invalidText),
        ]
        for (parts, expected) in cases {
            let hex = parts.joined()
            #expect(try verdict(hex) == expected, "\(hex)")
        }
    }

    @Test("recording a subscription again replaces it, and forgetting it twice is harmless")
    func recordTwice() throws {
        let channel = try #require(ChannelName("a/b"))
        var ledger = SubscriptionLedger()
        for token: [UInt8]? in [nil, [1], [2, 3]] {
            ledger.record(SubscriptionLedger.Entry(publisher: 1, channel: channel, token: token))
            #expect(ledger.entries.count == 1 && ledger.entries[0].token == token)
        }
        for _ in 0..<2 {
            ledger.forget(publisher: 1, channel: channel)
            #expect(ledger.isEmpty)
        }
    }

    @Test("a link has 32 bytes, not 28, and any bytes are one")
    func linkSize() throws {
        // Reading takes the first 32 bytes and nothing else.
        func link(_ bytes: [UInt8]) -> CausalLink? { CausalLink(copying: bytes.rawSpan) }
        for count in 0..<64 { #expect((link([UInt8](repeating: 7, count: count)) != nil) == (count >= 32)) }
        for vector in vectors["causal_link"]["vectors"].elements {
            let bytes = try #require(vector["bytes"].bytes)
            #expect(link(bytes + [1, 2, 3])?.bytes == bytes)
            let whole = try #require(CausalLink(bytes))
            #expect(whole.isGenesis == (whole.sequence == 0 && whole.parent == 0))
        }
    }
}
