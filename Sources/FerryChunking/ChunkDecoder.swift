internal import FerryWire

/// Turns chunk records that arrive in arbitrary pieces back into the plain bytes of a state, one verified chunk at a time.
///
/// Feed it with `take` until `unreadByteCount` suffices, read, and feed it again; after the trailer `isFinished` is true, and `finish()`
/// checks that nothing is missing or left over. Fields may straddle chunks: up to 15 unread bytes are carried to the front of the next
/// chunk, so an integer is always read in one piece, and longer fields are read in as many pieces as they come.
///
/// Every length is checked before memory is reserved for it. Memory: one plain chunk, and one stored chunk once a compressed one did
/// not arrive in one piece. After a throw from `take` the decoder is of no further use, and throws the same error again.
public struct ChunkDecoder: ~Copyable, Sendable {
    /// What a reader accepts.
    public struct Limits: Hashable, Sendable {
        /// The longest plain chunk.
        public var chunkByteCount: Int
        /// The longest state.
        public var stateByteCount: Int

        /// The format's limits, unless told otherwise; larger values are cut to the format's.
        public init(
            chunkByteCount: Int = ChunkFormat.chunkByteCounts.upperBound, stateByteCount: Int = ChunkFormat.maximumStateByteCount
        ) {
            self.chunkByteCount = min(max(chunkByteCount, 0), ChunkFormat.chunkByteCounts.upperBound)
            self.stateByteCount = min(max(stateByteCount, 0), ChunkFormat.maximumStateByteCount)
        }
    }

    private enum Phase {
        case header
        case body(ChunkHeader)
        case trailer
        case finished
        case failed(ChunkingError)
    }

    /// Room before the window for the bytes that are carried over from the chunk before.
    private static var headroom: Int { ChunkFormat.maximumIntegerByteCount }

    /// How many chunks have been verified.
    public private(set) var chunkCount = 0
    /// The plain bytes of all verified chunks.
    public private(set) var stateByteCount = 0

    private let compressors: [any Compressor]
    private let limits: Limits
    private var phase = Phase.header
    private var head = RawBuffer(byteCount: ChunkFormat.trailerByteCount)
    /// Bytes of the header, trailer or body that have arrived.
    private var arrivedCount = 0
    private var stored = RawBuffer(byteCount: 0)
    @usableFromInline
    var window = RawBuffer(byteCount: ChunkDecoder.headroom)
    /// The unread bytes within the window's buffer.
    @usableFromInline
    var unread = 0..<0
    private var digest = ChunkDigest()

    /// - Parameters:
    ///   - compressors: those that chunks may name besides `Uncompressed`, which is always there.
    ///   - limits: what is accepted from the peer.
    public init(compressors: [any Compressor], limits: Limits = Limits()) {
        self.compressors = compressors
        self.limits = limits
    }

    /// Verified bytes that have not been read.
    @inlinable
    public var unreadByteCount: Int { unread.count }

    /// Whether the trailer has come and agrees with all chunks.
    public var isFinished: Bool {
        if case .finished = phase { true } else { false }
    }

    /// How many bytes the record at hand still lacks; 0 while there are 16 or more unread bytes, and after the end.
    public var neededByteCount: Int {
        guard unread.count < Self.headroom else { return 0 }
        switch phase {
        case .header: return ChunkFormat.headerByteCount - arrivedCount
        case .body(let header): return header.storedByteCount - arrivedCount
        case .trailer: return ChunkFormat.trailerByteCount - arrivedCount
        case .finished: return 0
        case .failed: return 0
        }
    }

    /// The trailer, once it has been verified.
    public var trailer: ChunkTrailer? { isFinished ? summary : nil }

    /// Takes the next bytes of the stream, up to the end of one chunk, and returns how many; 0 while 16 or more bytes are unread.
    ///
    /// A compressed chunk that lies in `bytes` as a whole is decompressed from there without a copy.
    ///
    /// - Throws: `.corruptChunk`, `.outOfOrder`, `.unknownCompressor`, `.limitExceeded`; `.truncated` for bytes after the trailer; what a
    ///   compressor throws.
    public mutating func take(_ bytes: RawSpan) throws(ChunkingError) -> Int {
        do throws(ChunkingError) {
            var takenCount = 0
            while takenCount < bytes.byteCount, unread.count < Self.headroom {
                let before = chunkCount
                takenCount += try takePart(bytes.extracting(droppingFirst: takenCount))
                if isFinished || chunkCount > before { break }
            }
            return takenCount
        } catch {
            phase = .failed(error)
            unread = 0..<0
            throw error
        }
    }

    /// Reads an integer of at most 16 bytes; nil, without effect, while fewer bytes are unread.
    @inlinable
    public mutating func read<Value: FixedWidthInteger & BitwiseCopyable>(littleEndian type: Value.Type) -> Value? {
        guard unread.count >= MemoryLayout<Value>.size else { return nil }
        let value = window.load(littleEndianAt: unread.lowerBound, as: type)
        unread = (unread.lowerBound + MemoryLayout<Value>.size)..<unread.upperBound
        return value
    }

    /// Appends unread bytes to `output` until either is exhausted, and returns how many.
    public mutating func read(into output: inout OutputRawSpan) -> Int {
        let count = min(output.freeCapacity, unread.count)
        output.append(contentsOf: window.span(unread.lowerBound..<(unread.lowerBound + count)))
        unread = (unread.lowerBound + count)..<unread.upperBound
        return count
    }

    /// The unread bytes, borrowed until the next call that changes the decoder.
    public var unreadBytes: RawSpan {
        @_lifetime(borrow self)
        borrowing get { window.span(unread) }
    }

