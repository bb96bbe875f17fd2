// Wall clock, cores and memory: what the standard library does not offer. Sockets are in Control/UnixSocket.swift.
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

/// The core that a thread runs on.
enum Core {
    /// Lets threads that wait for it go first; comes back at once when there are none.
    static func yield() { sched_yield() }
}

/// The machine's memory.
enum PhysicalMemory {
    /// All of it, used or not; 2^48 when the system does not say.
    static var byteCount: UInt64 {
        let (pages, pageByteCount) = (sysconf(Int32(_SC_PHYS_PAGES)), sysconf(Int32(_SC_PAGESIZE)))
        return pages > 0 && pageByteCount > 0 ? UInt64(pages) * UInt64(pageByteCount) : 1 << 48
    }
}

/// The C library's allocator, which its Swift module does not list: the functions are looked up by name.
enum Heap {
    /// Gives free pages back to the system: after a daemon with a large state has gone, the node shall be small again.
    static func trim() {
        #if canImport(Glibc)
        typealias Trim = @convention(c) (Int) -> Int32
        guard let symbol = unsafe dlsym(nil, "malloc_trim") else { return }
        _ = unsafe unsafeBitCast(symbol, to: Trim.self)(0)
        #endif
    }
}
