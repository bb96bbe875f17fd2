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
        // One byte more than there is, before any move.
        let first = try #require(bindings.roster.entries.first)
        #expect(publisher.lanes.take(input(.unsubscribe(first.channel), from: subscriber)) == .host)
        let longer = try channel(0, byteCount: first.channel.utf8.count + 1)
        #expect(publisher.lanes.take(input(.subscribe(longer), from: subscriber)) == .dropped)
        #expect(publisher.lanes.take(input(.subscribe(first.channel), from: subscriber)) == .host)
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

    @Test("no more subscribers are taken than there are lanes, so that every publication reaches them all")
    func subscribers() throws {
        let world = try OutputLaneWorld(seed: 32)
        let publisher = try world.spawn(on: 0)
        let first = try channel(1, byteCount: 8)
        let second = try channel(2, byteCount: 8)
        func origin(_ number: Int) -> OriginHash { OriginHash(rawValue: UInt64(number)) }
        for number in 1...WireLimits.outputLaneCount {
            #expect(publisher.lanes.take(input(.subscribe(first), from: origin(number))) == .host)
        }
        let tooMany = origin(WireLimits.outputLaneCount + 1)
        #expect(publisher.lanes.take(input(.subscribe(first), from: tooMany)) == .dropped)
        #expect(publisher.lanes.take(input(.subscribe(second), from: origin(1))) == .host)
        let publication = OutputOperation(.publish(first), payload: [1])
        var admits = [publisher.lanes.admits([publication]), publisher.lanes.admits([OutputOperation(.deliver(origin(1)))])]
        #expect(admits == [true, true])
        // A lane to somebody else would take the place of a subscriber's.
        admits = [publisher.lanes.admits([OutputOperation(.deliver(tooMany))])]
        #expect(admits == [false])
        #expect(publisher.lanes.take(input(.unsubscribe(first), from: origin(2))) == .host)
        #expect(publisher.lanes.take(input(.subscribe(first), from: tooMany)) == .host)
        #expect(publisher.lanes.take(input(.unsubscribe(first), from: origin(1))) == .host)
        #expect(publisher.lanes.take(input(.subscribe(first), from: origin(2))) == .dropped)
        try world.perform([publication], by: publisher)
        let laneCount = publisher.lanes.laneCount
        #expect(laneCount == WireLimits.outputLaneCount - 1)
        #expect(throws: Never.self) { try world.move(publisher, to: world.nodes[1]) }
    }

    @Test("a subscriber that refuses for longer than the bound loses its subscription; whom the daemon has chosen itself does not")
    func refusal() throws {
        let world = try OutputLaneWorld(seed: 33)
        let publisher = try world.spawn(on: 0)
        let subscriber = try world.spawn(on: 1)
        let chosen = try world.spawn(on: 2)
        let name = try channel(1, byteCount: 8)
        try world.perform([OutputOperation(.subscribe(name, of: publisher.origin))], by: subscriber)
        try world.run { !publisher.lanes.bindings.roster.isEmpty }
        let both = [OutputOperation(.publish(name), payload: [1]), OutputOperation(.deliver(chosen.origin), payload: [2])]
        try world.perform(both, by: publisher)
        try world.run { publisher.lanes.waitingCount == 0 }
        try world.perform(both, by: publisher)
        world.frames = []
        func hold(by host: OutputLaneWorld.Host) -> CausalEvent? {
            let body = LaneMessage.Body.hold(migration: MigrationID(rawValue: .zero), retryAfterNanoseconds: 1_000_000)
            return publisher.lanes.receive(body, from: host.origin, node: host.node, crypto: world.crypto, now: world.now)
        }
        for _ in 0..<600 {
            #expect(hold(by: subscriber) == nil && hold(by: chosen) == nil)
            world.now = world.now + .seconds(1)
        }
        #expect(publisher.lanes.bindings.roster.contains(subscriber.origin))
        let ended = hold(by: subscriber)
        #expect(ended?.content == .laneEnded && ended?.link.origin == subscriber.origin)
        #expect(hold(by: chosen) == nil)
        #expect(publisher.lanes.bindings.roster.isEmpty)
        #expect(publisher.lanes.waitingCount == 1)
    }

    @Test("silence between two refusals counts for little, and progress makes up for all of them")
    func silence() throws {
        let world = try OutputLaneWorld(seed: 34)
        let publisher = try world.spawn(on: 0)
        let subscriber = try world.spawn(on: 1)
        let name = try channel(1, byteCount: 8)
        try world.perform([OutputOperation(.subscribe(name, of: publisher.origin))], by: subscriber)
        try world.run { !publisher.lanes.bindings.roster.isEmpty }
        let hold = LaneMessage.Body.hold(migration: MigrationID(rawValue: .zero), retryAfterNanoseconds: 1_000_000)
        for _ in 0..<2 {
            try world.perform([OutputOperation(.publish(name), payload: [1])], by: publisher)
            if publisher.lanes.waitingCount == 1 { try world.run { publisher.lanes.waitingCount == 0 } }
            try world.perform([OutputOperation(.publish(name), payload: [2])], by: publisher)
            world.frames = []
            for _ in 0..<100 {
                let ended = publisher.lanes.receive(
                    hold, from: subscriber.origin, node: subscriber.node, crypto: world.crypto, now: world.now)
                #expect(ended == nil)
                world.now = world.now + .seconds(3_600)
            }
            try world.run { publisher.lanes.waitingCount == 0 }
        }
        #expect(subscriber.processed.count == 4)
    }

    @Test("what a copy keeps could travel, or it is too much")
    func travelling() throws {
        let world = try OutputLaneWorld(seed: 35)
        let open = OutputLimits(windowByteCount: .max / 2, windowOutputCount: .max / 2)
        let emitter = try world.spawn(on: 0, limits: open)
        emitter.isFenced = true
        let destination = OriginHash(rawValue: 3)
        let operation = OutputOperation(.deliver(destination), payload: [])
        let size = 44 + 1
        let count = WireLimits.unacknowledgedByteCount / size
        for _ in 0..<count { try world.perform([operation], by: emitter) }
        var canTravel = emitter.lanes.canTravel
        #expect(canTravel)
        try world.perform([operation], by: emitter)
        canTravel = emitter.lanes.canTravel
        #expect(!canTravel)
    }
}
