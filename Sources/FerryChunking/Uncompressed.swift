internal import FerryWire

/// Stores chunks as they are: wire id 0, which every node reads.
public struct Uncompressed: Compressor {
    /// The compressor without settings.
    public init() {}

    /// Always 0.
    public var id: UInt8 { 0 }

    /// Level 0 only.
    public var levels: ClosedRange<Int> { 0...0 }

    /// Exactly `byteCount`.
    public func maximumCompressedByteCount(for byteCount: Int) -> Int { byteCount }

    /// Appends a copy; the level is ignored.
    ///
    /// - Throws: `.bufferTooSmall`.
    public func compress(_ input: RawSpan, level: Int, into output: inout OutputRawSpan) throws(ChunkingError) {
        try decompress(input, into: &output)
    }

    /// Appends a copy.
    ///
    /// - Throws: `.bufferTooSmall`.
    public func decompress(_ input: RawSpan, into output: inout OutputRawSpan) throws(ChunkingError) {
        guard input.byteCount <= output.freeCapacity else {
            throw ChunkingError(.bufferTooSmall, "an uncompressed chunk exceeds the free capacity of its output")
        }
        output.append(contentsOf: input)
    }
}

extension Compressor where Self == Uncompressed {
    /// Stores chunks as they are.
    public static var uncompressed: Uncompressed { Uncompressed() }
}
