internal import FerryWire

// The one file of this module that touches raw memory: every other file goes through these bounds-checked calls.

/// An owned block of bytes, allocated once and reused; it starts uninitialised, and its owner reads only what it has written.
@usableFromInline
@safe
struct RawBuffer: ~Copyable, @unchecked Sendable {
    @usableFromInline
    let bytes: UnsafeMutableRawBufferPointer

    init(byteCount: Int) {
        unsafe bytes = .allocate(byteCount: byteCount, alignment: 16)
    }

    @inlinable
    deinit {
        unsafe bytes.deallocate()
    }

    @inlinable
    var byteCount: Int { unsafe bytes.count }

    /// Borrows bytes which the owner has written.
    @usableFromInline
    @_lifetime(borrow self)
    borrowing func span(_ range: Range<Int>) -> RawSpan {
        let span = unsafe RawSpan(_unsafeBytes: UnsafeRawBufferPointer(rebasing: bytes[range]))
        return unsafe _overrideLifetime(span, borrowing: self)
    }

    @inlinable
    mutating func store<Value: FixedWidthInteger & BitwiseCopyable>(littleEndian value: Value, at offset: Int) {
        precondition(offset >= 0 && offset <= byteCount - MemoryLayout<Value>.size, "raw buffer store out of bounds")
        unsafe bytes.storeBytes(of: value.littleEndian, toByteOffset: offset, as: Value.self)
    }

    @inlinable
    borrowing func load<Value: FixedWidthInteger & BitwiseCopyable>(littleEndianAt offset: Int, as type: Value.Type) -> Value {
        precondition(offset >= 0 && offset <= byteCount - MemoryLayout<Value>.size, "raw buffer load out of bounds")
        return Value(littleEndian: unsafe bytes.loadUnaligned(fromByteOffset: offset, as: type))
    }

    @usableFromInline
    mutating func copy(_ source: RawSpan, to offset: Int) {
        precondition(offset >= 0 && offset <= byteCount - source.byteCount, "raw buffer copy out of bounds")
        unsafe source.withUnsafeBytes { source in
            unsafe UnsafeMutableRawBufferPointer(rebasing: bytes[offset..<(offset + source.count)]).copyMemory(from: source)
        }
    }

    /// Copies a range within the buffer; the two may overlap.
    mutating func move(_ range: Range<Int>, to offset: Int) {
        precondition(offset >= 0 && offset <= byteCount - range.count, "raw buffer move out of bounds")
        unsafe UnsafeMutableRawBufferPointer(rebasing: bytes[offset..<(offset + range.count)])
            .copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[range]))
    }

    /// Lets `body` append to an empty span over `range` and returns how many bytes it appended.
    mutating func withOutput<E: Error>(_ range: Range<Int>, _ body: (inout OutputRawSpan) throws(E) -> Void) throws(E) -> Int {
        let target = unsafe UnsafeMutableRawBufferPointer(rebasing: bytes[range])
        var output = unsafe OutputRawSpan(buffer: target, initializedCount: 0)
        try body(&output)
        return unsafe output.finalize(for: target)
    }
}

extension RawBuffer {
    /// Copies a prefix of another buffer to the front.
    mutating func copy(_ source: borrowing RawBuffer, prefix byteCount: Int) {
        copy(source.span(0..<byteCount), to: 0)
    }

    /// Compresses a range of `source` into a range of this buffer and returns the stored length.
    mutating func compress(
        _ source: borrowing RawBuffer, _ input: Range<Int>, into range: Range<Int>, _ compressor: some Compressor, level: Int
    ) throws(ChunkingError) -> Int {
        let plain = source.span(input)
        return try withOutput(range) { output throws(ChunkingError) in
            try compressor.compress(plain, level: level, into: &output)
        }
    }

    /// Decompresses a prefix of `source` into a range of this buffer and returns the plain length.
    mutating func decompress(
        _ source: borrowing RawBuffer, prefix byteCount: Int, into range: Range<Int>, _ compressor: any Compressor
    ) throws(ChunkingError) -> Int {
        try decompress(source.span(0..<byteCount), into: range, compressor)
    }

    /// Decompresses borrowed bytes into a range of this buffer and returns the plain length.
    mutating func decompress(_ input: RawSpan, into range: Range<Int>, _ compressor: any Compressor) throws(ChunkingError) -> Int {
        try withOutput(range) { output throws(ChunkingError) in
            try compressor.decompress(input, into: &output)
        }
    }
}
