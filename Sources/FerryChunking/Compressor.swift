/// Turns chunks of state into smaller ones and back; stateless to its caller, safe to share.
public protocol Compressor: Sendable {
    /// Names the format on the wire: 0 uncompressed, 1 zstd.
    var id: UInt8 { get }
    /// The levels that `compress` takes, from fastest to smallest.
    var levels: ClosedRange<Int> { get }
    /// The most bytes that `compress` may append for `byteCount` bytes of input.
    func maximumCompressedByteCount(for byteCount: Int) -> Int
    /// Appends the compressed form of `input`.
    ///
    /// - Throws: `.levelOutOfRange`, `.bufferTooSmall`, `.compressorFailed`.
    func compress(_ input: RawSpan, level: Int, into output: inout OutputRawSpan) throws(ChunkingError)
    /// Appends the original of `input`; the output's free capacity is the limit.
    ///
    /// - Throws: `.corruptChunk`, `.bufferTooSmall`.
    func decompress(_ input: RawSpan, into output: inout OutputRawSpan) throws(ChunkingError)
}
