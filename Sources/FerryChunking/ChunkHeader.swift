internal import FerryWire

/// What precedes a chunk's stored bytes; see `ChunkFormat`.
struct ChunkHeader {
    var compressorID: UInt8
    var plainByteCount: Int
    var storedByteCount: Int
    var index: Int
    var check: UInt64

    func store(in buffer: inout RawBuffer) {
        buffer.store(littleEndian: ChunkFormat.chunkType, at: 0)
        buffer.store(littleEndian: compressorID, at: 1)
        buffer.store(littleEndian: UInt16(0), at: 2)
        buffer.store(littleEndian: UInt32(plainByteCount), at: 4)
        buffer.store(littleEndian: UInt32(storedByteCount), at: 8)
        buffer.store(littleEndian: UInt64(index), at: 12)
        buffer.store(littleEndian: check, at: 20)
    }

    /// Parses `headerByteCount` bytes that start with the chunk type.
    ///
    /// - Throws: `.corruptChunk`, `.outOfOrder`, `.limitExceeded`.
    init(parsing bytes: borrowing RawBuffer, expectedIndex: Int, maximumByteCount: Int) throws(ChunkingError) {
        compressorID = bytes.load(littleEndianAt: 1, as: UInt8.self)
        plainByteCount = Int(bytes.load(littleEndianAt: 4, as: UInt32.self))
        storedByteCount = Int(bytes.load(littleEndianAt: 8, as: UInt32.self))
        let index = bytes.load(littleEndianAt: 12, as: UInt64.self)
        check = bytes.load(littleEndianAt: 20, as: UInt64.self)
        guard bytes.load(littleEndianAt: 2, as: UInt16.self) == 0 else {
            throw ChunkingError(.corruptChunk, "reserved bytes of a chunk are not zero")
        }
        guard index == UInt64(expectedIndex) else {
            throw ChunkingError(.outOfOrder, "chunk \(index) came where chunk \(expectedIndex) was due")
        }
        self.index = expectedIndex
        guard plainByteCount <= maximumByteCount else {
            throw ChunkingError(.limitExceeded, "chunk \(index) has \(plainByteCount) bytes, more than \(maximumByteCount)")
        }
        guard plainByteCount > 0, compressorID == 0 ? storedByteCount == plainByteCount : (1..<plainByteCount).contains(storedByteCount)
        else {
            throw ChunkingError(
                .corruptChunk, "chunk \(index) stores \(storedByteCount) bytes for \(plainByteCount) under compressor \(compressorID)")
        }
    }

    init(compressorID: UInt8, plainByteCount: Int, storedByteCount: Int, index: Int, check: UInt64) {
        self.compressorID = compressorID
        self.plainByteCount = plainByteCount
        self.storedByteCount = storedByteCount
        self.index = index
        self.check = check
    }
}

extension ChunkTrailer {
    func store(in buffer: inout RawBuffer) {
        buffer.store(littleEndian: UInt32(ChunkFormat.trailerType), at: 0)
        buffer.store(littleEndian: UInt64(chunkCount), at: 4)
        buffer.store(littleEndian: UInt64(stateByteCount), at: 12)
        _ = buffer.withOutput(20..<ChunkFormat.trailerByteCount) { digest.append(to: &$0) }
    }

    /// Checks `trailerByteCount` bytes against what the chunks said.
    ///
    /// - Throws: `.corruptChunk`.
    func verify(_ bytes: borrowing RawBuffer) throws(ChunkingError) {
        guard bytes.load(littleEndianAt: 0, as: UInt32.self) == UInt32(ChunkFormat.trailerType),
            bytes.load(littleEndianAt: 4, as: UInt64.self) == UInt64(chunkCount),
            bytes.load(littleEndianAt: 12, as: UInt64.self) == UInt64(stateByteCount),
            FixedBytes32(copying: bytes.span(20..<ChunkFormat.trailerByteCount)) == digest
        else { throw ChunkingError(.corruptChunk, "the trailer disagrees with the \(chunkCount) chunks before it") }
    }
}
