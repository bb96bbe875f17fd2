import FerryCrypto
import FerrySodium
import FerryStateMachines
import FerryWire
import Synchronization
import Testing

@testable import Ferry

@Suite(.timeLimit(.minutes(1))) struct NetMeshDeliveryTests {
    /// Counts nothing and keeps nothing.
    struct Echo: StatelessDaemon {
        static let kind = DaemonKind(name: "echo", schemaVersion: 1)

        mutating func process(_ event: CausalEvent, into outputs: inout DaemonOutputs) throws { outputs.emit(event.payload) }
    }

    @Test("what a stateless daemon was given while its move failed is processed: nothing that was accepted is dropped")
    func statelessDaemon() async throws {
        let gate = Gate()
        try await Mesh.run { configuration in
            configuration.hooks.failure = { _, _ in await gate.pass() }
        } _: { mesh in
            let keypair = try EntityKeypair.generate(crypto: .sodium)
            let origin = try mesh.source.runtime.spawn(Echo(), keypair: keypair)
            let handle = try await mesh.source.runtime.startMigration(origin, to: mesh.target.id)
            await until { gate.arrivedCount == 1 }
            #expect(try await mesh.source.runtime.deliver(event(from: 9, 1), to: origin) == .captured)
            gate.open()
            try await mesh.network.run(handle)
            await mesh.network.settle()
            #expect(mesh.source.outputs.all.count == 1)
            #expect(await mesh.source.runtime.daemons.first { $0.origin == origin }?.isServing == true)
        }
    }

    @Test("an input that follows a daemon which has left is sent again after 0.5 s: one lost datagram loses nothing")
    func forwardedInput() async throws {
        try await Mesh.run { mesh in
            let handle = try await mesh.source.runtime.startMigration(mesh.origin, to: mesh.target.id)
            try await mesh.network.run(handle)
            try await handle.wait()
            await mesh.network.drain()
            // Past every time that the move itself has armed the timer for.
            await mesh.network.advance(by: .seconds(10))
            await mesh.network.drain()
            mesh.network.drop { $0.sender == mesh.source.id }
            let delivery = try await mesh.source.runtime.deliver(event(from: 9, 1), to: mesh.origin)
            #expect(delivery == .forwarded(to: mesh.target.id))
            await mesh.network.settle()
            #expect(mesh.network.waiting.isEmpty)
            mesh.network.drop(nil)
            await mesh.network.advance(by: .milliseconds(500))
            #expect(mesh.network.waiting.count == 1)
            await mesh.network.drain()
            #expect(try await mesh.target.runtime.notes(mesh.origin).map(\.sequence) == [1])
        }
    }

    /// Lets nothing out until its gate is open.
    private struct GatedCarrier: NetMeshCarrier {
        let base: any NetMeshCarrier
        let gate: Gate

        var localNode: NodeID { base.localNode }

        func send(_ message: [UInt8], to node: NodeID) async throws {
            await gate.pass()
            try await base.send(message, to: node)
        }

        func subscribe(to channel: ChannelName, at publisher: UInt64, token: [UInt8]?) async throws {
            try await base.subscribe(to: channel, at: publisher, token: token)
        }

        func unsubscribe(from channel: ChannelName, at publisher: UInt64) async throws {
            try await base.unsubscribe(from: channel, at: publisher)
        }
    }

    @Test("a slow carrier finds the snapshot once, cut as it takes the pieces, however often the pieces are asked for meanwhile")
    func slowCarrier() async throws {
        let gate = Gate()
        try await Mesh.run(paddingByteCount: 300_000) { configuration in
            configuration.carrier = GatedCarrier(base: configuration.carrier, gate: gate)
        } _: { mesh in
            let runtime = mesh.source.runtime
            let handle = try await runtime.startMigration(mesh.origin, to: mesh.target.id)
            await until { gate.arrivedCount == 1 }
            await until { runtime.movesInFlight.first?.phase == .transfer }
            mesh.network.clock.advance(by: .milliseconds(600))
            await until { (runtime.movesInFlight.first?.retryCount ?? 0) > 0 }
            #expect(runtime.core.state.withLock { $0.outgoing[mesh.target.id]?.count } == 1)
            gate.open()
            try await mesh.network.run(handle)
            try await handle.wait()
            #expect(mesh.network.deliveredTypes.count { $0 == 1 } < 60)
        }
    }

    @Test("what a target holds is not accepted yet: it goes with the copy if the move fails, and whoever gave it is told so")
    func heldInput() async throws {
        try await Mesh.run { mesh in
            mesh.network.drop { $0.decoded?.typeByte == 2 }
            let handle = try await mesh.source.runtime.startMigration(mesh.origin, to: mesh.target.id)
            await mesh.network.drain()
            for _ in 0..<2 {
                #expect(try await mesh.target.runtime.deliver(event(from: 9, 1), to: mesh.origin) == .held)
            }
            mesh.network.drop(nil)
            try await mesh.network.run(handle)
            try await handle.wait()
            #expect(try await mesh.target.runtime.deliver(event(from: 9, 1), to: mesh.origin) == .duplicate)
            #expect(try await mesh.target.runtime.notes(mesh.origin).map(\.sequence) == [1])
        }
    }
}
