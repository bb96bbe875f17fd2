import FerryCrypto
import FerryStateMachines
import FerryTestKit
import FerryWire
import Testing

/// Live moves whose target, log or journal stops answering: the daemon stands still for nobody.
@Suite("Live moves without a partner") struct LiveSessionTests {
    private func lose(_ other: Int, at node: Int, of world: MoveWorld) {
        world.nodes[node].dispatcher.sessionLost(world.nodes[other].key, now: world.now, wallClock: world.wallClock)
        world.nodes[node].drain()
    }

    private func runUntil(_ phase: MigrationPhase, of world: MoveWorld) {
        let limit = world.now + .seconds(5)
        while world.nodes[0].phases[.source]?.last != phase, world.step(until: limit) {}
        #expect(world.nodes[0].phases[.source]?.last == phase)
    }

    @Test("a daemon is not stopped while there is no session with the target, and is as soon as there is one again")
    func waitsForSession() throws {
        for emitterCount in [0, 2] {
            let (world, daemon) = try makeWorld(seed: 51, emitterCount: emitterCount)
            if emitterCount > 0 { world.emit(40, over: 400) }
            let migration = world.order(from: 0, to: 1, by: 2, daemon: daemon, mode: .live)
            runUntil(.transfer, of: world)
            lose(1, at: 0, of: world)
            world.run(for: .seconds(3))
            #expect(world.nodes[0].phases[.source]?.last == .replay)
            #expect(world.outcome(migration, .source, on: 0) == nil)
            world.nodes[0].dispatcher.sessionEstablished(world.nodes[1].peer, now: world.now, wallClock: world.wallClock)
            world.nodes[0].drain()
            world.run(for: .seconds(1))
            guard case .completed? = world.outcome(migration, .source, on: 0) else {
                Issue.record("\(world.trace)")
                return
            }
            #expect(world.owners.map(\.index) == [1])
            world.healAndCheckLiveness()
            #expect(world.violations.isEmpty, "\(world.trace)")
        }
    }

    @Test("a target that stays away is given up before any fence")
    func staysAway() throws {
        let (world, daemon) = try makeWorld(seed: 52)
        let migration = world.order(from: 0, to: 1, by: 2, daemon: daemon, mode: .live)
        runUntil(.transfer, of: world)
        lose(1, at: 0, of: world)
        world.run(for: .seconds(11))
        #expect(world.outcome(migration, .source, on: 0)?.reason?.code == .unreachable, "\(world.trace)")
        #expect(world.nodes[0].phases[.source]?.contains(.cutover) == false)
        #expect(world.owners.map(\.index) == [0])
    }

    @Test("a target that is lost before the release is waited for no longer than one that is lost after it", arguments: MoveMode.allCases)
    func lostBeforeRelease(mode: MoveMode) throws {
        let (world, daemon) = try makeWorld(seed: 53)
        let migration = world.order(from: 0, to: 1, by: 2, daemon: daemon, mode: mode)
        runUntil(.cutover, of: world)
        world.drop = { _ in true }
        lose(1, at: 0, of: world)
        world.run(for: .milliseconds(2_400))
        #expect(world.outcome(migration, .source, on: 0) == nil)
        world.run(for: .milliseconds(200))
        #expect(world.outcome(migration, .source, on: 0)?.reason?.code == .unreachable, "\(world.trace)")
        #expect(world.owners.map(\.index) == [0])
    }

    @Test("a log that is full before the copy is at the target ends the move, and only then")
    func fullLog() throws {
        for (deaf, isGivenUp): (String, Bool) in [("stream", true), ("streamed", true), ("none", false)] {
            let (world, daemon) = try makeWorld(seed: 54)
            world.nodes[0].deafTo = [deaf]
            world.nodes[1].deafTo = ["replay"]
            world.emit(40, over: 2_000)
            let migration = try #require(world.order(from: 0, to: 1, by: 2, daemon: daemon, mode: .live))
            runUntil(isGivenUp ? .transfer : .replay, of: world)
            world.nodes[0].dispatcher.logFull(migration, now: world.now, wallClock: world.wallClock)
            world.nodes[0].drain()
            let reason = FailureReason(.notConverging, "the log is full before the copy is at the target")
            #expect(world.outcome(migration, .source, on: 0) == (isGivenUp ? .declined(reason) : nil), "\(world.trace)")
            #expect(world.owners.map(\.index) == [0])
        }
    }

    @Test("a target that cannot reach a restarted source gives its copy up at the orchestrator's word", arguments: MoveMode.allCases)
    func orphaned(mode: MoveMode) throws {
        let (world, daemon) = try makeWorld(seed: 56)
        world.nodes[1].deafTo = mode == .live ? ["replay"] : ["inspect"]
        if mode == .live { world.emit(100, over: 1_000) }
        let migration = world.order(from: 0, to: 1, by: 2, daemon: daemon, mode: mode)
        runUntil(mode == .live ? .replay : .cutover, of: world)
        world.isCut = { from, to in Set([from, to]) == [.node(0), .node(1)] }
        world.nodes[0].crash()
        world.run(for: .seconds(1))
        #expect(world.outcome(migration, .target, on: 1)?.reason?.code == .participantRestarted, "\(world.trace)")
    }

    @Test("a journal that never answers after the release is reported as doubt by whoever waits for it, and nothing is undone")
    func silentJournal() throws {
        for (victim, role): (Int, MoveRole) in [(0, .source), (1, .target)] {
            let (world, daemon) = try makeWorld(seed: 55)
            world.onSend = { message, from, _ in
                guard case .migration(let message) = message, from == .node(victim) else { return }
                switch message.body {
                case .release, .prepared: world.nodes[victim].deafTo = ["journal"]
                default: break
                }
            }
            let migration = world.order(from: 0, to: 1, by: 2, daemon: daemon, mode: .live)
            world.run(for: world.budgets.take - .milliseconds(50))
            #expect(world.nodes[victim].doubts.isEmpty)
            world.run(for: .seconds(1))
            #expect(world.nodes[victim].doubts == [role], "\(world.trace)")
            world.run(for: .seconds(100))
            #expect(world.nodes[victim].doubts == [role])
            #expect(world.outcome(migration, role, on: victim) == nil)
        }
    }

    @Test("the published bound covers every phase's budget, the wait for the journal included")
    func bound() {
        let budgets = PhaseBudgets()
        let journal = budgets.prepare
        let common = budgets.plan + budgets.plan + budgets.fence + budgets.transfer(byteCount: 7) + budgets.restore
        let handOver = journal + budgets.prepare + budgets.take
        #expect(budgets.publishedBound(byteCount: 7) == common + handOver)
        let following = budgets.converge + budgets.converge + budgets.fence + budgets.replay
        #expect(budgets.publishedBound(byteCount: 7, mode: .live) == common + following + handOver)
    }
}
