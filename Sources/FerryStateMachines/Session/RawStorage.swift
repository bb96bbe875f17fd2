internal import FerryWire

/// Bytes on the heap with one owner: the only place in the session code that touches pointers.
@safe struct RawStorage: ~Copyable, @unchecked Sendable {
    private let base: UnsafeMutableRawPointer?
    /// How many bytes it holds.
    let byteCount: Int

    /// Holds nothing and allocates nothing.
    init() {
        unsafe base = nil
        byteCount = 0
    }

    /// Allocates; nothing may be read before it is written.
    init(byteCount: Int) {
        precondition(byteCount >= 0, "a storage cannot have a negative size")
        unsafe base = byteCount == 0 ? nil : UnsafeMutableRawPointer.allocate(byteCount: byteCount, alignment: 16)
        self.byteCount = byteCount
    }

    deinit {
        unsafe base?.deallocate()
    }

    /// A part of the bytes, borrowed; only ranges that were written hold anything sensible.
    @_lifetime(borrow self)
    borrowing func bytes(_ offset: Int, _ count: Int) -> RawSpan {
        precondition(offset >= 0 && count >= 0 && offset <= byteCount - count, "storage read out of bounds")
        let buffer = unsafe UnsafeRawBufferPointer(start: base.map { unsafe UnsafeRawPointer($0 + offset) }, count: count)
        return unsafe _overrideLifetime(RawSpan(_unsafeBytes: buffer), borrowing: self)
    }

    /// Copies `source` to `offset`.
    mutating func write(_ source: RawSpan, at offset: Int) {
        precondition(offset >= 0 && offset <= byteCount - source.byteCount, "storage write out of bounds")
        unsafe source.withUnsafeBytes { bytes in
            guard let start = bytes.baseAddress, let base = unsafe base else { return }
            unsafe (base + offset).copyMemory(from: start, byteCount: bytes.count)
        }
    }

    /// Copies `count` bytes of `source` to `offset`.
    mutating func write(_ source: borrowing RawStorage, from sourceOffset: Int, count: Int, at offset: Int) {
        write(source.bytes(sourceOffset, count), at: offset)
    }

    /// Stores one byte.
    mutating func write(_ byte: UInt8, at offset: Int) {
        precondition(offset >= 0 && offset < byteCount, "storage write out of bounds")
        unsafe base?.storeBytes(of: byte, toByteOffset: offset, as: UInt8.self)
    }

    /// Stores an integer in big-endian order.
    mutating func write<Value: FixedWidthInteger & BitwiseCopyable>(bigEndian value: Value, at offset: Int) {
        precondition(offset >= 0 && offset <= byteCount - MemoryLayout<Value>.size, "storage write out of bounds")
        unsafe base?.storeBytes(of: value.bigEndian, toByteOffset: offset, as: Value.self)
    }

    /// Writes zeroes.
    mutating func clear(_ offset: Int, _ count: Int) {
        precondition(offset >= 0 && count >= 0 && offset <= byteCount - count, "storage write out of bounds")
        guard let base = unsafe base, count > 0 else { return }
        unsafe (base + offset).initializeMemory(as: UInt8.self, repeating: 0, count: count)
    }

    /// Lets `body` append from the start on.
    ///
    /// - Returns: the number of bytes appended.
    mutating func fill<E: Error>(_ body: (inout OutputRawSpan) throws(E) -> Void) throws(E) -> Int {
        let buffer = unsafe UnsafeMutableRawBufferPointer(start: base, count: byteCount)
        var output = unsafe OutputRawSpan(buffer: buffer, initializedCount: 0)
        try body(&output)
        return unsafe output.finalize(for: buffer)
    }
}

/// Lends the eight big-endian bytes of an integer without a heap allocation.
func withBigEndianBytes<Result, E: Error>(of word: UInt64, _ body: (RawSpan) throws(E) -> Result) throws(E) -> Result {
    let bytes: InlineArray<1, UInt64> = [word.bigEndian]
    return unsafe try body(bytes.span.bytes)
}
