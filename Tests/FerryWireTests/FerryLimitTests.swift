import FerryWire
import Testing

@Suite("Ferry profile limits: at each limit, and one past it")
struct FerryLimitTests {
    private func message(_ body: FerryMessage.Body) -> PeerMessage {
        .migration(FerryMessage(header: MessageHeader(migration: Sample.migration, epoch: Sample.epoch), body: body))
    }

    /// Expects an encoding that decodes to the same value, or the given refusal to encode.
    private func check<Value: WireEncodable & WireDecodable & Equatable>(
        _ value: Value, refusedWith code: WireError.Code?, sourceLocation: SourceLocation = #_sourceLocation
    ) {
        do {
            let decoded = try Value(decoding: value.encoded())
            #expect(decoded == value && code == nil, sourceLocation: sourceLocation)
        } catch {
            #expect(error.code == code, sourceLocation: sourceLocation)
        }
    }

    @Test("an event's payload fills a message and no more")
    func payload() {
        let limit = WireLimits.eventPayloadByteCount
        for (count, code): (Int, WireError.Code?) in [(limit, nil), (limit + 1, .limitExceeded)] {
            let payload = [UInt8](repeating: 9, count: count)
            check(
                Sample.lane(.event(LaneEvent(epoch: .first, previous: 0, link: Sample.event(1).link, payload: payload))),
                refusedWith: code)
            check(
                message(.bufferedEvents(BufferedEvents(firstIndex: 1, entries: [Sample.entry(1, byteCount: count)]))), refusedWith: code)
        }
    }

    @Test("a message that would exceed what a session takes is not encoded")
    func messageSize() throws {
        let half = Sample.entry(1, byteCount: WireLimits.messageByteCount / 2)
        let whole = message(.bufferedEvents(BufferedEvents(firstIndex: 1, entries: [half, half])))
        check(whole, refusedWith: .limitExceeded)
        let empty = try message(.bufferedEvents(BufferedEvents(firstIndex: 1, entries: [Sample.entry(1, byteCount: 0)]))).measured()
        let rest = WireLimits.messageByteCount - empty - CausalLink.byteCount - 21 - half.event.payload.count
        let filling = [half, Sample.entry(2, byteCount: rest)]
        let full = message(.bufferedEvents(BufferedEvents(firstIndex: 1, entries: filling)))
        #expect(try full.measured() == WireLimits.messageByteCount)
        check(full, refusedWith: nil)
    }

    @Test("a part of the move log has at most 16,384 entries")
    func bufferedEvents() {
        for (count, code): (Int, WireError.Code?) in [(16_384, nil), (16_385, .limitExceeded)] {
            let entries = [LoggedInput](repeating: Sample.entry(1, byteCount: 0), count: count)
            check(message(.bufferedEvents(BufferedEvents(firstIndex: 1, entries: entries))), refusedWith: code)
        }
    }

    private func cursors(_ count: Int) -> [LaneCursor] {
        (0..<count).map { LaneCursor(emitter: OriginHash(rawValue: UInt64($0)), sequence: 1) }
    }

    @Test("a release lists at most 16,384 cursors, sorted, no emitter twice")
    func releaseCursors() {
        var release = Sample.release
        for (count, code): (Int, WireError.Code?) in [(0, nil), (16_384, nil), (16_385, .limitExceeded)] {
            release.cursors = cursors(count)
            check(release, refusedWith: code)
        }
        release.cursors = cursors(3).reversed()
        check(release, refusedWith: .notCanonical)
        release.cursors = [cursors(1)[0], cursors(1)[0]]
        check(release, refusedWith: .notCanonical)
    }

    @Test("the largest release fits a message, figures and all")
    func largestRelease() throws {
        var figures = Sample.figures
        figures.release.release.cursors = cursors(16_384)
        #expect(try message(.cleanupComplete(figures)).measured() < WireLimits.messageByteCount)
    }

