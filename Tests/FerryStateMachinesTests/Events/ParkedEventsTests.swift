import FerryStateMachines
import FerryWire
import Testing

@Suite("Parked events") struct ParkedEventsTests {
    private let daemon = OriginHash(rawValue: 7)

    private func event(_ sequence: UInt64, of emitter: UInt64, byteCount: Int = 1) -> LaneMessage {
        let link = CausalLink(origin: OriginHash(rawValue: emitter), horizon: 0, sequence: sequence, parent: 0)
        let event = LaneEvent(
            epoch: .first, previous: sequence - 1, link: link, payload: [UInt8](repeating: 0, count: byteCount))
        return LaneMessage(emitter: link.origin, daemon: daemon, body: .event(event))
    }

    @Test("the first event of each lane is kept, in the order in which they came, and given out once")
    func firstOfEachLane() {
        var parked = ParkedEvents<Int>()
        parked.park(event(4, of: 2), from: 20)
        parked.park(event(5, of: 2), from: 21)
        parked.park(event(1, of: 1), from: 10)
        parked.park(LaneMessage(emitter: OriginHash(rawValue: 3), daemon: daemon, body: .hello(nil)), from: 30)
        let taken = parked.takeAll()
        #expect(taken.map(\.message) == [event(4, of: 2), event(1, of: 1)])
        #expect(taken.map(\.sender) == [20, 10])
        let rest = parked.takeAll()
        #expect(rest.isEmpty)
    }

    @Test("no more lanes and bytes are kept than the bounds say, and room comes back")
    func bounds() {
        var parked = ParkedEvents<Int>()
        for emitter in 0...UInt64(ParkedEvents<Int>.maximumCount) { parked.park(event(1, of: emitter), from: 0) }
        var taken = parked.takeAll()
        #expect(taken.count == ParkedEvents<Int>.maximumCount)
        let half = ParkedEvents<Int>.maximumByteCount / 2
        for emitter: UInt64 in 0..<3 { parked.park(event(1, of: emitter, byteCount: half), from: 0) }
        taken = parked.takeAll()
        #expect(taken.count == 2)
        parked.park(event(1, of: 9, byteCount: 2 * half + 1), from: 0)
        taken = parked.takeAll()
        #expect(taken.isEmpty)
    }
}