    /// Marks the first `byteCount` unread bytes as read; returns how many there were, at most `byteCount`.
    @discardableResult
    public mutating func skip(_ byteCount: Int) -> Int {
        let count = min(max(byteCount, 0), unread.count)
        unread = (unread.lowerBound + count)..<unread.upperBound
        return count
    }

    /// Ends the reading: the stream has ended, and so must have the reader.
    ///
    /// - Throws: `.truncated` when the trailer has not come, `.fieldMismatch` when bytes are unread, and what `take` threw.
    public func finish() throws(ChunkingError) -> ChunkTrailer {
        if case .failed(let error) = phase { throw error }
        guard isFinished else { throw ChunkingError(.truncated, "the state ended after chunk \(chunkCount) without its trailer") }
        guard unread.isEmpty else { throw ChunkingError(.fieldMismatch, "\(unread.count) bytes of the state were not read") }
        return summary
    }
}

extension ChunkDecoder {
    private var summary: ChunkTrailer { ChunkTrailer(chunkCount: chunkCount, stateByteCount: stateByteCount, digest: digest.value) }

    private mutating func takePart(_ bytes: RawSpan) throws(ChunkingError) -> Int {
        switch phase {
        case .header:
            return try takeHeader(bytes)
        case .body(let header):
            return try takeBody(bytes, header)
        case .trailer:
            let count = takeHead(bytes, of: ChunkFormat.trailerByteCount)
            if arrivedCount == ChunkFormat.trailerByteCount {
                try summary.verify(head)
                phase = .finished
            }
            return count
        case .finished:
            throw ChunkingError(.truncated, "the stream goes on after its trailer")
        case .failed(let error):
            throw error
        }
    }

    /// Gathers up to `total` bytes in `head`.
    private mutating func takeHead(_ bytes: RawSpan, of total: Int) -> Int {
        let count = min(bytes.byteCount, total - arrivedCount)
        head.copy(bytes.extracting(first: count), to: arrivedCount)
        arrivedCount += count
        return count
    }

    private mutating func takeHeader(_ bytes: RawSpan) throws(ChunkingError) -> Int {
        if arrivedCount == 0 {
            switch bytes.byte(at: 0) {
            case ChunkFormat.chunkType: break
            case ChunkFormat.trailerType:
                phase = .trailer
                return 0
            case let type: throw ChunkingError(.corruptChunk, "record type \(type) after chunk \(chunkCount)")
            }
        }
        let count = takeHead(bytes, of: ChunkFormat.headerByteCount)
        guard arrivedCount == ChunkFormat.headerByteCount else { return count }
        let header = try ChunkHeader(parsing: head, expectedIndex: chunkCount, maximumByteCount: limits.chunkByteCount)
        guard header.plainByteCount <= limits.stateByteCount - stateByteCount else {
            throw ChunkingError(.limitExceeded, "the state exceeds \(limits.stateByteCount) bytes at chunk \(chunkCount)")
        }
        if header.compressorID != 0 { _ = try compressor(for: header) }
        openWindow(header.plainByteCount)
        arrivedCount = 0
        phase = .body(header)
        return count
    }

    /// Moves the unread tail to the headroom and makes room for the chunk behind it.
    private mutating func openWindow(_ plainByteCount: Int) {
        let capacity = Self.headroom + plainByteCount
        let front = Self.headroom - unread.count
        if window.byteCount < capacity {
            var larger = RawBuffer(byteCount: capacity)
            larger.copy(window.span(unread), to: front)
            window = larger
        } else {
            window.move(unread, to: front)
        }
        unread = front..<Self.headroom
    }

    private mutating func takeBody(_ bytes: RawSpan, _ header: ChunkHeader) throws(ChunkingError) -> Int {
        let storedCount = header.storedByteCount
        let count = min(bytes.byteCount, storedCount - arrivedCount)
        let part = bytes.extracting(first: count)
        let plain = Self.headroom..<(Self.headroom + header.plainByteCount)
        var plainCount = header.plainByteCount
        if header.compressorID == 0 {
            window.copy(part, to: Self.headroom + arrivedCount)
        } else if count == storedCount {
            plainCount = try window.decompress(part, into: plain, compressor(for: header))
        } else {
            if stored.byteCount < storedCount { stored = RawBuffer(byteCount: storedCount) }
            stored.copy(part, to: arrivedCount)
            if arrivedCount + count == storedCount {
                plainCount = try window.decompress(stored, prefix: storedCount, into: plain, compressor(for: header))
            }
        }
        arrivedCount += count
        guard plainCount == header.plainByteCount else {
            throw ChunkingError(.corruptChunk, "chunk \(header.index) has \(plainCount) bytes instead of \(header.plainByteCount)")
        }
        if arrivedCount == storedCount { try closeChunk(header) }
        return count
    }

    private func compressor(for header: ChunkHeader) throws(ChunkingError) -> any Compressor {
        if let compressor = compressors.first(where: { $0.id == header.compressorID }) { return compressor }
        throw ChunkingError(.unknownCompressor, "chunk \(header.index) names compressor \(header.compressorID)")
    }

    private mutating func closeChunk(_ header: ChunkHeader) throws(ChunkingError) {
        let range = Self.headroom..<(Self.headroom + header.plainByteCount)
        guard xxh3(window.span(range)) == header.check else {
            throw ChunkingError(.corruptChunk, "chunk \(header.index) fails its XXH3-64")
        }
        digest.absorb(index: header.index, plainByteCount: header.plainByteCount, check: header.check)
        chunkCount += 1
        stateByteCount += header.plainByteCount
        unread = unread.lowerBound..<range.upperBound
        arrivedCount = 0
        phase = .header
    }
}
