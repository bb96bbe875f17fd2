import FerryChunking
import FerryWire
import FerryZstd
import Testing

private func compressed(_ plain: [UInt8], level: Int = 1, with zstd: Zstd = .zstd) throws(ChunkingError) -> [UInt8] {
    try [UInt8](rawCapacity: zstd.maximumCompressedByteCount(for: plain.count)) { output throws(ChunkingError) in
        try zstd.compress(plain.rawSpan, level: level, into: &output)
    }
}

private func decompressed(_ frame: [UInt8], capacity: Int, with zstd: Zstd = .zstd) throws(ChunkingError) -> [UInt8] {
    try [UInt8](rawCapacity: capacity) { output throws(ChunkingError) in
        try zstd.decompress(frame.rawSpan, into: &output)
    }
}

private func code(_ body: () throws(ChunkingError) -> Void) -> ChunkingError.Code? {
    do throws(ChunkingError) {
        try body()
        return nil
    } catch {
        return error.code
    }
}

/// Bytes that compress by about a half.
private func mixedBytes(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
    var state = seed
    return (0..<count).map { index in
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return index & 64 == 0 ? UInt8(truncatingIfNeeded: state >> 56) : UInt8(truncatingIfNeeded: index >> 7)
    }
}

@Suite("zstd")
struct ZstdTests {
    @Test("every size comes back", arguments: [0, 1, 100, 4_096, 65_536, 262_144, 1 << 20, 4 << 20])
    func sizes(byteCount: Int) throws {
        for plain in [mixedBytes(byteCount), [UInt8](repeating: 7, count: byteCount)] {
            #expect(try decompressed(compressed(plain), capacity: byteCount) == plain)
        }
    }

    @Test("every level comes back", arguments: -5...19)
    func levels(level: Int) throws {
        let plain = mixedBytes(100_000)
        let frame = try compressed(plain, level: level)
        #expect(frame.count < plain.count)
        #expect(try decompressed(frame, capacity: plain.count) == plain)
    }

    @Test("a level outside -5...19 is refused", arguments: [-6, 20, .min, .max])
    func levelLimits(level: Int) {
        #expect(code { () throws(ChunkingError) in _ = try compressed([1], level: level) } == .levelOutOfRange)
    }

