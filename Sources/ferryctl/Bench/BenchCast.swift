internal import FerryCrypto
internal import FerryInMemory
internal import FerryWire
internal import Foundation

/// Two nodes, of which the first has the daemon at first and orders its move.
struct BenchCast: Sendable {
    let source: RoleClient
    let target: RoleClient
    private let targetEndpoint: String

    var nodes: [RoleClient] { [source, target] }
    /// Whether each node has a process of its own.
    var isInProcesses: Bool { source.role.processID != nil }

    /// Starts both and waits until they listen.
    static func start(_ transport: DemoTransport, _ options: BenchOptions, in folder: DemoFolder) async throws -> BenchCast {
        var configurations = ["source", "target"].map { name in
            RoleConfiguration(name: name, transport: transport, folder: folder, options: options)
        }
        let crypto = options.crypto.provider
        let keys = try configurations.map { try NodeIdentity.create(at: $0.identityPath, crypto: crypto).nodeKey.hex }
        let network = InMemoryNetwork(frameByteCount: options.frameSize?.byteCount)
        var clients: [RoleClient] = []
        do {
            for index in configurations.indices {
                configurations[index].allowedKeys = keys
                clients.append(try client(configurations[index], folder, network))
            }
            var endpoints: [String] = []
            for client in clients { endpoints.append(try await client.expect("it listened") { $0.endpoint }) }
            return BenchCast(source: clients[0], target: clients[1], targetEndpoint: endpoints[1])
        } catch {
            for client in clients { await client.finish() }
            throw error
        }
    }

    private static func client(_ configuration: RoleConfiguration, _ folder: DemoFolder, _ network: InMemoryNetwork) throws -> RoleClient {
        guard configuration.transport != .memory else {
            return RoleClient(name: configuration.name, role: TaskRole(configuration: configuration, network: network)) { _ in }
        }
        let path = folder.path("\(configuration.name).json")
        try configuration.write(to: path)
        return RoleClient(name: configuration.name, role: try ProcessRole(configurationPath: path)) { _ in }
    }

    /// Begins the daemon's life at the source.
    func spawn(_ kind: BenchDataKind, byteCount: Int) async throws -> SpawnedDaemon {
        source.send(.spawnBlob(kind: kind, byteCount: byteCount))
        return try await source.expect("it spawned the daemon") { $0.spawned }
    }

    /// Moves daemons to the target, all at once.
    func moveAll(_ daemons: [SpawnedDaemon]) async throws -> ([MoveSummary], seconds: Double) {
        source.send(.moveAll(daemons: daemons.map(\.entity), to: targetEndpoint))
        return try await source.expect("the moves ended") { $0.movedAll }
    }

    /// Where a daemon stands: at the source and at the target.
    func standings(of daemon: SpawnedDaemon) async throws -> [String] {
        var standings: [String] = []
        for client in nodes {
            client.send(.standing(origin: daemon.origin))
            standings.append(try await client.expect("its standing") { $0.standing })
        }
        return standings
    }

    /// Moves it to the target.
    func move(_ daemon: SpawnedDaemon) async throws -> MoveSummary {
        source.send(.move(daemon: daemon.entity, from: nil, to: targetEndpoint))
        return try await source.expect("the move ended") { $0.moved }
    }

    /// What both have used so far.
    var processorSeconds: Double? {
        guard isInProcesses else { return ProcessTime.seconds(of: getpid()) }
        let times = nodes.compactMap { client in client.role.processID.flatMap { ProcessTime.seconds(of: $0) } }
        return times.count == nodes.count ? times.reduce(0, +) : nil
    }

    /// Ends both.
    func finish() async {
        for client in nodes { await client.finish() }
    }
}

extension RoleConfiguration {
    /// A node of a benchmark: it hosts blobs and hears no events.
    init(name: String, transport: DemoTransport, folder: DemoFolder, options: BenchOptions) {
        self.init(kind: .node, name: name, identityPath: folder.path("\(name).identity"), transport: transport)
        crypto = options.crypto
        compression = options.compression
        frameByteCount = options.frameSize?.byteCount
        processedLogPath = folder.path("\(name).processed")
        listenAddress =
            switch transport {
            case .udp: "udp:127.0.0.1:0"
            case .unix: "unix:" + folder.path("\(name).sock")
            case .memory: "memory:\(name)"
            }
    }
}
