import FerryCrypto
import FerryStateMachines
import FerryTestKit
import FerryWire
import Testing

/// Every budget just inside and just outside: a host or peer that never answers is survived.
@Suite("Budgets") struct BudgetTests {
    struct Case: CustomTestStringConvertible {
        var name: String
        var deafNode: Int
        var budget: Duration
        var testDescription: String { name }
    }

    static let budgets = PhaseBudgets()
    static let cases = [
        Case(name: "describe", deafNode: 0, budget: budgets.plan), Case(name: "reserve", deafNode: 1, budget: budgets.plan),
        Case(name: "fence", deafNode: 0, budget: budgets.fence),
        Case(name: "stream", deafNode: 0, budget: budgets.transfer(byteCount: 0)),
        Case(name: "streamed", deafNode: 0, budget: budgets.stall),
        Case(name: "restore", deafNode: 1, budget: budgets.restore),
    ]

    @Test("a host that never answers is given its budget and no more", arguments: cases)
    func silentHost(testCase: Case) throws {
        let (world, daemon) = try makeWorld(seed: 31)
        world.emit(5, over: 100)
        world.run(for: .seconds(1))
        world.nodes[testCase.deafNode].deafTo = [testCase.name]
        let migration = world.order(from: 0, to: 1, by: 2, daemon: daemon)
        world.run(for: testCase.budget - .milliseconds(10))
        #expect(world.outcome(migration, .orchestrator, on: 2) == nil, "\(world.trace)")
        world.run(for: .seconds(1))
        #expect(world.outcome(migration, .orchestrator, on: 2)?.reason != nil, "\(world.trace)")
        world.run(for: .seconds(1))
        #expect(world.owners.map(\.index) == [0])
        world.nodes[testCase.deafNode].deafTo = []
        world.healAndCheckLiveness()
        #expect(world.violations.isEmpty, "\(world.trace)")
    }

    @Test("the move ends, or is in doubt, within the bound that was published before it began")
    func publishedBound() throws {
        for seed in 40..<60 {
            let (world, daemon) = try makeWorld(seed: UInt64(seed), faults: .harsh)
            let migration = try #require(world.order(from: 0, to: 1, by: 2, daemon: daemon))
            let bound = try #require(world.nodes[2].dispatcher.moves.first?.bound)
            world.run(for: bound)
            let view = world.nodes[2].dispatcher.moves.first { $0.migration == migration }
            #expect(view?.outcome != nil || view?.isInDoubt == true, "\(world.trace)")
        }
    }

    @Test("an order is obeyed until the nanosecond before it lapses")
    func expiry() throws {
        let (world, daemon) = try makeWorld(seed: 32)
        var order = MoveOrder(
            id: world.random.next(), daemon: daemon, lineage: nil, source: world.nodes[0].key, target: world.nodes[1].key,
            targetAddress: "", orchestrator: world.nodes[0].key, attempt: 1, mode: .stopAndCopy, expiresAt: world.wallClock)
        #expect(throws: FailureReason(.orderExpired)) {
            try world.nodes[0].dispatcher.order(order, now: world.now, wallClock: world.wallClock)
        }
        order.expiresAt += 1
        #expect(throws: Never.self) { try world.nodes[0].dispatcher.order(order, now: world.now, wallClock: world.wallClock) }
        world.nodes[0].drain()
        world.run(for: .seconds(5))
        #expect(world.outcome(order.migration, .orchestrator, on: 0)?.reason?.code == .orderExpired, "\(world.trace)")
        #expect(world.owners.map(\.index) == [0])
    }

    @Test("an order that lapses later than the limit is refused: it would be remembered as long")
    func orderLifetime() throws {
        let (world, daemon) = try makeWorld(seed: 34)
        let lifetime = UInt64(world.nodes[0].dispatcher.environment.limits.orderLifetime.components.seconds) * 1_000_000_000
        var order = MoveOrder(
            id: world.random.next(), daemon: daemon, lineage: nil, source: world.nodes[0].key, target: world.nodes[1].key,
            targetAddress: "", orchestrator: world.nodes[0].key, attempt: 1, mode: .stopAndCopy,
            expiresAt: world.wallClock + lifetime + 1)
        #expect(throws: FailureReason.self) {
            try world.nodes[0].dispatcher.order(order, now: world.now, wallClock: world.wallClock)
        }
        order.expiresAt -= 1
        #expect(throws: Never.self) { try world.nodes[0].dispatcher.order(order, now: world.now, wallClock: world.wallClock) }
    }

    @Test("the cap on moves admits the last one and refuses one more")
    func cap() throws {
        let world = try MoveWorld(seed: 33, nodeCount: 2, limits: MigrationLimits(movesPerRole: 2))
        for _ in 0..<3 {
            let keypair = try EntityKeypair.generate(crypto: world.crypto)
            world.nodes[0].spawn(keypair, lineage: world.random.next())
        }
        let daemons = world.nodes[0].daemons.values.map(\.keypair.entityID)
        #expect(world.order(from: 0, to: 1, by: 0, daemon: daemons[0]) != nil)
        #expect(world.order(from: 0, to: 1, by: 0, daemon: daemons[1]) != nil)
        #expect(world.order(from: 0, to: 1, by: 0, daemon: daemons[2]) == nil)
    }
}
