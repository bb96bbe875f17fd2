import Ferry
import FerryCrypto
import FerrySodium
import FerryStateMachines
import FerryTransports
import FerryWire
import Foundation
import Synchronization
import Testing

@Suite(.timeLimit(.minutes(1))) struct OrderControlTests {
    private static func withControl(
        _ count: Int, budgets: PhaseBudgets = PhaseBudgets(), configure: @escaping (Int, inout Composition) -> Void = { _, _ in },
        _ body: @Sendable @escaping ([FerryNode], ControlClient) async throws -> Void
    ) async throws {
        let path = NSTemporaryDirectory() + "ferry-\(UInt32.random(in: 0 ... .max))/run/c.sock"
        let withSocket = { (index: Int, composition: inout Composition) in
            if index == 0 { composition.controlSocketPath = path }
            configure(index, &composition)
        }
        try await withHosts(count, budgets: budgets, configure: withSocket) { nodes in
            await eventually { FileManager.default.fileExists(atPath: path) }
            try await body(nodes, try ControlClient(path: path))
        }
    }

    private static func request(_ command: ControlRequest.Command, _ daemon: EntityID, to target: FerryNode) -> ControlRequest {
        var request = ControlRequest(command)
        request.daemon = daemon.hex
        request.to = target.endpoint.description
        return request
    }

    @Test("a plan says what a move would cost, and moves nothing")
    func plan() async throws {
        try await Self.withControl(2) { nodes, client in
            let entity = try await nodes[0].spawn(LedgerDaemon(seed: 3, paddingByteCount: 1 << 20))
            let plan = try #require(try await client.send(Self.request(.plan, entity, to: nodes[1])).plan)
            #expect(plan.stateBytes >= 1 << 20)
            #expect(plan.memoryBytes >= plan.stateBytes)
            #expect(plan.boundSeconds > 0)
            #expect(await nodes[0].daemons.map(\.standing) == [.active])
            #expect(await nodes[1].daemons.isEmpty)
            let report = try #require(try await client.send(Self.request(.migrate, entity, to: nodes[1])).report)
            #expect(report.result == "completed")
            #expect(report.stateBytes >= plan.stateBytes)
        }
    }

    @Test("a plan that the target refuses is declined with its reason")
    func refusedPlan() async throws {
        try await Self.withControl(2, configure: { index, composition in if index == 1 { composition.daemons = [] } }) { nodes, client in
            let entity = try await nodes[0].spawn(LedgerDaemon(seed: 4))
            let error = try #require(try await client.send(Self.request(.plan, entity, to: nodes[1])).error)
            #expect(error.code == "declined")
            #expect(error.reason == "factoryNotFound")
        }
    }

    @Test("requests outside their ranges are refused by name")
    func ranges() async throws {
        try await Self.withControl(2) { nodes, client in
            let entity = try await nodes[0].spawn(LedgerDaemon(seed: 5))
            var request = Self.request(.plan, entity, to: nodes[1])
            request.pauseBudgetMilliseconds = -1
            #expect(try await client.send(request).error?.code == "limitExceeded")
            request.pauseBudgetMilliseconds = 86_400_001
            #expect(try await client.send(request).error?.code == "limitExceeded")
            request.pauseBudgetMilliseconds = 86_400_000
            #expect(try await client.send(request).error == nil)
            request.command = "migrate"
            request.order = "00"
            #expect(try await client.send(request).error?.code == "malformedRequest")
        }
    }

    // MARK: Signed orders

    /// Node 0 passes an order on for the daemon of node 1, which obeys node 2 only.
    private static func passOn(
        signedBy key: EntityKeypair, trusting operators: Set<EntityID>, change: @escaping @Sendable (inout MoveOrder) -> Void = { _ in }
    ) async throws -> ControlReply {
        let answer = Mutex<ControlReply?>(nil)
        let configure = { (index: Int, composition: inout Composition) in
            composition.orchestrators = []
            composition.operators = operators
        }
        try await Self.withControl(3, configure: configure) { nodes, client in
            let entity = try await nodes[1].spawn(LedgerDaemon(seed: 6))
            var order = MoveOrder(
                id: CryptoProvider.sodium.random.next(), daemon: entity, lineage: nil, source: nodes[1].nodeKey, target: nodes[2].nodeKey,
                targetAddress: nodes[2].endpoint.address?.description ?? "", orchestrator: nodes[0].nodeKey, modes: .all, attemptLimit: 2,
                mode: .stopAndCopy, expiresAt: UInt64((Date().timeIntervalSince1970 + 60) * 1_000_000_000))
            order.authorization = try OrderAuthorization(signing: order, with: key)
            change(&order)
            var request = Self.request(.migrate, entity, to: nodes[2])
            request.from = nodes[1].endpoint.description
            request.order = try order.encoded().hex
            let reply = try await client.send(request)
            answer.withLock { $0 = reply }
            #expect(await nodes[1].daemons.map(\.standing) == [reply.error == nil ? .moved : .active])
        }
        return try #require(answer.withLock { $0 })
    }

    @Test("an operator's order is good at a source and a target that obey nobody else")
    func operatorOrder() async throws {
        let key = try EntityKeypair.generate(crypto: .sodium)
        #expect(try await Self.passOn(signedBy: key, trusting: [key.entityID]).report?.result == "completed")
    }

    @Test("an order of an unknown operator, and one that was changed, are declined")
    func foreignOrder() async throws {
        let key = try EntityKeypair.generate(crypto: .sodium)
        let stranger = try await Self.passOn(signedBy: key, trusting: [])
        #expect(stranger.error?.code == "declined")
        #expect(stranger.error?.reason == "unauthorized")
        let changed = try await Self.passOn(signedBy: key, trusting: [key.entityID]) { $0.expiresAt += 1 }
        #expect(changed.error?.reason == "unauthorized")
    }

    // MARK: Doubt

    @Test("nothing is resolved that is not in doubt")
    func notInDoubt() async throws {
        try await Self.withControl(2) { nodes, client in
            let entity = try await nodes[0].spawn(LedgerDaemon(seed: 7))
            let report = try #require(try await client.send(Self.request(.migrate, entity, to: nodes[1])).report)
            var request = ControlRequest(.resolve)
            request.migration = report.migration
            #expect(try await client.send(request).error?.code == "malformedRequest")
            request.resolution = "take-back"
            #expect(try await client.send(request).error?.code == "notInDoubt")
            request.migration = String(repeating: "0", count: 32)
            #expect(try await client.send(request).error?.code == "notInDoubt")
        }
    }

    /// A move whose target hangs before its take, resolved at the source; then the target goes on.
    private static func resolve(
        _ resolution: String, _ check: @Sendable @escaping ([FerryNode], EntityID, PausedJournal) async throws -> Void
    ) async throws {
        let journal = PausedJournal { if case .took = $0 { true } else { false } }
        var budgets = PhaseBudgets()
        budgets.take = .milliseconds(200)
        let configure = { (index: Int, composition: inout Composition) in if index == 1 { composition.journal = journal } }
        try await Self.withControl(2, budgets: budgets, configure: configure) { nodes, client in
            let entity = try await nodes[0].spawn(LedgerDaemon(seed: 8))
            let error = try #require(try await client.send(Self.request(.migrate, entity, to: nodes[1])).error)
            #expect(error.code == "inDoubt")
            let moves = try #require(try await client.send(ControlRequest(.moves)).moves)
            let doubt = try #require(moves.first { $0.role == "source" })
            #expect(doubt.result == "inDoubt")
            #expect(!doubt.stall.isEmpty)
            var request = ControlRequest(.resolve)
            request.migration = doubt.migration
            request.resolution = resolution
            #expect(try await client.send(request).accepted == true)
            try await check(nodes, entity, journal)
            #expect(try await client.send(request).error?.code == "notInDoubt")
        }
    }

    @Test("a daemon that is taken back serves under a new epoch, and the target drops its copy")
    func takeBack() async throws {
        try await Self.resolve("take-back") { nodes, entity, journal in
            await eventually { await nodes[0].daemons.first?.standing == .active }
            #expect(await nodes[0].daemons.first?.epoch == Epoch(rawValue: 3))
            try await nodes[0].deliver([UInt8](repeating: 1, count: 8), to: entity.originHash)
            journal.open()
            await eventually { await nodes[1].daemons.isEmpty }
            #expect(await nodes[0].daemons.first?.standing == .active)
        }
    }

    @Test("a daemon that is let go leaves a stub, and serves at the target once that goes on")
    func giveUp() async throws {
        try await Self.resolve("give-up") { nodes, entity, journal in
            await eventually { await nodes[0].daemons.first?.standing == .moved }
            journal.open()
            await eventually { await nodes[1].daemons.first?.standing == .active }
            #expect(await nodes[0].daemons.first?.standing == .moved)
        }
    }
}
