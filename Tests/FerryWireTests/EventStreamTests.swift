import FerryWire
import Testing

@Suite("Event streams of subprotocol 0x0400")
struct EventStreamTests {
    private static let log = ContinuityTests.log(4)

    private func written(_ events: [CausalEvent], room: Int = 4_096) -> (bytes: [UInt8], count: Int) {
        var count = 0
        let bytes = [UInt8](rawCapacity: room) { count = EventStream.write(events, into: &$0) }
        return (bytes, count)
    }

    @Test("the recorded stream reads as its events and writes as its bytes")
    func vector() throws {
        let vector = try JSON.netMesh.get()["causal_event_framing_0x0400"]
        let bytes = try #require(vector["hex"].bytes)
        let stream = EventStream(reading: bytes.rawSpan, receivedAt: 7)
        #expect(UInt64(stream.events.count) == vector["count"].integer)
        #expect(stream.failure == nil && stream.byteCount == bytes.count)
        #expect(stream.events.allSatisfy { $0.receivedAt == 7 })
        #expect(stream.events.map(\.payload) == [Array("event4".utf8), []])
        #expect(written(stream.events).bytes == bytes && written(stream.events).count == 2)
    }

    @Test("a reader stops at the first malformed entry and keeps what came before")
    func prefix() {
        let whole = written(Self.log).bytes
        var ends: [Int] = [0]
        for event in Self.log { ends.append(ends[ends.count - 1] + (EventStream.byteCount(of: event) ?? 0)) }
        for count in 0...whole.count {
            let stream = EventStream(reading: whole.rawSpan.extracting(0..<count), receivedAt: 0)
            let complete = ends.lastIndex { $0 <= count } ?? 0
            #expect(stream.events == Array(Self.log.prefix(complete)))
            #expect(stream.byteCount == ends[complete])
            #expect(stream.failure == (ends.contains(count) ? nil : .truncated))
        }
        for length: UInt8 in [0, 31] {
            var broken = whole
            broken[ends[2]] = length
            let stream = EventStream(reading: broken.rawSpan, receivedAt: 0)
            #expect(stream.events == Array(Self.log.prefix(2)) && stream.failure == .tooShort && stream.byteCount == ends[2])
        }
        let endless = EventStream(reading: (whole + [255, 255, 255, 255]).rawSpan, receivedAt: 0)
        #expect(endless.events == Self.log && endless.failure == .truncated)
    }

    @Test("a writer says how many events it wrote, stops at the first that has no room, and leaves no later one in its place")
    func writtenCounts() throws {
        let sizes = Self.log.compactMap(EventStream.byteCount)
        let total = sizes.reduce(0, +)
        #expect(written(Self.log, room: total).count == 4)
        let short = written(Self.log, room: total - 1)
        #expect(short.count == 3 && short.bytes.count == total - sizes[3])
        var order = Self.log
        order[1].payload = [UInt8](repeating: 1, count: 500)
        #expect(written(order, room: total).count == 1)
        #expect(written([], room: 0).count == 0)
    }

    @Test("no changed byte traps, and what is read writes what was read")
    func hostileInputs() {
        let whole = written(Self.log).bytes
        var changed = whole
        for index in whole.indices {
            for mask: UInt8 in 1...255 {
                changed[index] ^= mask
                let stream = EventStream(reading: changed.rawSpan, receivedAt: 0)
                #expect(changed.starts(with: written(stream.events, room: changed.count).bytes))
                changed[index] ^= mask
            }
        }
    }
}
