import FerryCrypto
import FerrySodium
import FerryStateMachines
import FerryTestKit
import FerryWire
import Testing

@Suite("Emitter lane") struct EmitterLaneTests {
    /// Keeps a lane where closures of the test macros may reach it.
    final class Box {
        var value: EmitterLane

        init(chain: ChainBuilder, daemon: OriginHash, belief: OwnerBelief, limits: EmitterLimits) {
            value = EmitterLane(chain: chain, daemon: daemon, belief: belief, limits: limits)
        }
    }

    let crypto = CryptoProvider.sodium
    let now = Timestamp(nanoseconds: 1_000)
    let owner: NodeKey
    let other: NodeKey
    let daemon: EntityKeypair

    init() throws {
        owner = try NodeIdentity.generate(crypto: crypto).nodeKey
        other = try NodeIdentity.generate(crypto: crypto).nodeKey
        daemon = try EntityKeypair.generate(crypto: crypto)
    }

    private func makeLane(window: Int = 4, bytes: Int = 100) -> Box {
        Box(
            chain: ChainBuilder(origin: OriginHash(rawValue: 1)), daemon: daemon.originHash, belief: OwnerBelief(node: owner),
            limits: EmitterLimits(windowEventCount: window, windowByteCount: bytes))
    }

    private func check<Value: Equatable>(_ value: Value, _ expected: Value, at location: SourceLocation = #_sourceLocation) {
        #expect(value == expected, sourceLocation: location)
    }

    private func drain(_ lane: Box, at time: Timestamp? = nil) -> [LaneTransmission] {
        var sent: [LaneTransmission] = []
        while let transmission = lane.value.nextTransmission(now: time ?? now) { sent.append(transmission) }
        return sent
    }

    private func sequences(_ transmissions: [LaneTransmission]) -> [UInt64] {
        var sequences: [UInt64] = []
        for transmission in transmissions {
            guard case .event(let event) = transmission.message.body else { continue }
            sequences.append(event.link.sequence)
        }
        return sequences
    }

    private func previous(_ transmissions: [LaneTransmission]) -> [UInt64] {
        var previous: [UInt64] = []
        for transmission in transmissions {
            guard case .event(let event) = transmission.message.body else { continue }
            previous.append(event.previous)
        }
        return previous
    }

    private func moved(to node: NodeKey, epoch: UInt64, signer: EntityKeypair? = nil) throws -> Moved {
        var key = daemon
        if let signer { key = signer }
        let placeholder: [UInt8] = [0]
        var moved = Moved(
            daemon: daemon.entityID, epoch: Epoch(rawValue: epoch), migration: MigrationID(order: SeededRandom(seed: 3).next(), attempt: 1),
            target: node, targetAddress: "memory:1", daemonSignature: try key.sign(placeholder.rawSpan))
        let bytes = try moved.signedBytes()
        moved.daemonSignature = try key.sign(bytes.rawSpan)
        return moved
    }

    @Test("hello comes first, and a restarted emitter goes on above the returned cursor")
    func helloFirst() throws {
        let lane = makeLane()
        let ordinal = try lane.value.enqueue([1], now: now)
        #expect(ordinal == 1)
        let first = drain(lane)
        #expect(first.map(\.message.body) == [.hello()])
        lane.value.receive(.welcome(cursor: 41, epoch: .first), from: owner, crypto: crypto, now: now)
        _ = try lane.value.enqueue([2], now: now)
        let events = drain(lane)
        #expect(sequences(events) == [42, 43])
        #expect(previous(events) == [41, 42])
        lane.value.receive(.acknowledgement(cursor: 43, epoch: .first), from: owner, crypto: crypto, now: now)
        let rest = (lane.value.acceptedCount, lane.value.waitingCount, lane.value.nextDeadline)
        #expect(rest == (2, 0, nil))
    }

    @Test("the window takes its last event and byte, and not one more")
    func window() throws {
        let lane = makeLane(window: 2, bytes: 8)
        let first = try lane.value.enqueue([1, 2, 3, 4], now: now)
        let rooms = (lane.value.hasRoom(forByteCount: 4), lane.value.hasRoom(forByteCount: 5))
        let tooLong = try lane.value.enqueue([1, 2, 3, 4, 5], now: now)
        let second = try lane.value.enqueue([1, 2, 3, 4], now: now)
        let third = try lane.value.enqueue([], now: now)
        #expect(rooms == (true, false))
        #expect([first, tooLong, second, third] == [1, nil, 2, nil])
    }

