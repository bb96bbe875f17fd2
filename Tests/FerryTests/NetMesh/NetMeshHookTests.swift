import FerryCrypto
import FerryStateMachines
import FerryWire
import Synchronization
import Testing

@testable import Ferry

@Suite(.timeLimit(.minutes(1))) struct NetMeshHookTests {
    private func failure(of handle: NetMeshMoveHandle) async -> FailureReason? {
        do throws(FerryError) {
            try await handle.wait()
            return nil
        } catch {
            return error.cause as? FailureReason
        }
    }

    @Test("hooks come in their order: restored daemons are wired before the source hears, and unwired before they leave")
    func order() async throws {
        let journal = Journal<String>()
        try await Mesh.run { configuration in
            let node = configuration.carrier.localNode
            configuration.hooks.postRestore = { _ in journal.append("\(node) postRestore") }
            configuration.hooks.preCleanup = { _ in journal.append("\(node) preCleanup") }
            configuration.hooks.readiness = {
                journal.append("\(node) readiness")
                return true
            }
            configuration.hooks.failure = { _, _ in journal.append("\(node) failure") }
        } _: { mesh in
            let handle = try await mesh.source.runtime.startMigration(mesh.origin, to: mesh.target.id)
            try await mesh.network.run(handle)
            try await handle.wait()
            let (source, target) = (mesh.source.id, mesh.target.id)
            #expect(journal.all == ["\(target) readiness", "\(target) postRestore", "\(source) preCleanup"])
        }
    }

    @Test("the failure hook finds the daemon still fenced at its source: it comes before the move is undone")
    func failureBeforeAbort() async throws {
        let runtimes = Journal<NetMeshRuntime>()
        let seen = Journal<String>()
        try await Mesh.run(expects: false) { configuration in
            configuration.hooks.failure = { _, reason in
                let isServing = await runtimes.all.first?.daemons.first?.isServing
                seen.append("\(reason.code), serving: \(isServing == true)")
            }
        } _: { mesh in
            runtimes.append(mesh.source.runtime)
            let handle = try await mesh.source.runtime.startMigration(mesh.origin, to: mesh.target.id)
            try await mesh.network.run(handle)
            #expect(await failure(of: handle)?.code == .factoryNotFound)
            #expect(seen.all == ["factoryNotFound, serving: false"])
            #expect(await mesh.owners == [mesh.source.id])
        }
    }

    @Test("H118: a hook that hangs is outlived: the move fails at its budget and not before, and what it brings later finds nobody")
    func hangingPostRestore() async throws {
        let gate = Gate()
        let budget = Duration.seconds(2)
        let runtimes = Journal<NetMeshRuntime>()
        try await Mesh.run { configuration in
            configuration.budgets.hook = budget
            configuration.hooks.postRestore = { _ in
                // The node counts as resting while the hook hangs.
                runtimes.all.first?.core.activity.end()
                await gate.pass()
            }
        } _: { mesh in
            runtimes.append(mesh.target.runtime)
            let handle = try await mesh.source.runtime.startMigration(
                mesh.origin, to: mesh.target.id, options: NetMeshMoveOptions(retryNotReady: nil))
            while gate.arrivedCount == 0 { if await !mesh.network.step() { await Task.yield() } }
            // Repeated pieces would begin a second attempt.
            mesh.network.drop { $0.decoded?.typeByte == 1 }
            await mesh.network.advance(by: budget - .milliseconds(1))
            #expect(mesh.target.runtime.arrivals.count == 1)
            // Being given up, the hook is counted as over.
            mesh.target.runtime.core.activity.begin()
            mesh.network.clock.advance(by: .milliseconds(1))
            try await mesh.network.run(handle)
            #expect(await failure(of: handle)?.code == .stateFailed)
            #expect(await mesh.owners == [mesh.source.id])
            gate.open()
            #expect(await mesh.owners == [mesh.source.id])
            #expect(mesh.target.runtime.arrivals.isEmpty)
        }
    }

    @Test("a post-restore hook that throws fails the move, and the daemon serves on at its source")
    func throwingPostRestore() async throws {
        try await Mesh.run { configuration in
            configuration.hooks.postRestore = { _ in throw NotebookDaemon.Refused() }
        } _: { mesh in
            let handle = try await mesh.source.runtime.startMigration(mesh.origin, to: mesh.target.id)
            try await mesh.network.run(handle)
            #expect(await failure(of: handle)?.message.contains("post-restore failed") == true)
            await mesh.network.drain()
            #expect(await mesh.owners == [mesh.source.id])
            #expect(mesh.target.runtime.arrivals.isEmpty)
        }
    }

    @Test("a pre-cleanup hook that throws does not stop the cutover")
    func throwingPreCleanup() async throws {
        try await Mesh.run { configuration in
            configuration.hooks.preCleanup = { _ in throw NotebookDaemon.Refused() }
        } _: { mesh in
            let handle = try await mesh.source.runtime.startMigration(mesh.origin, to: mesh.target.id)
            try await mesh.network.run(handle)
            #expect(await failure(of: handle) == nil)
            #expect(await mesh.owners == [mesh.target.id])
        }
    }

    @Test("a readiness hook that says no is NotReady")
    func unready() async throws {
        try await Mesh.run { configuration in
            configuration.hooks.readiness = { false }
        } _: { mesh in
            let handle = try await mesh.source.runtime.startMigration(
                mesh.origin, to: mesh.target.id, options: NetMeshMoveOptions(retryNotReady: nil))
            try await mesh.network.run(handle)
            #expect(await failure(of: handle)?.code == .notReady)
            #expect(await mesh.owners == [mesh.source.id])
        }
    }

    // MARK: Endpoint and life

    @Test("a node without a handler answers orders and snapshots with ComputeNotSupported, and drops and counts the rest")
    func noHandler() async throws {
        let network = MeshNetwork(seed: 1)
        let local = NodeID(rawValue: 1)
        let peer = NodeID(rawValue: 2)
        let endpoint = NetMeshEndpoint(carrier: MeshCarrier(network: network, localNode: local))
        let origin = OriginHash(rawValue: 7)
        let piece = SnapshotPiece(origin: origin, throughSequence: 0, index: 0, totalCount: 1, bytes: [1])
        for message in [MigrationMessage.takeSnapshot(origin: origin, target: peer), .snapshotReady(piece)] {
            await endpoint.receive(try message.encoded(), from: peer)
            let answer = try #require(network.waiting.last)
            #expect(answer.receiver == peer)
            #expect(answer.decoded == .migrationFailed(origin: origin, reason: FailureReason(.computeNotSupported)))
        }
        for bytes in [try MigrationMessage.activateTarget(origin: origin).encoded(), [200], []] {
            await endpoint.receive(bytes, from: peer)
        }
        #expect(network.waiting.count == 2)
        #expect(endpoint.answeredMessageCount == 2)
        #expect(endpoint.droppedMessageCount == 3)
    }

    /// Notes what it is given.
    private final class Recorder: NetMeshHandler {
        let messages = Journal<[UInt8]>()
        func receive(_ message: [UInt8], from sender: NodeID) async { messages.append(message) }
    }

    @Test("a handler is replaced while the node runs; removing the old one leaves the new one alone")
    func replacedHandler() async {
        let endpoint = NetMeshEndpoint(carrier: MeshCarrier(network: MeshNetwork(seed: 1), localNode: NodeID(rawValue: 1)))
        let (old, new) = (Recorder(), Recorder())
        endpoint.install(old)
        await endpoint.receive([1], from: NodeID(rawValue: 2))
        endpoint.install(new)
        endpoint.remove(old)
        await endpoint.receive([2], from: NodeID(rawValue: 2))
        #expect(old.messages.all == [[1]])
        #expect(new.messages.all == [[2]])
        endpoint.remove(new)
        #expect(!endpoint.hasHandler)
    }

    @Test("H114: the handler is installed before the runtime is ready and removed at shutdown")
    func life() async throws {
        try await Mesh.run { mesh in
            let node = try MeshNode(in: mesh.network)
            #expect(node.endpoint.hasHandler)
            #expect(!node.runtime.isReady)
            let early = await #expect(throws: FerryError.self) { try await node.runtime.deliver(event(from: 9, 1), to: mesh.origin) }
            #expect(early?.code == .notReady)
            try node.runtime.start()
            #expect(node.runtime.isReady)
            await node.runtime.shutDown()
            #expect(!node.endpoint.hasHandler)
            let late = await #expect(throws: FerryError.self) { try await node.runtime.deliver(event(from: 9, 1), to: mesh.origin) }
            #expect(late?.code == .shuttingDown)
            let again = #expect(throws: FerryError.self) { try node.runtime.start() }
            #expect(again?.code == .shuttingDown)
        }
    }

    @Test("shutdown ends waits, tells participants, forgets registrations and wipes every key")
    func shutdown() async throws {
        try await Mesh.run { mesh in
            mesh.network.drop { $0.decoded?.typeByte == 2 }
            let handle = try await mesh.source.runtime.startMigration(mesh.origin, to: mesh.target.id)
            let waiter = Task { () -> FerryError.Code? in
                do throws(FerryError) {
                    try await handle.wait()
                    return nil
                } catch {
                    return error.code
                }
            }
            await mesh.network.drain()
            let restored = mesh.target.runtime.core.state.withLock { $0.arrivals[mesh.origin]?.key }
            #expect(restored?.canSign == true)
            await mesh.source.runtime.shutDown()
            await mesh.network.settle()
            #expect(await waiter.value == .shuttingDown)
            #expect(mesh.network.waiting.contains { $0.receiver == mesh.target.id && $0.decoded?.typeByte == 6 })
            #expect(!mesh.keypair.canSign)
            #expect(await mesh.source.runtime.daemons.isEmpty)
            await mesh.target.runtime.shutDown()
            #expect(restored?.canSign == false)
            #expect(mesh.target.runtime.core.state.withLock { $0.expectations.isEmpty && $0.kinds.isEmpty && $0.arrivals.isEmpty })
        }
    }

    @Test("a message that is no message is counted, answered by nothing, and changes nothing")
    func malformed() async throws {
        try await Mesh.run { mesh in
            let before = mesh.source.runtime.core.state.withLock { $0.dispatcher.state }
            for bytes in [[], [10], [0, 1, 2]] as [[UInt8]] { await mesh.source.endpoint.receive(bytes, from: mesh.third.id) }
            await mesh.network.settle()
            #expect(mesh.source.runtime.core.state.withLock { $0.dispatcher.state } == before)
            #expect(mesh.source.runtime.counters.malformed == 3)
            #expect(mesh.network.waiting.isEmpty)
        }
    }
}