    @Test("a daemon's longest output fits a snapshot header beside all cursors, lanes, outputs and hints and the longest bindings")
    func longestOutput() throws {
        var header = Sample.header
        header.kind = DaemonKind(name: String(repeating: "k", count: WireLimits.kindNameByteCount), schemaVersion: .max)
        header.cursors = cursors(WireLimits.cursorCount)
        let typical = Sample.event(1, byteCount: 0).typedByteCount
        let outputs = (1...8).map { Sample.event($0, byteCount: WireLimits.unacknowledgedByteCount / 8 - typical) }
        header.outputLanes = (0..<WireLimits.outputLaneCount).map {
            OutputLaneState(subscriber: OriginHash(rawValue: UInt64($0)), acknowledged: 0, unacknowledged: outputs)
        }
        header.ownerHints = (0..<WireLimits.ownerHintCount).map {
            let address = String(repeating: "a", count: WireLimits.hintAddressByteCount)
            return OwnerHint(daemon: OriginHash(rawValue: UInt64($0)), node: Sample.fixed(1), epoch: .first, address: address)
        }
        header.bindings = [UInt8](repeating: 1, count: WireLimits.bindingsByteCount)
        header.headPayload = [UInt8](repeating: 2, count: WireLimits.outputPayloadByteCount)
        check(header, refusedWith: nil)
    }

    @Test("unacknowledged outputs have at most 288 KiB, each counted once")
    func outputBytes() {
        var header = Sample.header
        for (excess, code): (Int, WireError.Code?) in [(0, nil), (1, .limitExceeded)] {
            let empty = Sample.event(1, byteCount: 0).typedByteCount
            let output = Sample.event(1, byteCount: WireLimits.unacknowledgedByteCount - empty + excess)
            header.outputLanes = (0..<2).map {
                OutputLaneState(subscriber: OriginHash(rawValue: UInt64($0)), acknowledged: 0, unacknowledged: [output])
            }
            check(header, refusedWith: code)
        }
    }

    @Test("a snapshot header fits a message together with the longest order")
    func headerSize() throws {
        var header = Sample.header
        header.outputLanes = []
        header.cursors = []
        header.bindings = []
        header.headPayload = []
        let empty = try header.measured()
        var order = Sample.order
        order.targetAddress = String(repeating: "a", count: WireLimits.addressByteCount)
        for (excess, code): (Int, WireError.Code?) in [(0, nil), (1, .limitExceeded)] {
            header.headPayload = [UInt8](repeating: 1, count: WireLimits.snapshotHeaderByteCount - empty + excess)
            check(header, refusedWith: code)
            guard code == nil else { continue }
            check(message(.snapshotReady(SnapshotReady(order: order, snapshot: header, stream: 1))), refusedWith: nil)
        }
    }

    @Test("a header's lists have limits of their own, and one order")
    func headerLists() {
        func header(_ change: (inout SnapshotHeader) -> Void) -> SnapshotHeader {
            var header = Sample.header
            change(&header)
            return header
        }
        func lanes(_ count: Int) -> [OutputLaneState] {
            (0..<count).map { OutputLaneState(subscriber: OriginHash(rawValue: UInt64($0)), acknowledged: 0, unacknowledged: []) }
        }
        func outputs(_ count: Int) -> [OutputLaneState] {
            let events = (0..<count).map { Sample.event(UInt64($0 + 1), byteCount: 0) }
            return [OutputLaneState(subscriber: OriginHash(rawValue: 1), acknowledged: 0, unacknowledged: events)]
        }
        // 1,024 lanes that wait for the same outputs, each of which travels once.
        func shared(_ count: Int) -> [OutputLaneState] {
            let events = (1...9).map { Sample.event($0) }
            return (0..<1_024).map { index in
                let share = (count + index) / 1_024
                return OutputLaneState(
                    subscriber: OriginHash(rawValue: UInt64(index)), acknowledged: 0, unacknowledged: Array(events[..<share]))
            }
        }
        func hints(_ count: Int) -> [OwnerHint] {
            (0..<count).map { OwnerHint(daemon: OriginHash(rawValue: UInt64($0)), node: Sample.fixed(1), epoch: .first, address: "") }
        }
        check(header { $0.cursors = cursors(16_384) }, refusedWith: nil)
        check(header { $0.cursors = cursors(16_385) }, refusedWith: .limitExceeded)
        check(header { $0.cursors.reverse() }, refusedWith: .notCanonical)
        check(header { $0.outputLanes = lanes(1_024) }, refusedWith: nil)
        check(header { $0.outputLanes = lanes(1_025) }, refusedWith: .limitExceeded)
        check(header { $0.outputLanes.reverse() }, refusedWith: .notCanonical)
        check(header { $0.outputLanes = outputs(6_553) }, refusedWith: nil)
        check(header { $0.outputLanes = outputs(6_554) }, refusedWith: .limitExceeded)
        check(header { $0.outputLanes = shared(8_192) }, refusedWith: nil)
        check(header { $0.outputLanes = shared(8_193) }, refusedWith: .limitExceeded)
        check(header { $0.ownerHints = hints(256) }, refusedWith: nil)
        check(header { $0.ownerHints = hints(257) }, refusedWith: .limitExceeded)
        check(header { $0.ownerHints = hints(2).reversed() }, refusedWith: .notCanonical)
        check(header { $0.ownerHints[0].address = String(repeating: "a", count: 64) }, refusedWith: nil)
        check(header { $0.ownerHints[0].address = String(repeating: "a", count: 65) }, refusedWith: .limitExceeded)
        check(header { $0.outputLanes[0].unacknowledged.reverse() }, refusedWith: .notCanonical)
        check(header { $0.outputLanes[0].acknowledged = 8 }, refusedWith: .notCanonical)
        check(header { $0.bindings = [UInt8](repeating: 0, count: 96 << 10) }, refusedWith: nil)
        check(header { $0.bindings = [UInt8](repeating: 0, count: 96 << 10 + 1) }, refusedWith: .limitExceeded)
    }

