// The one file of this folder that touches raw memory.

/// An owned block of bytes that grows when told to; its owner reads only what it has written.
@usableFromInline
@safe
struct WindowBuffer: ~Copyable, @unchecked Sendable {
    @usableFromInline
    var storage: UnsafeMutableRawBufferPointer

    init(byteCount: Int) {
        unsafe storage = .allocate(byteCount: byteCount, alignment: 16)
    }

    // Inlined field calls replace windows of snapshots, and so destroy them.
    @inlinable
    deinit {
        unsafe storage.deallocate()
    }

    @inlinable
    var byteCount: Int { unsafe storage.count }

    /// Borrows bytes that have been written.
    @usableFromInline
    @_lifetime(borrow self)
    borrowing func span(_ range: Range<Int>) -> RawSpan {
        let span = unsafe RawSpan(_unsafeBytes: UnsafeRawBufferPointer(rebasing: storage[range]))
        return unsafe _overrideLifetime(span, borrowing: self)
    }

    @inlinable
    borrowing func load<Value: FixedWidthInteger & BitwiseCopyable>(littleEndianAt offset: Int, as type: Value.Type) -> Value {
        precondition(offset >= 0 && offset <= byteCount - MemoryLayout<Value>.size, "window load out of bounds")
        return Value(littleEndian: unsafe storage.loadUnaligned(fromByteOffset: offset, as: type))
    }

    /// Copies `source` to `offset`; the room must be there.
    @usableFromInline
    mutating func copy(_ source: RawSpan, to offset: Int) {
        precondition(offset >= 0 && offset <= byteCount - source.byteCount, "window copy out of bounds")
        unsafe source.withUnsafeBytes { source in
            unsafe UnsafeMutableRawBufferPointer(rebasing: storage[offset..<(offset + source.count)]).copyMemory(from: source)
        }
    }

    /// Copies a range within the buffer; the two may overlap.
    mutating func move(_ range: Range<Int>, to offset: Int) {
        precondition(offset >= 0 && offset <= byteCount - range.count, "window move out of bounds")
        unsafe UnsafeMutableRawBufferPointer(rebasing: storage[offset..<(offset + range.count)])
            .copyMemory(from: UnsafeRawBufferPointer(rebasing: storage[range]))
    }

    /// Makes the buffer at least `byteCount` long and keeps the bytes in `range` at its front.
    mutating func grow(to byteCount: Int, keeping range: Range<Int>) {
        let larger = UnsafeMutableRawBufferPointer.allocate(byteCount: max(byteCount, range.count), alignment: 16)
        unsafe larger.copyMemory(from: UnsafeRawBufferPointer(rebasing: storage[range]))
        unsafe storage.deallocate()
        unsafe storage = larger
    }

    /// Lets `source` append to the whole buffer; returns how many bytes it appended, or nil at its end.
    mutating func fill(from source: any SnapshotSource) async throws -> Int? {
        let target = unsafe storage
        var output = unsafe OutputRawSpan(buffer: target, initializedCount: 0)
        let goesOn = try await source.read(into: &output)
        let count = unsafe output.finalize(for: target)
        return goesOn ? count : nil
    }

    /// Lets `body` append to the whole buffer; returns how many bytes it appended.
    mutating func fill<E: Error>(_ body: (inout OutputRawSpan) throws(E) -> Void) throws(E) -> Int {
        let target = unsafe storage
        var output = unsafe OutputRawSpan(buffer: target, initializedCount: 0)
        try body(&output)
        return unsafe output.finalize(for: target)
    }
}
