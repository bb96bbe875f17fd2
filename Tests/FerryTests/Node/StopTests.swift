import FerryCrypto
import FerrySodium
import FerryStateMachines
import FerryWire
import Foundation
import Synchronization
import Testing

@testable import Ferry

/// Remembers what failed.
private final class Failures: NodeObserver {
    private let state = Mutex<[OriginHash: [FerryError.Code]]>([:])

    func codes(of daemon: OriginHash) -> [FerryError.Code] { state.withLock { $0[daemon] ?? [] } }

    func daemonFailed(_ daemon: OriginHash, error: FerryError) {
        state.withLock { $0[daemon, default: []].append(error.code) }
    }
}

/// A graceful stop of either side in the middle of a move loses no daemon, and whoever ordered the move hears how it ended.
@Suite(.timeLimit(.minutes(2))) struct StopTests {
    private func isRestoring(_ node: FerryNode) async -> Bool {
        await node.moves.contains { $0.role == .target && $0.phase >= .restore && $0.result == nil }
    }

    @Test("a target that is asked to stop while it restores turns the daemon away, which serves on at its source")
    func targetStops() async throws {
        try await withHosts(2) { nodes in
            let seed: UInt64 = 9_101
            LedgerFaults.shared.set(.hangsInRestore, for: seed)
            defer { LedgerFaults.shared.set(nil, for: seed) }
            let entity = try await nodes[0].spawn(LedgerDaemon(seed: seed))
            let handle = try await nodes[0].migrate(entity, to: nodes[1].endpoint)
            await eventually { await isRestoring(nodes[1]) }
            nodes[1].requestStop()
            let error = await #expect(throws: FerryError.self) { try await handle.value }
            #expect(error?.code == .rolledBack)
            #expect((error?.cause as? FailureReason)?.code == .notReady)
            #expect(await nodes[0].daemons.map(\.standing) == [.active])
            await eventually { nodes[1].core.phase == .stopped }
            #expect(await nodes[1].daemons.allSatisfy { $0.standing != .active })
        }
    }

    @Test("a node that lets its daemons go first takes in none, and serves on")
    func arrivalsRefused() async throws {
        try await withHosts(3) { nodes in
            let seed: UInt64 = 9_102
            LedgerFaults.shared.set(.hangsInRestore, for: seed)
            defer { LedgerFaults.shared.set(nil, for: seed) }
            let leaving = try await nodes[1].spawn(LedgerDaemon(seed: 9_103))
            let arriving = try await nodes[0].spawn(LedgerDaemon(seed: seed))
            let handle = try await nodes[0].migrate(arriving, to: nodes[1].endpoint)
            await eventually { await isRestoring(nodes[1]) }
            try await nodes[1].refuseArrivals()
            let error = await #expect(throws: FerryError.self) { try await handle.value }
            #expect(error?.code == .rolledBack)
            _ = try await nodes[1].migrate(leaving, to: nodes[2].endpoint).value
            #expect(await nodes[2].daemons.map(\.standing) == [.active])
        }
    }

    @Test("a daemon that has taken before the wish to stop is named when it ends with the node")
    func strandedDaemon() async throws {
        let failures = Failures()
        let journal = PausedJournal { if case .took = $0 { true } else { false } }
        try await withHosts(
            2,
            configure: { index, composition in
                guard index == 1 else { return }
                composition.journal = journal
                composition.observers.append(failures)
            }
        ) { nodes in
            let entity = try await nodes[0].spawn(LedgerDaemon(seed: 9_104))
            let handle = try await nodes[0].migrate(entity, to: nodes[1].endpoint)
            await eventually { journal.isHolding }
            nodes[1].requestStop()
            await eventually { nodes[1].core.phase == .shuttingDown }
            journal.open()
            _ = try await handle.value
            await eventually { nodes[1].core.phase == .stopped }
            #expect(failures.codes(of: entity.originHash) == [.shuttingDown])
        }
    }

    @Test("a source that is asked to stop while the move that it ordered runs tells its operator how the move ended, and stops soon")
    func sourceStops() async throws {
        let path = NSTemporaryDirectory() + "ferry-\(UInt32.random(in: 0 ... .max))/run/c.sock"
        try await withHosts(2, configure: { index, composition in if index == 0 { composition.controlSocketPath = path } }) { nodes in
            await eventually { FileManager.default.fileExists(atPath: path) }
            let seed: UInt64 = 9_105
            LedgerFaults.shared.set(.hangsInRestore, for: seed)
            let entity = try await nodes[0].spawn(LedgerDaemon(seed: seed))
            let client = try ControlClient(path: path)
            var request = ControlRequest(.migrate)
            request.daemon = entity.hex
            request.to = nodes[1].endpoint.description
            async let answer = client.send(request)
            await eventually { await isRestoring(nodes[1]) }
            nodes[0].requestStop()
            LedgerFaults.shared.set(nil, for: seed)
            let reply = try await answer
            #expect(reply.report?.result == "completed", "\(String(describing: reply.error))")
            await eventually { nodes[0].core.phase == .stopped }
            #expect(await nodes[1].daemons.map(\.standing) == [.active])
        }
    }
}
