import FerryChunking
import FerryWire
import FerryZstd

/// A compressor at a level.
struct Setting: Sendable {
    var name: String
    var compressor: any Compressor
    var level: Int

    static let uncompressed = Setting(name: "uncompressed", compressor: .uncompressed, level: 0)

    static func zstd(_ level: Int) -> Setting { Setting(name: "zstd \(level)", compressor: zstd, level: level) }

    /// One value for the whole process, as in a node, so that contexts are reused.
    private static let zstd = Zstd()
}

/// Cuts a state into records, and returns the bytes of all records.
func encode(_ state: [UInt8], _ setting: Setting, chunkByteCount: Int, _ consume: (RawSpan) -> Void = { _ in }) throws -> Int {
    var encoder = try ChunkEncoder(chunkByteCount: chunkByteCount)
    var offset = 0
    var storedByteCount = 0
    while offset < state.count {
        offset += encoder.append(contentsOf: state.rawSpan.extracting(droppingFirst: offset))
        try encoder.closeChunk(compressor: setting.compressor, level: setting.level)
        storedByteCount += encoder.record.byteCount
        consume(encoder.record)
    }
    encoder.closeTrailer()
    consume(encoder.record)
    return storedByteCount + encoder.record.byteCount
}

/// The same copies and compression without header, XXH3-64 and digest: what is left is the price of the check.
func encodeUnchecked(_ state: [UInt8], _ setting: Setting, chunkByteCount: Int) throws -> Int {
    let capacity = max(chunkByteCount, setting.compressor.maximumCompressedByteCount(for: chunkByteCount))
    let window = UnsafeMutableRawBufferPointer.allocate(byteCount: chunkByteCount, alignment: 16)
    let stored = UnsafeMutableRawBufferPointer.allocate(byteCount: capacity, alignment: 16)
    defer {
        unsafe window.deallocate()
        unsafe stored.deallocate()
    }
    var storedByteCount = 0
    for offset in stride(from: 0, to: state.count, by: chunkByteCount) {
        var plain = unsafe OutputRawSpan(buffer: window, initializedCount: 0)
        plain.append(contentsOf: state.rawSpan.extracting(offset..<min(offset + chunkByteCount, state.count)))
        let plainByteCount = unsafe plain.finalize(for: window)
        guard setting.compressor.id != 0 else {
            storedByteCount += plainByteCount
            continue
        }
        let input = unsafe RawSpan(_unsafeBytes: UnsafeRawBufferPointer(rebasing: window[..<plainByteCount]))
        var output = unsafe OutputRawSpan(buffer: stored, initializedCount: 0)
        try setting.compressor.compress(input, level: setting.level, into: &output)
        storedByteCount += unsafe min(output.finalize(for: stored), plainByteCount)
    }
    return storedByteCount
}

/// Reads records in pieces of 64 KiB, as a session hands them over, and returns the bytes of the state.
func decode(_ records: [UInt8], _ setting: Setting) throws -> Int {
    let pieceByteCount = 64 << 10
    var decoder = ChunkDecoder(compressors: [setting.compressor])
    var fed = 0
    while fed < records.count {
        fed += try decoder.take(records.rawSpan.extracting(fed..<min(fed + pieceByteCount, records.count)))
        decoder.skip(decoder.unreadByteCount)
    }
    return try decoder.finish().stateByteCount
}
