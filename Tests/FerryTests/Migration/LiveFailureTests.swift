import FerryCrypto
import FerryInMemory
import FerrySodium
import FerryStateMachines
import FerryTransports
import FerryWire
import Testing

@testable import Ferry

@Suite(.timeLimit(.minutes(2))) struct LiveFailureTests {
    /// Two nodes of which the second can be stopped like a process that is killed.
    private func withMortalTarget(
        auditor: Auditor,
        _ body: @Sendable (_ source: FerryNode, _ target: FerryNode, _ kill: @escaping @Sendable () -> Void) async throws -> Void
    ) async throws {
        let network = InMemoryNetwork()
        let identities = try (0..<2).map { _ in try NodeIdentity.generate(crypto: .sodium) }
        let budgets = PhaseBudgets(stall: .seconds(1), restore: .seconds(2))
        let nodes = try identities.enumerated().map { index, identity in
            try FerryNode(
                Composition(
                    identity: identity, crypto: .sodium, transports: [InMemoryTransport(network: network, name: "\(index)")],
                    daemons: [DaemonRegistration(LedgerDaemon.self)], peers: .nodes(Set(identities.map(\.nodeKey))), budgets: budgets,
                    observers: [auditor], outputObservers: [auditor]))
        }
        let running = nodes.map { node in Task { try await node.run() } }
        for node in nodes { try await node.waitUntilListening() }
        try await body(nodes[0], nodes[1]) { running[1].cancel() }
        for task in running { task.cancel() }
        for task in running { _ = await task.result }
    }

    @Test(
        "a target that dies leaves the daemon where it is, with every input accepted meanwhile",
        arguments: [LedgerFaults.Fault.hangsInSnapshot, .hangsInRestore])
    func targetDies(_ fault: LedgerFaults.Fault) async throws {
        let seed: UInt64 = fault == .hangsInSnapshot ? 150 : 151
        let auditor = Auditor()
        try await withMortalTarget(auditor: auditor) { source, target, kill in
            let entity = try await source.spawn(LedgerDaemon(seed: seed))
            try await source.deliver(payload(0), to: entity.originHash)
            LedgerFaults.shared.set(fault, for: seed)
            let handle = try await source.migrate(entity, to: target.endpoint)
            await eventually { await source.moves.contains { $0.role == .source && $0.phase >= .transfer } }
            for value in UInt64(1)...5 { try await source.deliver(payload(value), to: entity.originHash) }
            kill()
            LedgerFaults.shared.set(nil, for: seed)
            let error = await #expect(throws: FerryError.self) { _ = try await handle.value }
            #expect(error?.code == .rolledBack)
            try await source.deliver(payload(6), to: entity.originHash)
            #expect(await source.daemons.map(\.standing) == [.active])
            auditor.expectContinuity(of: entity.originHash)
            #expect(auditor.books.inputs.count == 7)
            #expect(auditor.books.departed.isEmpty)
        }
    }

    @Test("a digest that does not fit the pause budget declines the move before the daemon stops, and is part of what is predicted")
    func slowDigest() async throws {
        try await withHosts(2, configure: { _, composition in composition.restoreAll() }) { nodes in
            let entity = try await nodes[0].spawn(SlowDigestDaemon())
            try await nodes[0].deliver(payload(0), to: entity.originHash)
            let declined = try await nodes[0].migrate(entity, to: nodes[1].endpoint)
            let error = await #expect(throws: FerryError.self) { _ = try await declined.value }
            #expect(error?.code == .declined, "\(String(describing: error))")
            let reason = error?.cause as? FailureReason
            #expect(reason?.code == .notConverging)
            #expect(reason?.message.contains("a state digest takes") == true)
            try await nodes[0].deliver(payload(1), to: entity.originHash)
            #expect(await nodes[0].daemons.map(\.standing) == [.active])

            let options = MoveOptions(pauseBudget: .seconds(30))
            let report = try await nodes[0].migrate(entity, to: nodes[1].endpoint, options: options).value
            #expect(report.mode == .live)
            #expect(report.determinism == .verified)
            #expect(try #require(report.predictedPause) >= SlowDigestDaemon.digestTime * 2)
        }
    }

    @Test("a session that is lost while the target follows costs nothing: the log is shipped again from where it was")
    func sessionIsLost() async throws {
        let auditor = Auditor()
        try await withHosts(3, auditor: auditor) { nodes in
            let entity = try await nodes[0].spawn(LedgerDaemon(seed: 152, paddingByteCount: 1 << 20))
            let emitter = SteadyEmitter(try nodes[2].emitter(to: entity.originHash, at: nodes[0].endpoint))
            let feeding = Task { try await emitter.run() }
            await eventually { emitter.sentCount > 10 }
            let options = MoveOptions(pauseBudget: .seconds(1))
            let handle = try await nodes[0].migrate(entity, to: nodes[1].endpoint, options: options)
            await eventually {
                await nodes[0].moves.contains { $0.role == .source && ($0.phase >= .replay || $0.result != nil) }
            }
            nodes[0].core.sessions.existing(nodes[1].nodeKey)?.close(SessionCloseReason(.normal, "a test ends it"))
            let report = try await handle.value
            #expect(report.mode == .live)
            let before = emitter.sentCount
            await eventually { emitter.sentCount > before + 10 }
            emitter.stop()
            try await feeding.value
            auditor.expectContinuity(of: entity.originHash)
            #expect(UInt64(auditor.books.inputs.count) == emitter.sentCount)
        }
    }
}
