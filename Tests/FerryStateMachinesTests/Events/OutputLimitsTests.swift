import FerryCrypto
import FerrySodium
import FerryStateMachines
import FerryWire
import Testing

@Suite("Bounds of what a daemon's lanes keep") struct OutputLimitsTests {
    private func input(_ content: EventContent, from emitter: OriginHash) -> CausalEvent {
        CausalEvent(link: CausalLink(origin: emitter, horizon: 0, sequence: 1, parent: 0), payload: [], receivedAt: 0, content: content)
    }

    private func channel(_ number: Int, byteCount: Int) throws -> ChannelName {
        let digits = String(number)
        return try #require(ChannelName(String(repeating: "c", count: byteCount - digits.utf8.count) + digits))
    }

    @Test("subscriptions up to the last byte of a snapshot travel, one byte more is dropped, and so it is after a move")
    func bindings() throws {
        let world = try OutputLaneWorld(seed: 31)
        let publisher = try world.spawn(on: 0)
        let subscriber = OriginHash(rawValue: 7)
        var room = WireLimits.bindingsByteCount - DaemonBindings.emptyByteCount
        var number = 0
        while room > 0 {
            // Leaves room for the name of the last one, and no more than that.
            let size = room >= 400 ? 200 : (room > 200 ? room - 150 : room)
            #expect(publisher.lanes.take(input(.subscribe(try channel(number, byteCount: size - 10)), from: subscriber)) == .host)
            room -= size
            number += 1
        }
        let bindings = publisher.lanes.bindings
        #expect(try bindings.snapshotBytes().count == WireLimits.bindingsByteCount)
        try world.move(publisher, to: world.nodes[1])
        #expect(publisher.lanes.bindings == bindings)
        let short = try #require(ChannelName("c"))
        for _ in 0..<2 {
            #expect(publisher.lanes.take(input(.subscribe(short), from: subscriber)) == .dropped)
            try world.move(publisher, to: world.nodes[2])
        }
        // Ten bytes of an entry and one name of one: room for exactly that is room.
        let last = try #require(bindings.roster.entries.last)
        #expect(publisher.lanes.take(input(.unsubscribe(last.channel), from: subscriber)) == .host)
        #expect(publisher.lanes.take(input(.subscribe(short), from: subscriber)) == .host)
        let rest = last.channel.utf8.count - 11
        #expect(publisher.lanes.take(input(.subscribe(try channel(0, byteCount: rest + 1)), from: subscriber)) == .dropped)
        #expect(publisher.lanes.take(input(.subscribe(try channel(0, byteCount: rest)), from: subscriber)) == .host)
        #expect(try publisher.lanes.bindings.snapshotBytes().count == WireLimits.bindingsByteCount)
    }
}
