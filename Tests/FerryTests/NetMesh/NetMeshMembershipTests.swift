import FerryStateMachines
import FerryWire
import Testing

@testable import Ferry

@Suite(.timeLimit(.minutes(1))) struct NetMeshMembershipTests {
    /// Subscribes nobody at a publisher before a gate is open.
    private struct GatedPublisher: NetMeshCarrier {
        let base: any NetMeshCarrier
        let publishers: Set<UInt64>
        let arrive: @Sendable (NodeID) async -> Void

        var localNode: NodeID { base.localNode }

        func send(_ message: [UInt8], to node: NodeID) async throws { try await base.send(message, to: node) }

        func subscribe(to channel: ChannelName, at publisher: UInt64, token: [UInt8]?) async throws {
            if publishers.contains(publisher) { await arrive(localNode) }
            try await base.subscribe(to: channel, at: publisher, token: token)
        }

        func unsubscribe(from channel: ChannelName, at publisher: UInt64) async throws {
            try await base.unsubscribe(from: channel, at: publisher)
        }
    }

    @Test("a restored daemon's channels are joined at the same time: slow publishers cost the hook's budget once")
    func joinsAtOnce() async throws {
        let gate = Gate()
        let name = try #require(ChannelName("news"))
        let sources = Journal<NodeID>()
        try await Mesh.run { configuration in
            configuration.carrier = GatedPublisher(base: configuration.carrier, publishers: Set(1...40)) { node in
                guard !sources.all.contains(node) else { return }
                if gate.arrivedCount >= 7 { gate.open() }
                await gate.pass()
            }
        } _: { mesh in
            sources.append(mesh.source.id)
            for publisher in 1...40 { try await mesh.source.runtime.subscribe(mesh.origin, to: name, at: UInt64(publisher)) }
            let handle = try await mesh.source.runtime.startMigration(mesh.origin, to: mesh.target.id)
            try await mesh.network.run(handle)
            try await handle.wait()
            for publisher in 1...40 {
                let channel = MeshNetwork.Channel(publisher: UInt64(publisher), name: name)
                #expect(mesh.network.subscribers(of: channel).contains(mesh.target.id))
            }
        }
    }

    @Test("a join that ends after its move was given up is taken back")
    func outlivedJoin() async throws {
        let gate = Gate()
        let name = try #require(ChannelName("news"))
        let sources = Journal<NodeID>()
        let resting = Journal<NetMeshRuntime>()
        try await Mesh.run { configuration in
            configuration.budgets.hook = .seconds(2)
            configuration.carrier = GatedPublisher(base: configuration.carrier, publishers: [1]) { node in
                guard !sources.all.contains(node) else { return }
                // The node counts as resting while the publisher is silent.
                resting.all.first?.core.activity.end()
                await gate.pass()
            }
        } _: { mesh in
            sources.append(mesh.source.id)
            resting.append(mesh.target.runtime)
            for publisher in 1...2 { try await mesh.source.runtime.subscribe(mesh.origin, to: name, at: UInt64(publisher)) }
            let handle = try await mesh.source.runtime.startMigration(
                mesh.origin, to: mesh.target.id, options: NetMeshMoveOptions(retryNotReady: nil))
            while gate.arrivedCount == 0 { if await !mesh.network.step() { await Task.yield() } }
            // Repeated pieces would begin a second attempt.
            mesh.network.drop { $0.decoded?.typeByte == 1 }
            // Being given up, the hook is counted as over.
            mesh.target.runtime.core.activity.begin()
            mesh.network.clock.advance(by: .seconds(2))
            await until { mesh.network.waiting.contains { $0.decoded?.typeByte == 6 } }
            gate.open()
            try await mesh.network.run(handle)
            await #expect(throws: FerryError.self) { try await handle.wait() }
            for publisher in 1...2 {
                let channel = MeshNetwork.Channel(publisher: UInt64(publisher), name: name)
                await until { mesh.network.subscribers(of: channel) == [mesh.source.id] }
            }
        }
    }
}