    @Test("a header is of one daemon, and nothing precedes genesis")
    func headerConsistency() {
        var foreign = Sample.header
        foreign.chainLink.origin = OriginHash(rawValue: 1)
        check(foreign, refusedWith: .inconsistent)
        var genesis = Sample.genesisHeader
        check(genesis, refusedWith: nil)
        genesis.headPayload = [1]
        check(genesis, refusedWith: .inconsistent)
    }

    @Test("names and addresses")
    func names() {
        for (count, code): (Int, WireError.Code?) in [(0, .invalidValue), (1, nil), (255, nil), (256, .limitExceeded)] {
            check(DaemonKind(name: String(repeating: "k", count: count), schemaVersion: 1), refusedWith: code)
        }
        for (count, code): (Int, WireError.Code?) in [(0, nil), (1_024, nil), (1_025, .limitExceeded)] {
            var order = Sample.order
            order.targetAddress = String(repeating: "a", count: count)
            check(order, refusedWith: code)
            var moved = Sample.moved
            moved.targetAddress = order.targetAddress
            check(moved, refusedWith: code)
        }
        var zeroth = Sample.order
        zeroth.attempt = 0
        check(zeroth, refusedWith: .invalidValue)
    }

    @Test("a state has at most 2^48 bytes, and no more chunks than bytes")
    func states() {
        for (chunks, bytes, code): (UInt64, UInt64, WireError.Code?) in [
            (0, 0, nil), (1, 1, nil), (1, 1 << 48, nil), (1, 1 << 48 + 1, .limitExceeded), (2, 1, .inconsistent), (1, 0, .inconsistent),
        ] {
            check(StateSummary(chunkCount: chunks, byteCount: bytes, digest: Sample.fixed(0)), refusedWith: code)
        }
    }

    @Test("an envelope has exactly 209 bytes", arguments: [208, 209, 210])
    func envelope(count: Int) {
        let commit = CutoverNotify(release: Sample.releaseHash, envelope: [UInt8](repeating: 1, count: count))
        check(message(.cutoverNotify(commit)), refusedWith: count == 209 ? nil : .invalidValue)
    }

    @Test("a claimed count or length beyond the bytes at hand is refused before anything is stored")
    func claims() throws {
        let events = try message(.bufferedEvents(BufferedEvents(firstIndex: 1, entries: []))).encoded()
        for (count, code): ([UInt8], WireError.Code) in [
            ([1, 0, 0, 0], .truncated), ([0, 0x40, 0, 0], .truncated), ([1, 0x40, 0, 0], .limitExceeded),
            ([0xFF, 0xFF, 0xFF, 0xFF], .limitExceeded),
        ] {
            let claim = Array(events.dropLast(4)) + count
            #expect(errorCode { () throws(WireError) in try PeerMessage(decoding: claim) } == code)
        }
        let event = try Sample.lane(.event(LaneEvent(epoch: .first, previous: 0, link: Sample.event(1).link, payload: []))).encoded()
        for (count, code): ([UInt8], WireError.Code) in [
            ([1, 0, 0, 0], .truncated), ([0, 0xFC, 0x0F, 0], .truncated), ([1, 0xFC, 0x0F, 0], .limitExceeded),
        ] {
            let claim = Array(event.dropLast(4)) + count
            #expect(errorCode { () throws(WireError) in try PeerMessage(decoding: claim) } == code)
        }
    }
}