    @Test("a gap and silence re-send from the first unacknowledged event")
    func resends() throws {
        let lane = makeLane()
        lane.value.receive(.welcome(cursor: 0, epoch: .first), from: owner, crypto: crypto, now: now)
        for byte in 1...3 { _ = try lane.value.enqueue([UInt8(byte)], now: now) }
        check(sequences(drain(lane)), [1, 2, 3])
        lane.value.receive(.gap(cursor: 1, epoch: .first), from: owner, crypto: crypto, now: now)
        check(sequences(drain(lane)), [2, 3])
        let pending = lane.value.nextDeadline
        let deadline = try #require(pending)
        lane.value.deadlineReached(now: deadline - .nanoseconds(1))
        check(drain(lane), [])
        lane.value.deadlineReached(now: deadline)
        check(sequences(drain(lane, at: deadline)), [2, 3])
    }

    @Test("hold silences the lane for as long as it says")
    func holds() throws {
        let lane = makeLane()
        lane.value.receive(.welcome(cursor: 0, epoch: .first), from: owner, crypto: crypto, now: now)
        _ = try lane.value.enqueue([1], now: now)
        _ = drain(lane)
        let migration = MigrationID(order: SeededRandom(seed: 4).next(), attempt: 1)
        lane.value.receive(.hold(migration: migration, retryAfterNanoseconds: 20_000_000), from: owner, crypto: crypto, now: now)
        let deadline = lane.value.nextDeadline
        #expect(deadline == now + .milliseconds(20))
        lane.value.deadlineReached(now: now + .milliseconds(20))
        check(sequences(drain(lane, at: now + .milliseconds(20))), [1])
    }

    @Test("moved is followed only when it is newer and the daemon's key signed it")
    func followsMoved() throws {
        let lane = makeLane()
        lane.value.receive(.welcome(cursor: 0, epoch: Epoch(rawValue: 3)), from: owner, crypto: crypto, now: now)
        _ = try lane.value.enqueue([1], now: now)
        _ = drain(lane)
        let stranger = try EntityKeypair.generate(crypto: crypto)
        lane.value.receive(.moved(try moved(to: other, epoch: 4, signer: stranger)), from: owner, crypto: crypto, now: now)
        lane.value.receive(.moved(try moved(to: other, epoch: 3)), from: owner, crypto: crypto, now: now)
        let before = lane.value.belief
        #expect(before.node == owner)
        lane.value.receive(.moved(try moved(to: other, epoch: 4)), from: owner, crypto: crypto, now: now)
        let after = lane.value.belief
        #expect(after == OwnerBelief(node: other, address: "memory:1", epoch: Epoch(rawValue: 4)))
        let resent = drain(lane)
        #expect(sequences(resent) == [1] && resent.first?.destination == .node(other, address: "memory:1"))
    }

    @Test("ACK_EPOCH_ONLY: an asked node's answer of a higher epoch changes owner and epoch together; unasked or of a lower epoch, nothing")
    func beliefIsAPair() throws {
        let lane = makeLane()
        lane.value.receive(.welcome(cursor: 0, epoch: Epoch(rawValue: 2)), from: owner, crypto: crypto, now: now)
        _ = try lane.value.enqueue([1], now: now)
        _ = drain(lane)
        lane.value.receive(.acknowledgement(cursor: 1, epoch: .first), from: other, crypto: crypto, now: now)
        lane.value.receive(.acknowledgement(cursor: 1, epoch: Epoch(rawValue: 3)), from: other, crypto: crypto, now: now)
        let before = (lane.value.acceptedCount, lane.value.belief.node)
        #expect(before == (0, owner))
        lane.value.receive(.notHere, from: owner, crypto: crypto, now: now)
        _ = drain(lane)
        lane.value.receive(.acknowledgement(cursor: 1, epoch: Epoch(rawValue: 3)), from: other, crypto: crypto, now: now)
        let after = (lane.value.acceptedCount, lane.value.belief)
        #expect(after.0 == 1 && after.1 == OwnerBelief(node: other, epoch: Epoch(rawValue: 3)))
    }

