#if canImport(Glibc)
internal import Glibc
#elseif canImport(Musl)
internal import Musl
#elseif canImport(Darwin)
internal import Darwin
#endif

/// One end of a Unix stream socket that carries lines of text; reads and writes block.
final class UnixSocket: Sendable {
    /// The longest request.
    static let maximumLineByteCount = 1 << 20
    /// The longest reply: all moves that a node remembers, in every role.
    static let maximumReplyByteCount = 64 << 20
    /// How long a listener's queue may be full before nobody is said to serve it.
    private static let connectPatience = Duration.seconds(10)

    private let descriptor: Int32

    init(descriptor: Int32) { self.descriptor = descriptor }

    deinit { close(descriptor) }

    /// Wakes whoever reads or accepts; idempotent.
    func shutDown() { _ = shutdown(descriptor, Int32(SHUT_RDWR)) }

    /// Whether the other end runs as this user, or as root.
    var isPeerOwner: Bool {
        #if canImport(Darwin)
        var user = uid_t()
        var group = gid_t()
        return unsafe getpeereid(descriptor, &user, &group) == 0 && (user == geteuid() || user == 0)
        #else
        // `struct ucred`: process, user, group.
        var credentials: (pid_t, uid_t, gid_t) = (0, 0, 0)
        var size = socklen_t(MemoryLayout<(pid_t, uid_t, gid_t)>.size)
        guard unsafe getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &credentials, &size) == 0 else { return false }
        return credentials.1 == geteuid() || credentials.1 == 0
        #endif
    }

    /// Whether the other end is closed for good; one that only writes no more is still there.
    var isPeerGone: Bool {
        var watched = pollfd(fd: descriptor, events: 0, revents: 0)
        return unsafe poll(&watched, 1, 0) == 1 && watched.revents & Int16(POLLHUP) != 0
    }

    /// Bounds how long one read and one write may wait for the other end; nil for ever.
    func limitWaiting(read: Duration? = nil, write: Duration? = nil) {
        limitWaiting(SO_RCVTIMEO, read)
        limitWaiting(SO_SNDTIMEO, write)
    }

    private func limitWaiting(_ option: Int32, _ duration: Duration?) {
        var value = timeval(tv_sec: .init(duration?.components.seconds ?? 0), tv_usec: 0)
        _ = unsafe setsockopt(descriptor, SOL_SOCKET, option, &value, socklen_t(MemoryLayout<timeval>.size))
    }

    // MARK: Opening

    /// Connects to a listening socket.
    static func connect(_ path: String) throws(FerryError) -> UnixSocket {
        let (socket, cause) = try attempt(path)
        switch cause {
        case 0: return socket
        case EAGAIN: throw FerryError(.controlSocket, "the node behind the control socket \(path) takes nobody in: it stands still")
        default: throw failure("nobody serves the control socket \(path)", cause)
        }
    }

    /// - Returns: the socket, and 0 or the cause for which it is not connected.
    private static func attempt(_ path: String) throws(FerryError) -> (UnixSocket, Int32) {
        let socket = UnixSocket(descriptor: try make())
        socket.limitWaiting(write: connectPatience)
        let code = try unsafe withAddress(path) { address, size in unsafe systemConnect(socket.descriptor, address, size) }
        let cause = code == 0 ? 0 : errno
        socket.limitWaiting()
        return (socket, cause)
    }

    /// Listens at `path`, for this user only: the folder is made with mode 0700, the socket with 0600 from the start.
    static func listen(_ path: String) throws(FerryError) -> UnixSocket {
        try prepareFolder(of: path)
        try removeStale(path)
        let socket = UnixSocket(descriptor: try make())
        // The mode of a socket file is taken from the descriptor's on Linux, so there is no moment with a wider one.
        _ = fchmod(socket.descriptor, 0o600)
        let code = try unsafe withAddress(path) { address, size in unsafe systemBind(socket.descriptor, address, size) }
        guard code == 0 else { throw failure("the control socket \(path) cannot be bound") }
        guard unsafe chmod(path, 0o600) == 0, systemListen(socket.descriptor, 16) == 0 else {
            let failure = failure("the control socket \(path) cannot be opened")
            unsafe unlink(path)
            throw failure
        }
        return socket
    }

    /// Removes the socket file.
    static func remove(_ path: String) { unsafe unlink(path) }

    /// The next connection; nil once the socket is shut down.
    func accept() throws(FerryError) -> UnixSocket? {
        while true {
            let accepted = systemAccept(descriptor, nil, nil)
            if accepted >= 0 {
                _ = fcntl(accepted, F_SETFD, FD_CLOEXEC)
                return UnixSocket(descriptor: accepted)
            }
            switch errno {
            case EINTR, ECONNABORTED: continue
            case EINVAL, EBADF: return nil
            // A process that is out of descriptors or memory for a moment keeps its node.
            case EMFILE, ENFILE, ENOBUFS, ENOMEM: usleep(100_000)
            default: throw Self.failure("the control socket takes no connections")
            }
        }
    }

    // MARK: Lines

    /// What a read has come to.
    enum LineRead {
        case line([UInt8])
        case end
        /// Nothing came for as long as ``limitWaiting(read:write:)`` allows.
        case silence
    }

    private enum ByteRead {
        case some
        case end
        case silence
    }

    /// Appends bytes to `buffer` until it holds a whole line, and takes that line off.
    ///
    /// - Throws: `.malformedRequest` for a line beyond the limit, `.controlSocket`.
    func readLine(_ buffer: inout [UInt8], limit: Int = maximumLineByteCount) throws(FerryError) -> LineRead {
        var searched = 0
        while true {
            if let end = buffer[searched...].firstIndex(of: UInt8(ascii: "\n")) {
                let line = Array(buffer[..<end])
                buffer.removeSubrange(...end)
                return .line(line)
            }
            searched = buffer.count
            guard searched <= limit else { throw FerryError(.malformedRequest, "a line exceeds \(limit) bytes") }
            switch try readMore(&buffer) {
            case .some: break
            case .end: return .end
            case .silence: return .silence
            }
        }
    }

    private func readMore(_ buffer: inout [UInt8]) throws(FerryError) -> ByteRead {
        var chunk = [UInt8](repeating: 0, count: 16 << 10)
        while true {
            let count = unsafe chunk.withUnsafeMutableBytes { unsafe read(descriptor, $0.baseAddress, $0.count) }
            if count > 0 {
                buffer += chunk[..<count]
                return .some
            }
            if count == 0 { return .end }
            switch errno {
            case EINTR: continue
            case EAGAIN: return .silence
            case ECONNRESET: return .end
            default: throw Self.failure("the control socket broke off", errno)
            }
        }
    }

    /// Writes all of `line` and a newline.
    ///
    /// - Throws: `.controlSocket`.
    func writeLine(_ line: [UInt8]) throws(FerryError) {
        let bytes = line + [UInt8(ascii: "\n")]
        var sent = 0
        while sent < bytes.count {
            let count = unsafe bytes[sent...].withUnsafeBytes { unsafe send(descriptor, $0.baseAddress, $0.count, Self.noSignal) }
            if count > 0 { sent += count }
            if count < 0, errno != EINTR { throw Self.failure("the control socket broke off") }
        }
    }

    // MARK: Helpers

    #if canImport(Darwin)
    private static let noSignal: Int32 = 0
    #else
    private static let noSignal = Int32(MSG_NOSIGNAL)
    #endif

    private static func make() throws(FerryError) -> Int32 {
        #if canImport(Darwin)
        let descriptor = socket(AF_UNIX, SOCK_STREAM, 0)
        if descriptor >= 0 { _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC) }
        #else
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        #endif
        guard descriptor >= 0 else { throw failure("no socket could be made") }
        return descriptor
    }

    private static func prepareFolder(of path: String) throws(FerryError) {
        guard let slash = path.lastIndex(of: "/"), slash != path.startIndex else { return }
        let folder = String(path[..<slash])
        try makeFolder(folder)
        var status = stat()
        guard unsafe stat(folder, &status) == 0 else { throw failure("the folder \(folder) of the control socket is missing") }
        guard status.st_uid == geteuid(), status.st_mode & 0o077 == 0 else {
            throw FerryError(.controlSocket, "the folder \(folder) of the control socket is not this user's alone (mode 0700)")
        }
    }

    private static func makeFolder(_ folder: String) throws(FerryError) {
        var status = stat()
        if unsafe stat(folder, &status) == 0 { return }
        if let slash = folder.lastIndex(of: "/"), slash != folder.startIndex { try makeFolder(String(folder[..<slash])) }
        guard unsafe mkdir(folder, 0o700) == 0 || errno == EEXIST else { throw failure("the folder \(folder) cannot be made") }
    }

    /// A file that a crashed node left behind goes; a live socket, or anything else, stays.
    private static func removeStale(_ path: String) throws(FerryError) {
        var status = stat()
        guard unsafe lstat(path, &status) == 0 else { return }
        guard status.st_mode & S_IFMT == S_IFSOCK else {
            throw FerryError(.controlSocket, "\(path) exists and is no socket")
        }
        switch try attempt(path).1 {
        // A node that stands still, and so takes nobody in, is a node all the same.
        case 0, EAGAIN: throw FerryError(.controlSocket, "another node serves the control socket \(path)")
        default: unsafe unlink(path)
        }
    }

    private static func withAddress(
        _ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
    ) throws(FerryError) -> Int32 {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        let capacity = MemoryLayout.size(ofValue: address.sun_path)
        guard !bytes.isEmpty, bytes.count < capacity, !bytes.contains(0) else {
            let fault = bytes.isEmpty ? "is empty" : "has \(bytes.count) bytes, more than \(capacity - 1), or a zero among them: \(path)"
            throw FerryError(.controlSocket, "the path of the control socket \(fault)")
        }
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: bytes) }
        return unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
    }

    private static func failure(_ text: String, _ cause: Int32 = errno) -> FerryError {
        let cause = unsafe String(cString: strerror(cause))
        return FerryError(.controlSocket, "\(text): \(cause)")
    }
}

// The methods above have the names of the calls.
private func systemConnect(_ descriptor: Int32, _ address: UnsafePointer<sockaddr>, _ size: socklen_t) -> Int32 {
    unsafe connect(descriptor, address, size)
}

private func systemBind(_ descriptor: Int32, _ address: UnsafePointer<sockaddr>, _ size: socklen_t) -> Int32 {
    unsafe bind(descriptor, address, size)
}

private func systemListen(_ descriptor: Int32, _ backlog: Int32) -> Int32 { listen(descriptor, backlog) }

private func systemAccept(
    _ descriptor: Int32, _ address: UnsafeMutablePointer<sockaddr>?, _ size: UnsafeMutablePointer<socklen_t>?
) -> Int32 {
    unsafe accept(descriptor, address, size)
}
