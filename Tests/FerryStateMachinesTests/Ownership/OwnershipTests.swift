import FerryCrypto
import FerrySodium
import FerryStateMachines
import FerryTestKit
import FerryWire
import Testing

@Suite("Ownership") struct OwnershipTests {
    /// Keeps a machine where closures of the test macros may reach it.
    final class Box {
        var value: OwnershipMachine

        init(_ daemon: EntityID, _ lineage: LineageID, _ limits: OwnershipLimits) {
            value = OwnershipMachine(spawning: daemon, lineage: lineage, limits: limits)
        }
    }

    let emitter = OriginHash(rawValue: 9)
    let migration = MigrationID(order: SeededRandom(seed: 1).next(), attempt: 1)

    private func spawn(_ limits: OwnershipLimits = .init()) throws -> Box {
        let keypair = try EntityKeypair.generate(crypto: .sodium)
        let lineage = try #require(LineageID([UInt8](repeating: 2, count: 16)))
        return Box(keypair.entityID, lineage, limits)
    }

    private func check<Value: Equatable>(_ value: Value, _ expected: Value, at location: SourceLocation = #_sourceLocation) {
        #expect(value == expected, sourceLocation: location)
    }

    private func event(_ sequence: UInt64, after previous: UInt64, epoch: Epoch = .first) -> LaneEvent {
        LaneEvent(
            epoch: epoch, previous: previous, link: CausalLink(origin: emitter, horizon: 0, sequence: sequence, parent: 0), payload: [])
    }

    @Test("NOPREV: only an event whose predecessor is the cursor is processed")
    func cursorRules() throws {
        let machine = try spawn()
        check(machine.value.welcome(emitter), .welcome(cursor: 0, epoch: .first))
        check(machine.value.admit(event(3, after: 0), from: emitter), .process)
        check(machine.value.processed(emitter: emitter, sequence: 3), .acknowledge(cursor: 3, epoch: .first))
        check(machine.value.admit(event(3, after: 0), from: emitter), .acknowledge(cursor: 3, epoch: .first))
        check(machine.value.admit(event(9, after: 7), from: emitter), .gap(cursor: 3, epoch: .first))
        check(machine.value.admit(event(9, after: 2), from: emitter), .violation)
        check(machine.value.admit(event(9, after: 12), from: emitter), .violation)
        check(machine.value.admit(event(7, after: 3), from: emitter), .process)
    }

    @Test("ACK_EARLY: an event that is admitted and not processed is not acknowledged")
    func acknowledgesAfterProcessing() throws {
        let machine = try spawn()
        check(machine.value.admit(event(1, after: 0), from: emitter), .process)
        check(machine.value.admit(event(1, after: 0), from: emitter), .process)
        check(machine.value.welcome(emitter), .welcome(cursor: 0, epoch: .first))
    }

    @Test("what was in flight behind an event that is held gets no answer; the event itself gets one whenever it comes")
    func heldOnce() throws {
        let machine = try spawn()
        try machine.value.fence(migration, epoch: Epoch(rawValue: 2))
        let hold = LaneVerdict.hold(migration: migration, retryAfter: OwnershipLimits().holdInterval)
        check(machine.value.admit(event(1, after: 0), from: emitter), hold)
        check(machine.value.admit(event(2, after: 1), from: emitter), .alreadyHeld)
        check(machine.value.admit(event(1, after: 0), from: emitter), hold)
        check(machine.value.takeHeld(), [emitter])
        // Nobody is remembered any more who would be told later.
        check(machine.value.admit(event(2, after: 1), from: emitter), hold)
        #expect(LaneVerdict.alreadyHeld.reply == nil)
    }

    @Test("an emitter that was held for room and has gone on is not taken for one that waits")
    func goneOn() throws {
        let machine = try spawn()
        guard case .hold = machine.value.holdForRoom(emitter) else {
            Issue.record("not held")
            return
        }
        machine.value.processed(emitter: emitter, sequence: 1)
        check(machine.value.takeHeld(), [])
        try machine.value.fence(migration, epoch: Epoch(rawValue: 2))
        let hold = LaneVerdict.hold(migration: migration, retryAfter: OwnershipLimits().holdInterval)
        check(machine.value.admit(event(3, after: 2), from: emitter), hold)
    }

    @Test("one lane more than the cap is turned away")
    func laneCap() throws {
        let machine = try spawn(OwnershipLimits(laneCount: 1))
        check(machine.value.admit(event(1, after: 0), from: emitter), .process)
        machine.value.processed(emitter: emitter, sequence: 1)
        check(machine.value.admit(event(1, after: 0), from: OriginHash(rawValue: 10)), .violation)
        check(machine.value.welcome(OriginHash(rawValue: 10)), .violation)
        check(machine.value.admit(event(2, after: 1), from: emitter), .process)
    }

    @Test("an event of a later epoch than the owner's is neither processed nor acknowledged")
    func laterEpoch() throws {
        let machine = try spawn()
        let two = Epoch(rawValue: 2)
        check(machine.value.admit(event(1, after: 0), from: emitter), .process)
        machine.value.processed(emitter: emitter, sequence: 1)
        for (sequence, previous) in [(UInt64(2), UInt64(1)), (1, 0), (9, 7)] {
            let verdict = machine.value.admit(event(sequence, after: previous, epoch: two), from: emitter)
            check(verdict, .notHere)
            check(verdict.reply, .notHere)
        }
        check(machine.value.admit(event(2, after: 1), from: emitter), .process)
        try machine.value.fence(migration, epoch: two)
        check(machine.value.admit(event(1, after: 0, epoch: two), from: emitter), .notHere)
        check(machine.value.admit(event(1, after: 0), from: emitter), .acknowledge(cursor: 1, epoch: .first))
    }

    @Test("fencing burns the epoch, resuming keeps the old one, and the burnt number is refused")
    func burns() throws {
        let machine = try spawn()
        let two = Epoch(rawValue: 2)
        try machine.value.fence(migration, epoch: two)
        check(machine.value.admit(event(1, after: 0), from: emitter), .hold(migration: migration, retryAfter: .milliseconds(20)))
        check(machine.value.resume(migration), .first)
        check(machine.value.resume(migration), nil)
        #expect(throws: FailureReason.self) { try machine.value.fence(migration, epoch: two) }
        let next = machine.value.nextEpoch
        #expect(next == Epoch(rawValue: 3))
    }
}