    @Test("notHere from the believed owner asks everyone, and the owner of the highest epoch wins")
    func discovers() throws {
        let lane = makeLane()
        _ = drain(lane)
        lane.value.receive(.notHere, from: other, crypto: crypto, now: now)
        let isDiscovering = lane.value.isDiscovering
        #expect(!isDiscovering)
        lane.value.receive(.notHere, from: owner, crypto: crypto, now: now)
        check(drain(lane).map(\.destination), [.everyone])
        lane.value.receive(.welcome(cursor: 0, epoch: Epoch(rawValue: 5)), from: other, crypto: crypto, now: now)
        lane.value.receive(.welcome(cursor: 0, epoch: Epoch(rawValue: 4)), from: owner, crypto: crypto, now: now)
        let belief = lane.value.belief
        #expect(belief == OwnerBelief(node: other, epoch: Epoch(rawValue: 5)))
    }

    @Test("a violation of the believed owner ends the lane, anybody else's does not")
    func violation() throws {
        let lane = makeLane()
        lane.value.receive(.violation, from: other, crypto: crypto, now: now)
        let before = lane.value.failure
        #expect(before == nil)
        lane.value.receive(.violation, from: owner, crypto: crypto, now: now)
        let after = (lane.value.failure?.code, lane.value.nextDeadline)
        #expect(after == (.violation, nil))
        #expect(throws: EmitterLaneError.self) { try lane.value.enqueue([1], now: now) }
    }

    /// A lane with two acknowledged events of three, which has lost its owner and asks everyone.
    private func makeDiscovering() throws -> Box {
        let lane = makeLane()
        lane.value.receive(.welcome(cursor: 0, epoch: .first), from: owner, crypto: crypto, now: now)
        for byte in 1...3 { _ = try lane.value.enqueue([UInt8(byte)], now: now) }
        _ = drain(lane)
        lane.value.receive(.acknowledgement(cursor: 2, epoch: .first), from: owner, crypto: crypto, now: now)
        lane.value.receive(.notHere, from: owner, crypto: crypto, now: now)
        _ = drain(lane)
        return lane
    }

    @Test("a welcome that was overtaken on its way changes nothing; the owner's next answer opens the lane")
    func overtakenWelcome() throws {
        let lane = try makeDiscovering()
        for _ in 1...8 { lane.value.receive(.welcome(cursor: 1, epoch: .first), from: owner, crypto: crypto, now: now) }
        let before = (lane.value.failure, lane.value.isDiscovering)
        #expect(before.0 == nil && before.1)
        lane.value.receive(.welcome(cursor: 2, epoch: .first), from: owner, crypto: crypto, now: now)
        check(sequences(drain(lane)), [3])
    }

    @Test("an owner of the same epoch that says again and again that it has processed less has begun its life anew")
    func repeatedRegression() throws {
        let lane = try makeDiscovering()
        var time = now
        for count in 1...4 {
            let before = lane.value.failure
            #expect(before == nil, "after \(count - 1) answers")
            lane.value.receive(.welcome(cursor: 0, epoch: .first), from: owner, crypto: crypto, now: time)
            guard let deadline = lane.value.nextDeadline else { break }
            time = deadline
            lane.value.deadlineReached(now: time)
            check(drain(lane, at: time).map(\.destination), [.everyone])
        }
        let after = lane.value.failure?.code
        #expect(after == .acceptedEventsLost)
    }

    @Test("a later owner that has processed less has lost accepted events, and says so once")
    func laterOwnerLacksEvents() throws {
        let lane = try makeDiscovering()
        lane.value.receive(.welcome(cursor: 1, epoch: Epoch(rawValue: 2)), from: other, crypto: crypto, now: now)
        let after = lane.value.failure?.code
        #expect(after == .acceptedEventsLost)
    }

