import FerryChunking
import FerryWire
import Testing

@Suite("Chunk decoder against hostile streams")
struct ChunkDecoderTests {
    private func code(of wire: [UInt8], limits: ChunkDecoder.Limits = .init()) -> ChunkingError.Code? {
        FerryChunkingTests.code { () throws(ChunkingError) in _ = try state(of: wire, limits: limits) }
    }

    @Test("a header that breaks a rule is refused by the code of that rule")
    func brokenHeaders() {
        let longest = ChunkFormat.chunkByteCounts.upperBound
        #expect(code(of: header(type: 0, plain: 1, stored: 1)) == .corruptChunk)
        #expect(code(of: header(type: 3, plain: 1, stored: 1)) == .corruptChunk)
        #expect(code(of: header(reserved: 1, plain: 1, stored: 1)) == .corruptChunk)
        #expect(code(of: header(plain: 0, stored: 0)) == .corruptChunk)
        #expect(code(of: header(plain: 8, stored: 7)) == .corruptChunk)
        #expect(code(of: header(plain: 8, stored: 9)) == .corruptChunk)
        #expect(code(of: header(compressor: 7, plain: 8, stored: 8)) == .corruptChunk)
        #expect(code(of: header(compressor: 7, plain: 8, stored: 0)) == .corruptChunk)
        #expect(code(of: header(compressor: 8, plain: 8, stored: 7)) == .unknownCompressor)
        #expect(code(of: header(plain: 8, stored: 8, index: 1)) == .outOfOrder)
        #expect(code(of: header(plain: 8, stored: 8, index: .max)) == .outOfOrder)
        #expect(code(of: header(plain: longest, stored: longest)) == .truncated)
        #expect(code(of: header(plain: longest + 1, stored: longest + 1)) == .limitExceeded)
        #expect(code(of: header(plain: Int(UInt32.max), stored: Int(UInt32.max))) == .limitExceeded)
        #expect(code(of: header(compressor: 7, plain: Int(UInt32.max), stored: 1)) == .limitExceeded)
    }

    @Test("chunks and states reach the reader's own limits and do not pass them")
    func ownLimits() throws {
        let bytes = [UInt8](repeating: 3, count: 100_000)
        let wire = try stream(of: bytes)
        #expect(code(of: wire, limits: .init(chunkByteCount: 64 << 10)) == nil)
        #expect(code(of: wire, limits: .init(chunkByteCount: (64 << 10) - 1)) == .limitExceeded)
        #expect(code(of: wire, limits: .init(stateByteCount: 100_000)) == nil)
        #expect(code(of: wire, limits: .init(stateByteCount: 99_999)) == .limitExceeded)
        #expect(ChunkDecoder.Limits(chunkByteCount: .max, stateByteCount: .max) == ChunkDecoder.Limits())
        #expect(ChunkDecoder.Limits(chunkByteCount: -1, stateByteCount: -1) == ChunkDecoder.Limits(chunkByteCount: 0, stateByteCount: 0))
    }

    @Test("a flipped bit anywhere in a stream is found")
    func flippedBits() throws {
        var seeded = SeededBytes(seed: 4)
        let wire = try stream(of: seeded.bytes(70_000))
        let edges = Array(0..<40) + Array((wire.count - 60)..<wire.count) + Array((65_536 + 20)..<(65_536 + 70))
        for offset in edges + (0..<50).map({ _ in Int(seeded.next() % UInt64(wire.count)) }) {
            var broken = wire
            broken[offset] ^= 1 << UInt8(seeded.next() & 7)
            #expect(code(of: broken) != nil, "bit of byte \(offset)")
        }
    }

    @Test("a flipped bit anywhere in a compressed stream is found")
    func flippedBitsCompressed() throws {
        let wire = try stream(of: (0..<6_000).map { UInt8($0 >> 8) }, compressor: RunLength(), level: 1)
        for offset in wire.indices {
            var broken = wire
            broken[offset] ^= 1
            #expect(code(of: broken) != nil, "bit of byte \(offset)")
        }
    }

