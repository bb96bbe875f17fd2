import Ferry
import FerryChunking
import FerryCrypto
import FerrySodium
import FerryUDP
import FerryWire
import FerryZstd

/// A runtime of one's own: two nodes in one process, a daemon that moves between them while it is fed.
@main
struct CustomRuntime {
    static func main() async throws {
        let (left, right) = (try NodeIdentity.generate(crypto: .sodium), try NodeIdentity.generate(crypto: .sodium))
        let source = try node(left, trusting: right.nodeKey)
        let target = try node(right, trusting: left.nodeKey)
        try await withThrowingDiscardingTaskGroup { group in
            group.addTask { try await source.run() }
            group.addTask { try await target.run() }
            try await target.waitUntilListening()
            try await play(source, target)
            group.cancelAll()
        }
    }

    /// Everything that a host decides about a node is in this one value.
    static func node(_ identity: NodeIdentity, trusting peer: NodeKey) throws -> FerryNode {
        try FerryNode(
            Composition(
                identity: identity,
                crypto: .sodium,
                transports: [.udp(host: "127.0.0.1", port: 0)],
                compressors: [.zstd, .uncompressed],
                daemons: [DaemonRegistration(WordCount.self)],
                peers: .nodes([peer])
            ))
    }

    static func play(_ source: FerryNode, _ target: FerryNode) async throws {
        let daemon = try await source.spawn(WordCount())
        try await source.deliver(Array("to be or not to be".utf8), to: daemon.originHash)
        guard let there = target.endpoints.first else { return }
        let move = try await source.migrate(daemon, to: there)
        for await progress in move.progress { print(progress.phase, progress.byteCount, "bytes") }
        let report = try await move.value
        try await source.deliver(Array("that is the question".utf8), to: daemon.originHash)
        let events = await target.daemons.first?.processedEventCount ?? 0
        print("moved \(report.stateByteCount) bytes, pause \(report.pause); the new owner has processed \(events) event(s)")
        precondition(events == 1, "the event after the move must reach the new owner")
    }
}
