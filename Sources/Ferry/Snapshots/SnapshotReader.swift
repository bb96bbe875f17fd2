public import FerryChunking
internal import FerryWire

/// Gives the fields of a daemon's state as the stream arrives, within a bounded window; the mirror of ``SnapshotWriter``.
///
/// Field calls are synchronous and read what is decoded; ``checkpoint(_:)`` awaits until enough is. A daemon asks for one before each
/// element, as its snapshot had one after each:
///
/// ```swift
/// init(restoring reader: inout SnapshotReader) async throws {
///     try await reader.checkpoint()
///     let count = try reader.read(UInt64.self)
///     for _ in 0..<count {
///         try await reader.checkpoint()
///         entries[try reader.readText(limit: 256)] = try reader.readBytes(limit: 4_096)
///     }
/// }
/// ```
///
/// Every chunk is verified before a field of it is seen. Nothing says how many elements a hostile stream announces: hold counts against
/// limits before reserving memory for them.
public struct SnapshotReader: ~Copyable {
    /// What a checkpoint guarantees unless told otherwise: 64 KiB.
    public static let checkpointByteCount = 64 << 10

    @usableFromInline
    var window = WindowBuffer(byteCount: 0)
    /// The decoded and unread bytes of the window.
    @usableFromInline
    var unread = 0..<0

    var decoder: ChunkDecoder
    private let source: any SnapshotSource
    private var input: WindowBuffer
    private var pace = CorePace.ifInBackground
    private var arrived = 0..<0
    /// Record bytes that the source gave.
    public private(set) var wireByteCount: UInt64 = 0
    private let onProgress: (@Sendable (_ stateByteCount: Int, _ wireByteCount: UInt64) -> Void)?

    /// Opens a stream of state.
    ///
    /// - Parameters:
    ///   - source: gives the records.
    ///   - compressors: those that chunks may name besides `Uncompressed`.
    ///   - maximumStateByteCount: longer states are refused.
    public init(
        from source: any SnapshotSource, compressors: [any Compressor] = [],
        maximumStateByteCount: Int = ChunkFormat.maximumStateByteCount
    ) {
        self.init(from: source, compressors: compressors, maximumStateByteCount: maximumStateByteCount, onProgress: nil)
    }

    init(
        from source: any SnapshotSource, compressors: [any Compressor], maximumStateByteCount: Int,
        onProgress: (@Sendable (_ stateByteCount: Int, _ wireByteCount: UInt64) -> Void)?
    ) {
        decoder = ChunkDecoder(compressors: compressors, limits: .init(stateByteCount: maximumStateByteCount))
        self.source = source
        self.onProgress = onProgress
        input = WindowBuffer(byteCount: ChunkFormat.defaultChunkByteCount)
    }

    /// Decoded bytes that can be read without awaiting.
    @inlinable
    public var unreadByteCount: Int { unread.count }

    /// Plain bytes of all chunks verified so far.
    public var stateByteCount: Int { decoder.stateByteCount }

    /// Makes sure that at least `byteCount` bytes, or all that are left, can be read; no suspension while they can.
    ///
    /// - Parameter byteCount: at most ``SnapshotWriter/windowByteCount``.
    /// - Throws: `.windowExceeded`, `.truncated`; a `ChunkingError`; what the source throws.
    @inlinable
    public mutating func checkpoint(_ byteCount: Int = SnapshotReader.checkpointByteCount) async throws {
        if unread.count < byteCount { try await fill(byteCount) }
    }

    /// Whether every byte of the state has been read; awaits only when nothing is decoded.
    ///
    /// - Throws: as ``checkpoint(_:)``.
    public mutating func isAtEnd() async throws -> Bool {
        try await checkpoint(1)
        return unread.isEmpty
    }

