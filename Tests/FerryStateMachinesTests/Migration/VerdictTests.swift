import FerryCrypto
import FerryStateMachines
import FerryTestKit
import FerryWire
import Testing

/// An orchestrator says nothing about a move's end that is not so.
@Suite("Verdicts") struct VerdictTests {
    /// A move whose source's word never reaches the orchestrator.
    private func makeSilentMove(seed: UInt64) throws -> (MoveWorld, MigrationID) {
        let (world, daemon) = try makeWorld(seed: seed, emitterCount: 0)
        world.drop = { body in
            switch body {
            case .progress, .cleanupComplete, .migrationFailed: true
            default: false
            }
        }
        let migration = try #require(world.order(from: 0, to: 1, by: 2, daemon: daemon))
        world.run(for: .seconds(1))
        #expect(world.owners.map(\.index) == [1])
        #expect(world.outcome(migration, .orchestrator, on: 2) == nil)
        return (world, migration)
    }

    @Test("a source that forgets before its first word is heard is not taken for one that never began: the target is asked")
    func unknownWhileOrdering() throws {
        let (world, migration) = try makeSilentMove(seed: 51)
        world.nodes[0].crash()
        world.run(for: .seconds(2))
        #expect(world.outcome(migration, .orchestrator, on: 2) == .completed(nil), "\(world.trace)")
    }

    @Test("who forgets in the boot that took part has forgotten how the move ended, and nothing is reported lost")
    func forgottenOutcome() throws {
        let (world, migration) = try makeSilentMove(seed: 52)
        world.run(for: .seconds(2))
        for node in world.nodes.prefix(2) { node.dispatcher.forgetClosed(wallClock: world.wallClock + 700_000_000_000) }
        #expect(world.nodes[0].dispatcher.moves.isEmpty)
        world.run(for: .seconds(4))
        guard case .forgotten(let reason) = world.outcome(migration, .orchestrator, on: 2) else {
            Issue.record("\(world.trace)")
            return
        }
        #expect(reason.code == .participantRestarted)
        #expect(world.owners.map(\.index) == [1])
    }

    @Test("busy is a wish to cancel, on which the source decides, also where it had obeyed an earlier copy of the order")
    func busy() throws {
        let (calm, daemon) = try makeWorld(seed: 53, emitterCount: 0)
        calm.order(from: 0, to: 1, by: 2, daemon: daemon)
        calm.run(for: .seconds(3))
        let other = MigrationID(order: SeededRandom(seed: 5).next(), attempt: 1)
        var owners: Set<Int> = []
        for boundary in 0..<calm.deliveredCount {
            let (world, daemon) = try makeWorld(seed: 53, emitterCount: 0)
            let migration = try #require(world.order(from: 0, to: 1, by: 2, daemon: daemon))
            world.beforeDelivery = { world, count in
                guard count == boundary else { return }
                let header = MessageHeader(migration: migration, epoch: Epoch(rawValue: 2))
                world.nodes[2].dispatcher.receive(
                    FerryMessage(header: header, body: .busy(other)), from: world.nodes[0].peer, now: world.now, wallClock: world.wallClock)
                world.nodes[2].drain()
            }
            world.run(for: .seconds(3))
            let outcome = try #require(world.outcome(migration, .orchestrator, on: 2))
            let owner = try #require(world.owners.first?.index)
            #expect((outcome.reason == nil) == (owner == 1), "boundary \(boundary): \(world.trace)")
            owners.insert(owner)
            world.healAndCheckLiveness()
            #expect(world.violations.isEmpty, "boundary \(boundary): \(world.trace)")
        }
        #expect(owners == [0, 1])
    }
}
