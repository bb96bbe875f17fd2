import FerryCrypto
import FerrySodium
import FerryStateMachines
import FerryWire
import Testing

@Suite("Ownership in live mode") struct FreezeTests {
    /// Keeps a machine where closures of the test macros may reach it.
    final class Box {
        var value: OwnershipMachine

        init(_ machine: consuming OwnershipMachine) { value = machine }

        func admit(
            _ sequence: UInt64, after previous: UInt64, from emitter: OriginHash, epoch: Epoch = .first, by bearer: LaneBearer? = nil
        ) -> LaneVerdict {
            let link = CausalLink(origin: emitter, horizon: 0, sequence: sequence, parent: 0)
            return value.admit(LaneEvent(epoch: epoch, previous: previous, link: link, payload: []), from: emitter, by: bearer)
        }

        func isHeld(_ emitter: OriginHash, by node: NodeKey) -> Bool { value.isHeld(emitter, by: node) }

        func takeHeld() -> [OriginHash] { value.takeHeld() }

        func welcome(_ emitter: OriginHash, by bearer: LaneBearer? = nil) -> LaneVerdict { value.welcome(emitter, by: bearer) }

        func holdForRoom(_ emitter: OriginHash) -> LaneVerdict { value.holdForRoom(emitter) }

        func replayed(_ emitter: OriginHash, _ sequence: UInt64) -> Bool { value.replayed(emitter: emitter, sequence: sequence) }

        func freeze(_ migration: MigrationID, _ epoch: Epoch) throws { try value.freeze(migration, epoch: epoch) }

        func fence(_ migration: MigrationID, _ epoch: Epoch) throws { try value.fence(migration, epoch: epoch) }

        func thaw(_ migration: MigrationID) -> Bool { value.thaw(migration) }

        func resume(_ migration: MigrationID) -> Epoch? { value.resume(migration) }

        func activate(_ migration: MigrationID, _ epoch: Epoch) -> Bool { value.activate(migration, epoch: epoch) }

        var standing: OwnershipStanding { value.standing }
        var activeMigration: MigrationID? { value.activeMigration }
        var nextEpoch: Epoch? { value.nextEpoch }
        var cursors: [LaneCursor] { value.sortedCursors }
    }

    let emitter = OriginHash(rawValue: 9)
    let other = OriginHash(rawValue: 10)
    let migration = MigrationID(order: OrderID(rawValue: .zero), attempt: 1)
    let later = MigrationID(order: OrderID(rawValue: .zero), attempt: 2)
    let two = Epoch(rawValue: 2)

    private func spawn(_ limits: OwnershipLimits = .init()) throws -> Box {
        let lineage = try #require(LineageID([UInt8](repeating: 2, count: 16)))
        return Box(OwnershipMachine(spawning: try EntityKeypair.generate(crypto: .sodium).entityID, lineage: lineage, limits: limits))
    }

    private func standby(_ cursors: [LaneCursor], _ limits: OwnershipLimits = .init()) throws -> Box {
        let lineage = try #require(LineageID([UInt8](repeating: 2, count: 16)))
        let entity = try EntityKeypair.generate(crypto: .sodium).entityID
        let snapshot = SnapshotHeader(
            entity: entity, lineage: lineage, epoch: two, kind: DaemonKind(name: "log", schemaVersion: 1),
            chainLink: .genesis(entity.originHash), headPayload: [], cursors: cursors, outputLanes: [], bindings: [], createdAt: 0)
        let machine = OwnershipMachine(standbyFor: migration, snapshot: snapshot, limits: limits)
        guard let machine else { throw FailureReason(.noCapacity) }
        return Box(machine)
    }

    @Test("a frozen daemon serves, belongs to its move, and may be fenced by that move and epoch alone")
    func freezeThenFence() throws {
        let machine = try spawn()
        try machine.freeze(migration, two)
        try machine.freeze(migration, two)
        #expect(machine.activeMigration == migration)
        #expect(machine.admit(1, after: 0, from: emitter) == .process)
        machine.value.processed(emitter: emitter, sequence: 1)
        #expect(throws: FailureReason.self) { try machine.freeze(later, Epoch(rawValue: 3)) }
        #expect(throws: FailureReason.self) { try machine.fence(later, Epoch(rawValue: 3)) }
        #expect(throws: FailureReason.self) { try machine.fence(migration, Epoch(rawValue: 3)) }
        try machine.fence(migration, two)
        #expect(machine.standing == .fenced(.first, migration))
        #expect(machine.resume(migration) == .first)
        #expect(machine.activeMigration == nil)
        #expect(machine.nextEpoch == Epoch(rawValue: 3))
    }

