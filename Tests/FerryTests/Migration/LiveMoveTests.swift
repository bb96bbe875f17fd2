import FerryCrypto
import FerrySodium
import FerryStateMachines
import FerryTransports
import FerryUDP
import FerryUnixSocket
import FerryWire
import Foundation
import Testing

@testable import Ferry

@Suite(.timeLimit(.minutes(2))) struct LiveMoveTests {
    enum Carrier: String, CaseIterable {
        case memory
        case unixSocket
        case udp
    }

    @Test("a daemon serves while it moves, back and forth, and nothing is lost, repeated, reordered", arguments: Carrier.allCases)
    func servesWhileItMoves(_ carrier: Carrier) async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "ferry-\(UUID().uuidString.prefix(8))")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        func configure(_ index: Int, _ composition: inout Composition) {
            switch carrier {
            case .memory: return
            case .unixSocket: composition.transports = [UnixSocketTransport(path: folder.appending(path: "\(index)").path)]
            case .udp: composition.transports = [UDPTransport(host: "127.0.0.1", port: 0)]
            }
            composition.knownPeers = []
        }
        let auditor = Auditor()
        try await withHosts(3, auditor: auditor, configure: configure) { nodes in
            let entity = try await nodes[0].spawn(LedgerDaemon(seed: 100, paddingByteCount: 1 << 20))
            let emitter = SteadyEmitter(try nodes[2].emitter(to: entity.originHash, at: nodes[0].endpoint))
            let feeding = Task { try await emitter.run() }
            for round in 0..<4 {
                let (from, to) = (nodes[round % 2], nodes[(round + 1) % 2])
                let before = emitter.sentCount
                await eventually { emitter.sentCount > before + 20 }
                let report = try await from.migrate(entity, to: to.endpoint, options: MoveOptions(pauseBudget: .seconds(1))).value
                #expect(report.mode == .live)
                #expect(report.determinism == .verified)
                #expect(try report.receipt.isValid(crypto: .sodium))
            }
            emitter.stop()
            try await feeding.value
            auditor.expectContinuity(of: entity.originHash)
            #expect(UInt64(auditor.books.inputs.count) == emitter.sentCount)
            #expect(auditor.books.outputs.count == auditor.books.inputs.count)
            let moved = try await nodes[0].stateDigest(of: entity.originHash)
            let twin = try await nodes[1].spawn(LedgerDaemon(seed: 100, paddingByteCount: 1 << 20))
            let feeder = try nodes[1].emitter(to: twin.originHash)
            for value in 0..<emitter.sentCount { try await feeder.send(payload(value)) }
            try await feeder.flush()
            // The last draw depends on the lineage, which a twin does not share.
            #expect(try await nodes[1].stateDigest(of: twin.originHash).byteCount == moved.byteCount)
        }
    }

    /// Begins a move whose snapshot does not end before `body` has returned.
    private func withHeldSnapshot(
        _ daemon: some Daemon, seed: UInt64, options: MoveOptions = MoveOptions(), auditor: Auditor = Auditor(),
        _ body: @Sendable ([FerryNode], EntityID, EventEmitter, MigrationHandle) async throws -> Void
    ) async throws {
        try await withHosts(2, auditor: auditor, configure: { _, composition in composition.restoreAll() }) { nodes in
            let entity = try await nodes[0].spawn(daemon)
            let emitter = try nodes[1].emitter(to: entity.originHash, at: nodes[0].endpoint)
            try await emitter.deliver(payload(0))
            LedgerFaults.shared.set(.hangsInSnapshot, for: seed)
            defer { LedgerFaults.shared.set(nil, for: seed) }
            let handle = try await nodes[0].migrate(entity, to: nodes[1].endpoint, options: options)
            await eventually { await nodes[0].moves.contains { $0.role == .source && $0.phase >= .transfer } }
            try await body(nodes, entity, emitter, handle)
        }
    }

    @Test("inputs that are accepted while the state streams are replayed at the target, failures included, and never seen twice")
    func replaysWhatWasAccepted() async throws {
        let auditor = Auditor()
        try await withHeldSnapshot(LedgerDaemon(seed: 101), seed: 101, auditor: auditor) { nodes, entity, emitter, handle in
            for value in UInt64(1)...30 { try await emitter.send(payload(value)) }
            try await emitter.deliver([1, 2, 3])
            LedgerFaults.shared.set(nil, for: 101)
            let report = try await handle.value
            #expect(report.mode == .live)
            #expect(report.replayedInputCount == 31)
            try await emitter.deliver(payload(31))
            auditor.expectContinuity(of: entity.originHash)
            #expect(auditor.books.inputs.count == 33)
            #expect(auditor.books.outputs.count == 32)
            #expect(await nodes[1].daemons.map(\.processedEventCount) == [1])
        }
    }

    @Test("a daemon that does something else when it is replayed is found out before the commit and moves standing still")
    func fallsBack() async throws {
        for way in WaywardDaemon.Way.allCases {
            let seed = 110 + way.rawValue
            let auditor = Auditor()
            try await withHeldSnapshot(WaywardDaemon(way, seed: seed), seed: seed, auditor: auditor) { nodes, entity, emitter, handle in
                for value in UInt64(1)...5 { try await emitter.deliver(payload(value)) }
                LedgerFaults.shared.set(nil, for: seed)
                let report = try await handle.value
                #expect(report.mode == .stopAndCopy)
                #expect(report.migration != handle.migration)
                #expect(report.epoch == Epoch(rawValue: 3))
                try await emitter.deliver(payload(6))
                auditor.expectContinuity(of: entity.originHash)
                #expect(auditor.books.inputs.count == 7)
                #expect(auditor.books.outputs.count == 7)
            }
        }
    }

    @Test("a silent daemon whose snapshot drops a field is refused before the commit in either mode, and serves on with the field")
    func refusesWhatIsDropped() async throws {
        let seed = UInt64(7_160)
        try await withHeldSnapshot(SilentWaywardDaemon(.forgetful, seed: seed), seed: seed) { nodes, entity, emitter, handle in
            for value in UInt64(1)...5 { try await emitter.deliver(payload(value)) }
            let before = await nodes[0].daemons.map(\.processedEventCount)
            LedgerFaults.shared.set(nil, for: seed)
            let error = await #expect(throws: FerryError.self) { _ = try await handle.value }
            #expect((error?.cause as? FailureReason)?.code == .releaseMismatch)
            #expect(error?.message.contains("state digest") == true, "\(error.debugDescription)")
            try await emitter.deliver(payload(6))
            #expect(await nodes[0].daemons.map(\.standing) == [.active])
            #expect(await nodes[0].daemons.map(\.processedEventCount) == before.map { $0 + 1 })
            #expect(await nodes[1].daemons.isEmpty)
        }
    }

    @Test("a silent daemon that is not deterministic is found out by its state digest, and moves standing still with its state")
    func movesWhatIsSilentlyNonDeterministic() async throws {
        let seed = UInt64(7_161)
        try await withHeldSnapshot(SilentWaywardDaemon(.nonDeterministic, seed: seed), seed: seed) { nodes, entity, emitter, handle in
            for value in UInt64(1)...5 { try await emitter.deliver(payload(value)) }
            LedgerFaults.shared.set(nil, for: seed)
            let report = try await handle.value
            #expect(report.mode == .stopAndCopy && report.determinism == .verified)
            try await emitter.deliver(payload(6))
            #expect(await nodes[1].daemons.map(\.processedEventCount) == [1])
        }
    }

    @Test("without leave to fall back, the daemon stays where it is and serves on")
    func staysWithoutLeave() async throws {
        var options = MoveOptions()
        options.fallsBack = false
        let (seed, auditor) = (UInt64(120), Auditor())
        try await withHeldSnapshot(
            WaywardDaemon(.nonDeterministic, seed: seed), seed: seed, options: options, auditor: auditor
        ) { nodes, entity, emitter, handle in
            for value in UInt64(1)...5 { try await emitter.deliver(payload(value)) }
            LedgerFaults.shared.set(nil, for: seed)
            let error = await #expect(throws: FerryError.self) { _ = try await handle.value }
            #expect((error?.cause as? FailureReason)?.code == .releaseMismatch)
            try await emitter.deliver(payload(6))
            #expect(await nodes[0].daemons.map(\.standing) == [.active])
            auditor.expectContinuity(of: entity.originHash)
            #expect(auditor.books.inputs.count == 7)
        }
    }

    @Test("a daemon of which nothing can be compared moves live only if it declares itself deterministic")
    func declaration() async throws {
        try await withHosts(2, configure: { _, composition in composition.restoreAll() }) { nodes in
            let silent = try await nodes[0].spawn(SilentDaemon())
            let declared = try await nodes[0].spawn(DeclaredDaemon())
            let first = try await nodes[0].migrate(silent, to: nodes[1].endpoint).value
            #expect(first.mode == .stopAndCopy)
            #expect(first.determinism == .unverified)
            let second = try await nodes[0].migrate(declared, to: nodes[1].endpoint).value
            #expect(second.mode == .live)
            #expect(second.determinism == .unverified)
        }
    }

    @Test("a log that is full before the copy is at the target ends the move, and intake that was held goes on; nothing is lost")
    func fullLog() async throws {
        let auditor = Auditor()
        try await withHeldSnapshot(LedgerDaemon(seed: 130), seed: 130, auditor: auditor) { nodes, entity, emitter, handle in
            let large = [UInt8](repeating: 9, count: 1_000_000)
            let feeding = Task {
                for _ in 0..<80 { try await emitter.send(large) }
                try await emitter.flush()
            }
            // The snapshot never ends: only the end of the move lets the daemon take in what the log has no room for.
            let error = await #expect(throws: FerryError.self) { _ = try await handle.value }
            #expect(error?.code == .declined)
            #expect((error?.cause as? FailureReason)?.code == .notConverging)
            try await feeding.value
            LedgerFaults.shared.set(nil, for: 130)
            try await emitter.deliver(payload(1))
            #expect(await nodes[0].daemons.map(\.standing) == [.active])
            auditor.expectContinuity(of: entity.originHash)
            #expect(auditor.books.inputs.count == 82)
        }
    }

    @Test("a live move that is cancelled leaves the daemon as it was, with every input accepted meanwhile")
    func cancel() async throws {
        let auditor = Auditor()
        try await withHeldSnapshot(LedgerDaemon(seed: 140), seed: 140, auditor: auditor) { nodes, entity, emitter, handle in
            for value in UInt64(1)...5 { try await emitter.deliver(payload(value)) }
            handle.cancel()
            let error = await #expect(throws: FerryError.self) { _ = try await handle.value }
            #expect((error?.cause as? FailureReason)?.code == .cancelled)
            LedgerFaults.shared.set(nil, for: 140)
            try await emitter.deliver(payload(6))
            let report = try await nodes[0].migrate(entity, to: nodes[1].endpoint).value
            #expect(report.mode == .live)
            try await emitter.deliver(payload(7))
            auditor.expectContinuity(of: entity.originHash)
            #expect(auditor.books.inputs.count == 8)
        }
    }
}
