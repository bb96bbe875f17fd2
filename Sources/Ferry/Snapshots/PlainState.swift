internal import FerryChunking
internal import FerryWire
internal import Synchronization

/// A daemon's whole state as the plain bytes that it writes: for peers that exchange states without Ferry's chunks.
enum PlainState {
    /// Runs `snapshot(into:)` on a copy of the daemon.
    ///
    /// - Throws: `.limitExceeded` beyond `limit` bytes; what the daemon throws.
    @concurrent
    static func bytes(of daemon: any Daemon, limit: Int) async throws -> [UInt8] {
        let sink = PlainSink(limit: limit)
        var writer = try SnapshotWriter(into: sink)
        try await daemon.snapshot(into: &writer)
        _ = try await writer.finish()
        return sink.bytes
    }

    /// Lets `restore` read `state`, to its last byte.
    ///
    /// - Throws: `.fieldMismatch` when bytes are left; what `restore` throws.
    @concurrent
    static func restore(_ state: [UInt8], with factory: NetMeshDaemonFactory) async throws -> any Daemon {
        let memory = SnapshotMemory()
        var writer = try SnapshotWriter(into: memory)
        try await writer.stream(state.rawSpan)
        _ = try await writer.finish()
        var reader = SnapshotReader(from: memory, maximumStateByteCount: max(state.count, 1))
        let daemon = try await factory.restore(&reader)
        _ = try await reader.finish()
        return daemon
    }
}

/// Takes the records of a state stream apart as they come and keeps their plain bytes.
private final class PlainSink: SnapshotSink {
    private struct State: ~Copyable {
        var decoder: ChunkDecoder
        var bytes: [UInt8] = []
    }

    private let state: Mutex<State>
    private let limit: Int

    init(limit: Int) {
        self.limit = limit
        state = Mutex(State(decoder: ChunkDecoder(compressors: [])))
    }

    var bytes: [UInt8] { state.withLock { $0.bytes } }

    func write(_ bytes: RawSpan) async throws { try take([UInt8](copying: bytes)) }

    // Spans are lent to no closure, so the lock is taken around plain values.
    private func take(_ record: [UInt8]) throws {
        try state.withLock { state in
            var offset = 0
            while offset < record.count {
                offset += try state.decoder.take(record.rawSpan.extracting(offset..<record.count))
                let count = state.decoder.unreadByteCount
                guard state.bytes.count + count <= limit else {
                    throw FerryError(.limitExceeded, "the state exceeds \(limit) bytes")
                }
                state.bytes.append(contentsOf: state.decoder.unreadBytes)
                _ = state.decoder.skip(count)
            }
        }
    }
}