    @Test("a freeze that is given up leaves the daemon to the next move, with its epoch burnt")
    func thaw() throws {
        let machine = try spawn()
        try machine.freeze(migration, two)
        #expect(!machine.thaw(later))
        #expect(machine.thaw(migration))
        #expect(!machine.thaw(migration))
        #expect(machine.activeMigration == nil)
        #expect(throws: FailureReason.self) { try machine.freeze(later, two) }
        try machine.freeze(later, Epoch(rawValue: 3))
    }

    @Test("whoever was held is told once, in order, and no more of them than lanes are kept")
    func heldLanes() throws {
        let machine = try spawn(OwnershipLimits(laneCount: 2))
        try machine.fence(migration, two)
        for number in [UInt64(12), 11, 12, 13] { _ = machine.admit(1, after: 0, from: OriginHash(rawValue: number)) }
        _ = machine.welcome(OriginHash(rawValue: 11))
        #expect(machine.takeHeld().map(\.rawValue) == [12, 11])
        #expect(machine.takeHeld().isEmpty)
        #expect(machine.resume(migration) == .first)
        #expect(machine.welcome(emitter) == .welcome(cursor: 0, epoch: .first))
    }

    private func bearer(_ number: UInt8, isProven: Bool = false) throws -> LaneBearer {
        LaneBearer(node: try #require(NodeKey([UInt8](repeating: number, count: 32))), isProven: isProven)
    }

    @Test("whoever speaks first for a held emitter is told more, until a node is proven to speak for it")
    func spoofedHold() throws {
        let machine = try spawn()
        try machine.fence(migration, two)
        let (first, spoofer) = (try bearer(1), try bearer(2))
        _ = machine.admit(1, after: 0, from: emitter, by: first)
        _ = machine.welcome(emitter, by: spoofer)
        #expect(machine.isHeld(emitter, by: first.node))
        #expect(!machine.isHeld(emitter, by: spoofer.node))

        _ = machine.welcome(other, by: spoofer)
        let owner = try bearer(1, isProven: true)
        _ = machine.admit(1, after: 0, from: other, by: owner)
        #expect(machine.isHeld(other, by: owner.node))
        _ = machine.welcome(other, by: try bearer(2, isProven: true))
        #expect(machine.isHeld(other, by: owner.node))
        #expect(machine.takeHeld() == [emitter, other])
        #expect(!machine.isHeld(other, by: owner.node))
    }

    @Test("one node has a quarter of the held emitters at most, the others find room beside it")
    func shareOfHolds() throws {
        let machine = try spawn(OwnershipLimits(laneCount: 16))
        try machine.fence(migration, two)
        let hostile = try bearer(1)
        for number in UInt64(100)..<120 { _ = machine.welcome(OriginHash(rawValue: number), by: hostile) }
        #expect(machine.isHeld(OriginHash(rawValue: 103), by: hostile.node))
        #expect(!machine.isHeld(OriginHash(rawValue: 104), by: hostile.node))
        _ = machine.welcome(emitter, by: try bearer(2))
        // What is taken over from the hostile node counts for whom it belongs to, and makes room for no more than one.
        _ = machine.welcome(OriginHash(rawValue: 100), by: try bearer(3, isProven: true))
        _ = machine.welcome(OriginHash(rawValue: 104), by: hostile)
        _ = machine.welcome(OriginHash(rawValue: 105), by: hostile)
        #expect(machine.takeHeld().map(\.rawValue) == [100, 101, 102, 103, 9, 104])
    }

    @Test("an input that there is no room for is held and remembered, in a move's name or in nobody's")
    func heldForRoom() throws {
        let machine = try spawn()
        let nobody = MigrationID(rawValue: .zero)
        #expect(machine.holdForRoom(emitter) == .hold(migration: nobody, retryAfter: .milliseconds(20)))
        #expect(machine.takeHeld() == [emitter])
        try machine.freeze(migration, two)
        #expect(machine.holdForRoom(emitter) == .hold(migration: migration, retryAfter: .milliseconds(20)))
        #expect(machine.takeHeld() == [emitter])
        #expect(machine.admit(1, after: 0, from: emitter) == .process)
    }

    @Test("replay advances the cursor of a copy that stands by, never back, and not beyond the lane cap")
    func replay() throws {
        let machine = try standby([LaneCursor(emitter: emitter, sequence: 4)], OwnershipLimits(laneCount: 2))
        #expect(machine.replayed(emitter, 5))
        #expect(!machine.replayed(emitter, 5))
        #expect(machine.replayed(other, 1))
        #expect(!machine.replayed(OriginHash(rawValue: 11), 1))
        #expect(machine.cursors == [LaneCursor(emitter: emitter, sequence: 5), LaneCursor(emitter: other, sequence: 1)])
        _ = machine.admit(6, after: 5, from: emitter, epoch: two)
        #expect(machine.activate(migration, two))
        #expect(machine.takeHeld() == [emitter])
        #expect(machine.welcome(emitter) == .welcome(cursor: 5, epoch: two))
    }
}
