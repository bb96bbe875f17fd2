internal import FerryWire

/// Cuts the plain bytes of a state into chunk records, one open chunk at a time, without allocating per chunk.
///
/// The writer appends until `isFull`, closes the chunk, hands `record` to a stream, and goes on; after the last chunk it closes the
/// trailer and hands over that record. A field needs no room: bytes are taken in as many pieces as it takes, and an integer that is
/// accepted by a chunk with too little room goes on in the next one.
///
/// The buffer is `header ‖ chunk ‖ overflow`: an uncompressed record is one piece without a copy. A closed record stays valid until the
/// next append or close. Memory: one chunk, and one more once a compressor has been used.
public struct ChunkEncoder: ~Copyable, Sendable {
    /// The plain length at which a chunk is full.
    public let chunkByteCount: Int
    /// The most plain bytes in all chunks.
    public let maximumStateByteCount: Int
    /// How many chunks have been closed.
    public private(set) var chunkCount = 0
    /// The plain bytes of all closed chunks.
    public private(set) var closedByteCount = 0

    @usableFromInline
    static var headroom: Int { ChunkFormat.headerByteCount }

    private enum Record {
        case none
        case window(byteCount: Int)
        case compressed(byteCount: Int)
    }

    @usableFromInline
    var window: RawBuffer
    /// Written bytes of the open chunk, past `chunkByteCount` by the overflow of one integer at most.
    @usableFromInline
    var openCount = 0
    /// Bytes at the start of the window that belong to a closed record, to be dropped before the next append.
    @usableFromInline
    var closedCount = 0
    /// `chunkByteCount`, or 0 after the trailer.
    @usableFromInline
    var limit: Int
    private var compressed: RawBuffer
    private var current = Record.none
    private var digest = ChunkDigest()

    /// Allocates the window.
    ///
    /// - Parameters:
    ///   - chunkByteCount: within `ChunkFormat.chunkByteCounts`.
    ///   - maximumStateByteCount: at most `ChunkFormat.maximumStateByteCount`.
    /// - Throws: `.limitExceeded`.
    public init(
        chunkByteCount: Int = ChunkFormat.defaultChunkByteCount, maximumStateByteCount: Int = ChunkFormat.maximumStateByteCount
    ) throws(ChunkingError) {
        guard ChunkFormat.chunkByteCounts.contains(chunkByteCount) else {
            throw ChunkingError(.limitExceeded, "chunks of \(chunkByteCount) bytes are outside \(ChunkFormat.chunkByteCounts)")
        }
        guard (0...ChunkFormat.maximumStateByteCount).contains(maximumStateByteCount) else {
            throw ChunkingError(.limitExceeded, "a state of \(maximumStateByteCount) bytes exceeds the format")
        }
        self.chunkByteCount = chunkByteCount
        self.maximumStateByteCount = maximumStateByteCount
        limit = chunkByteCount
        window = RawBuffer(byteCount: Self.headroom + chunkByteCount + ChunkFormat.maximumIntegerByteCount)
        compressed = RawBuffer(byteCount: 0)
    }

    /// Whether the open chunk must be closed before anything more is appended.
    @inlinable
    public var isFull: Bool { openCount - closedCount >= limit }

    /// Bytes in the open chunk.
    @inlinable
    public var openByteCount: Int { openCount - closedCount }

    /// The plain bytes appended so far.
    public var stateByteCount: Int { closedByteCount + openByteCount }

    /// Appends an integer of at most 16 bytes; false, without effect, when the chunk is full.
    @inlinable
    public mutating func append<Value: FixedWidthInteger & BitwiseCopyable>(littleEndian value: Value) -> Bool {
        if closedCount > 0 { reopen() }
        guard openCount < limit else { return false }
        window.store(littleEndian: value, at: Self.headroom + openCount)
        openCount += MemoryLayout<Value>.size
        return true
    }

