internal import CZstd
public import FerryChunking

/// Compresses chunks with libzstd: wire id 1, one frame with its content size a chunk.
///
/// Copies of a value share its contexts: at most `idleContextCount` of each kind are kept between calls, each at most 8 MiB, and as many
/// calls as like may run at the same time. Levels from 6 on are slow on data that does not compress (0.3 GB/s), those up to 3 are not.
public struct Zstd: Compressor {
    private let pool: ContextPool

    /// Allocates nothing before the first use.
    ///
    /// - Parameter idleContextCount: how many idle contexts are kept for the next calls; as many as threads that compress.
    public init(idleContextCount: Int = 4) {
        pool = ContextPool(idleContextCount: idleContextCount)
    }

    /// Always 1.
    public var id: UInt8 { 1 }

    /// From −5, the fastest, to 19.
    public var levels: ClosedRange<Int> { -5...19 }

    /// ZSTD_compressBound.
    public func maximumCompressedByteCount(for byteCount: Int) -> Int { ZSTD_compressBound(byteCount) }

    /// Appends one zstd frame (RFC 8878).
    ///
    /// - Throws: `.levelOutOfRange`, `.bufferTooSmall`, `.compressorFailed`.
    public func compress(_ input: RawSpan, level: Int, into output: inout OutputRawSpan) throws(ChunkingError) {
        guard levels.contains(level) else { throw ChunkingError(.levelOutOfRange, "zstd level \(level) is outside \(levels)") }
        let context = try pool.compression.acquire()
        defer { pool.compression.release(context) }
        let result = context.compress(input, level: Int32(level), into: &output)
        guard result.isError else { return }
        guard result.isTooSmall else { throw ChunkingError(.compressorFailed, "zstd: \(result.name)") }
        throw ChunkingError(.bufferTooSmall, "the zstd frame exceeds the free capacity of its output")
    }

    /// Appends the content of exactly one frame.
    ///
    /// - Throws: `.corruptChunk`; `.bufferTooSmall` when the content exceeds the free capacity; `.compressorFailed` without memory.
    public func decompress(_ input: RawSpan, into output: inout OutputRawSpan) throws(ChunkingError) {
        let frame = FrameLengths(input)
        guard !frame.stored.isError, frame.stored.byteCount == input.byteCount else {
            throw ChunkingError(.corruptChunk, "not exactly one zstd frame")
        }
        if let content = frame.content, content > UInt64(output.freeCapacity) {
            throw ChunkingError(.bufferTooSmall, "a zstd frame of \(content) bytes exceeds the free capacity of its output")
        }
        let context = try pool.decompression.acquire()
        defer { pool.decompression.release(context) }
        let result = context.decompress(input, into: &output)
        guard result.isError else { return }
        guard result.isTooSmall else { throw ChunkingError(.corruptChunk, "zstd: \(result.name)") }
        throw ChunkingError(.bufferTooSmall, "the content of a zstd frame exceeds the free capacity of its output")
    }
}

extension Compressor where Self == Zstd {
    /// libzstd with the default number of idle contexts.
    public static var zstd: Zstd { Zstd() }
}
