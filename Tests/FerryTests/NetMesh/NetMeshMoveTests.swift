import FerryCrypto
import FerryStateMachines
import FerryWire
import Testing

@testable import Ferry

@Suite(.timeLimit(.minutes(2))) struct NetMeshMoveTests {
    enum Orchestrator: CaseIterable, Sendable {
        case source
        case target
        case third

        func node(_ mesh: Mesh) -> MeshNode {
            switch self {
            case .source: mesh.source
            case .target: mesh.target
            case .third: mesh.third
            }
        }
    }

    @Test(
        "a daemon moves whole, whoever orchestrates: state, ledger, chain and key arrive, and the source keeps none",
        arguments: Orchestrator.allCases)
    func topologies(orchestrator: Orchestrator) async throws {
        try await Mesh.run { mesh in
            mesh.trustEverybody()
            let channel = try #require(ChannelName("news/today"))
            try await mesh.source.runtime.subscribe(mesh.origin, to: channel, at: 77, token: [1, 2])
            for sequence in 1...5 { try await mesh.source.runtime.deliver(event(from: 9, UInt64(sequence)), to: mesh.origin) }
            let state = try await mesh.source.runtime.stateBytes(mesh.origin)
            let head = try #require(await mesh.source.runtime.daemons.first).head
            let handle = try await orchestrator.node(mesh).runtime.startMigration(
                mesh.origin, from: mesh.source.id, to: .node(mesh.target.id))
            try await mesh.network.run(handle)
            try await handle.wait()
            await mesh.network.drain()
            await mesh.network.settle()
            #expect(await mesh.owners == [mesh.target.id])
            #expect(try await mesh.target.runtime.stateBytes(mesh.origin) == state)
            let status = try #require(await mesh.target.runtime.daemons.first)
            #expect(status.head == head)
            #expect(status.subscriptions == [SubscriptionLedger.Entry(publisher: 77, channel: channel, token: [1, 2])])
            #expect(await mesh.target.runtime.holdsKey(mesh.origin))
            #expect(!mesh.keypair.canSign)
            #expect(await mesh.source.runtime.daemons.isEmpty)
        }
    }

    @Test("the chain goes on at the target with the state hashed in place of the head payload, which an observer calls forked")
    func chainContinues() async throws {
        try await Mesh.run { mesh in
            for sequence in 1...3 { try await mesh.source.runtime.deliver(event(from: 9, UInt64(sequence)), to: mesh.origin) }
            let before = mesh.source.outputs.all
            let head = try #require(before.last)
            let state = try await mesh.source.runtime.stateBytes(mesh.origin)
            let handle = try await mesh.source.runtime.startMigration(mesh.origin, to: mesh.target.id)
            try await mesh.network.run(handle)
            try await handle.wait()
            try await mesh.target.runtime.deliver(event(from: 9, 4), to: mesh.origin)
            let next = try #require(mesh.target.outputs.all.first)
            #expect(next.link.sequence == head.link.sequence + 1)
            #expect(next.link.parent == forwardHash(head.link, state.rawSpan))
            #expect(assessContinuity(of: before + [next]) == .forked(at: next.link.sequence))
            let anchor = ChainAnchor(link: head.link, headPayload: state)
            #expect(assessContinuity(of: [next], after: anchor) == .continuous(through: next.link.sequence))
        }
    }

    @Test("over a lossy and reordering network a move ends, with one owner and nothing lost", arguments: [UInt64](1...24) + [113])
    func lossyNetwork(seed: UInt64) async throws {
        try await Mesh.run(seed: seed) { mesh in
            mesh.network.setFaults(lossPercent: 15, reorders: true)
            for sequence in 1...3 { try await mesh.source.runtime.deliver(event(from: 9, UInt64(sequence)), to: mesh.origin) }
            let handle = try await mesh.source.runtime.startMigration(mesh.origin, to: mesh.target.id)
            for sequence in 4...20 {
                await mesh.network.offer(event(from: 9, UInt64(sequence)), to: mesh.origin, at: mesh.source.id)
                await mesh.network.step()
            }
            try await mesh.network.run(handle)
            mesh.network.setFaults(lossPercent: 0, reorders: false)
            await mesh.network.drain()
            let owners = await mesh.owners
            let hasMoved = await isMoved(handle)
            #expect(owners == [hasMoved ? mesh.target.id : mesh.source.id])
            let owner = hasMoved ? mesh.target : mesh.source
            let sequences = try await owner.runtime.notes(mesh.origin).map(\.sequence)
            // What follows a daemon that has left travels in a datagram and may be lost or late.
            #expect(sequences.starts(with: [1, 2, 3, 4]))
            #expect(Set(sequences).count == sequences.count)
            if !hasMoved { #expect(sequences == Array(1...20)) }
        }
    }

    private func isMoved(_ handle: NetMeshMoveHandle) async -> Bool {
        do {
            try await handle.wait()
            return true
        } catch {
            return false
        }
    }

    @Test("I-1, I-19: inputs at every message boundary are processed once, in order, their outputs published at the activation")
    func captureDuringMove() async throws {
        try await Mesh.run { mesh in
            let handle = try await mesh.source.runtime.startMigration(mesh.origin, to: mesh.target.id)
            var sequence: UInt64 = 0
            try await mesh.network.run(handle) {
                sequence += 1
                await mesh.network.offer(event(from: 9, sequence, "text \(sequence)"), to: mesh.origin, at: mesh.source.id)
                #expect(mesh.target.outputs.all.isEmpty || handle.hasEnded || handle.phase == .complete)
            }
            try await handle.wait()
            await mesh.network.drain()
            #expect(sequence > 6)
            #expect(mesh.network.refusals.all.isEmpty)
            #expect(try await mesh.target.runtime.notes(mesh.origin).map(\.sequence) == Array(1...sequence))
            let outputs = mesh.target.outputs.all
            #expect(outputs.map(\.payload) == (1...sequence).map { Array("text \($0)".utf8) })
            #expect(mesh.source.outputs.all.isEmpty)
            #expect(outputs.map(\.link.sequence) == Array(1...sequence))
        }
    }

    @Test("an event that no message can carry is refused while the daemon moves, and processed before and after")
    func oversizedEvent() async throws {
        try await Mesh.run { mesh in
            let large = CausalEvent(
                link: CausalLink(origin: OriginHash(rawValue: 9), horizon: 0, sequence: 1, parent: 0),
                payload: [UInt8](repeating: 0, count: 7_001), receivedAt: 0)
            try await mesh.source.runtime.deliver(large, to: mesh.origin)
            let handle = try await mesh.source.runtime.startMigration(mesh.origin, to: mesh.target.id)
            let error = await #expect(throws: FerryError.self) { try await mesh.source.runtime.deliver(large, to: mesh.origin) }
            #expect(error?.code == .busy)
            var fitting = large
            fitting.payload.removeLast()
            fitting.link.sequence = 2
            #expect(try await mesh.source.runtime.deliver(fitting, to: mesh.origin) == .captured)
            try await mesh.network.run(handle)
            try await handle.wait()
            #expect(try await mesh.target.runtime.notes(mesh.origin).map(\.sequence) == [1, 2])
        }
    }

    @Test("an event for a daemon that has left follows it and is processed there once")
    func forwarding() async throws {
        try await Mesh.run { mesh in
            let handle = try await mesh.source.runtime.startMigration(mesh.origin, to: mesh.target.id)
            try await mesh.network.run(handle)
            try await handle.wait()
            let delivery = try await mesh.source.runtime.deliver(event(from: 9, 1), to: mesh.origin)
            #expect(delivery == .forwarded(to: mesh.target.id))
            await mesh.network.drain()
            #expect(try await mesh.target.runtime.notes(mesh.origin).map(\.sequence) == [1])
            #expect(try await mesh.target.runtime.deliver(event(from: 9, 1), to: mesh.origin) == .duplicate)
        }
    }

    @Test("a move that fails leaves the source as it was, with what came meanwhile processed in order")
    func rollback() async throws {
        try await Mesh.run(expects: false) { mesh in
            for sequence in 1...2 { try await mesh.source.runtime.deliver(event(from: 9, UInt64(sequence)), to: mesh.origin) }
            let handle = try await mesh.source.runtime.startMigration(mesh.origin, to: mesh.target.id)
            for sequence in 3...5 {
                #expect(try await mesh.source.runtime.deliver(event(from: 9, UInt64(sequence)), to: mesh.origin) == .captured)
            }
            try await mesh.network.run(handle)
            let error = await #expect(throws: FerryError.self) { try await handle.wait() }
            #expect(error?.code == .rolledBack)
            #expect((error?.cause as? FailureReason)?.code == .factoryNotFound)
            await mesh.network.settle()
            #expect(await mesh.owners == [mesh.source.id])
            #expect(try await mesh.source.runtime.notes(mesh.origin).map(\.sequence) == [1, 2, 3, 4, 5])
            #expect(assessContinuity(of: mesh.source.outputs.all) == .continuous(through: 5))
            #expect(await mesh.source.runtime.holdsKey(mesh.origin))
        }
    }

    @Test("I-8: after the acknowledgement nobody can revive the daemon on its old node, and its key is wiped there")
    func noResurrection() async throws {
        try await Mesh.run { mesh in
            mesh.source.runtime.setPolicy(orchestrators: .anyAdmitted, arrivals: .anyAdmitted)
            let forged = try await Self.snapshotPiece(of: mesh)
            let handle = try await mesh.source.runtime.startMigration(mesh.origin, to: mesh.target.id)
            try await mesh.network.run(handle)
            try await handle.wait()
            #expect(!mesh.keypair.canSign)
            let bytes = try MigrationMessage.snapshotReady(forged).encoded()
            await mesh.source.endpoint.receive(bytes, from: mesh.third.id)
            let activation = try MigrationMessage.activateTarget(origin: mesh.origin).encoded()
            await mesh.source.endpoint.receive(activation, from: mesh.third.id)
            await mesh.network.drain()
            #expect(await mesh.owners == [mesh.target.id])
            #expect(await mesh.source.runtime.daemons.isEmpty)
            #expect(mesh.source.runtime.arrivals.isEmpty)
        }
    }

    static func snapshotPiece(of mesh: Mesh) async throws -> SnapshotPiece {
        let host = try #require(mesh.source.runtime.core.registry.host(mesh.origin))
        let frozen = try #require(await host.frozen())
        let state = try await PlainState.bytes(of: NotebookDaemon(), limit: 1_000)
        let snapshot = StateSnapshot(entity: host.entity, chainLink: frozen.chain.head, createdAt: 0, state: state)
        let bytes = try snapshot.encoded()
        return SnapshotPiece(
            origin: mesh.origin, throughSequence: snapshot.throughSequence, index: 0, totalCount: 1, bytes: bytes)
    }

    @Test("a daemon comes back where it was, and goes again")
    func backAndForth() async throws {
        try await Mesh.run { mesh in
            try await mesh.source.runtime.deliver(event(from: 9, 1), to: mesh.origin)
            for round in 0..<4 {
                let (from, to) = round.isMultiple(of: 2) ? (mesh.source, mesh.target) : (mesh.target, mesh.source)
                if round > 0 { try to.runtime.expectMigration(kind: "notebook", origin: mesh.origin, orchestrator: from.id) }
                let handle = try await from.runtime.startMigration(mesh.origin, to: to.id)
                try await mesh.network.run(handle)
                try await handle.wait()
                await mesh.network.drain()
                #expect(await mesh.owners == [to.id])
                try await to.runtime.deliver(event(from: 9, UInt64(round + 2)), to: mesh.origin)
            }
            #expect(try await mesh.source.runtime.notes(mesh.origin).map(\.sequence) == [1, 2, 3, 4, 5])
        }
    }

    @Test("emitters that never pause: every event is processed exactly once and in its emitter's order, wherever it was given")
    func busyEmitters() async throws {
        try await Mesh.run { mesh in
            let count: UInt64 = 300
            let counts = Journal<String>()
            let emitters = (1...4).map { emitter in
                Task {
                    for sequence in 1...count {
                        switch try await mesh.source.runtime.deliver(event(from: UInt64(emitter), sequence), to: mesh.origin) {
                        case .processed: counts.append("processed")
                        case .captured: counts.append("captured")
                        case .held: counts.append("held")
                        case .forwarded: counts.append("forwarded")
                        case .duplicate: counts.append("duplicate")
                        }
                        await Task.yield()
                    }
                }
            }
            await until { counts.all.count > 100 }
            let handle = try await mesh.source.runtime.startMigration(mesh.origin, to: mesh.target.id)
            while !handle.hasEnded { if await !mesh.network.stepAtOnce() { await Task.yield() } }
            try await handle.wait()
            for emitter in emitters { try await emitter.value }
            await mesh.network.drain()
            let notes = try await mesh.target.runtime.notes(mesh.origin)
            for emitter in 1...4 {
                #expect(notes.filter { $0.emitter == UInt64(emitter) }.map(\.sequence) == Array(1...count))
            }
            #expect(!counts.all.contains("duplicate"))
            let outputs = mesh.source.outputs.all + mesh.target.outputs.all
            #expect(outputs.map(\.link.sequence) == Array(1...(4 * count)))
        }
    }

    @Test("a stopped daemon's key is wiped, its deliveries are refused, and its name is free")
    func stop() async throws {
        try await Mesh.run { mesh in
            try await mesh.source.runtime.stop(mesh.origin)
            #expect(!mesh.keypair.canSign)
            let error = await #expect(throws: FerryError.self) {
                try await mesh.source.runtime.deliver(event(from: 9, 1), to: mesh.origin)
            }
            #expect(error?.code == .daemonNotFound)
            let missing = await #expect(throws: FerryError.self) {
                _ = try await mesh.source.runtime.startMigration(mesh.origin, to: mesh.target.id)
            }
            #expect(missing?.code == .daemonNotFound)
            try mesh.source.runtime.spawn(NotebookDaemon(), keypair: mesh.keypair)
        }
    }

    @Test("a daemon that is moving is neither stopped nor replaced nor subscribed, and no second one is spawned where it arrives")
    func guardedWhileMoving() async throws {
        try await Mesh.run { mesh in
            mesh.network.drop { $0.decoded?.typeByte == 2 }
            let handle = try await mesh.source.runtime.startMigration(mesh.origin, to: mesh.target.id)
            await mesh.network.drain()
            let runtime = mesh.source.runtime
            let name = try #require(ChannelName("news"))
            var codes: [FerryError.Code?] = []
            codes.append(await #expect(throws: FerryError.self) { try await runtime.stop(mesh.origin) }?.code)
            codes.append(
                await #expect(throws: FerryError.self) {
                    try await runtime.replace(NotebookDaemon(), keypair: mesh.keypair)
                }?.code)
            codes.append(await #expect(throws: FerryError.self) { try await runtime.subscribe(mesh.origin, to: name, at: 7) }?.code)
            codes.append(
                #expect(throws: FerryError.self) {
                    try mesh.target.runtime.spawn(NotebookDaemon(), keypair: mesh.keypair)
                }?.code)
            #expect(codes == [.daemonMoving, .daemonMoving, .daemonMoving, .daemonMoving])
            mesh.network.drop(nil)
            try await mesh.network.run(handle)
            try await handle.wait()
        }
    }
}
