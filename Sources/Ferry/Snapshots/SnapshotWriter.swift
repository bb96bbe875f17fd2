public import FerryChunking

/// Takes the fields of a daemon's state and streams them out in chunks, within a bounded window.
///
/// Field calls are synchronous and write into the open window; `checkpoint()` awaits, at most once a chunk, until the transport took
/// what is full. Call it wherever it suits the structure of the state, such as after each element:
///
/// ```swift
/// func snapshot(into writer: inout SnapshotWriter) async throws {
///     writer.write(UInt64(entries.count))
///     for (key, value) in entries {
///         writer.write(key)
///         writer.write(value)
///         try await writer.checkpoint()
///     }
/// }
/// ```
///
/// Between two checkpoints at most ``windowByteCount`` bytes may be written; beyond it the fields are dropped and the next checkpoint
/// throws `.windowExceeded`. For longer runs of bytes there is ``stream(_:)``. Memory: one chunk, its compressed form, and what was
/// written past the chunk since the last checkpoint. Fields carry no types: a reader must ask for what was written, in the same order.
public struct SnapshotWriter: ~Copyable {
    /// The most bytes between two checkpoints: 8 MiB.
    public static let windowByteCount = 8 << 20

    @usableFromInline
    var encoder: ChunkEncoder
    /// Bytes written past the full chunk; they wait for the checkpoint.
    @usableFromInline
    var overflow = WindowBuffer(byteCount: 0)
    @usableFromInline
    var overflowCount = 0
    @usableFromInline
    var failure: FerryError?
    /// Record bytes given to the sink so far: after compression, with headers.
    public private(set) var wireByteCount: UInt64 = 0

    private let sink: any SnapshotSink
    private let compressor: any Compressor
    private let level: Int
    private var probe = CompressionProbe()
    private var pace = CorePace.ifInBackground
    private let onProgress: (@Sendable (_ stateByteCount: Int, _ wireByteCount: UInt64) -> Void)?

    /// Opens a stream of state.
    ///
    /// - Parameters:
    ///   - sink: takes the records.
    ///   - compressor: what chunks are compressed with; one that does not shrink is stored as it is.
    ///   - level: within `compressor.levels`; nil takes the level 1, or the lowest where 1 is outside.
    ///   - chunkByteCount: within `ChunkFormat.chunkByteCounts`.
    /// - Throws: `.limitExceeded`.
    public init(
        into sink: any SnapshotSink, compressor: any Compressor = Uncompressed(), level: Int? = nil,
        chunkByteCount: Int = ChunkFormat.defaultChunkByteCount
    ) throws(FerryError) {
        try self.init(into: sink, compressor: compressor, level: level, chunkByteCount: chunkByteCount, onProgress: nil)
    }

    /// The same with a callback after every chunk, for progress reports.
    init(
        into sink: any SnapshotSink, compressor: any Compressor, level: Int?, chunkByteCount: Int,
        onProgress: (@Sendable (_ stateByteCount: Int, _ wireByteCount: UInt64) -> Void)?
    ) throws(FerryError) {
        let levels = compressor.levels
        self.level = level ?? (levels.contains(1) ? 1 : levels.lowerBound)
        guard levels.contains(self.level) else {
            throw FerryError(.limitExceeded, "compression level \(self.level) is outside \(levels)")
        }
        do {
            encoder = try ChunkEncoder(chunkByteCount: chunkByteCount)
        } catch {
            throw FerryError(.limitExceeded, error.message, cause: error)
        }
        self.sink = sink
        self.compressor = compressor
        self.onProgress = onProgress
    }

    /// Plain bytes written so far.
    public var stateByteCount: Int { encoder.stateByteCount + overflowCount }

    /// Whether a chunk is full, so that a checkpoint would hand it over.
    @inlinable
    public var needsCheckpoint: Bool { encoder.isFull || failure != nil }

    /// Hands full chunks to the sink; returns at once, without a suspension, while none is full.
    ///
    /// - Throws: `.windowExceeded`; what the compressor or the sink throws.
    @inlinable
    public mutating func checkpoint() async throws {
        if needsCheckpoint { try await flush() }
    }

    /// Writes bytes of any length, as they are, awaiting once a chunk.
    ///
    /// - Throws: as ``checkpoint()``.
    public mutating func stream(_ bytes: RawSpan) async throws {
        try await checkpoint()
        var offset = 0
        while offset < bytes.byteCount {
            offset += encoder.append(contentsOf: bytes.extracting(offset..<bytes.byteCount))
            try await checkpoint()
        }
    }

    /// Ends the state: the rest, and the trailer.
    ///
    /// - Throws: as ``checkpoint()``.
    public mutating func finish() async throws -> ChunkTrailer {
        try await flush()
        try await closeChunk()
        let trailer = encoder.closeTrailer()
        try await sendRecord()
        return trailer
    }

    @usableFromInline
    mutating func flush() async throws {
        if let failure { throw failure }
        while encoder.isFull {
            try await closeChunk()
            refill()
        }
    }

    private mutating func closeChunk() async throws {
        if compressor.id == Uncompressed().id || !probe.nextIsTried() {
            try encoder.closeChunk(compressor: Uncompressed(), level: 0)
        } else {
            let closedBefore = encoder.closedByteCount
            try encoder.closeChunk(compressor: compressor, level: level)
            let plainByteCount = encoder.closedByteCount - closedBefore
            probe.tried(shrank: encoder.record.byteCount < plainByteCount)
        }
        try await sendRecord()
        onProgress?(encoder.closedByteCount, wireByteCount)
    }

    private mutating func sendRecord() async throws {
        let byteCount = encoder.record.byteCount
        guard byteCount > 0 else { return }
        try await sink.write(encoder.record)
        wireByteCount += UInt64(byteCount)
        pace?.offerCore()
    }

    private mutating func refill() {
        guard overflowCount > 0 else { return }
        let taken = Self.append(overflow, overflowCount, to: &encoder)
        overflow.move(taken..<overflowCount, to: 0)
        overflowCount -= taken
    }

    // Lending one field to a method of another would lend all of `self`.
    private static func append(_ overflow: borrowing WindowBuffer, _ byteCount: Int, to encoder: inout ChunkEncoder) -> Int {
        encoder.append(contentsOf: overflow.span(0..<byteCount))
    }

    @usableFromInline
    mutating func spill(_ bytes: RawSpan) {
        guard failure == nil else { return }
        let byteCount = overflowCount + bytes.byteCount
        guard byteCount <= Self.windowByteCount else {
            failure = FerryError(
                .windowExceeded, "more than \(Self.windowByteCount) bytes were written without a checkpoint")
            return
        }
        if byteCount > overflow.byteCount {
            overflow.grow(to: min(max(byteCount, 2 * overflow.byteCount), Self.windowByteCount), keeping: 0..<overflowCount)
        }
        overflow.copy(bytes, to: overflowCount)
        overflowCount = byteCount
    }
}
