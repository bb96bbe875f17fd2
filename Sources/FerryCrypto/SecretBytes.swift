internal import FerryWire

/// Where key bytes live: locked and guarded memory, or pages that are wiped.
public protocol SecretAllocator: Sendable {
    /// Allocates `byteCount` zeroed bytes.
    func allocate(byteCount: Int) -> UnsafeMutableRawBufferPointer
    /// Wipes and releases what `allocate` gave.
    func deallocate(_ buffer: UnsafeMutableRawBufferPointer)
}

/// Key bytes: not copyable, wiped on every path, without a description.
@safe public struct SecretBytes: ~Copyable, @unchecked Sendable {
    private let storage: UnsafeMutableRawBufferPointer
    private let allocator: any SecretAllocator

    /// Fills `byteCount` bytes in place; `body` must fill them all unless it throws.
    public init<E: Error>(byteCount: Int, allocator: any SecretAllocator, _ body: (inout OutputRawSpan) throws(E) -> Void) throws(E) {
        let buffer = unsafe allocator.allocate(byteCount: byteCount)
        var output = unsafe OutputRawSpan(buffer: buffer, initializedCount: 0)
        do throws(E) {
            try body(&output)
        } catch {
            unsafe allocator.deallocate(buffer)
            throw error
        }
        let written = unsafe output.finalize(for: buffer)
        precondition(written == byteCount, "a secret must be filled whole")
        unsafe storage = buffer
        self.allocator = allocator
    }

    /// Copies bytes that the caller wipes.
    public init(copying bytes: RawSpan, allocator: any SecretAllocator) {
        self.init(byteCount: bytes.byteCount, allocator: allocator) { $0.append(contentsOf: bytes) }
    }

    /// Draws `byteCount` random bytes.
    public init(randomByteCount byteCount: Int, crypto: CryptoProvider) {
        self.init(byteCount: byteCount, allocator: crypto.secrets) { crypto.random.fill(&$0) }
    }

    deinit {
        unsafe allocator.deallocate(storage)
    }

    /// The number of bytes.
    public var byteCount: Int { unsafe storage.count }

    /// The bytes, borrowed.
    public var bytes: RawSpan {
        @_lifetime(borrow self)
        borrowing get {
            unsafe _overrideLifetime(RawSpan(_unsafeBytes: UnsafeRawBufferPointer(storage)), borrowing: self)
        }
    }

    /// Appends a copy to memory that the caller wipes; traps when the free capacity is smaller.
    public borrowing func append(to output: inout OutputRawSpan) {
        output.append(contentsOf: bytes)
    }

    /// A second copy in the same kind of memory.
    public borrowing func copy() -> SecretBytes {
        SecretBytes(copying: bytes, allocator: allocator)
    }
}
