import FerryChunking
import FerryWire
import Testing

@Suite("Chunk encoder")
struct ChunkEncoderTests {
    @Test("chunks of 64 KiB to 4 MiB are allowed, and nothing else")
    func chunkByteCountLimits() {
        for allowed in [64 << 10, 4 << 20] {
            #expect(code { () throws(ChunkingError) in _ = try ChunkEncoder(chunkByteCount: allowed) } == nil)
        }
        for refused in [(64 << 10) - 1, (4 << 20) + 1, 0, -1] {
            #expect(code { () throws(ChunkingError) in _ = try ChunkEncoder(chunkByteCount: refused) } == .limitExceeded)
        }
    }

    @Test("a state of 2^48 bytes may be announced, one byte more may not")
    func stateLimits() {
        #expect(code { () throws(ChunkingError) in _ = try ChunkEncoder(maximumStateByteCount: 1 << 48) } == nil)
        #expect(code { () throws(ChunkingError) in _ = try ChunkEncoder(maximumStateByteCount: (1 << 48) + 1) } == .limitExceeded)
        #expect(code { () throws(ChunkingError) in _ = try ChunkEncoder(maximumStateByteCount: -1) } == .limitExceeded)
    }

    @Test("a state may reach its maximum and not pass it")
    func stateMaximum() throws {
        var encoder = try ChunkEncoder(maximumStateByteCount: 100)
        #expect(encoder.append(contentsOf: [UInt8](repeating: 1, count: 100).rawSpan) == 100)
        try encoder.closeChunk(compressor: .uncompressed, level: 0)
        let closedCount = encoder.closedByteCount
        #expect(closedCount == 100)
        let tookByte = encoder.append(littleEndian: UInt8(1))
        #expect(tookByte)
        #expect(code { () throws(ChunkingError) in try encoder.closeChunk(compressor: .uncompressed, level: 0) } == .limitExceeded)
    }

    @Test("a full chunk takes nothing more until it is closed")
    func fullChunk() throws {
        var encoder = try ChunkEncoder(chunkByteCount: 64 << 10)
        let taken = encoder.append(contentsOf: [UInt8](repeating: 1, count: 100_000).rawSpan)
        #expect(taken == 64 << 10)
        var isFull = encoder.isFull
        #expect(isFull)
        let tookInteger = encoder.append(littleEndian: UInt64(1))
        #expect(!tookInteger)
        let tookBytes = encoder.append(contentsOf: [1, 2].rawSpan)
        #expect(tookBytes == 0)
        try encoder.closeChunk(compressor: .uncompressed, level: 0)
        isFull = encoder.isFull
        #expect(!isFull)
        let openCount = encoder.openByteCount
        #expect(openCount == 0)
    }

    @Test("an integer of 16 bytes fits a chunk with one free byte, and goes on in the next chunk")
    func widestInteger() throws {
        var encoder = try ChunkEncoder(chunkByteCount: 64 << 10)
        var wire = [UInt8]()
        _ = encoder.append(contentsOf: [UInt8](repeating: 0, count: (64 << 10) - 1).rawSpan)
        let value = UInt128(0x0102_0304_0506_0708) << 64 | 0x090a_0b0c_0d0e_0f10
        let took = encoder.append(littleEndian: value)
        #expect(took)
        try encoder.closeChunk(compressor: .uncompressed, level: 0)
        wire.append(contentsOf: encoder.record)
        let openCount = encoder.openByteCount
        #expect(openCount == 15)
        wire += try encoder.end(compressor: .uncompressed, level: 0)
        let tail = try state(of: wire).suffix(16)
        #expect(Array(tail.reversed()) == Array(1...16))
    }

    @Test("a chunk without bytes makes no record")
    func emptyChunk() throws {
        var encoder = try ChunkEncoder()
        try encoder.closeChunk(compressor: .uncompressed, level: 0)
        let recordCount = encoder.record.byteCount
        #expect(recordCount == 0)
        let chunkCount = encoder.chunkCount
        #expect(chunkCount == 0)
    }

    @Test("a chunk stays open when its compressor fails, and can be closed with another")
    func compressorFails() throws {
        var encoder = try ChunkEncoder()
        _ = encoder.append(contentsOf: [1, 2, 3].rawSpan)
        #expect(code { () throws(ChunkingError) in try encoder.closeChunk(compressor: FailingCompressor(), level: 0) } == .compressorFailed)
        #expect(code { () throws(ChunkingError) in try encoder.closeChunk(compressor: RunLength(), level: 2) } == .levelOutOfRange)
        #expect(try state(of: encoder.end(compressor: .uncompressed, level: 0)) == [1, 2, 3])
    }

    @Test("nothing can be appended after the trailer")
    func afterTrailer() throws {
        var encoder = try ChunkEncoder()
        encoder.closeTrailer()
        let recordCount = encoder.record.byteCount
        #expect(recordCount == ChunkFormat.trailerByteCount)
        let took = encoder.append(littleEndian: UInt8(1))
        #expect(!took)
        let taken = encoder.append(contentsOf: [1].rawSpan)
        #expect(taken == 0)
        let isFull = encoder.isFull
        #expect(isFull)
    }

    @Test("the bytes of a record are those of the format")
    func recordBytes() throws {
        var encoder = try ChunkEncoder()
        _ = encoder.append(contentsOf: Array("ferry".utf8).rawSpan)
        try encoder.closeChunk(compressor: .uncompressed, level: 0)
        let record = [UInt8](copying: encoder.record)
        let check = xxh3(Array("ferry".utf8).rawSpan)
        #expect(record == header(plain: 5, stored: 5, check: check) + Array("ferry".utf8))
        let trailer = encoder.closeTrailer()
        let chained = [UInt8](rawCapacity: 56) { output in
            output.append(contentsOf: [UInt8](repeating: 0, count: 32).rawSpan)
            output.append(littleEndian: UInt64(0))
            output.append(littleEndian: UInt64(5))
            output.append(littleEndian: check)
        }
        #expect(trailer.digest == keyedBlake2s(key: Array("ferry-state-v3".utf8).rawSpan, chained.rawSpan))
        let last = [UInt8](copying: encoder.record)
        #expect(last.prefix(20) == [2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0])
        #expect(Array(last.dropFirst(20)) == trailer.digest.bytes)
    }
}
