// Wall clock and heap: what the standard library does not offer. Sockets are in Control/UnixSocket.swift.
#if canImport(Glibc)
internal import Glibc
#elseif canImport(Musl)
internal import Musl
#elseif canImport(Darwin)
internal import Darwin
#endif

/// Unix time.
enum WallClock {
    /// Nanoseconds since 1970-01-01 00:00 UTC.
    static var nanoseconds: UInt64 {
        var time = timespec()
        _ = unsafe clock_gettime(CLOCK_REALTIME, &time)
        return UInt64(max(0, time.tv_sec)) * 1_000_000_000 + UInt64(max(0, time.tv_nsec))
    }
}

/// Memory that the allocator holds on to.
enum Heap {
    /// Gives free pages back to the system: after a daemon with a large state has gone, the node shall be small again.
    static func trim() {
        #if canImport(Glibc)
        // The module of the C library does not list it.
        typealias Trim = @convention(c) (Int) -> Int32
        guard let symbol = unsafe dlsym(nil, "malloc_trim") else { return }
        _ = unsafe unsafeBitCast(symbol, to: Trim.self)(0)
        #endif
    }
}
