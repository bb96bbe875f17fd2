// The only file of this module that calls the operating system by address.

internal import Glibc
internal import NIOCore

/// The number that a system call left in `errno`.
struct Errno: Error, Hashable {
    var number: CInt

    /// The C library's text for it, in one line.
    var text: String { unsafe String(cString: strerror(number)) }
}

enum SystemCalls {
    // Linux's numbers, which its C library shows only to programs that ask for GNU extensions.
    private static let udpLevel = CInt(IPPROTO_UDP)
    private static let udpSegment: CInt = 103
    private static let ipMTUDiscover: CInt = 10
    private static let ipv6MTUDiscover: CInt = 23
    private static let ipv6Only: CInt = 26
    /// Sets the don't-fragment bit and ignores what the kernel believes of the path: the session probes it.
    private static let probePathMTU: CInt = 3

    /// A non-blocking datagram socket that never fragments.
    static func makeDatagramSocket(for address: SocketAddress) throws(Errno) -> CInt {
        let isIPv6 = address.protocol == .inet6
        let kind = CInt(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
        let descriptor = try check(socket(isIPv6 ? AF_INET6 : AF_INET, kind, 0))
        // A kernel without these options fragments, which costs speed and nothing else.
        try? set(probePathMTU, ipMTUDiscover, level: CInt(IPPROTO_IP), of: descriptor)
        if isIPv6 {
            try? set(probePathMTU, ipv6MTUDiscover, level: CInt(IPPROTO_IPV6), of: descriptor)
            try? set(0, ipv6Only, level: CInt(IPPROTO_IPV6), of: descriptor)
        }
        return descriptor
    }

    /// Asks for buffers and says what the kernel gave, as it accounts for it.
    static func setBuffers(_ byteCount: Int, of descriptor: CInt) -> (receive: Int, send: Int) {
        let wanted = CInt(clamping: byteCount)
        try? set(wanted, SO_RCVBUF, level: SOL_SOCKET, of: descriptor)
        try? set(wanted, SO_SNDBUF, level: SOL_SOCKET, of: descriptor)
        return (Int(get(SO_RCVBUF, of: descriptor)), Int(get(SO_SNDBUF, of: descriptor)))
    }

    static func bind(_ descriptor: CInt, to address: SocketAddress) throws(Errno) {
        try check(unsafe address.withSockAddr { unsafe Glibc.bind(descriptor, $0, socklen_t($1)) })
    }

    /// Fails when the kernel knows no route, without sending anything.
    static func checkRoute(to address: SocketAddress) throws(Errno) {
        let descriptor = try makeDatagramSocket(for: address)
        defer { close(descriptor) }
        try check(unsafe address.withSockAddr { unsafe Glibc.connect(descriptor, $0, socklen_t($1)) })
    }

    static func duplicate(_ descriptor: CInt) throws(Errno) -> CInt {
        try check(fcntl(descriptor, F_DUPFD_CLOEXEC, 0))
    }

    static func close(_ descriptor: CInt) { _ = Glibc.close(descriptor) }

    /// Sends `bytes` as one datagram, or, where `segmentByteCount` is given, as several of that size.
    static func send(_ bytes: RawSpan, segmentByteCount: UInt16?, to address: SocketAddress, on descriptor: CInt) throws(Errno) {
        let sent = unsafe address.withSockAddr { name, nameByteCount in
            unsafe bytes.withUnsafeBytes { buffer in
                var vector = unsafe iovec(iov_base: UnsafeMutableRawPointer(mutating: buffer.baseAddress), iov_len: buffer.count)
                var control = SegmentControl(segmentByteCount: segmentByteCount ?? 0)
                return unsafe withUnsafeMutablePointer(to: &vector) { vector in
                    unsafe withUnsafeMutableBytes(of: &control) { control in
                        var message = unsafe msghdr()
                        unsafe message.msg_name = UnsafeMutableRawPointer(mutating: name)
                        unsafe message.msg_namelen = socklen_t(nameByteCount)
                        unsafe message.msg_iov = vector
                        unsafe message.msg_iovlen = 1
                        if segmentByteCount != nil {
                            unsafe message.msg_control = control.baseAddress
                            unsafe message.msg_controllen = control.count
                        }
                        return unsafe sendmsg(descriptor, &message, CInt(MSG_DONTWAIT | MSG_NOSIGNAL))
                    }
                }
            }
        }
        guard sent >= 0 else { throw Errno(number: errno) }
    }

    /// What half-open links are counted by: an IPv4 address, or the 64 bits of an IPv6 address that a site is given.
    static func source(of address: SocketAddress) -> UInt64 {
        unsafe address.withSockAddr { name, byteCount in
            let bytes = unsafe UnsafeRawBufferPointer(start: name, count: byteCount)
            // `sin_addr` follows family and port, `sin6_addr` also the flow label.
            guard address.protocol == .inet6 else { return unsafe UInt64(bytes.loadUnaligned(fromByteOffset: 4, as: UInt32.self)) }
            let high = unsafe UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
            let low = unsafe UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 16, as: UInt64.self))
            // ::ffff:a.b.c.d is an IPv4 address.
            return high == 0 && low >> 32 == 0xffff ? low : high
        }
    }

    /// `struct cmsghdr` with one `UDP_SEGMENT`, padded as `CMSG_SPACE(2)` says.
    private struct SegmentControl {
        var byteCount = 18
        var level = SystemCalls.udpLevel
        var kind = SystemCalls.udpSegment
        var segmentByteCount: UInt16
        var padding: UInt16 = 0
        var morePadding: UInt32 = 0

        init(segmentByteCount: UInt16) { self.segmentByteCount = segmentByteCount }
    }

    private static func set(_ value: CInt, _ option: CInt, level: CInt, of descriptor: CInt) throws(Errno) {
        var value = value
        try check(unsafe setsockopt(descriptor, level, option, &value, socklen_t(MemoryLayout<CInt>.size)))
    }

    private static func get(_ option: CInt, of descriptor: CInt) -> CInt {
        var value: CInt = 0
        var byteCount = socklen_t(MemoryLayout<CInt>.size)
        return unsafe getsockopt(descriptor, SOL_SOCKET, option, &value, &byteCount) == 0 ? value : 0
    }

    @discardableResult
    private static func check(_ result: CInt) throws(Errno) -> CInt {
        guard result >= 0 else { throw Errno(number: errno) }
        return result
    }
}