    /// Fills the free capacity of `output`, however large, awaiting once a chunk.
    ///
    /// - Throws: `.truncated` when the state ends before; as ``checkpoint(_:)``.
    public mutating func stream(into output: inout OutputRawSpan) async throws {
        takeWindow(min(output.freeCapacity, unread.count), into: &output)
        while output.freeCapacity > 0 {
            if decoder.unreadByteCount == 0 {
                guard try await feed() else { throw truncated(output.freeCapacity) }
            }
            _ = decoder.read(into: &output)
        }
    }

    /// Ends the reading: all must have been read, and the stream must end where its trailer says.
    ///
    /// - Throws: `.fieldMismatch` when bytes are left; as ``checkpoint(_:)``.
    public mutating func finish() async throws -> ChunkTrailer {
        guard try await isAtEnd() else {
            throw FerryError(.fieldMismatch, "the state has more fields than were read")
        }
        let trailer = try decoder.finish()
        guard arrived.isEmpty, try await input.fill(from: source) == nil else {
            throw FerryError(.fieldMismatch, "the stream goes on after its trailer")
        }
        return trailer
    }

    @usableFromInline
    mutating func fill(_ byteCount: Int) async throws {
        guard byteCount <= SnapshotWriter.windowByteCount else {
            throw FerryError(.windowExceeded, "a checkpoint of \(byteCount) bytes exceeds \(SnapshotWriter.windowByteCount)")
        }
        while unread.count < byteCount {
            if decoder.unreadByteCount == 0 {
                guard try await feed() else { return }
            }
            takeDecoded()
        }
    }

    /// Decodes until something is readable; false at the end of the state.
    mutating func feed() async throws -> Bool {
        while decoder.unreadByteCount == 0 {
            guard !decoder.isFinished else { return false }
            if arrived.isEmpty {
                guard let byteCount = try await input.fill(from: source) else { throw truncated(1) }
                wireByteCount += UInt64(byteCount)
                arrived = 0..<byteCount
            }
            let taken = try Self.decode(input, arrived, with: &decoder)
            arrived = (arrived.lowerBound + taken)..<arrived.upperBound
        }
        onProgress?(decoder.stateByteCount, wireByteCount)
        pace?.offerCore()
        return true
    }

    // Lending one field to a method of another would lend all of `self`.
    private static func decode(
        _ input: borrowing WindowBuffer, _ range: Range<Int>, with decoder: inout ChunkDecoder
    ) throws(ChunkingError) -> Int {
        try decoder.take(input.span(range))
    }

    private static func copy(_ decoder: borrowing ChunkDecoder, to offset: Int, of window: inout WindowBuffer) {
        window.copy(decoder.unreadBytes, to: offset)
    }

    /// Moves what the decoder holds behind the unread bytes of the window.
    private mutating func takeDecoded() {
        let added = decoder.unreadByteCount
        if window.byteCount - unread.upperBound < added {
            let total = unread.count + added
            if window.byteCount < total {
                window.grow(to: total, keeping: unread)
            } else {
                window.move(unread, to: 0)
            }
            unread = 0..<unread.count
        }
        Self.copy(decoder, to: unread.upperBound, of: &window)
        decoder.skip(added)
        unread = unread.lowerBound..<(unread.upperBound + added)
    }

    mutating func takeWindow(_ byteCount: Int, into output: inout OutputRawSpan) {
        output.append(contentsOf: window.span(unread.lowerBound..<(unread.lowerBound + byteCount)))
        unread = (unread.lowerBound + byteCount)..<unread.upperBound
    }

    private func truncated(_ byteCount: Int) -> FerryError {
        FerryError(.truncated, "the state ends \(byteCount) bytes before the field does")
    }

    /// Why `byteCount` bytes cannot be read without awaiting.
    @usableFromInline
    func lacking(_ byteCount: Int) -> FerryError {
        decoder.isFinished && decoder.unreadByteCount == 0
            ? truncated(byteCount - unread.count)
            : FerryError(.checkpointMissing, "\(byteCount) bytes are asked for and \(unread.count) are decoded")
    }
}
