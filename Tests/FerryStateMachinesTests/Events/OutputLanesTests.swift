import FerryCrypto
import FerrySodium
import FerryStateMachines
import FerryWire
import Testing

@Suite("Output lanes") struct OutputLanesTests {
    private let channel: ChannelName

    init() throws { channel = try #require(ChannelName("prices/eur")) }

    private func payload(_ number: Int) -> [UInt8] { [UInt8(truncatingIfNeeded: number), UInt8(truncatingIfNeeded: number >> 8)] }

    @Test("what is published arrives once and in order, over loss, repetition and reordering, whoever moves", arguments: 1...24)
    func movingBoth(seed: Int) throws {
        let world = try OutputLaneWorld(seed: UInt64(seed))
        let publisher = try world.spawn(on: 0)
        let subscriber = try world.spawn(on: 1)
        try world.perform([OutputOperation(.subscribe(channel, of: publisher.origin))], by: subscriber)
        try world.run { !publisher.lanes.bindings.roster.isEmpty }
        world.isFaulty = true
        for number in 0..<120 {
            try world.perform([OutputOperation(.publish(channel), payload: payload(number))], by: publisher)
            if seed % 3 != 0, number % 9 == 4 { try world.move(publisher, to: world.nodes[Int(world.random(3))]) }
            if seed % 3 != 1, number % 7 == 3 { try world.move(subscriber, to: world.nodes[Int(world.random(3))]) }
            try world.run(steps: Int(world.random(12))) { false }
        }
        world.isFaulty = false
        try world.run { publisher.lanes.waitingCount == 0 }
        #expect(subscriber.processed == (0..<120).map(payload))
        #expect(publisher.lanes.states.allSatisfy { $0.unacknowledged.isEmpty })
    }

    @Test("two daemons that deliver to each other while both move miss nothing", arguments: 1...8)
    func deliveries(seed: Int) throws {
        let world = try OutputLaneWorld(seed: UInt64(seed) + 100)
        let pair = [try world.spawn(on: 0), try world.spawn(on: 1)]
        world.isFaulty = true
        for number in 0..<60 {
            for (index, host) in pair.enumerated() {
                let other = pair[1 - index]
                try world.perform([OutputOperation(.deliver(other.origin), payload: payload(number))], by: host)
                if number % 6 == index { try world.move(host, to: world.nodes[Int(world.random(3))]) }
            }
            try world.run(steps: Int(world.random(20))) { false }
        }
        world.isFaulty = false
        try world.run { pair.allSatisfy { $0.lanes.waitingCount == 0 } }
        for host in pair { #expect(host.processed == (0..<60).map(payload)) }
    }

    @Test("restored lanes are sent again with their original links, under the new epoch and behind a new credential")
    func restored() throws {
        let world = try OutputLaneWorld(seed: 7)
        let emitter = try world.spawn(on: 0)
        let receiver = try world.spawn(on: 1)
        for number in 0..<3 {
            try world.perform([OutputOperation(.deliver(receiver.origin), payload: payload(number))], by: emitter)
        }
        world.frames = []
        let before = emitter.lanes.states
        #expect(before.map(\.unacknowledged.count) == [3])
        try world.move(emitter, to: world.nodes[2])
        #expect(emitter.lanes.states == before)
        try world.run { emitter.lanes.waitingCount == 0 }
        #expect(receiver.processed == (0..<3).map(payload))
        #expect(receiver.fence.epoch(of: emitter.origin) == Epoch(rawValue: 2))
    }

    @Test("nothing is sent while suspended, not even again")
    func suspended() throws {
        let world = try OutputLaneWorld(seed: 8)
        let emitter = try world.spawn(on: 0)
        let receiver = try world.spawn(on: 1)
        try world.perform([OutputOperation(.deliver(receiver.origin), payload: [1])], by: emitter)
        emitter.lanes.suspend()
        emitter.isFenced = true
        world.frames = []
        try world.perform([OutputOperation(.deliver(receiver.origin), payload: [2])], by: emitter)
        let later = world.now + .seconds(60)
        let repeated = emitter.lanes.deadlineReached(now: later)
        let sent = emitter.lanes.nextTransmission(now: later)
        let deadline = emitter.lanes.nextDeadline
        #expect(repeated.isEmpty && sent == nil && deadline == nil)
        #expect(emitter.lanes.waitingCount == 2)
    }

    @Test("a stale owner is refused, a node without credential and a forged credential too")
    func stale() throws {
        let world = try OutputLaneWorld(seed: 9)
        let emitter = try world.spawn(on: 0)
        let receiver = try world.spawn(on: 1)
        let stranger = try EntityKeypair.generate(crypto: world.crypto)
        try world.perform([OutputOperation(.deliver(receiver.origin), payload: [1])], by: emitter)
        try world.run { emitter.lanes.waitingCount == 0 }
        try world.move(emitter, to: world.nodes[2])
        try world.perform([OutputOperation(.deliver(receiver.origin), payload: [2])], by: emitter)
        try world.run { emitter.lanes.waitingCount == 0 }
        func say(_ body: LaneMessage.Body, from node: NodeKey) throws -> LaneMessage.Body? {
            try world.answer(
                to: LaneMessage(emitter: emitter.origin, daemon: receiver.origin, body: body), from: node, at: receiver.node)
        }
        let link = CausalLink(origin: emitter.origin, horizon: 0, sequence: 3, parent: 0)
        func event(_ epoch: UInt64) -> LaneMessage.Body {
            .event(LaneEvent(epoch: .first, emitterEpoch: Epoch(rawValue: epoch), previous: 2, link: link, payload: [9]))
        }
        let old = try LaneCredential(signing: emitter.key, epoch: .first, node: world.nodes[0])
        #expect(try say(.hello(old), from: world.nodes[0]) == .unproven)
        #expect(try say(event(1), from: world.nodes[0]) == .unproven)
        #expect(try say(event(2), from: world.nodes[0]) == .unproven)
        #expect(try say(event(3), from: world.nodes[0]) == .unproven)
        #expect(try say(event(0), from: world.nodes[0]) == .unproven)
        #expect(try say(.hello(), from: world.nodes[0]) == .unproven)
        var forged = try LaneCredential(signing: stranger, epoch: Epoch(rawValue: 9), node: world.nodes[0])
        #expect(try say(.hello(forged), from: world.nodes[0]) == .violation)
        forged.daemon = emitter.key.entityID
        #expect(try say(.hello(forged), from: world.nodes[0]) == .violation)
        let another = try LaneCredential(signing: emitter.key, epoch: Epoch(rawValue: 9), node: world.nodes[2])
        #expect(try say(.hello(another), from: world.nodes[0]) == .violation)
        #expect(receiver.processed == [[1], [2]])
        #expect(receiver.fence.epoch(of: emitter.origin) == Epoch(rawValue: 2))
    }

    @Test("a full window takes no input of nodes, one twice as full none of daemons, and acknowledgements make room")
    func window() throws {
        let world = try OutputLaneWorld(seed: 10)
        let size = 44 + 1 + 2
        let emitter = try world.spawn(on: 0, limits: OutputLimits(windowByteCount: 4 * size, windowOutputCount: 100))
        let receiver = try world.spawn(on: 1)
        var rooms: [[Bool]] = []
        for number in 0..<10 {
            rooms.append([emitter.lanes.hasRoom(forInputOfDaemon: false), emitter.lanes.hasRoom(forInputOfDaemon: true)])
            try world.perform([OutputOperation(.deliver(receiver.origin), payload: payload(number))], by: emitter)
        }
        #expect(rooms.map { $0[0] } == (0..<10).map { $0 <= 4 })
        #expect(rooms.map { $0[1] } == (0..<10).map { $0 <= 8 })
        try world.run { emitter.lanes.waitingCount == 0 }
        let hasRoom = emitter.lanes.hasRoom(forInputOfDaemon: false)
        #expect(hasRoom && receiver.processed.count == 10)
    }

    @Test("an answer beyond the limits is refused as a whole: bytes, outputs, lanes, subscriptions")
    func admission() throws {
        let world = try OutputLaneWorld(seed: 11)
        let limits = OutputLimits(answerByteCount: 2 * 45 + 10, answerOutputCount: 3, laneCount: 2)
        let host = try world.spawn(on: 0, limits: limits)
        func admits(_ kinds: [OutputOperation.Kind], bytes: Int = 0) -> Bool {
            host.lanes.admits(kinds.enumerated().map { OutputOperation($1, payload: [UInt8](repeating: 0, count: $0 == 0 ? bytes : 0)) })
        }
        let one = OutputOperation.Kind.deliver(OriginHash(rawValue: 1))
        let two = OutputOperation.Kind.deliver(OriginHash(rawValue: 2))
        #expect(admits([one, two], bytes: 10) && !admits([one, two], bytes: 11))
        #expect(!admits([one, one, one]))
        let wide = try world.spawn(on: 0, limits: OutputLimits(answerOutputCount: 3, laneCount: 2))
        let counts = (3...4).map { count in wide.lanes.admits([OutputOperation](repeating: OutputOperation(one), count: count)) }
        #expect(counts == [true, false])
        let lanes = (2...3).map { count in
            wide.lanes.admits((0..<count).map { OutputOperation(.deliver(OriginHash(rawValue: UInt64($0)))) })
        }
        #expect(lanes == [true, false])
    }

    @Test("a copy that replays acknowledgements and ended lanes holds the same lanes")
    func replay() throws {
        let world = try OutputLaneWorld(seed: 12)
        let emitter = try world.spawn(on: 0)
        let receiver = try world.spawn(on: 1)
        for number in 0..<4 {
            try world.perform([OutputOperation(.deliver(receiver.origin), payload: payload(number))], by: emitter)
        }
        let header = try world.header(of: emitter)
        var copy = try OutputLaneWorld.restored(header)
        var inputs: [CausalEvent] = []
        let node = receiver.node
        for body: LaneMessage.Body in [.welcome(cursor: 0, epoch: .first), .acknowledgement(cursor: 3, epoch: .first), .violation] {
            if let input = emitter.lanes.receive(body, from: receiver.origin, node: node, crypto: world.crypto, now: world.now) {
                inputs.append(input)
            }
            for input in inputs.suffix(1) { copy.replay(input) }
            let (states, copied) = (emitter.lanes.states, copy.states)
            #expect(states == copied)
        }
        #expect(inputs.map(\.content) == [.acknowledged, .laneEnded])
    }

    @Test("a partition of almost a day drops nothing that was promised; a day without any answer ends the lane and its subscription")
    func partition() throws {
        let world = try OutputLaneWorld(seed: 17)
        let publisher = try world.spawn(on: 0)
        let subscriber = try world.spawn(on: 1)
        let day = Duration.seconds(86_400)
        func pass(_ time: Duration) -> [CausalEvent] {
            var ended: [CausalEvent] = []
            let end = world.now + time
            while let deadline = publisher.lanes.nextDeadline, deadline < end {
                world.now = max(world.now, deadline)
                ended += publisher.lanes.deadlineReached(now: world.now)
                world.pump(publisher)
                world.frames = []
            }
            world.now = max(world.now, end)
            return ended
        }
        try world.perform([OutputOperation(.subscribe(channel, of: publisher.origin))], by: subscriber)
        try world.run { !publisher.lanes.bindings.roster.isEmpty }
        for number in 0..<3 { try world.perform([OutputOperation(.publish(channel), payload: payload(number))], by: publisher) }
        world.frames = []
        #expect(pass(day - .seconds(10)).isEmpty)
        try world.run { publisher.lanes.waitingCount == 0 }
        #expect(subscriber.processed == (0..<3).map(payload))
        #expect(publisher.lanes.bindings.roster.subscribers(of: channel) == [subscriber.origin])
        try world.perform([OutputOperation(.publish(channel), payload: payload(3))], by: publisher)
        world.frames = []
        #expect(pass(day + .seconds(60)).map(\.content) == [.laneEnded])
        #expect(publisher.lanes.bindings.roster.isEmpty)
    }

    @Test("one receiver that takes nothing in does not keep what the others have taken in")
    func compaction() throws {
        let world = try OutputLaneWorld(seed: 18)
        let emitter = try world.spawn(on: 0)
        let receiver = try world.spawn(on: 1)
        try world.perform([OutputOperation(.deliver(OriginHash(rawValue: 99)), payload: payload(0))], by: emitter)
        for number in 0..<1_000 {
            try world.perform([OutputOperation(.deliver(receiver.origin), payload: payload(number))], by: emitter)
            try world.run { emitter.lanes.waitingCount == 1 }
            let keptCount = emitter.lanes.keptCount
            #expect(keptCount <= 2 + 65)
        }
        #expect(receiver.processed == (0..<1_000).map(payload))
        #expect(emitter.lanes.states.map(\.unacknowledged.count).sorted() == [0, 1])
    }

    @Test("a receiver that nobody owns is given up, so that it does not stop the daemon for ever")
    func unreachable() throws {
        let world = try OutputLaneWorld(seed: 13)
        let limits = OutputLimits(lane: EmitterLimits(searchTime: .seconds(30)))
        let emitter = try world.spawn(on: 0, limits: limits)
        try world.perform([OutputOperation(.deliver(OriginHash(rawValue: 99)), payload: [1])], by: emitter)
        let start = world.now
        try world.run { emitter.lanes.waitingCount == 0 }
        #expect(emitter.lanes.states.isEmpty)
        #expect(world.now - start >= .seconds(30) && world.now - start < .seconds(40))
    }

    @Test("a node that has proven nothing ends no lane, whether it says hold first or a hint names it")
    func strangers() throws {
        let world = try OutputLaneWorld(seed: 16)
        let emitter = try world.spawn(on: 0)
        let receiver = try world.spawn(on: 1)
        let stranger = world.nodes[2]
        func say(_ bodies: [LaneMessage.Body], _ lanes: inout OutputLanes) -> [CausalEvent] {
            bodies.compactMap { lanes.receive($0, from: receiver.origin, node: stranger, crypto: world.crypto, now: world.now) }
        }
        let hold = LaneMessage.Body.hold(migration: MigrationID(rawValue: .zero), retryAfterNanoseconds: 1_000_000)
        try world.perform([OutputOperation(.deliver(receiver.origin), payload: payload(0))], by: emitter)
        #expect(say([hold, .violation, .notHere], &emitter.lanes).isEmpty)
        try world.run { emitter.lanes.waitingCount == 0 }
        #expect(receiver.processed == [payload(0)])
        // Whoever has proven itself may.
        try world.perform([OutputOperation(.deliver(receiver.origin), payload: payload(1))], by: emitter)
        var header = try world.header(of: emitter)
        let ended = emitter.lanes.receive(.violation, from: receiver.origin, node: receiver.node, crypto: world.crypto, now: world.now)
        #expect(ended?.content == .laneEnded)
        // Restored, the hint that came along has proven nothing yet, and none at all is no dead end.
        for hints in [[OwnerHint(daemon: receiver.origin, node: stranger, epoch: .first, address: "")], []] {
            header.ownerHints = hints
            emitter.lanes = try OutputLaneWorld.restored(header)
            emitter.lanes.resume(under: try LaneCredential(signing: emitter.key, epoch: .first, node: emitter.node))
            world.pump(emitter)
            #expect(say([hold, .violation, .notHere], &emitter.lanes).isEmpty)
            #expect(emitter.lanes.waitingCount == 1)
            try world.run { emitter.lanes.waitingCount == 0 }
            #expect(receiver.processed == [payload(0), payload(1)])
        }
    }

    @Test("an idle lane is forgotten, and goes on where the receiver knows it to be")
    func reclaimed() throws {
        let world = try OutputLaneWorld(seed: 14)
        let emitter = try world.spawn(on: 0)
        let receiver = try world.spawn(on: 1)
        for number in 0..<3 {
            try world.perform([OutputOperation(.deliver(receiver.origin), payload: payload(number))], by: emitter)
            try world.perform([OutputOperation(.emit, payload: [0])], by: emitter)
            try world.run { emitter.lanes.waitingCount == 0 }
            world.now = world.now + .seconds(60)
            emitter.lanes.reclaim(unusedSince: world.now)
            #expect(emitter.lanes.states.isEmpty)
        }
        #expect(receiver.processed == (0..<3).map(payload))
    }

    @Test("only what was subscribed to reaches the daemon")
    func unasked() throws {
        let world = try OutputLaneWorld(seed: 15)
        let host = try world.spawn(on: 0)
        let publisher = OriginHash(rawValue: 5)
        func input(_ content: EventContent) -> CausalEvent {
            CausalEvent(
                link: CausalLink(origin: publisher, horizon: 0, sequence: 1, parent: 0), payload: [], receivedAt: 0, content: content)
        }
        #expect(host.lanes.take(input(.published(channel))) == .dropped)
        try world.perform([OutputOperation(.subscribe(channel, of: publisher))], by: host)
        #expect(host.lanes.take(input(.published(channel))) == .daemon)
        try world.perform([OutputOperation(.unsubscribe(channel, of: publisher))], by: host)
        #expect(host.lanes.take(input(.published(channel))) == .dropped)
        #expect(host.lanes.take(input(.subscribe(channel))) == .host)
        #expect(host.lanes.bindings.roster.subscribers(of: channel) == [publisher])
        #expect(host.lanes.take(input(.unsubscribe(channel))) == .host)
        #expect(host.lanes.bindings == DaemonBindings())
    }
}
