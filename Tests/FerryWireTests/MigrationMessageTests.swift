import FerryWire
import Testing

@Suite("Net-mesh migration messages")
struct MigrationMessageTests {
    let vectors: JSON

    init() throws { vectors = try JSON.netMesh.get() }

    private func decode(_ bytes: [UInt8]) throws(WireError) -> MigrationMessage { try MigrationMessage(decoding: bytes) }

    @Test("every message, made up and recorded, re-encodes to the same bytes")
    func roundTrips() throws {
        let cases = vectors["messages"]["vectors"].elements + vectors["messages_real"]["vectors"].elements
        #expect(cases.count >= 45)
        var types: Set<UInt8> = []
        for vector in cases {
            let bytes = try #require(vector["hex"].bytes)
            let message = try decode(bytes)
            types.insert(message.typeByte)
            #expect(try message.encoded() == bytes)
            if let origin = vector["daemon_origin"].integer { #expect(message.origin.rawValue == origin) }
        }
        #expect(types == Set(0...9))
    }

    @Test("recorded fields come out of recorded bytes")
    func fields() throws {
        for vector in vectors["messages_real"]["vectors"].elements {
            switch try decode(try #require(vector["hex"].bytes)) {
            case .takeSnapshot(_, let target), .cutoverNotify(_, let target):
                #expect(target.rawValue == vector["target_node"].integer)
            case .snapshotReady(let piece):
                #expect(piece.throughSequence == vector["seq_through"].integer)
                #expect(UInt64(piece.index) == vector["chunk_index"].integer)
                #expect(UInt64(piece.totalCount) == vector["total_chunks"].integer)
                #expect(UInt64(piece.bytes.count) == vector["len"].integer)
            case .restoreComplete(_, let sequence), .activateAck(_, let sequence):
                #expect(sequence == vector["seq"].integer)
            case .replayComplete(_, let sequence, let head):
                #expect(sequence == vector["seq"].integer)
                let fields = vector["target_head"].elements.compactMap(\.integer)
                #expect([head.origin.rawValue, head.horizon, head.sequence, head.parent] == fields)
            case .migrationFailed(_, let reason):
                #expect(UInt64(reason.code.rawValue) == vector["code"].integer)
            case .bufferedEvents, .cleanupComplete, .activateTarget: break
            }
        }
    }

    @Test("acceptance equals net-mesh's, trailing bytes and all")
    func acceptance() throws {
        let cases = vectors["decode_table"]["vectors"].elements
        #expect(cases.count >= 60)
        for vector in cases {
            guard let bytes = vector["hex"].bytes else { continue }
            let accepted = errorCode { () throws(WireError) in try decode(bytes) } == nil
            #expect(accepted == vector["accept"].isTrue, "\(vector["name"].text ?? "")")
        }
        for vector in vectors["decode_oracle"]["vectors"].elements {
            guard let bytes = vector["hex"].bytes else { continue }
            let accepted = errorCode { () throws(WireError) in try decode(bytes) } == nil
            #expect(accepted == vector["decoded"].isTrue, "\(vector["case"].text ?? "")")
        }
    }

    private func piece(index: UInt32 = 0, total: UInt32 = 1, byteCount: Int = 1) -> MigrationMessage {
        let bytes = [UInt8](repeating: 0x78, count: byteCount)
        return .snapshotReady(
            SnapshotPiece(origin: OriginHash(rawValue: 1), throughSequence: 1, index: index, totalCount: total, bytes: bytes))
    }

    @Test("a piece has 0 to 7,000 bytes and one of 1 to 700,000 places")
    func pieceLimits() throws {
        for (message, code): (MigrationMessage, WireError.Code?) in [
            (piece(byteCount: 0), nil), (piece(byteCount: 7_000), nil), (piece(byteCount: 7_001), .limitExceeded),
            (piece(total: 700_000), nil), (piece(total: 700_001), .limitExceeded), (piece(total: 0), .invalidValue),
            (piece(index: 2, total: 3), nil), (piece(index: 3, total: 3), .invalidValue),
            // The order of checks: total, its limit, the index, the length.
            (piece(index: 9, total: 0, byteCount: 7_001), .invalidValue),
            (piece(index: 700_001, total: 700_001, byteCount: 7_001), .limitExceeded),
            (piece(index: 3, total: 3, byteCount: 7_001), .invalidValue),
        ] {
            let bytes = try message.encoded()
            #expect(errorCode { () throws(WireError) in try decode(bytes) } == code)
        }
    }

    @Test("an event's payload has at most 7,000 bytes, and a count beyond the bytes at hand is refused before anything is stored")
    func eventLimits() throws {
        func events(_ count: Int, payload: Int) -> MigrationMessage {
            let event = CausalEvent(
                link: .genesis(OriginHash(rawValue: 3)), payload: [UInt8](repeating: 1, count: payload), receivedAt: 5)
            return .bufferedEvents(origin: OriginHash(rawValue: 3), events: Array(repeating: event, count: count))
        }
        #expect(try decode(events(2, payload: 7_000).encoded()) == events(2, payload: 7_000))
        let long = try events(1, payload: 7_001).encoded()
        #expect(errorCode { () throws(WireError) in try decode(long) } == .limitExceeded)
        var counted = try events(3, payload: 0).encoded()
        for (count, code): (UInt8, WireError.Code?) in [(3, nil), (4, .truncated), (255, .truncated)] {
            counted[9] = count
            #expect(errorCode { () throws(WireError) in try decode(counted) } == code)
        }
        counted.replaceSubrange(9..<13, with: [0x41, 0x42, 0x0F, 0x00])
        #expect(errorCode { () throws(WireError) in try decode(counted) } == .limitExceeded)
        counted.replaceSubrange(9..<13, with: [0x40, 0x42, 0x0F, 0x00])
        #expect(errorCode { () throws(WireError) in try decode(counted) } == .truncated)
    }

    @Test("a failure text has at most 65,535 bytes, and a code of Ferry's own has no place here")
    func failureLimits() throws {
        func failed(_ reason: FailureReason) -> MigrationMessage { .migrationFailed(origin: OriginHash(rawValue: 1), reason: reason) }
        let longest = failed(FailureReason(.stateFailed, String(repeating: "x", count: 65_535)))
        #expect(try decode(longest.encoded()) == longest)
        let tooLong = failed(FailureReason(.stateFailed, String(repeating: "x", count: 65_536)))
        #expect(errorCode { () throws(WireError) in try tooLong.encoded() } == .limitExceeded)
        #expect(errorCode { () throws(WireError) in try failed(FailureReason(.unauthorized)).encoded() } == .invalidValue)
    }

    @Test("failure texts and retries are net-mesh's")
    func failureTexts() throws {
        let cases = vectors["failure_reasons"]["vectors"].elements
        #expect(cases.count == 7)
        for vector in cases {
            let code = FailureReason.Code(rawValue: UInt16(try #require(vector["code"].integer)))
            let attempts = code == .notReadyTimeout ? UInt8(try #require(vector["arg"].integer)) : 0
            let reason = FailureReason(code, vector["arg"].text ?? "", attempts: attempts)
            #expect(reason.netMeshDescription == vector["display"].text)
            #expect(reason.isRetriable == vector["retriable"].isTrue)
        }
    }

    @Test("no prefix and no changed byte of any message traps, and what decodes is what the bytes say")
    func hostileInputs() throws {
        for vector in vectors["messages"]["vectors"].elements {
            let bytes = try #require(vector["hex"].bytes)
            checkHostileInputs(
                bytes, name: vector["name"].text ?? "",
                decode: { bytes throws(WireError) in
                    [UInt8](copying: bytes).starts(with: try MigrationMessage(decoding: bytes).encoded())
                })
        }
    }
}
