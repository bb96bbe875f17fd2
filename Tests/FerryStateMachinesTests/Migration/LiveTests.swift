import FerryCrypto
import FerryStateMachines
import FerryTestKit
import FerryWire
import Testing

/// Moves in live mode: the daemon serves while its frozen copy streams out, and stops for the hand-over only.
@Suite("Live moves") struct LiveTests {
    @Test("a daemon that serves meanwhile completes, loses nothing and leaves nothing behind", arguments: Topology.allCases)
    func completes(topology: Topology) throws {
        let (world, daemon) = try makeWorld(seed: 1)
        world.emit(60, over: 1_500)
        world.run(for: .milliseconds(50))
        let migration = world.order(from: 0, to: 1, by: topology.rawValue, daemon: daemon, mode: .live)
        world.run(for: .seconds(5))
        guard case .completed(let figures?) = world.outcome(migration, .orchestrator, on: topology.rawValue) else {
            Issue.record("\(world.trace) \(world.violations)")
            return
        }
        #expect(figures.release.release.lastLogIndex > 0)
        #expect(figures.replayedInputCount == figures.release.release.lastLogIndex)
        #expect(figures.release.release.inputOutputDigest.bytes.contains { $0 != 0 })
        #expect(figures.release.release.determinism == .verified)
        #expect(figures.predictedPauseNanoseconds > 0)
        #expect(figures.pauseNanoseconds < figures.durationNanoseconds)
        #expect(world.owners.map(\.index) == [1])
        #expect(world.emitters.allSatisfy { $0.acceptedCount == 60 && $0.belief.node == world.nodes[1].key })
        world.healAndCheckLiveness()
        #expect(world.violations.isEmpty, "\(world.trace)")
    }

    @Test("source and target see every phase, in order and once")
    func everyPhase() throws {
        let (world, daemon) = try makeWorld(seed: 2)
        world.emit(20, over: 300)
        world.order(from: 0, to: 1, by: 2, daemon: daemon, mode: .live)
        world.run(for: .seconds(5))
        #expect(world.nodes[0].phases[.source] == MigrationPhase.allCases)
        #expect(world.nodes[1].phases[.target] == MigrationPhase.allCases)
    }

    @Test("a daemon without inputs is stopped as soon as its copy is restored, and its log is empty")
    func silentDaemon() throws {
        let (world, daemon) = try makeWorld(seed: 3, emitterCount: 0)
        let migration = world.order(from: 0, to: 1, by: 0, daemon: daemon, mode: .live)
        world.run(for: .seconds(2))
        guard case .completed(let figures?) = world.outcome(migration, .source, on: 0) else {
            Issue.record("\(world.trace)")
            return
        }
        #expect(figures.replayedInputCount == 0)
        #expect(world.violations.isEmpty)
    }

    @Test("the daemon accepts inputs in every phase before the fence")
    func servesMeanwhile() throws {
        let (world, daemon) = try makeWorld(seed: 4)
        world.emit(200, over: 400)
        var acceptedWhile: [MigrationPhase: UInt64] = [:]
        world.beforeDelivery = { world, _ in
            guard let phase = world.nodes[0].phases[.source]?.last else { return }
            acceptedWhile[phase] = max(acceptedWhile[phase] ?? 0, world.accepted.values.max() ?? 0)
        }
        let migration = world.order(from: 0, to: 1, by: 2, daemon: daemon, mode: .live)
        world.run(for: .seconds(5))
        #expect(world.outcome(migration, .source, on: 0)?.reason == nil, "\(world.trace)")
        #expect(acceptedWhile[.snapshot] ?? 0 < acceptedWhile[.transfer] ?? 0)
        #expect(acceptedWhile[.transfer] ?? 0 < acceptedWhile[.replay] ?? 0)
        #expect(world.violations.isEmpty)
    }

    @Test("under loss, duplication, reordering and delay all invariants hold", arguments: Topology.allCases)
    func survivesNetwork(topology: Topology) throws {
        for seed in 0..<8 {
            let (world, daemon) = try makeWorld(seed: UInt64(seed), faults: .harsh)
            world.emit(20, over: 3_000)
            world.order(from: 0, to: 1, by: topology.rawValue, daemon: daemon, mode: .live, attemptLimit: 2, modes: .all)
            world.run(for: .seconds(5))
            world.healAndCheckLiveness()
            #expect(world.violations.isEmpty, "seed \(seed): \(world.trace)")
        }
    }

    @Test("a crash of any node at any message boundary never makes two owners or leaves anything behind", arguments: 0..<3)
    func survivesCrashes(victim: Int) throws {
        let (calm, daemon) = try makeWorld(seed: 7)
        calm.emit(4, over: 100)
        calm.order(from: 0, to: 1, by: 2, daemon: daemon, mode: .live)
        calm.run(for: .seconds(5))
        #expect(calm.deliveredCount > 8)
        for boundary in 0..<calm.deliveredCount {
            let (world, daemon) = try makeWorld(seed: 7)
            world.emit(4, over: 100)
            world.beforeDelivery = { world, count in
                if count == boundary { world.nodes[victim].crash() }
            }
            world.order(from: 0, to: 1, by: 2, daemon: daemon, mode: .live)
            world.run(for: .seconds(5))
            world.healAndCheckLiveness()
            #expect(world.violations.isEmpty, "boundary \(boundary): \(world.trace)")
        }
    }

    @Test("a cancel at any message boundary, by any role, ends the move and leaves nothing behind", arguments: MoveRole.allCases)
    func cancels(role: MoveRole) throws {
        let (calm, daemon) = try makeWorld(seed: 8)
        calm.emit(4, over: 100)
        calm.order(from: 0, to: 1, by: 2, daemon: daemon, mode: .live)
        calm.run(for: .seconds(5))
        let canceller = [MoveRole.orchestrator: 2, .source: 0, .target: 1][role] ?? 0
        var ends: Set<String> = []
        for boundary in 0..<calm.deliveredCount {
            let (world, daemon) = try makeWorld(seed: 8)
            world.emit(4, over: 100)
            world.beforeDelivery = { world, count in
                guard count == boundary else { return }
                let node = world.nodes[canceller]
                for view in node.dispatcher.moves {
                    node.dispatcher.cancel(
                        view.migration, reason: FailureReason(.cancelled), now: world.now, wallClock: world.wallClock)
                }
                node.drain()
            }
            let migration = world.order(from: 0, to: 1, by: 2, daemon: daemon, mode: .live)
            world.run(for: .seconds(5))
            let outcome = world.outcome(migration, .orchestrator, on: 2)
            #expect(outcome != nil, "boundary \(boundary): \(world.trace)")
            #expect(world.owners.map(\.index) == (outcome?.reason == nil ? [1] : [0]), "boundary \(boundary): \(world.trace)")
            ends.insert(outcome?.reason?.code.description ?? "completed")
            world.healAndCheckLiveness()
            #expect(world.violations.isEmpty, "boundary \(boundary): \(world.trace)")
        }
        #expect(ends == ["cancelled", "completed"])
    }
}
