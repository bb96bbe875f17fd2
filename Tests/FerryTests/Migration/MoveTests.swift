import Ferry
import FerryCrypto
import FerrySodium
import FerryStateMachines
import FerryWire
import Testing

@Suite(.timeLimit(.minutes(2))) struct MoveTests {
    enum Topology: String, CaseIterable {
        case sourceOrchestrates
        case targetOrchestrates
        case thirdNode
    }

    @Test("a daemon under load moves in every topology and nothing is lost, repeated, reordered", arguments: Topology.allCases)
    func moveUnderLoad(_ topology: Topology) async throws {
        let auditor = Auditor()
        try await withHosts(3, auditor: auditor) { nodes in
            let (source, target) = (nodes[0], nodes[1])
            let entity = try await source.spawn(LedgerDaemon(seed: 1, paddingByteCount: 1 << 20))
            let origin = entity.originHash
            let emitter = try nodes[2].emitter(to: origin, at: source.endpoint)
            let feeding = Task {
                for value in UInt64(1)...2_000 { try await emitter.send(payload(value)) }
                try await emitter.flush()
            }
            try await emitter.deliver(payload(0))
            let handle =
                switch topology {
                case .sourceOrchestrates: try await source.migrate(entity, to: target.endpoint)
                case .targetOrchestrates: try await target.migrate(entity, from: source.endpoint, to: target.endpoint)
                case .thirdNode: try await nodes[2].migrate(entity, from: source.endpoint, to: target.endpoint)
                }
            let report = try await handle.value
            #expect(report.stateByteCount > 1 << 20)
            #expect(report.epoch == Epoch(rawValue: 2))
            #expect(try report.receipt.isValid(crypto: .sodium))
            try await feeding.value
            auditor.expectContinuity(of: origin)
            #expect(auditor.books.inputs.count == 2_001)
            #expect(auditor.books.outputs.count == 2_001)
            #expect(await source.daemons.map(\.standing) == [.moved])
            #expect(await target.daemons.map(\.standing) == [.active])
        }
    }

    @Test("ten moves back and forth lose nothing and raise the epoch each time")
    func pingPong() async throws {
        let auditor = Auditor()
        try await withHosts(2, auditor: auditor) { nodes in
            let entity = try await nodes[0].spawn(LedgerDaemon(seed: 2, paddingByteCount: 64 << 10))
            let emitter = try nodes[0].emitter(to: entity.originHash)
            for round in UInt64(0)..<10 {
                for value in 0..<20 { try await emitter.send(payload(round * 20 + UInt64(value))) }
                let (from, to) = (nodes[Int(round % 2)], nodes[Int((round + 1) % 2)])
                let report = try await from.migrate(entity, to: to.endpoint).value
                #expect(report.epoch.rawValue == round + 2)
            }
            try await emitter.flush()
            auditor.expectContinuity(of: entity.originHash)
            #expect(auditor.books.inputs.count == 200)
        }
    }

    @Test("after a move the source has wiped the daemon's key and is a stub, and cannot move it again")
    func sourceForgets() async throws {
        try await withHosts(2) { nodes in
            let keypair = try EntityKeypair.generate(crypto: .sodium)
            try await nodes[0].spawn(LedgerDaemon(seed: 3), identity: keypair)
            _ = try await nodes[0].migrate(keypair.originHash, to: nodes[1].endpoint).value
            #expect(!keypair.canSign)
            await #expect(throws: FerryError.self) {
                _ = try await nodes[0].migrate(keypair.entityID, to: nodes[1].endpoint).value
            }
            await #expect(throws: FerryError.self) { try await nodes[0].stop(keypair.originHash) }
            try await nodes[1].stop(keypair.originHash)
            #expect(await nodes[1].daemons.isEmpty)
        }
    }

    @Test(
        "user code that throws rolls the move back, and the daemon serves on",
        arguments: [LedgerFaults.Fault.throwsInSnapshot, .throwsInRestore])
    func failingUserCode(_ fault: LedgerFaults.Fault) async throws {
        let seed: UInt64 = fault == .throwsInSnapshot ? 40 : 41
        try await withHosts(2) { nodes in
            let entity = try await nodes[0].spawn(LedgerDaemon(seed: seed))
            let emitter = try nodes[1].emitter(to: entity.originHash, at: nodes[0].endpoint)
            try await emitter.deliver(payload(1))
            LedgerFaults.shared.set(fault, for: seed)
            let error = await #expect(throws: FerryError.self) {
                _ = try await nodes[0].migrate(entity, to: nodes[1].endpoint).value
            }
            #expect(error?.code == .rolledBack)
            #expect((error?.cause as? FailureReason)?.code == .stateFailed)
            try await emitter.deliver(payload(2))
            #expect(await nodes[0].daemons.map(\.standing) == [.active])
            LedgerFaults.shared.set(nil, for: seed)
            _ = try await nodes[0].migrate(entity, to: nodes[1].endpoint).value
            try await emitter.deliver(payload(3))
            #expect(await nodes[1].daemons.map(\.processedEventCount) == [1])
        }
    }

    @Test(
        "user code that hangs is outlived: the move can be cancelled in that phase, and the daemon serves on",
        arguments: [LedgerFaults.Fault.hangsInSnapshot, .hangsInRestore])
    func cancelDuringHang(_ fault: LedgerFaults.Fault) async throws {
        let seed: UInt64 = fault == .hangsInSnapshot ? 50 : 51
        try await withHosts(2) { nodes in
            let entity = try await nodes[0].spawn(LedgerDaemon(seed: seed))
            LedgerFaults.shared.set(fault, for: seed)
            let handle = try await nodes[0].migrate(entity, to: nodes[1].endpoint)
            let phase: MigrationPhase = fault == .hangsInSnapshot ? .transfer : .transfer
            await eventually { await nodes[0].moves.contains { $0.role == .source && $0.phase >= phase } }
            handle.cancel()
            let error = await #expect(throws: FerryError.self) { _ = try await handle.value }
            #expect(error?.code == .rolledBack)
            #expect((error?.cause as? FailureReason)?.code == .cancelled)
            LedgerFaults.shared.set(nil, for: seed)
            try await nodes[0].deliver(payload(1), to: entity.originHash)
            #expect(await nodes[0].daemons.map(\.standing) == [.active])
        }
    }

    @Test("a restore that hangs runs into its budget")
    func restoreBudget() async throws {
        let seed: UInt64 = 60
        let budgets = PhaseBudgets(transfer: .milliseconds(300), stall: .milliseconds(300), restore: .milliseconds(300))
        try await withHosts(2, budgets: budgets) { nodes in
            let entity = try await nodes[0].spawn(LedgerDaemon(seed: seed))
            LedgerFaults.shared.set(.hangsInRestore, for: seed)
            let error = await #expect(throws: FerryError.self) {
                _ = try await nodes[0].migrate(entity, to: nodes[1].endpoint).value
            }
            LedgerFaults.shared.set(nil, for: seed)
            #expect(error?.code == .rolledBack)
            try await nodes[0].deliver(payload(1), to: entity.originHash)
        }
    }

    @Test("a target without the daemon's kind declines before anything is paid for")
    func unknownKind() async throws {
        try await withHosts(2, configure: { index, composition in if index == 1 { composition.daemons = [] } }) { nodes in
            let entity = try await nodes[0].spawn(LedgerDaemon(seed: 70))
            let error = await #expect(throws: FerryError.self) {
                _ = try await nodes[0].migrate(entity, to: nodes[1].endpoint).value
            }
            #expect(error?.code == .declined)
            #expect((error?.cause as? FailureReason)?.code == .factoryNotFound)
            #expect(await nodes[0].daemons.map(\.standing) == [.active])
        }
    }

    @Test("an orchestrator that the source does not name is refused")
    func strangerOrders() async throws {
        try await withHosts(3, configure: { _, composition in composition.orchestrators = [] }) { nodes in
            let entity = try await nodes[0].spawn(LedgerDaemon(seed: 80))
            let error = await #expect(throws: FerryError.self) {
                _ = try await nodes[2].migrate(entity, from: nodes[0].endpoint, to: nodes[1].endpoint).value
            }
            #expect(error?.code == .declined)
            #expect((error?.cause as? FailureReason)?.code == .unauthorized)
        }
    }

    @Test("state digests of a moved daemon and of a twin that never moved are equal")
    func twin() async throws {
        try await withHosts(2) { nodes in
            let entity = try await nodes[0].spawn(LedgerDaemon(seed: 90, paddingByteCount: 256 << 10))
            let emitter = try nodes[0].emitter(to: entity.originHash)
            for value in UInt64(0)..<50 { try await emitter.deliver(payload(value)) }
            let before = try await nodes[0].stateDigest(of: entity.originHash)
            _ = try await nodes[0].migrate(entity, to: nodes[1].endpoint).value
            let after = try await nodes[1].stateDigest(of: entity.originHash)
            #expect(before.digest == after.digest)
            #expect(before.chainHead == after.chainHead)
        }
    }

    @Test("progress reports phases and ends with the move")
    func progress() async throws {
        try await withHosts(2) { nodes in
            let entity = try await nodes[0].spawn(LedgerDaemon(seed: 91))
            let handle = try await nodes[0].migrate(entity, to: nodes[1].endpoint)
            var last: MigrationPhase?
            for await progress in handle.progress {
                #expect(progress.migration == handle.migration)
                if let last { #expect(progress.phase >= last) }
                last = progress.phase
            }
            _ = try await handle.value
            #expect(last != nil)
        }
    }
}
