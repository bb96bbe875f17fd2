// The only file of this module that touches memory by address.

/// Bytes in first-in, first-out order; the storage doubles up to what was ever needed at once and is reused from then on.
@safe struct ByteRing: ~Copyable {
    private static let initialCapacity = 16_384

    private var storage = unsafe UnsafeMutableRawBufferPointer(start: nil, count: 0)
    /// Zero or a power of two.
    private var capacity = 0
    private var head = 0
    private(set) var byteCount = 0

    init() {}

    deinit { unsafe storage.deallocate() }

    /// Copies `bytes` to the end.
    mutating func append(_ bytes: RawSpan) {
        reserve(byteCount + bytes.byteCount)
        unsafe bytes.withUnsafeBytes { source in
            let tail = (head + byteCount) & (capacity - 1)
            let untilEnd = min(source.count, capacity - tail)
            unsafe Self.copy(source[..<untilEnd], to: storage[tail...])
            unsafe Self.copy(source[untilEnd...], to: storage[...])
        }
        byteCount += bytes.byteCount
    }

    /// Moves the first `count` bytes to the end of `output`; the caller guarantees that both sides have room for it.
    mutating func moveFirst(_ count: Int, into output: inout OutputRawSpan) {
        precondition(count <= byteCount && count <= output.freeCapacity, "the frame does not fit in the receiver's buffer")
        guard count > 0 else { return }
        unsafe output.withUnsafeMutableBytes { target, initializedCount in
            let untilEnd = min(count, capacity - head)
            unsafe Self.copy(storage[head..<(head + untilEnd)], to: target[initializedCount...])
            unsafe Self.copy(storage[..<(count - untilEnd)], to: target[(initializedCount + untilEnd)...])
            initializedCount += count
        }
        byteCount -= count
        // Starting over at zero keeps a queue that is drained at once inside the cache.
        head = byteCount == 0 ? 0 : (head + count) & (capacity - 1)
    }

    /// Forgets everything and gives the memory back.
    mutating func release() {
        unsafe storage.deallocate()
        unsafe storage = UnsafeMutableRawBufferPointer(start: nil, count: 0)
        capacity = 0
        head = 0
        byteCount = 0
    }

    private mutating func reserve(_ needed: Int) {
        guard needed > capacity else { return }
        var largerCapacity = max(Self.initialCapacity, capacity)
        while largerCapacity < needed { largerCapacity *= 2 }
        let larger = UnsafeMutableRawBufferPointer.allocate(byteCount: largerCapacity, alignment: 64)
        let untilEnd = min(byteCount, capacity - head)
        unsafe Self.copy(storage[head..<(head + untilEnd)], to: larger[...])
        unsafe Self.copy(storage[..<(byteCount - untilEnd)], to: larger[untilEnd...])
        unsafe storage.deallocate()
        unsafe storage = larger
        capacity = largerCapacity
        head = 0
    }

    private static func copy(_ source: Slice<UnsafeRawBufferPointer>, to target: Slice<UnsafeMutableRawBufferPointer>) {
        guard unsafe !source.isEmpty else { return }
        unsafe UnsafeMutableRawBufferPointer(rebasing: target).copyMemory(from: UnsafeRawBufferPointer(rebasing: source))
    }

    private static func copy(_ source: Slice<UnsafeMutableRawBufferPointer>, to target: Slice<UnsafeMutableRawBufferPointer>) {
        guard unsafe !source.isEmpty else { return }
        unsafe UnsafeMutableRawBufferPointer(rebasing: target).copyMemory(
            from: UnsafeRawBufferPointer(UnsafeMutableRawBufferPointer(rebasing: source)))
    }
}
