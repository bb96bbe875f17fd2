// The module's only use of the C library for memory; every other file asks for scratch space or an allocator.
#if canImport(Glibc)
internal import Glibc
#elseif canImport(Musl)
internal import Musl
#elseif canImport(Darwin)
internal import Darwin
#endif

/// Overwrites a buffer with zeros in a way that the optimizer may not drop.
func wipe(_ buffer: UnsafeMutableRawBufferPointer) {
    guard let base = buffer.baseAddress, buffer.count > 0 else { return }
    #if canImport(Darwin)
    _ = unsafe memset_s(base, buffer.count, 0, buffer.count)
    #else
    unsafe explicit_bzero(base, buffer.count)
    #endif
}

/// Lends `byteCount` bytes of stack or heap memory for intermediate secrets and wipes them on every path.
///
/// - Parameter body: appends to an empty output; what it leaves there is gone when it returns.
func withWipedScratch<Result: ~Copyable, Failure: Error>(
    byteCount: Int, _ body: (inout OutputRawSpan) throws(Failure) -> Result
) throws(Failure) -> Result {
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: max(byteCount, 1), alignment: 16)
    defer {
        unsafe wipe(buffer)
        unsafe buffer.deallocate()
    }
    var output = unsafe OutputRawSpan(buffer: buffer, initializedCount: 0)
    return try body(&output)
}

/// Private pages for key bytes where a back-end has no locked memory of its own: kept out of core dumps and, within the process's
/// limit for locked memory, out of swap; wiped before they are given back.
public struct WipedPages: SecretAllocator {
    /// Makes the allocator; it has no state.
    public init() {}

    /// Maps whole zeroed pages; ends the process when the system has none left.
    public func allocate(byteCount: Int) -> UnsafeMutableRawBufferPointer {
        let mapped = unsafe mmap(nil, max(byteCount, 1), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        guard let base = unsafe mapped, unsafe base != MAP_FAILED else {
            preconditionFailure("no memory left for key bytes")
        }
        // Both are best effort: an exhausted limit must not keep a node from talking.
        _ = unsafe mlock(base, max(byteCount, 1))
        #if canImport(Glibc) || canImport(Musl)
        _ = unsafe madvise(base, max(byteCount, 1), MADV_DONTDUMP)
        #endif
        return unsafe UnsafeMutableRawBufferPointer(start: base, count: byteCount)
    }

    /// Wipes and unmaps the pages.
    public func deallocate(_ buffer: UnsafeMutableRawBufferPointer) {
        guard let base = buffer.baseAddress else { return }
        unsafe wipe(buffer)
        _ = unsafe munmap(base, max(buffer.count, 1))
    }
}

/// Heap memory that is wiped when released: for secrets that live no longer than a handshake or a signature, where guarded memory
/// (tens of microseconds an allocation) would cost more than the cryptography, to the profit of whoever floods a node with handshakes.
public struct WipedHeap: SecretAllocator {
    /// Makes the allocator; it has no state.
    public init() {}

    /// Allocates zeroed bytes.
    public func allocate(byteCount: Int) -> UnsafeMutableRawBufferPointer {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: byteCount, alignment: 16)
        unsafe buffer.initializeMemory(as: UInt8.self, repeating: 0)
        return unsafe buffer
    }

    /// Wipes and frees.
    public func deallocate(_ buffer: UnsafeMutableRawBufferPointer) {
        unsafe wipe(buffer)
        unsafe buffer.deallocate()
    }
}
