import FerryChunking
import FerryWire

/// SplitMix64: the same bytes in every run.
struct SeededBytes {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }

    mutating func bytes(_ count: Int) -> [UInt8] {
        var bytes = [UInt8](rawCapacity: count + 8) { output in
            for _ in 0...(count / 8) { output.append(littleEndian: next()) }
        }
        bytes.removeLast(bytes.count - count)
        return bytes
    }
}

/// Stores (count, byte) pairs; doubles what has no runs.
struct RunLength: Compressor {
    var id: UInt8 = 7
    var levels: ClosedRange<Int> { 1...1 }

    func maximumCompressedByteCount(for byteCount: Int) -> Int { 2 * byteCount }

    func compress(_ input: RawSpan, level: Int, into output: inout OutputRawSpan) throws(ChunkingError) {
        guard levels.contains(level) else { throw ChunkingError(.levelOutOfRange, "run lengths have level 1") }
        var offset = 0
        while offset < input.byteCount {
            let value = input.byte(at: offset)
            var end = offset
            while end < input.byteCount, end - offset < 255, input.byte(at: end) == value { end += 1 }
            guard output.freeCapacity >= 2 else { throw ChunkingError(.bufferTooSmall, "run lengths") }
            output.append(littleEndian: UInt8(end - offset))
            output.append(littleEndian: value)
            offset = end
        }
    }

    func decompress(_ input: RawSpan, into output: inout OutputRawSpan) throws(ChunkingError) {
        guard input.byteCount.isMultiple(of: 2) else { throw ChunkingError(.corruptChunk, "run lengths") }
        for offset in stride(from: 0, to: input.byteCount, by: 2) {
            guard Int(input.byte(at: offset)) <= output.freeCapacity else { throw ChunkingError(.bufferTooSmall, "run lengths") }
            for _ in 0..<input.byte(at: offset) { output.append(littleEndian: input.byte(at: offset + 1)) }
        }
    }
}

/// Claims to compress and always fails.
struct FailingCompressor: Compressor {
    var id: UInt8 { 9 }
    var levels: ClosedRange<Int> { 0...0 }
    func maximumCompressedByteCount(for byteCount: Int) -> Int { byteCount }
    func compress(_ input: RawSpan, level: Int, into output: inout OutputRawSpan) throws(ChunkingError) {
        throw ChunkingError(.compressorFailed, "always")
    }
    func decompress(_ input: RawSpan, into output: inout OutputRawSpan) throws(ChunkingError) {
        throw ChunkingError(.corruptChunk, "always")
    }
}

extension ChunkEncoder {
    /// Appends all of `bytes`, closing chunks as they fill, and returns the records.
    mutating func appendAll(_ bytes: [UInt8], compressor: some Compressor, level: Int) throws(ChunkingError) -> [UInt8] {
        var records = [UInt8]()
        var offset = 0
        while offset < bytes.count {
            offset += append(contentsOf: bytes.rawSpan.extracting(droppingFirst: offset))
            if isFull {
                try closeChunk(compressor: compressor, level: level)
                records.append(contentsOf: record)
            }
        }
        return records
    }

    /// Closes what is open, then the trailer.
    mutating func end(compressor: some Compressor, level: Int) throws(ChunkingError) -> [UInt8] {
        var records = [UInt8]()
        while openByteCount > 0 {
            try closeChunk(compressor: compressor, level: level)
            records.append(contentsOf: record)
            if openByteCount == 0 { break }
        }
        closeTrailer()
        records.append(contentsOf: record)
        return records
    }
}

/// The stream of a state in chunks of 64 KiB.
func stream(
    of state: [UInt8], chunkByteCount: Int = 64 << 10, compressor: some Compressor = .uncompressed, level: Int = 0
) throws(ChunkingError) -> [UInt8] {
    var encoder = try ChunkEncoder(chunkByteCount: chunkByteCount)
    let records = try encoder.appendAll(state, compressor: compressor, level: level)
    return try records + encoder.end(compressor: compressor, level: level)
}

/// Feeds a stream in pieces of `pieceByteCount` and returns the state.
func state(
    of stream: [UInt8], pieceByteCount: Int = 1 << 30, limits: ChunkDecoder.Limits = .init(), compressors: [any Compressor] = [RunLength()]
) throws(ChunkingError) -> [UInt8] {
    var decoder = ChunkDecoder(compressors: compressors, limits: limits)
    var state = [UInt8]()
    var offset = 0
    while offset < stream.count {
        let end = min(stream.count, offset + pieceByteCount)
        while offset < end {
            offset += try decoder.take(stream.rawSpan.extracting(offset..<end))
            state.append(contentsOf: decoder.unreadBytes)
            decoder.skip(decoder.unreadByteCount)
        }
    }
    _ = try decoder.finish()
    return state
}

/// The code that `body` throws.
func code(_ body: () throws(ChunkingError) -> Void) -> ChunkingError.Code? {
    do throws(ChunkingError) {
        try body()
        return nil
    } catch {
        return error.code
    }
}

/// Builds chunk headers by hand, to break them.
func header(
    type: UInt8 = 1, compressor: UInt8 = 0, reserved: UInt16 = 0, plain: Int, stored: Int, index: UInt64 = 0, check: UInt64 = 0
) -> [UInt8] {
    [UInt8](rawCapacity: ChunkFormat.headerByteCount) { output in
        output.append(littleEndian: type)
        output.append(littleEndian: compressor)
        output.append(littleEndian: reserved)
        output.append(littleEndian: UInt32(plain))
        output.append(littleEndian: UInt32(stored))
        output.append(littleEndian: index)
        output.append(littleEndian: check)
    }
}
