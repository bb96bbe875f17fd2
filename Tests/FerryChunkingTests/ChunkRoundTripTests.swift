import FerryChunking
import FerryWire
import Testing

@Suite("State to chunks and back")
struct ChunkRoundTripTests {
    private static let chunk = 64 << 10

    @Test(
        "every size comes back, whatever the pieces in which it arrives",
        arguments: [0, 1, 15, 16, 17, chunk - 1, chunk, chunk + 1, 3 * chunk + 7], [1, 7, 27, 28, 29, 4_096, 1 << 30])
    func everySizeInEveryPiece(byteCount: Int, pieceByteCount: Int) throws {
        var seeded = SeededBytes(seed: 1)
        let original = seeded.bytes(byteCount)
        let wire = try stream(of: original)
        #expect(try state(of: wire, pieceByteCount: pieceByteCount) == original)
    }

    @Test("compressed chunks come back, whatever the pieces in which they arrive", arguments: [1, 29, 1_000, 1 << 30])
    func compressedInEveryPiece(pieceByteCount: Int) throws {
        let original = (0..<(200 << 10)).map { UInt8($0 >> 9 & 255) }
        let wire = try stream(of: original, compressor: RunLength(), level: 1)
        #expect(wire.count < original.count / 10)
        #expect(try state(of: wire, pieceByteCount: pieceByteCount) == original)
    }

    @Test("a chunk that compression does not shrink is stored as it is")
    func incompressibleIsStored() throws {
        var seeded = SeededBytes(seed: 2)
        let original = seeded.bytes(100 << 10)
        #expect(try stream(of: original, compressor: RunLength(), level: 1) == stream(of: original))
    }

    @Test("compressor and level may change from chunk to chunk")
    func compressorChanges() throws {
        var encoder = try ChunkEncoder(chunkByteCount: Self.chunk)
        let zeros = [UInt8](repeating: 0, count: Self.chunk)
        var wire = try encoder.appendAll(zeros, compressor: RunLength(), level: 1)
        let compressedByteCount = wire.count
        wire += try encoder.appendAll(zeros, compressor: .uncompressed, level: 0)
        #expect(wire.count == compressedByteCount + ChunkFormat.headerByteCount + Self.chunk)
        wire += try encoder.end(compressor: RunLength(), level: 1)
        #expect(try state(of: wire) == zeros + zeros)
    }

    @Test("integers straddle chunks, and are read in one piece", arguments: 0..<8)
    func integersStraddle(offset: Int) throws {
        var encoder = try ChunkEncoder(chunkByteCount: Self.chunk)
        var wire = [UInt8]()
        let count = 3 * Self.chunk / 8
        for _ in 0..<offset where !encoder.append(littleEndian: UInt8(0xaa)) { Issue.record("an empty chunk takes a byte") }
        for value in 0..<UInt64(count) {
            if encoder.isFull {
                try encoder.closeChunk(compressor: .uncompressed, level: 0)
                wire.append(contentsOf: encoder.record)
            }
            guard encoder.append(littleEndian: value) else {
                Issue.record("a chunk that is not full takes an integer")
                return
            }
        }
        wire += try encoder.end(compressor: .uncompressed, level: 0)

        var decoder = ChunkDecoder(compressors: [])
        var fed = 0
        func feed(_ decoder: inout ChunkDecoder) throws(ChunkingError) {
            fed += try decoder.take(wire.rawSpan.extracting(droppingFirst: fed))
        }
        var head = 0
        while head < offset {
            if let byte = decoder.read(littleEndian: UInt8.self) {
                #expect(byte == 0xaa)
                head += 1
            } else {
                try feed(&decoder)
            }
        }
        var expected: UInt64 = 0
        while expected < UInt64(count) {
            if let value = decoder.read(littleEndian: UInt64.self) {
                guard value == expected else {
                    Issue.record("read \(value) where \(expected) was written")
                    return
                }
                expected += 1
            } else {
                try feed(&decoder)
            }
        }
        while !decoder.isFinished { try feed(&decoder) }
        let trailer = try decoder.finish()
        #expect(trailer.stateByteCount == offset + 8 * count)
    }

    @Test("a field longer than many chunks is written and read in pieces")
    func longField() throws {
        var seeded = SeededBytes(seed: 3)
        let field = seeded.bytes(5 * Self.chunk + 11)
        let wire = try stream(of: field)
        var decoder = ChunkDecoder(compressors: [])
        var fed = 0
        var pieceCount = 0
        let read = try [UInt8](rawCapacity: field.count) { output throws(ChunkingError) in
            while output.freeCapacity > 0 {
                if decoder.read(into: &output) > 0 { pieceCount += 1 }
                if output.freeCapacity > 0 { fed += try decoder.take(wire.rawSpan.extracting(droppingFirst: fed)) }
            }
        }
        #expect(read == field)
        #expect(pieceCount == 6)
    }

    @Test("the trailer of the reader is that of the writer")
    func trailersAgree() throws {
        var encoder = try ChunkEncoder(chunkByteCount: Self.chunk)
        var wire = try encoder.appendAll([UInt8](repeating: 5, count: 100_000), compressor: RunLength(), level: 1)
        try encoder.closeChunk(compressor: RunLength(), level: 1)
        wire.append(contentsOf: encoder.record)
        let written = encoder.closeTrailer()
        wire.append(contentsOf: encoder.record)
        var decoder = ChunkDecoder(compressors: [RunLength()])
        var fed = 0
        while fed < wire.count {
            fed += try decoder.take(wire.rawSpan.extracting(droppingFirst: fed))
            decoder.skip(decoder.unreadByteCount)
        }
        let read = try decoder.finish()
        #expect(read == written)
        #expect(read.chunkCount == 2)
        #expect(read.stateByteCount == 100_000)
    }

    @Test("the digest tells the order, the lengths and the bytes of chunks apart, not how they were compressed")
    func digestOverChunks() throws {
        func digest(_ chunks: [[UInt8]], _ compressor: some Compressor) throws(ChunkingError) -> FixedBytes32 {
            var encoder = try ChunkEncoder()
            for chunk in chunks {
                _ = encoder.append(contentsOf: chunk.rawSpan)
                try encoder.closeChunk(compressor: compressor, level: 1)
            }
            return encoder.closeTrailer().digest
        }
        let ones = [UInt8](repeating: 1, count: 1_000)
        let twos = [UInt8](repeating: 2, count: 1_000)
        let base = try digest([ones, twos], .uncompressed)
        #expect(try digest([ones, twos], RunLength()) == base)
        #expect(try digest([twos, ones], .uncompressed) != base)
        #expect(try digest([ones + twos], .uncompressed) != base)
        #expect(try digest([ones, twos, ones], .uncompressed) != base)
        #expect(try digest([], .uncompressed).bytes == [UInt8](repeating: 0, count: 32))
    }
}
