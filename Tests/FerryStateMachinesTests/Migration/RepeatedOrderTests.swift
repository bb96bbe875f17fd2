import FerryCrypto
import FerryStateMachines
import FerryWire
import Testing

/// An orchestrator that crashed and is given the same order again says nothing about the move that is not so.
@Suite("Repeated orders") struct RepeatedOrderTests {
    private struct Scene {
        var world: MoveWorld
        var order: MoveOrder
        var orchestrator = 2

        /// Gives the order at its orchestrator.
        func give(isNew: Bool) {
            let node = world.nodes[orchestrator]
            _ = try? node.dispatcher.order(order, isNew: isNew, now: world.now, wallClock: world.wallClock)
            node.drain()
        }

        func crashAndGiveAgain() {
            world.nodes[orchestrator].crash()
            give(isNew: false)
        }

        var outcome: MoveOutcome? { world.outcome(order.migration, .orchestrator, on: orchestrator) }
    }

    /// A move from node 0 to node 1 that node 2 orders, or another.
    private func makeScene(seed: UInt64, mode: MoveMode = .stopAndCopy, orderedBy orchestrator: Int = 2) throws -> Scene {
        let (world, daemon) = try makeWorld(seed: seed, emitterCount: 0)
        let order = MoveOrder(
            id: world.random.next(), daemon: daemon, lineage: nil, source: world.nodes[0].key, target: world.nodes[1].key,
            targetAddress: "memory:1", orchestrator: world.nodes[orchestrator].key, mode: mode, expiresAt: world.wallClock + 600_000_000_000
        )
        let scene = Scene(world: world, order: order, orchestrator: orchestrator)
        scene.give(isNew: true)
        return scene
    }

    @Test("a move that has completed is reported so, with its receipt")
    func completed() throws {
        let scene = try makeScene(seed: 81)
        scene.world.run(for: .seconds(3))
        #expect(scene.world.owners.map(\.index) == [1])
        scene.crashAndGiveAgain()
        scene.world.run(for: .seconds(1))
        guard case .completed(.some) = scene.outcome else {
            Issue.record("\(String(describing: scene.outcome)) \(scene.world.trace)")
            return
        }
        scene.world.healAndCheckLiveness()
        #expect(scene.world.violations.isEmpty)
    }

    @Test(
        "given again at any point, the move goes on or begins, and its end is reported as it is", arguments: [MoveMode.stopAndCopy, .live])
    func anywhere(mode: MoveMode) throws {
        let calm = try makeScene(seed: 82, mode: mode)
        calm.world.run(for: .seconds(3))
        for boundary in 0..<calm.world.deliveredCount {
            let scene = try makeScene(seed: 82, mode: mode)
            scene.world.beforeDelivery = { world, count in if count == boundary { scene.crashAndGiveAgain() } }
            scene.world.run(for: .seconds(30))
            let outcome = try #require(scene.outcome, "boundary \(boundary): \(scene.world.trace)")
            let owner = try #require(scene.world.owners.first?.index)
            #expect((outcome.reason == nil) == (owner == 1), "boundary \(boundary): \(outcome) \(scene.world.trace)")
            #expect(owner == 1, "boundary \(boundary): \(outcome)")
            scene.world.beforeDelivery = nil
            scene.world.healAndCheckLiveness()
            #expect(scene.world.violations.isEmpty, "boundary \(boundary): \(scene.world.violations)")
        }
    }

    @Test("a source that has restarted does not have the daemon any more: the target's word counts")
    func sourceRestarted() throws {
        let scene = try makeScene(seed: 83)
        scene.world.run(for: .seconds(3))
        scene.world.nodes[0].crash()
        scene.crashAndGiveAgain()
        scene.world.run(for: .seconds(3))
        #expect(scene.outcome == .completed(nil), "\(scene.world.trace)")
    }

    @Test("an order of which neither source nor target knows is forgotten, never declined: its move may have completed")
    func nobodyKnows() throws {
        let scene = try makeScene(seed: 84)
        scene.world.nodes[0].crash()
        scene.crashAndGiveAgain()
        scene.world.run(for: .seconds(3))
        guard case .forgotten(let reason) = scene.outcome else {
            Issue.record("\(String(describing: scene.outcome))")
            return
        }
        #expect(reason.message.contains("daemonNotFound"), "\(reason)")
    }

    @Test("a target that ordered the move itself, and has forgotten it as its source has, declines nothing")
    func targetHasForgotten() throws {
        let scene = try makeScene(seed: 86, orderedBy: 1)
        scene.world.run(for: .seconds(3))
        #expect(scene.world.owners.map(\.index) == [1])
        scene.world.nodes[0].crash()
        scene.crashAndGiveAgain()
        scene.world.run(for: .seconds(5))
        guard case .forgotten = scene.outcome else {
            Issue.record("\(String(describing: scene.outcome)) \(scene.world.trace)")
            return
        }
    }

    @Test("where the source cannot be asked the target's word ends the wait, and where neither can be, the move is in doubt")
    func unreachable() throws {
        for isTargetReachable in [true, false] {
            let scene = try makeScene(seed: 85)
            scene.world.run(for: .seconds(3))
            scene.world.isCut = { from, to in
                let ends = [from, to]
                return ends.contains(.node(0)) || !isTargetReachable && ends.contains(.node(1))
            }
            scene.crashAndGiveAgain()
            scene.world.run(for: .seconds(30))
            if isTargetReachable {
                #expect(scene.outcome == .completed(nil))
                continue
            }
            #expect(scene.outcome == nil, "\(String(describing: scene.outcome))")
            #expect(scene.world.nodes[2].doubts == [.orchestrator])
            scene.world.isCut = nil
            scene.world.run(for: .seconds(10))
            #expect(scene.outcome?.reason == nil && scene.outcome != nil)
        }
    }

    @Test("an order whose end source and target have forgotten is reported as forgotten")
    func forgotten() throws {
        let scene = try makeScene(seed: 86)
        scene.world.run(for: .seconds(3))
        for node in scene.world.nodes.prefix(2) { node.dispatcher.forgetClosed(wallClock: scene.world.wallClock + 700_000_000_000) }
        scene.crashAndGiveAgain()
        scene.world.run(for: .seconds(3))
        guard case .forgotten(let reason) = scene.outcome else {
            Issue.record("\(String(describing: scene.outcome)) \(scene.world.trace)")
            return
        }
        #expect(reason.code == .orderExpired)
        #expect(scene.world.owners.map(\.index) == [1])
    }

    @Test("a cancel reaches a move that is under way, and is refused by one that is over")
    func cancelled() throws {
        for isOver in [true, false] {
            let scene = try makeScene(seed: 87)
            scene.world.run(for: isOver ? .seconds(3) : .milliseconds(1))
            while !isOver, scene.world.nodes[1].standbys.isEmpty { scene.world.run(for: .milliseconds(1)) }
            scene.crashAndGiveAgain()
            scene.world.nodes[2].dispatcher.cancel(
                scene.order.migration, reason: FailureReason(.cancelled), now: scene.world.now, wallClock: scene.world.wallClock)
            scene.world.nodes[2].drain()
            scene.world.run(for: .seconds(5))
            #expect((scene.outcome?.reason == nil) == isOver, "\(String(describing: scene.outcome))")
            #expect(scene.world.owners.map(\.index) == [isOver ? 1 : 0])
            scene.world.healAndCheckLiveness()
            #expect(scene.world.violations.isEmpty)
        }
    }
}
