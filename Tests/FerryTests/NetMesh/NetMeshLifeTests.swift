import FerryCrypto
import FerrySodium
import FerryStateMachines
import FerryWire
import Synchronization
import Testing

@testable import Ferry

@Suite(.timeLimit(.minutes(1))) struct NetMeshLifeTests {
    @Test("a daemon that does not return from an event delays what is done with it, and not whoever waits for the move's end")
    func stuckDaemon() async throws {
        try await Mesh.run { mesh in
            let core = mesh.source.runtime.core
            // As if its pump were waiting for the daemon.
            core.state.withLock { $0.lanes[mesh.origin] = [] }
            let handle = try await mesh.source.runtime.startMigration(mesh.origin, to: mesh.target.id)
            #expect(handle.cancel())
            await mesh.network.advance(by: core.configuration.budgets.hook - .milliseconds(1))
            #expect(!handle.hasEnded)
            await mesh.network.advance(by: .milliseconds(1))
            #expect(handle.hasEnded)
            let error = await #expect(throws: FerryError.self) { try await handle.wait() }
            #expect(error?.code == .rolledBack)
        }
    }

    @Test("a daemon that comes back before its departure was acknowledged finds its factory, and its own key, still there")
    func backBeforeAcknowledgement() async throws {
        try await Mesh.run { mesh in
            mesh.trustEverybody()
            mesh.network.drop { $0.decoded?.typeByte == 9 && $0.receiver == mesh.source.id }
            let away = try await mesh.third.runtime.startMigration(mesh.origin, from: mesh.source.id, to: .node(mesh.target.id))
            try await mesh.network.run(away)
            try await away.wait()
            #expect(await mesh.owners == [mesh.target.id])
            #expect(mesh.source.runtime.departures.first?.stage == .retired)
            try mesh.source.runtime.expectMigration(kind: "notebook", origin: mesh.origin, orchestrator: mesh.target.id)
            let back = try await mesh.target.runtime.startMigration(mesh.origin, to: mesh.source.id)
            try await mesh.network.run(back)
            try await back.wait()
            #expect(await mesh.owners == [mesh.source.id])
        }
    }

    @Test("H114: a start after the shutdown leaves the endpoint as it is")
    func startAfterShutdown() async throws {
        try await Mesh.run { mesh in
            let node = try MeshNode(in: mesh.network)
            try node.runtime.start()
            await node.runtime.shutDown()
            #expect(throws: FerryError.self) { try node.runtime.start() }
            #expect(!node.endpoint.hasHandler)
        }
    }

    @Test("a source that shuts down tells whoever ordered its daemon away", arguments: [true, false])
    func shutdownOfParticipant(isSource: Bool) async throws {
        try await Mesh.run { mesh in
            mesh.trustEverybody()
            mesh.network.drop { $0.decoded?.typeByte == 2 }
            _ = try await mesh.third.runtime.startMigration(mesh.origin, from: mesh.source.id, to: .node(mesh.target.id))
            await mesh.network.drain()
            await (isSource ? mesh.source : mesh.target).runtime.shutDown()
            #expect(mesh.network.waiting.contains { $0.receiver == mesh.third.id && $0.decoded?.typeByte == 6 })
        }
    }
}
