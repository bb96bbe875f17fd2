internal import FerryWire
internal import Synchronization

// The one file of the paged store that touches raw memory.

/// A page of bytes. It is only written while uniquely referenced, so sharing it is safe.
@safe
final class PagedBytesPage: @unchecked Sendable {
    private let memory: UnsafeMutableRawBufferPointer
    /// XXH3-64 of the page, or 0 while unknown: what one copy of a store has hashed, others need not, also those whose nodes differ by now.
    /// Atomic since frozen copies on other threads share the page.
    private let knownHash = Atomic<UInt64>(0)

    /// A page whose bytes are not written yet; whoever asks for one reads none before it has written it.
    init(byteCount: Int) {
        unsafe memory = .allocate(byteCount: byteCount, alignment: 16)
    }

    deinit {
        unsafe memory.deallocate()
    }

    /// A page of equal bytes.
    convenience init(repeating byte: UInt8, byteCount: Int) {
        self.init(byteCount: byteCount)
        unsafe memory.initializeMemory(as: UInt8.self, repeating: byte)
    }

    /// A copy that nobody shares.
    convenience init(copying other: PagedBytesPage) {
        self.init(byteCount: other.byteCount)
        unsafe memory.copyMemory(from: UnsafeRawBufferPointer(other.memory))
    }

    var byteCount: Int { unsafe memory.count }

    var bytes: RawSpan {
        @_lifetime(borrow self)
        borrowing get {
            unsafe _overrideLifetime(RawSpan(_unsafeBytes: UnsafeRawBufferPointer(memory)), borrowing: self)
        }
    }

    /// Overwrites bytes; the caller holds the only reference.
    func write(_ source: RawSpan, at offset: Int) {
        precondition(offset >= 0 && offset <= byteCount - source.byteCount, "page write out of bounds")
        knownHash.store(0, ordering: .relaxed)
        unsafe source.withUnsafeBytes { source in
            unsafe UnsafeMutableRawBufferPointer(rebasing: memory[offset..<(offset + source.count)]).copyMemory(from: source)
        }
    }

    /// Lets `body` append to an empty span over the bytes from `offset` on and returns how many; the caller holds the only reference.
    func fill<E: Error>(from offset: Int, _ body: (inout OutputRawSpan) throws(E) -> Void) throws(E) -> Int {
        precondition((0...byteCount).contains(offset), "page fill out of bounds")
        knownHash.store(0, ordering: .relaxed)
        let target = unsafe UnsafeMutableRawBufferPointer(rebasing: memory[offset...])
        var output = unsafe OutputRawSpan(buffer: target, initializedCount: 0)
        try body(&output)
        return unsafe output.finalize(for: target)
    }

    /// XXH3-64 of the page, computed when it was written since the last time.
    var hash: UInt64 {
        let known = knownHash.load(ordering: .relaxed)
        if known != 0 { return known }
        let computed = hash(first: byteCount)
        knownHash.store(computed, ordering: .relaxed)
        return computed
    }

    /// XXH3-64 of the first bytes; never 0.
    func hash(first byteCount: Int) -> UInt64 { max(xxh3(bytes.extracting(first: byteCount)), 1) }
}

extension RawSpan {
    /// Whether both hold the same bytes.
    func holdsSameBytes(as other: RawSpan) -> Bool {
        guard byteCount == other.byteCount else { return false }
        var offset = 0
        while offset <= byteCount - 8 {
            if littleEndianUInt64(at: offset) != other.littleEndianUInt64(at: offset) { return false }
            offset += 8
        }
        while offset < byteCount {
            if byte(at: offset) != other.byte(at: offset) { return false }
            offset += 1
        }
        return true
    }
}
