import FerryStateMachines
import FerryWire
import Testing

/// What each role sees of a move, and how soon a peer that is gone is given up.
@Suite("Phases") struct PhaseTests {
    @Test("source and target see every phase, in order and once")
    func everyPhase() throws {
        let (world, daemon) = try makeWorld(seed: 61)
        let migration = world.order(from: 0, to: 1, by: 2, daemon: daemon)
        world.run(for: .seconds(5))
        #expect(world.outcome(migration, .orchestrator, on: 2)?.reason == nil, "\(world.trace)")
        #expect(world.nodes[0].phases[.source] == MigrationPhase.allCases)
        #expect(world.nodes[1].phases[.target] == MigrationPhase.allCases)
        #expect(world.nodes[2].phases[.orchestrator]?.first == .snapshot)
        #expect(world.nodes[2].phases[.orchestrator]?.last == .complete)
    }

    /// A world whose source waits for a restored target that cannot tell.
    private func standingStill(seed: UInt64) throws -> (MoveWorld, MigrationID?) {
        let (world, daemon) = try makeWorld(seed: seed)
        world.drop = { body in
            if case .restoreComplete = body { true } else { false }
        }
        let migration = world.order(from: 0, to: 1, by: 2, daemon: daemon)
        world.run(for: .seconds(2))
        #expect(world.nodes[0].phases[.source]?.last == .restore)
        world.nodes[0].dispatcher.sessionLost(world.nodes[1].key, now: world.now, wallClock: world.wallClock)
        return (world, migration)
    }

    @Test("a daemon that stands still for a target whose session is lost goes on after a quarter of the stall budget")
    func lostTarget() throws {
        let (world, migration) = try standingStill(seed: 62)
        world.run(for: .milliseconds(2_490))
        #expect(world.outcome(migration, .source, on: 0) == nil, "\(world.trace)")
        world.run(for: .milliseconds(20))
        #expect(world.outcome(migration, .source, on: 0)?.reason?.code == .unreachable, "\(world.trace)")
        #expect(world.owners.map(\.index) == [0])
    }

    @Test("a target that comes back in time has the whole of its budget")
    func returnedTarget() throws {
        let (world, migration) = try standingStill(seed: 63)
        world.run(for: .seconds(1))
        world.nodes[0].dispatcher.sessionEstablished(world.nodes[1].peer, now: world.now, wallClock: world.wallClock)
        world.nodes[0].drain()
        world.run(for: .seconds(10))
        #expect(world.outcome(migration, .source, on: 0) == nil, "\(world.trace)")
        world.drop = nil
        world.run(for: .seconds(10))
        #expect(world.outcome(migration, .orchestrator, on: 2)?.reason == nil, "\(world.trace)")
        #expect(world.owners.map(\.index) == [1])
    }

    @Test("a peer that no dial will ever reach declines the plan that waits for it, and no other")
    func unreachablePeer() throws {
        let (world, daemon) = try makeWorld(seed: 64)
        world.drop = { body in
            if case .plan = body { true } else { false }
        }
        let migration = world.order(from: 0, to: 1, by: 2, daemon: daemon)
        let reason = FailureReason(.unreachable, "another key answered")
        world.nodes[2].dispatcher.peerUnreachable(world.nodes[1].key, reason, now: world.now, wallClock: world.wallClock)
        world.nodes[2].drain()
        #expect(world.outcome(migration, .orchestrator, on: 2) == nil)
        world.nodes[2].dispatcher.peerUnreachable(world.nodes[0].key, reason, now: world.now, wallClock: world.wallClock)
        world.nodes[2].drain()
        #expect(world.outcome(migration, .orchestrator, on: 2) == .declined(reason))
    }
}