    @Test("an output one byte too small is refused, by either direction, and keeps what it held")
    func smallOutputs() throws {
        let zstd = Zstd()
        let plain = mixedBytes(10_000)
        let frame = try compressed(plain)
        #expect(
            code { () throws(ChunkingError) in
                _ = try [UInt8](rawCapacity: frame.count - 1) { output throws(ChunkingError) in
                    try zstd.compress(plain.rawSpan, level: 1, into: &output)
                }
            } == .bufferTooSmall)
        #expect(code { () throws(ChunkingError) in _ = try decompressed(frame, capacity: plain.count - 1) } == .bufferTooSmall)
        let held = [UInt8](rawCapacity: 100) { output in
            output.append(littleEndian: UInt32(0x0403_0201))
            #expect(code { () throws(ChunkingError) in try zstd.decompress(frame.rawSpan, into: &output) } == .bufferTooSmall)
        }
        #expect(held == [1, 2, 3, 4])
    }

    @Test("output goes behind what the span already holds")
    func appends() throws {
        let zstd = Zstd()
        let plain = mixedBytes(1_000)
        let frame = try compressed(plain)
        let joined = try [UInt8](rawCapacity: 1_001) { output throws(ChunkingError) in
            output.append(littleEndian: UInt8(9))
            try zstd.decompress(frame.rawSpan, into: &output)
        }
        #expect(joined == [9] + plain)
    }

    @Test("a decompression bomb is bounded by the free capacity, whether it names its length or not")
    func bombs() throws {
        let frame = try compressed([UInt8](repeating: 0, count: 4 << 20))
        #expect(frame.count < 1_000)
        #expect(code { () throws(ChunkingError) in _ = try decompressed(frame, capacity: 1 << 10) } == .bufferTooSmall)
        // A frame without content size, window of 128 KiB: RLE blocks of 128 KiB each, the last one marked.
        var unnamed: [UInt8] = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x38]
        for last in [false, false, true] {
            let block = (128 << 10) << 3 | 1 << 1 | (last ? 1 : 0)
            unnamed += [UInt8(block & 255), UInt8(block >> 8 & 255), UInt8(block >> 16), 0xee]
        }
        #expect(try decompressed(unnamed, capacity: 384 << 10) == [UInt8](repeating: 0xee, count: 384 << 10))
        #expect(code { () throws(ChunkingError) in _ = try decompressed(unnamed, capacity: (384 << 10) - 1) } == .bufferTooSmall)
    }

    @Test("cut frames, two frames, skippable frames and empty input are corrupt")
    func notOneFrame() throws {
        let frame = try compressed(mixedBytes(5_000))
        for byteCount in 0..<frame.count {
            #expect(
                code { () throws(ChunkingError) in _ = try decompressed(Array(frame.prefix(byteCount)), capacity: 5_000) } == .corruptChunk)
        }
        #expect(code { () throws(ChunkingError) in _ = try decompressed(frame + frame, capacity: 10_000) } == .corruptChunk)
        #expect(code { () throws(ChunkingError) in _ = try decompressed(frame + [0], capacity: 10_000) } == .corruptChunk)
        let skippable: [UInt8] = [0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4]
        #expect(code { () throws(ChunkingError) in _ = try decompressed(skippable + frame, capacity: 10_000) } == .corruptChunk)
    }

    @Test("frames with flipped bits never trap, and never exceed the capacity")
    func flippedBits() throws {
        let plain = mixedBytes(800)
        let frame = try compressed(plain)
        for offset in frame.indices {
            for bit in 0..<8 {
                var broken = frame
                broken[offset] ^= 1 << UInt8(bit)
                do throws(ChunkingError) {
                    #expect(try decompressed(broken, capacity: plain.count).count <= plain.count)
                } catch {
                    #expect(error.code == .corruptChunk || error.code == .bufferTooSmall)
                }
            }
        }
    }

    @Test("one value serves many callers at once")
    func concurrentUse() async throws {
        let zstd = Zstd(idleContextCount: 2)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for seed in 1...8 {
                group.addTask {
                    for round in 0..<20 {
                        let plain = mixedBytes(20_000 + round, seed: UInt64(seed))
                        let frame = try compressed(plain, level: seed - 4, with: zstd)
                        #expect(try decompressed(frame, capacity: plain.count, with: zstd) == plain)
                    }
                }
            }
            try await group.waitForAll()
        }
    }

    @Test("a state goes through chunks and comes back", arguments: [64 << 10, 256 << 10, 4 << 20])
    func throughChunks(chunkByteCount: Int) throws {
        let zstd = Zstd()
        let state = mixedBytes(1_000_003)
        var encoder = try ChunkEncoder(chunkByteCount: chunkByteCount)
        var wire = [UInt8]()
        var appended = 0
        while appended < state.count {
            appended += encoder.append(contentsOf: state.rawSpan.extracting(droppingFirst: appended))
            try encoder.closeChunk(compressor: zstd, level: encoder.chunkCount.isMultiple(of: 2) ? 1 : -5)
            wire.append(contentsOf: encoder.record)
        }
        encoder.closeTrailer()
        wire.append(contentsOf: encoder.record)
        #expect(wire.count < state.count)

        var decoder = ChunkDecoder(compressors: [zstd])
        var read = [UInt8]()
        var fed = 0
        while fed < wire.count {
            fed += try decoder.take(wire.rawSpan.extracting(fed..<min(wire.count, fed + 50_000)))
            read.append(contentsOf: decoder.unreadBytes)
            decoder.skip(decoder.unreadByteCount)
        }
        _ = try decoder.finish()
        #expect(read == state)
    }
}
