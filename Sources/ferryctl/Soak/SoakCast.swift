internal import Ferry
internal import FerryCrypto
internal import FerryWire
internal import Foundation

/// The processes of one leg of a soak: the relay with a gate before every node, and the nodes. Emitters come with the daemons.
struct SoakCast: Sendable {
    /// Longer than the budget of a take; the default is meant for peers that are away for a minute.
    private static let promiseSeconds = 12

    let transport: DemoTransport
    let folder: DemoFolder
    let relay: RoleClient
    let nodes: [SoakNode]
    let lines: InputLines
    private let emitterConfigurations: [RoleConfiguration]
    private let parts: StartedParts

    /// Starts relay and nodes.
    static func start(
        _ transport: DemoTransport, _ options: SoakOptions, seed: UInt64, _ parts: StartedParts
    ) async throws -> SoakCast {
        let folder = try parts.makeFolder()
        let linesPath = folder.path("lines")
        guard FileManager.default.createFile(atPath: linesPath, contents: Data(text(seed: seed).utf8)) else {
            throw CommandFailure(code: "file", message: "cannot write \(linesPath)")
        }
        let relay = try startRelay(transport, folder, parts)
        var started: [SoakNode] = []
        do {
            var (nodes, emitters) = try configurations(transport, options, folder, parts)
            for index in nodes.indices {
                let gate = try await open(nodes[index].name, transport, folder, relay, seed: seed &+ UInt64(index))
                nodes[index].gate = "\(gate)#\(nodes[index].key)"
            }
            let endpoints = nodes.map(\.gate)
            for index in nodes.indices {
                nodes[index].configuration.knownPeers = endpoints.filter { $0 != nodes[index].gate }
                let node = SoakNode(nodes[index].configuration, behind: nodes[index].gate, in: folder, parts)
                started.append(node)
                relay.send(.relay(.aim(gate: node.name, at: try await node.start())))
            }
            for index in emitters.indices { emitters[index].knownPeers = endpoints }
            return SoakCast(
                transport: transport, folder: folder, relay: relay, nodes: started,
                lines: try InputLines(contentsOf: linesPath), emitterConfigurations: emitters, parts: parts)
        } catch {
            for node in started { await node.finish() }
            await relay.finish()
            throw error
        }
    }

    /// Starts the emitter of a daemon.
    ///
    /// - Parameter place: which of the daemons at any time; successors in a place share an identity.
    func startEmitter(_ place: Int) throws -> RoleClient {
        let configuration = emitterConfigurations[place]
        let path = folder.path("\(configuration.name).json")
        try configuration.write(to: path)
        return RoleClient(name: configuration.name, role: try parts.start { try ProcessRole(configurationPath: path) }) { _ in }
    }

    /// Ends everything that is left.
    func finish() async {
        for node in nodes {
            if node.condition == .suspended { node.proceed() }
            await node.finish()
        }
        await relay.finish()
    }

    // MARK: Beginnings

    /// Lines for the daemons to index: words of a small vocabulary, so that the index grows by positions rather than by words.
    private static func text(seed: UInt64) -> String {
        var noise = Noise(state: seed)
        return (0..<1_000).map { _ in
            (0..<1 + noise.next() % 10).map { _ in "word\(noise.next() % 2_000)" }.joined(separator: " ") + "\n"
        }.joined()
    }

    private struct NodePlan {
        var configuration: RoleConfiguration
        var key: String
        var gate = ""
        var name: String { configuration.name }
    }

    private static func startRelay(_ transport: DemoTransport, _ folder: DemoFolder, _ parts: StartedParts) throws -> RoleClient {
        let path = folder.path("relay.json")
        try RoleConfiguration(kind: .relay, name: "relay", identityPath: "", transport: transport).write(to: path)
        return RoleClient(name: "relay", role: try parts.start { try ProcessRole(configurationPath: path) }) { _ in }
    }

    private static func configurations(
        _ transport: DemoTransport, _ options: SoakOptions, _ folder: DemoFolder, _ parts: StartedParts
    ) throws -> ([NodePlan], [RoleConfiguration]) {
        let crypto = DemoCrypto.default.provider
        func make(_ kind: RoleConfiguration.Kind, _ name: String) throws -> NodePlan {
            let identityPath = folder.path("\(name).identity")
            let key = try parts.make { try NodeIdentity.create(at: identityPath, crypto: crypto).nodeKey.hex }
            var configuration = RoleConfiguration(kind: kind, name: name, identityPath: identityPath, transport: transport)
            configuration.stateByteCount = options.stateSize.byteCount
            configuration.eventRate = options.eventRate
            configuration.linesPath = folder.path("lines")
            return NodePlan(configuration: configuration, key: key)
        }
        var nodes = try (1...options.nodes).map { try make(.node, "node\($0)") }
        let emitters = try (1...options.daemons).map { try make(.emitter, "emitter\($0)") }
        for index in nodes.indices {
            nodes[index].configuration.promiseSeconds = promiseSeconds
            nodes[index].configuration.allowedKeys = (nodes + emitters).map(\.key)
            nodes[index].configuration.orchestratorKeys = nodes.map(\.key)
            nodes[index].configuration.controlPath = folder.path("\(nodes[index].name).control")
            nodes[index].configuration.listenAddress = address(nodes[index].name, transport, folder)
        }
        return (nodes, emitters.map(\.configuration))
    }

    private static func open(
        _ name: String, _ transport: DemoTransport, _ folder: DemoFolder, _ relay: RoleClient, seed: UInt64
    ) async throws -> String {
        relay.send(.relay(.open(gate: name, at: address("gate-\(name)", transport, folder), seed: seed)))
        return try await relay.expect("it opened a gate") { event -> String? in
            guard case .opened(gate: name, let address)? = event.relayReport else { return nil }
            return address
        }
    }

    private static func address(_ name: String, _ transport: DemoTransport, _ folder: DemoFolder) -> String {
        transport == .unix ? "unix:" + folder.path("\(name).sock") : "udp:127.0.0.1:0"
    }
}
