import Ferry
import FerryChunking
import FerryCrypto
import FerryInMemory
import FerryStateMachines
import FerryTransports
import FerryUDP
import FerryUnixSocket
import FerryWire
import Foundation

/// A daemon that is nothing but bytes that do not compress.
struct Blob: Daemon {
    static let kind = DaemonKind(name: "blob", schemaVersion: 1)

    var contents = PagedBytes()

    init(byteCount: Int) {
        var generator = SystemRandomNumberGenerator()
        while contents.count < byteCount {
            let left = byteCount - contents.count
            contents.appendPart { output in
                for _ in 0..<(min(output.freeCapacity, left) / 8) { output.append(littleEndian: generator.next()) }
            }
        }
    }

    mutating func process(_ event: CausalEvent, into outputs: inout DaemonOutputs) throws {}

    func snapshot(into writer: inout SnapshotWriter) async throws { try await writer.stream(contents) }

    init(restoring reader: inout SnapshotReader) async throws { contents = try await reader.streamPagedBytes() }
}

/// Two nodes of this process with one daemon, which moves from whichever has it to the other.
actor Pair {
    enum TransportName: String, CaseIterable {
        case memory, unix, udp
    }

    private let nodes: [FerryNode]
    private let folder: URL
    private let running: [Task<Void, any Error>]
    private let daemon: EntityID
    private var owner = 0

    init(_ transport: TransportName, _ crypto: CryptoProvider, _ compressor: any Compressor, stateByteCount: Int) async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("ferry-\(UUID().uuidString.prefix(8))")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        self.folder = folder
        let network = InMemoryNetwork()
        let identities = try (0..<2).map { _ in try NodeIdentity.generate(crypto: crypto) }
        nodes = try identities.enumerated().map { index, identity in
            let transport: any Transport =
                switch transport {
                case .memory: InMemoryTransport(network: network, name: "\(index)")
                case .unix: UnixSocketTransport(path: folder.appendingPathComponent("\(index)").path)
                case .udp: UDPTransport(host: "127.0.0.1", port: 0)
                }
            return try FerryNode(
                Composition(
                    identity: identity, crypto: crypto, transports: [transport], compressors: [compressor],
                    daemons: [DaemonRegistration(Blob.self)], peers: .nodes(Set(identities.map(\.nodeKey)))))
        }
        running = nodes.map { node in Task { try await node.run() } }
        for node in nodes { try await node.waitUntilListening() }
        daemon = try await nodes[0].spawn(Blob(byteCount: stateByteCount))
    }

    /// Moves the daemon once, and returns state bytes and the time that the report names.
    func move() async throws -> (byteCount: UInt64, duration: Duration) {
        let target = nodes[1 - owner]
        let report = try await nodes[owner].migrate(daemon, to: target.endpoints[0]).value
        owner = 1 - owner
        return (report.stateByteCount, report.duration)
    }

    /// Stops both nodes.
    func stop() async {
        for node in nodes { node.requestStop() }
        for task in running { _ = try? await task.value }
        try? FileManager.default.removeItem(at: folder)
    }
}