    @Test("an owner that serves again says so, and everything goes out at once", arguments: 0...1)
    func pushed(kind: Int) throws {
        let lane = try makeHeld()
        switch kind {
        case 0: lane.value.receive(.welcome(cursor: 0, epoch: .first), from: owner, crypto: crypto, now: now)
        default: lane.value.receive(.acknowledgement(cursor: 1, epoch: .first), from: owner, crypto: crypto, now: now)
        }
        let sent = drain(lane)
        check(sequences(sent), kind == 0 ? [1, 2, 3] : [2, 3])
        check(sent.map(\.destination).allSatisfy { $0 == .node(owner, address: "") }, true)
    }

    @Test("an owner that holds and repeats how far it is gets nothing before the hold is over")
    func heldStaysHeld() throws {
        let lane = try makeHeld()
        lane.value.receive(.gap(cursor: 0, epoch: .first), from: owner, crypto: crypto, now: now)
        lane.value.receive(.acknowledgement(cursor: 0, epoch: .first), from: owner, crypto: crypto, now: now)
        check(drain(lane), [])
        let deadline = lane.value.nextDeadline
        let end = try #require(deadline)
        lane.value.deadlineReached(now: end)
        check(sequences(drain(lane)), [1])
        // What had been in flight is still being answered: the probe alone decides.
        lane.value.receive(.gap(cursor: 0, epoch: .first), from: owner, crypto: crypto, now: end)
        check(drain(lane), [])
        lane.value.receive(.gap(cursor: 2, epoch: .first), from: owner, crypto: crypto, now: end)
        check(sequences(drain(lane)), [3])
    }

    @Test("a new owner is asked with one event, and gets everything once it serves")
    func movedIsProbed() throws {
        let lane = try makeHeld()
        lane.value.receive(.moved(try moved(to: other, epoch: 2)), from: owner, crypto: crypto, now: now)
        let probe = drain(lane)
        check(sequences(probe), [1])
        check(probe.map(\.destination), [.node(other, address: "memory:1")])
        lane.value.receive(.hold(migration: migration, retryAfterNanoseconds: 20_000_000), from: other, crypto: crypto, now: now)
        check(drain(lane), [])
        lane.value.receive(.welcome(cursor: 0, epoch: Epoch(rawValue: 2)), from: other, crypto: crypto, now: now)
        check(sequences(drain(lane)), [1, 2, 3])
    }

    @Test("a new owner that serves already acknowledges the probe, and the rest follows")
    func movedProbeIsAcknowledged() throws {
        let lane = try makeHeld()
        lane.value.receive(.moved(try moved(to: other, epoch: 2)), from: owner, crypto: crypto, now: now)
        check(sequences(drain(lane)), [1])
        lane.value.receive(.acknowledgement(cursor: 1, epoch: Epoch(rawValue: 2)), from: other, crypto: crypto, now: now)
        check(sequences(drain(lane)), [2, 3])
    }

    private var migration: MigrationID { MigrationID(order: SeededRandom(seed: 4).next(), attempt: 1) }

    /// A lane whose three events were all answered `hold`.
    private func makeHeld() throws -> Box {
        let lane = makeLane()
        lane.value.receive(.welcome(cursor: 0, epoch: .first), from: owner, crypto: crypto, now: now)
        for byte in 1...3 { _ = try lane.value.enqueue([UInt8(byte)], now: now) }
        _ = drain(lane)
        for _ in 0..<3 {
            lane.value.receive(.hold(migration: migration, retryAfterNanoseconds: 20_000_000), from: owner, crypto: crypto, now: now)
        }
        check(drain(lane), [])
        return lane
    }

    @Test("whoever knows no owner asks again soon, then less and less often")
    func searching() throws {
        let lane = Box(
            chain: ChainBuilder(origin: OriginHash(rawValue: 1)), daemon: daemon.originHash, belief: OwnerBelief(node: nil),
            limits: EmitterLimits())
        var time = now
        var intervals: [Duration] = []
        _ = drain(lane)
        for _ in 0..<12 {
            guard let deadline = lane.value.nextDeadline else { break }
            intervals.append(deadline - time)
            time = deadline
            lane.value.deadlineReached(now: time)
            check(drain(lane, at: time).map(\.destination), [.everyone])
        }
        check(intervals.prefix(4).map { $0 }, [.milliseconds(10), .milliseconds(20), .milliseconds(40), .milliseconds(80)])
        check(intervals.last, .seconds(5))
    }
}