    @Test("a stream that is cut anywhere is truncated")
    func cutStreams() throws {
        let wire = try stream(of: (0..<1_000).map { UInt8($0 & 255) })
        for byteCount in 0..<wire.count { #expect(code(of: Array(wire.prefix(byteCount))) == .truncated) }
        #expect(code(of: wire) == nil)
    }

    @Test("bytes after the trailer are refused")
    func bytesAfterTrailer() throws {
        #expect(try code(of: stream(of: [1, 2, 3]) + [0]) == .truncated)
    }

    @Test("chunks that are dropped, repeated or exchanged are out of order")
    func order() throws {
        let chunk = 64 << 10
        let record = chunk + ChunkFormat.headerByteCount
        var seeded = SeededBytes(seed: 5)
        let wire = try stream(of: seeded.bytes(3 * chunk))
        let first = wire[0..<record]
        let second = wire[record..<(2 * record)]
        let rest = wire[(2 * record)...]
        #expect(code(of: Array(first + rest)) == .outOfOrder)
        #expect(code(of: Array(first + first + second + rest)) == .outOfOrder)
        #expect(code(of: Array(second + first + rest)) == .outOfOrder)
        #expect(code(of: Array(first + second + wire.suffix(ChunkFormat.trailerByteCount))) == .corruptChunk)
    }

    @Test("a compressed chunk that expands past its plain length, or short of it, is refused")
    func bombs() {
        let bomb: [UInt8] = [255, 0, 255, 0]
        #expect(code(of: header(compressor: 7, plain: 509, stored: 4) + bomb) == .bufferTooSmall)
        #expect(code(of: header(compressor: 7, plain: 511, stored: 4) + bomb) == .corruptChunk)
    }

    @Test("a decoder that has failed throws the same error again")
    func failsForGood() throws {
        var decoder = ChunkDecoder(compressors: [])
        let good = try stream(of: [1])
        #expect(FerryChunkingTests.code { () throws(ChunkingError) in _ = try decoder.take([9].rawSpan) } == .corruptChunk)
        #expect(FerryChunkingTests.code { () throws(ChunkingError) in _ = try decoder.take(good.rawSpan) } == .corruptChunk)
        #expect(FerryChunkingTests.code { () throws(ChunkingError) in _ = try decoder.finish() } == .corruptChunk)
        let needed = decoder.neededByteCount
        #expect(needed == 0)
    }

    @Test("no byte of a chunk can be read before its check has passed")
    func nothingUnverified() throws {
        let wire = try stream(of: [UInt8](repeating: 1, count: 1_000))
        var decoder = ChunkDecoder(compressors: [])
        let body = ChunkFormat.headerByteCount + 999
        _ = try decoder.take(wire.rawSpan.extracting(first: body))
        var unreadCount = decoder.unreadByteCount
        #expect(unreadCount == 0)
        let needed = decoder.neededByteCount
        #expect(needed == 1)
        _ = try decoder.take(wire.rawSpan.extracting(body..<(body + 1)))
        unreadCount = decoder.unreadByteCount
        #expect(unreadCount == 1_000)
    }

    @Test("with 16 unread bytes nothing more is taken, with 15 the next chunk is")
    func takesWhenNearlyRead() throws {
        let wire = try stream(of: [UInt8](repeating: 1, count: 100_000))
        var decoder = ChunkDecoder(compressors: [])
        var fed = try decoder.take(wire.rawSpan)
        decoder.skip(65_536 - 16)
        var taken = try decoder.take(wire.rawSpan.extracting(droppingFirst: fed))
        #expect(taken == 0)
        var needed = decoder.neededByteCount
        #expect(needed == 0)
        decoder.skip(1)
        needed = decoder.neededByteCount
        #expect(needed == ChunkFormat.headerByteCount)
        taken = try decoder.take(wire.rawSpan.extracting(droppingFirst: fed))
        fed += taken
        let unreadCount = decoder.unreadByteCount
        #expect(unreadCount == 15 + 100_000 - 65_536)
    }

    @Test("a state that was not read to its end is a field mismatch")
    func unreadBytesRemain() throws {
        let wire = try stream(of: [1, 2, 3])
        var decoder = ChunkDecoder(compressors: [])
        var fed = 0
        while fed < wire.count { fed += try decoder.take(wire.rawSpan.extracting(droppingFirst: fed)) }
        #expect(FerryChunkingTests.code { () throws(ChunkingError) in _ = try decoder.finish() } == .fieldMismatch)
        decoder.skip(3)
        #expect(FerryChunkingTests.code { () throws(ChunkingError) in _ = try decoder.finish() } == nil)
    }

    @Test("random bytes never trap", arguments: 0..<64)
    func randomBytes(seed: UInt64) {
        var seeded = SeededBytes(seed: seed)
        let wire = header(compressor: 7, plain: 4_000, stored: 500) + seeded.bytes(3_000)
        #expect(code(of: wire) != nil)
        #expect(code(of: seeded.bytes(3_000)) != nil)
    }
}
