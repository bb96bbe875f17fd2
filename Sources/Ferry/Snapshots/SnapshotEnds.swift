internal import FerryWire
internal import Synchronization

/// Takes the records of a state stream: a bulk stream of a session, a file, or memory.
public protocol SnapshotSink: Sendable {
    /// Takes all of `bytes`, waiting for room; the bytes are the caller's again when it returns.
    func write(_ bytes: RawSpan) async throws
}

/// Gives the records of a state stream in pieces of any size.
public protocol SnapshotSource: Sendable {
    /// Appends at least one byte to `buffer`, at most its free capacity.
    ///
    /// - Returns: false, without a byte, at the end.
    func read(into buffer: inout OutputRawSpan) async throws -> Bool
}

/// Counts records and forgets them; for measurements, and for a state's digest.
public struct DiscardingSnapshotSink: SnapshotSink {
    /// Makes the sink; it has no state.
    public init() {}

    /// Forgets the bytes.
    public func write(_ bytes: RawSpan) async throws {}
}

/// Keeps a whole state stream in memory; for tests and small states.
public final class SnapshotMemory: SnapshotSink, SnapshotSource {
    private struct State {
        var bytes: [UInt8]
        var readCount = 0
    }

    private let state: Mutex<State>

    /// Starts with the given stream, empty by default.
    public init(_ bytes: [UInt8] = []) {
        state = Mutex(State(bytes: bytes))
    }

    /// The stream so far.
    public var bytes: [UInt8] { state.withLock { $0.bytes } }

    /// Appends the bytes.
    public func write(_ bytes: RawSpan) async throws { append(bytes) }

    /// Appends the next bytes to `buffer`.
    public func read(into buffer: inout OutputRawSpan) async throws -> Bool {
        let (bytes, range) = next(buffer.freeCapacity)
        buffer.append(contentsOf: bytes.rawSpan.extracting(range))
        return !range.isEmpty
    }

    // Spans are lent to no closure, so the lock is taken around plain values.
    private func append(_ span: RawSpan) {
        let copy = [UInt8](copying: span)
        state.withLock { $0.bytes += copy }
    }

    private func next(_ byteCount: Int) -> ([UInt8], Range<Int>) {
        state.withLock { state in
            let start = state.readCount
            state.readCount += min(byteCount, state.bytes.count - start)
            return (state.bytes, start..<state.readCount)
        }
    }
}
