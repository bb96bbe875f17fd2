import FerryStateMachines
import FerryWire
import Testing

extension WorldNode {
    fileprivate var isBusy: Bool { dispatcher.isBusy }
    fileprivate var unacknowledgedTakes: [EntityID] { dispatcher.unacknowledgedTakes }
}

/// A node that goes down gracefully: what is on its way to it turns round, and only what has taken is finished.
@Suite("Closing") struct ClosingTests {
    private static let reason = FailureReason(.notReady, "the node shuts down")

    @Test(
        "a target that goes down at any message boundary takes nothing that it has not taken, and is done soon",
        arguments: Topology.allCases, [MoveMode.live, .stopAndCopy])
    func everyBoundary(topology: Topology, mode: MoveMode) throws {
        let (calm, daemon) = try makeWorld(seed: 91)
        calm.emit(5, over: 200)
        calm.order(from: 0, to: 1, by: topology.rawValue, daemon: daemon, mode: mode)
        calm.run(for: .seconds(5))
        #expect(calm.deliveredCount > 8)
        var endings: [Int: Int] = [:]
        for boundary in 0..<calm.deliveredCount {
            let (world, daemon) = try makeWorld(seed: 91)
            world.emit(5, over: 200)
            var hasTaken = false
            world.beforeDelivery = { world, count in
                guard count == boundary else { return }
                let target = world.nodes[1]
                hasTaken = target.daemons.values.contains(where: \.isActive) || !target.unacknowledgedTakes.isEmpty
                target.dispatcher.refuseArrivals(Self.reason, now: world.now, wallClock: world.wallClock)
                target.drain()
            }
            world.order(from: 0, to: 1, by: topology.rawValue, daemon: daemon, mode: mode)
            world.run(for: .seconds(20))
            #expect(world.violations.isEmpty, "boundary \(boundary): \(world.trace)")
            #expect(world.owners.map(\.index) == [hasTaken ? 1 : 0], "boundary \(boundary): \(world.trace)")
            #expect(!world.nodes[1].isBusy, "boundary \(boundary): \(world.nodes[1].dispatcher.moves.map(\.stall))")
            endings[hasTaken ? 1 : 0, default: 0] += 1
            // The node goes. What it owned goes with it, nothing else does.
            world.nodes[1].crash()
            #expect(world.isLost == hasTaken)
            world.healAndCheckLiveness()
            #expect(world.violations.isEmpty, "boundary \(boundary): \(world.trace)")
        }
        #expect(endings.count == 2, "\(endings)")
    }

    @Test("the source hears why its target takes the daemon no more, and so does who ordered the move")
    func reasonIsTold() throws {
        let (world, daemon) = try makeWorld(seed: 92)
        world.drop = { if case .prepared = $0 { true } else { false } }
        let migration = world.order(from: 0, to: 1, by: 2, daemon: daemon)
        world.run(for: .seconds(2))
        let target = world.nodes[1]
        #expect(target.isBusy && target.unacknowledgedTakes.isEmpty)
        target.dispatcher.refuseArrivals(Self.reason, now: world.now, wallClock: world.wallClock)
        // The promise of a prepared target has to be heard.
        #expect(target.isBusy)
        target.drain()
        world.run(for: .seconds(1))
        #expect(!target.isBusy)
        #expect(world.outcome(migration, .source, on: 0) == .rolledBack(Self.reason))
        #expect(world.outcome(migration, .orchestrator, on: 2) == .rolledBack(Self.reason))
        #expect(world.owners.map(\.index) == [0])
    }

    @Test("a refusal waits for nobody whose session is gone")
    func goneSource() throws {
        let (world, daemon) = try makeWorld(seed: 93)
        world.drop = { if case .prepared = $0 { true } else { false } }
        world.order(from: 0, to: 1, by: 0, daemon: daemon)
        world.run(for: .seconds(2))
        let target = world.nodes[1]
        target.dispatcher.sessionLost(world.nodes[0].key, now: world.now, wallClock: world.wallClock)
        target.dispatcher.refuseArrivals(Self.reason, now: world.now, wallClock: world.wallClock)
        #expect(!target.isBusy)
    }

    @Test("a take that is signed stands, and is named until the source acknowledges it")
    func takeStands() throws {
        let (world, daemon) = try makeWorld(seed: 94)
        world.drop = { if case .activateTarget = $0 { true } else { false } }
        world.order(from: 0, to: 1, by: 0, daemon: daemon)
        world.run(for: .seconds(2))
        let target = world.nodes[1]
        target.dispatcher.refuseArrivals(Self.reason, now: world.now, wallClock: world.wallClock)
        target.drain()
        #expect(target.unacknowledgedTakes == [daemon])
        #expect(target.isBusy && world.nodes[0].isBusy)
        world.drop = nil
        world.run(for: .seconds(10))
        #expect(world.owners.map(\.index) == [1])
        #expect(target.unacknowledgedTakes.isEmpty)
        #expect(!target.isBusy && !world.nodes[0].isBusy)
    }

    @Test("no plan begins at a node that takes in nothing; a plan from it does, until no foreign order counts")
    func plans() throws {
        let (world, daemon) = try makeWorld(seed: 95)
        world.nodes[1].dispatcher.refuseArrivals(Self.reason, now: world.now, wallClock: world.wallClock)
        let arriving = world.order(from: 0, to: 1, by: 2, daemon: daemon)
        world.run(for: .seconds(30))
        #expect(world.outcome(arriving, .orchestrator, on: 2)?.reason?.code == .notReadyTimeout)
        #expect(world.nodes[1].dispatcher.moves.isEmpty)

        world.nodes[0].dispatcher.refuseArrivals(Self.reason, now: world.now, wallClock: world.wallClock)
        let leaving = world.order(from: 0, to: 2, by: 2, daemon: daemon)
        world.run(for: .seconds(5))
        #expect(world.outcome(leaving, .orchestrator, on: 2)?.reason == nil)
        #expect(world.owners.map(\.index) == [2])

        world.nodes[2].dispatcher.refuseForeignOrders(Self.reason)
        let foreign = world.order(from: 2, to: 0, by: 0, daemon: daemon)
        world.run(for: .seconds(30))
        #expect(world.outcome(foreign, .orchestrator, on: 0)?.reason?.code == .notReadyTimeout)
        #expect(world.owners.map(\.index) == [2])
    }
}
