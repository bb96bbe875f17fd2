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

    @Test("a transfer lasts as long as it moves, however slow the link; one byte in each stall budget is not enough for ever")
    func slowLink() throws {
        let (world, daemon) = try makeWorld(seed: 38)
        let (source, target) = (world.nodes[0], world.nodes[1])
        source.deafTo = ["streamed"]
        target.deafTo = ["restore"]
        let migration = try #require(world.order(from: 0, to: 1, by: 2, daemon: daemon))
        let budgets = world.budgets
        func pass(for duration: UInt64, byteRate: UInt64) {
            for _ in 0..<duration {
                world.run(for: .seconds(1))
                let view = source.dispatcher.moves.first { $0.role == .source }
                let byteCount = (view?.byteCount ?? 0) + byteRate
                source.dispatcher.streamProgress(migration, byteCount: byteCount, now: world.now)
                target.dispatcher.restoreProgress(migration, byteCount: byteCount, now: world.now)
                source.drain()
                target.drain()
            }
        }
        pass(for: 100, byteRate: 100_000)
        #expect(world.outcome(migration, .source, on: 0) == nil, "\(world.trace)")
        #expect(world.outcome(migration, .target, on: 1) == nil, "\(world.trace)")
        #expect(world.nodes[2].doubts.isEmpty)
        let view = try #require(source.dispatcher.moves.first { $0.role == .source })
        #expect(view.byteCount == 10_000_000)
        #expect(view.totalByteCount >= view.byteCount)
        let shown = source.dispatcher.moves(now: world.now).first { $0.role == .source }
        #expect(shown?.stall == "the state's way to the target, at 10000000 bytes, 100 kB/s", "\(shown?.stall ?? "")")
        // From here on nothing is taken.
        world.run(for: budgets.stall - .milliseconds(100))
        #expect(world.outcome(migration, .source, on: 0) == nil, "\(world.trace)")
        world.run(for: .milliseconds(200))
        let reason = try #require(world.outcome(migration, .source, on: 0)?.reason)
        #expect(reason.code == .phaseTimeout)
        #expect(reason.message == "the target, which takes no more state at 10000000 bytes for 10.0 s")
    }

    @Test("a transfer that moves more slowly than the floor is given up when the bytes that it moved have used up their time")
    func floor() throws {
        let (world, daemon) = try makeWorld(seed: 39)
        let source = world.nodes[0]
        source.deafTo = ["streamed"]
        let migration = try #require(world.order(from: 0, to: 1, by: 2, daemon: daemon))
        world.run(for: .seconds(1))
        let begin = try #require(source.dispatcher.moves.first { $0.role == .source }).phaseEnteredAt
        var byteCount: UInt64 = 0
        while world.outcome(migration, .source, on: 0) == nil, world.now < begin + .seconds(60) {
            world.run(for: .seconds(1))
            byteCount += world.budgets.transferFloorByteRate / 2
            source.dispatcher.streamProgress(migration, byteCount: byteCount, now: world.now)
            source.drain()
        }
        // Half the floor: as many bytes as half the time is worth.
        let limit = world.budgets.transfer * 2
        #expect(world.now - begin > limit - .seconds(3) && world.now - begin < limit + .seconds(3), "\(world.now - begin)")
        let reason = try #require(world.outcome(migration, .source, on: 0)?.reason)
        #expect(reason.code == .phaseTimeout)
        #expect(reason.message.hasPrefix("the state's way to the target, at"), "\(reason.message)")
    }

    @Test("a stream that does not open is given its budget and no more, whatever the size of the state")
    func opening() throws {
        let (world, daemon) = try makeWorld(seed: 41)
        let source = world.nodes[0]
        source.deafTo = ["fence", "stream"]
        let migration = try #require(world.order(from: 0, to: 1, by: 2, daemon: daemon))
        world.run(for: .seconds(1))
        let host = try #require(source.daemons[daemon.originHash])
        var fenced = source.fenced(host, epoch: Epoch(rawValue: 2))
        fenced.predictedByteCount = 1 << 30
        source.dispatcher.fenced(migration, .success(fenced), now: world.now, wallClock: world.wallClock)
        source.drain()
        world.run(for: world.budgets.transfer - .milliseconds(10))
        #expect(world.outcome(migration, .source, on: 0) == nil, "\(world.trace)")
        world.run(for: .milliseconds(20))
        #expect(world.outcome(migration, .source, on: 0)?.reason?.code == .unreachable, "\(world.trace)")
    }

    @Test("the published bound ends with the order's life and a hand-over, where the sum of all budgets is longer")
    func lifetime() throws {
        let budgets = PhaseBudgets()
        for mode in [MoveMode.live, .stopAndCopy] {
            let sum = budgets.publishedBound(byteCount: 1 << 30, mode: mode)
            let tail = mode == .live ? budgets.fence + budgets.replay : .zero
            let handOver = tail + budgets.prepare + budgets.prepare + budgets.take
            #expect(budgets.publishedBound(byteCount: 1 << 30, mode: mode, lifetime: .seconds(600)) == .seconds(600) + handOver)
            #expect(budgets.publishedBound(byteCount: 1 << 30, mode: mode, lifetime: .zero) == handOver)
            #expect(budgets.publishedBound(byteCount: 1 << 30, mode: mode, lifetime: sum) == sum)
            let short = budgets.publishedBound(byteCount: 0, mode: mode)
            #expect(budgets.publishedBound(byteCount: 0, mode: mode, lifetime: .seconds(86_400)) == short)
        }
        let (world, daemon) = try makeWorld(seed: 40)
        let order = MoveOrder(
            id: world.random.next(), daemon: daemon, lineage: nil, source: world.nodes[0].key, target: world.nodes[1].key,
            targetAddress: "", orchestrator: world.nodes[0].key, attempt: 1, mode: .stopAndCopy,
            expiresAt: world.wallClock + 7_000_000_000)
        try world.nodes[0].dispatcher.order(order, now: world.now, wallClock: world.wallClock)
        let view = try #require(world.nodes[0].dispatcher.moves.first)
        #expect(view.bound == budgets.publishedBound(byteCount: 0, lifetime: .seconds(7)))
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

    @Test("an order that lapses while the state is on its way ends the move there and then")
    func expiryUnderWay() throws {
        let (world, daemon) = try makeWorld(seed: 37)
        world.nodes[0].deafTo = ["streamed"]
        let order = MoveOrder(
            id: world.random.next(), daemon: daemon, lineage: nil, source: world.nodes[0].key, target: world.nodes[1].key,
            targetAddress: "", orchestrator: world.nodes[0].key, attempt: 1, mode: .stopAndCopy,
            expiresAt: world.wallClock + 2_000_000_000)
        try world.nodes[0].dispatcher.order(order, now: world.now, wallClock: world.wallClock)
        world.nodes[0].drain()
        world.run(for: .seconds(2) - .milliseconds(1))
        #expect(world.outcome(order.migration, .source, on: 0) == nil, "\(world.trace)")
        world.run(for: .milliseconds(1))
        #expect(world.outcome(order.migration, .source, on: 0)?.reason?.code == .orderExpired, "\(world.trace)")
        #expect(world.owners.map(\.index) == [0])
        world.nodes[0].deafTo = []
        world.healAndCheckLiveness()
        #expect(world.violations.isEmpty, "\(world.trace)")
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

    @Test("one peer's orders take a quarter of the moves in progress, and not one more; another peer's still fit")
    func capPerPeer() throws {
        let world = try MoveWorld(seed: 35, nodeCount: 3, limits: MigrationLimits(movesPerRole: 8))
        try checkShares(of: world)
    }

    @Test("one peer's orders take a quarter of the remembered moves, and not one more; another peer's still fit")
    func memoryPerPeer() throws {
        let world = try MoveWorld(seed: 36, nodeCount: 3, limits: MigrationLimits(rememberedMoveCount: 8))
        try checkShares(of: world)
    }

    /// Orders of nodes 1 and 2 for daemons of node 0, whose host answers nobody.
    private func checkShares(of world: MoveWorld) throws {
        let source = world.nodes[0]
        source.deafTo = ["describe"]
        func plan(by orchestrator: Int) throws -> MigrationID {
            let daemon = try EntityKeypair.generate(crypto: world.crypto).entityID
            let order = MoveOrder(
                id: world.random.next(), daemon: daemon, lineage: nil, source: source.key, target: world.nodes[3 - orchestrator].key,
                targetAddress: "", orchestrator: world.nodes[orchestrator].key, attempt: 1, mode: .stopAndCopy,
                expiresAt: world.wallClock + 60_000_000_000)
            let header = MessageHeader(migration: order.migration, epoch: .none)
            let message = FerryMessage(header: header, body: .plan(Plan(order: order, boot: source.peer.bootID, offer: nil)))
            source.dispatcher.receive(message, from: world.nodes[orchestrator].peer, now: world.now, wallClock: world.wallClock)
            return order.migration
        }
        var known: [MigrationID] = []
        for _ in 0..<2 { known.append(try plan(by: 1)) }
        _ = try plan(by: 1)
        known.append(try plan(by: 2))
        #expect(source.dispatcher.moves.map(\.migration) == known)
        #expect(source.dispatcher.counters.declined == 1)
    }
}
