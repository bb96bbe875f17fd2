internal import CSodium
public import FerryCrypto

/// libsodium's guarded heap: locked, fenced by unmapped pages, wiped when released. An allocation costs about 30 µs: for keys only.
public struct SodiumAllocator: SecretAllocator {
    /// Initializes the library.
    public init() {
        _ = SodiumLibrary.ready
    }

    /// Allocates `byteCount` zeroed bytes; ends the process when the system has no memory left for keys.
    public func allocate(byteCount: Int) -> UnsafeMutableRawBufferPointer {
        guard let base = unsafe sodium_malloc(max(byteCount, 1)) else { preconditionFailure("no memory left for key bytes") }
        let buffer = unsafe UnsafeMutableRawBufferPointer(start: base, count: byteCount)
        unsafe sodium_memzero(base, byteCount)
        return unsafe buffer
    }

    /// Wipes and releases what `allocate` gave.
    public func deallocate(_ buffer: UnsafeMutableRawBufferPointer) {
        unsafe sodium_free(buffer.baseAddress)
    }
}

/// The operating system's random generator through `randombytes_buf`, which aborts rather than give weak bytes.
public struct SodiumRandom: SecureRandom {
    /// Initializes the library.
    public init() {
        _ = SodiumLibrary.ready
    }

    /// Fills the output's whole free capacity.
    public func fill(_ output: inout OutputRawSpan) {
        let byteCount = output.freeCapacity
        _ = unsafe output.append(byteCount: byteCount) { pointer in
            unsafe randombytes_buf(pointer, byteCount)
            return true
        }
    }
}
