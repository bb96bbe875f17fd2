public import FerryWire

/// The sizes and limits of a state stream (CDS1 version 3): chunk records, then one trailer, all integers little-endian.
///
/// | record | bytes |
/// |---|---|
/// | chunk | type `1`, compressor, 2 × zero, plain length u32, stored length u32, index u64, XXH3-64 of the plain bytes u64, stored bytes |
/// | trailer | type `2`, 3 × zero, chunk count u64, plain length of all chunks u64, digest 32 bytes (see `ChunkDigest`) |
///
/// A chunk holds at least one byte. A compressed chunk is shorter than its plain bytes, otherwise it is stored uncompressed. Fields know
/// nothing of chunks: a field may straddle any number of them.
public enum ChunkFormat {
    /// Bytes before a chunk's stored bytes.
    public static let headerByteCount = 28
    /// Bytes of the trailer.
    public static let trailerByteCount = 52
    /// The plain length at which a writer closes a chunk, unless told otherwise.
    public static let defaultChunkByteCount = 256 << 10
    /// The plain lengths at which a writer may be told to close a chunk; the upper bound is the longest chunk that is read.
    public static let chunkByteCounts: ClosedRange<Int> = (64 << 10)...(4 << 20)
    /// The longest state.
    public static let maximumStateByteCount = 1 << 48

    /// The widest integer that a field may be.
    @usableFromInline
    static let maximumIntegerByteCount = 16

    static let chunkType: UInt8 = 1
    static let trailerType: UInt8 = 2
}

/// The trailer of a state stream.
public struct ChunkTrailer: Hashable, Sendable {
    /// How many chunks came before it.
    public var chunkCount: Int
    /// The plain bytes of all chunks.
    public var stateByteCount: Int
    /// The digest over all chunks, in order.
    public var digest: FixedBytes32
}