    /// Appends as many of `bytes`, from the first, as the open chunk takes, and returns how many; 0 when it is full.
    @inlinable
    public mutating func append(contentsOf bytes: RawSpan) -> Int {
        if closedCount > 0 { reopen() }
        let taken = min(bytes.byteCount, max(limit - openCount, 0))
        window.copy(bytes.extracting(first: taken), to: Self.headroom + openCount)
        openCount += taken
        return taken
    }

    /// Closes the open chunk: `record` is its header and stored bytes, or empty when nothing had been appended.
    ///
    /// The chunk is stored uncompressed where compression does not shrink it. After a throw the chunk is still open.
    ///
    /// - Parameters:
    ///   - compressor: may differ from chunk to chunk.
    ///   - level: within `compressor.levels`; ignored by `Uncompressed`.
    /// - Throws: `.limitExceeded` when the state grows past its maximum, and what the compressor throws.
    public mutating func closeChunk(compressor: some Compressor, level: Int) throws(ChunkingError) {
        if closedCount > 0 { reopen() }
        current = .none
        let plainCount = min(openCount, chunkByteCount)
        guard plainCount > 0 else { return }
        guard closedByteCount <= maximumStateByteCount - plainCount else {
            throw ChunkingError(.limitExceeded, "the state exceeds its maximum of \(maximumStateByteCount) bytes")
        }
        let storedCount = try compress(plainCount, compressor, level)
        let check = xxh3(window.span(Self.headroom..<(Self.headroom + plainCount)))
        let header = ChunkHeader(
            compressorID: storedCount == nil ? 0 : compressor.id, plainByteCount: plainCount, storedByteCount: storedCount ?? plainCount,
            index: chunkCount, check: check)
        if let storedCount {
            header.store(in: &compressed)
            current = .compressed(byteCount: Self.headroom + storedCount)
        } else {
            header.store(in: &window)
            current = .window(byteCount: Self.headroom + plainCount)
        }
        digest.absorb(index: chunkCount, plainByteCount: plainCount, check: check)
        chunkCount += 1
        closedByteCount += plainCount
        closedCount = plainCount
    }

    /// Ends the stream: `record` is the trailer. Nothing may be appended after it.
    ///
    /// The last chunk must have been closed, until `openByteCount` is 0; otherwise this is the caller's mistake, and traps.
    @discardableResult
    public mutating func closeTrailer() -> ChunkTrailer {
        if closedCount > 0 { reopen() }
        precondition(openCount == 0, "the trailer follows the last closed chunk")
        let trailer = ChunkTrailer(chunkCount: chunkCount, stateByteCount: closedByteCount, digest: digest.value)
        trailer.store(in: &window)
        current = .window(byteCount: ChunkFormat.trailerByteCount)
        limit = 0
        return trailer
    }

    /// The record closed last, until the next append or close; empty when there is none.
    public var record: RawSpan {
        @_lifetime(borrow self)
        borrowing get {
            switch current {
            case .none: window.span(0..<0)
            case .window(let byteCount): window.span(0..<byteCount)
            case .compressed(let byteCount): compressed.span(0..<byteCount)
            }
        }
    }

    /// Drops the bytes of the closed record and moves the overflow to the front.
    @usableFromInline
    mutating func reopen() {
        let overflow = openCount - closedCount
        window.move((Self.headroom + closedCount)..<(Self.headroom + openCount), to: Self.headroom)
        openCount = overflow
        closedCount = 0
        current = .none
    }

    /// Returns the stored length, or nil when the chunk is to be stored as it is.
    private mutating func compress(_ plainCount: Int, _ compressor: some Compressor, _ level: Int) throws(ChunkingError) -> Int? {
        guard compressor.id != 0 else { return nil }
        let capacity = Self.headroom + compressor.maximumCompressedByteCount(for: chunkByteCount)
        if compressed.byteCount < capacity { compressed = RawBuffer(byteCount: capacity) }
        let plain = Self.headroom..<(Self.headroom + plainCount)
        let storedCount = try compressed.compress(window, plain, into: Self.headroom..<capacity, compressor, level: level)
        return storedCount < plainCount ? storedCount : nil
    }
}
