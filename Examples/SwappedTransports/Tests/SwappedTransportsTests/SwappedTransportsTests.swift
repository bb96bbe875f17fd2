import Ferry
import FerryCrypto
import FerryInMemory
import FerrySodium
import FerryTransports
import FerryUDP
import FerryUnixSocket
import FerryWire
import Foundation
import Testing

/// One integration test; which transport carries it is one line.
@Suite struct SwappedTransportsTests {
    @Test func `a counter moves over memory`() async throws {
        let network = InMemoryNetwork()
        try await moveACounter { name in .inMemory(network, name: name) }
    }

    @Test func `a counter moves over Unix sockets`() async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("ferry-\(UUID().uuidString.prefix(8))").path
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try await moveACounter { name in .unixSocket(path: "\(folder)/\(name).sock") }
    }

    @Test func `a counter moves over UDP`() async throws {
        try await moveACounter { _ in .udp(host: "127.0.0.1", port: 0) }
    }

    /// Feeds a counter on one node, moves it to another, feeds it on, and expects nothing lost and nothing twice.
    private func moveACounter(over transport: (_ name: String) -> any Transport) async throws {
        let (left, right) = (try NodeIdentity.generate(crypto: .sodium), try NodeIdentity.generate(crypto: .sodium))
        let source = try FerryNode(composition(left, trusting: right, transport("source")))
        let target = try FerryNode(composition(right, trusting: left, transport("target")))
        try await withThrowingDiscardingTaskGroup { group in
            group.addTask { try await source.run() }
            group.addTask { try await target.run() }
            try await target.waitUntilListening()
            let there = try #require(target.endpoints.first)

            let daemon = try await source.spawn(Counter())
            for _ in 0..<100 { try await source.deliver([1], to: daemon.originHash) }
            let report = try await source.migrate(daemon, to: there).value
            for _ in 0..<100 { try await source.deliver([1], to: daemon.originHash) }

            #expect(report.stateByteCount == 8)
            let arrived = try #require(await target.daemons.first { $0.origin == daemon.originHash })
            #expect(arrived.standing == .active)
            #expect(arrived.processedEventCount == 100)
            #expect(await source.daemons.first { $0.origin == daemon.originHash }?.standing == .moved)
            group.cancelAll()
        }
    }

    private func composition(_ identity: NodeIdentity, trusting peer: NodeIdentity, _ transport: any Transport) -> Composition {
        Composition(
            identity: identity, crypto: .sodium, transports: [transport], daemons: [DaemonRegistration(Counter.self)],
            peers: .nodes([peer.nodeKey]))
    }
}

/// Counts its events.
struct Counter: Daemon {
    static let kind = DaemonKind(name: "counter", schemaVersion: 1)

    private var count: UInt64 = 0

    init() {}

    mutating func process(_ event: CausalEvent, into outputs: inout DaemonOutputs) throws {
        count += 1
        outputs.emit(Array("\(count)".utf8))
    }

    func snapshot(into writer: inout SnapshotWriter) async throws {
        writer.write(count)
    }

    init(restoring reader: inout SnapshotReader) async throws {
        try await reader.checkpoint(8)
        count = try reader.read(UInt64.self)
    }
}
