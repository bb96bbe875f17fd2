import Ferry
import FerryCrypto
import FerrySodium
import FerryWire
import Testing

@Suite(.timeLimit(.minutes(1))) struct NetMeshExampleTests {
    @Test("the handbook's host compiles, and its daemon moves")
    func handbook() async throws {
        let network = MeshNetwork(seed: 1)
        let peer = try MeshNode(in: network)
        let identity = try NodeIdentity.generate(crypto: .sodium)
        let keypair = try EntityKeypair.generate(crypto: .sodium)
        let carrier = MeshCarrier(network: network, localNode: identity.nodeID)
        let staticKeys = [peer.id: peer.identity.staticPublicKey]
        let (channel, publisher, target) = (try #require(ChannelName("news")), UInt64(7), peer.id)
        try peer.runtime.register(NotebookDaemon.self)
        try peer.runtime.expectMigration(kind: "notebook", origin: keypair.originHash, orchestrator: identity.nodeID)
        try peer.runtime.start()

        let endpoint = NetMeshEndpoint(carrier: carrier)
        let identityContext = NetMeshIdentityContext(identity: identity, peerStaticKey: { node in staticKeys[node] })
        let runtime = NetMeshRuntime(
            NetMeshConfiguration(carrier: carrier, crypto: .sodium, hooks: NetMeshHooks(identity: identityContext)), endpoint: endpoint)
        try runtime.register(NotebookDaemon.self)
        try runtime.start()
        network.add(identity.nodeID, staticKey: identity.staticPublicKey, endpoint: endpoint)
        network.add(runtime, as: identity.nodeID)

        let origin = try runtime.spawn(NotebookDaemon(), keypair: keypair)
        try await runtime.subscribe(origin, to: channel, at: publisher)
        let move = try await runtime.startMigration(origin, to: target)
        try await network.run(move)
        try await move.wait(timeout: .seconds(60))
        #expect(await peer.runtime.daemons.map(\.origin) == [origin])
        await network.shutDown()
    }
}
