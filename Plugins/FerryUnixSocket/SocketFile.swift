internal import FerryTransports
internal import Glibc

/// A listening socket and its file, which only the owner can reach.
///
/// Permissions: on Linux the mode of a bound file is the mode of the socket's own inode, minus the umask. `fchmod` on the descriptor before
/// `bind` therefore creates the file as 0600 in one step: there is no moment at which others could connect, and neither the umask (which is
/// per process, so changing it races with other threads) nor a rename is involved.
///
/// Races: two processes that both find a dead file must not remove each other's new one, so that looking, removing and binding happen
/// under a lock on the folder.
struct SocketFile: Sendable {
    let path: String
    /// Listening and non-blocking; whoever makes a channel of it closes it.
    let descriptor: CInt
    private let identity: FileStatus.Identity

    private static let backlog: CInt = 128
    private static let lockAttempts = 200
    private static let lockPauseMicroseconds: UInt32 = 5_000

    /// Binds and listens. Blocks for file operations and up to a second for the lock.
    init(binding path: String) throws(TransportError) {
        try Self.checkLength(of: path)
        let folder = try Self.openFolder(of: path)
        defer { SystemCalls.close(folder) }
        try Self.lock(folder, path: path)
        try Self.removeDeadFile(path)
        var descriptor: CInt = -1
        do throws(Errno) {
            descriptor = try SystemCalls.makeStreamSocket()
            try SystemCalls.setPermissions(0o600, of: descriptor)
            try SystemCalls.bind(descriptor, to: path)
            let status = try SystemCalls.status(of: path)
            guard status.isSocket, status.permissions & 0o077 == 0 else { throw Errno(number: EPERM) }
            try SystemCalls.listen(descriptor, backlog: Self.backlog)
            self.path = path
            self.descriptor = descriptor
            self.identity = status.identity
        } catch {
            if descriptor >= 0 { SystemCalls.close(descriptor) }
            throw TransportError(error, "cannot listen on \(path)")
        }
    }

    /// Removes the file if it is still ours.
    func remove() {
        guard let folder = try? Self.openFolder(of: path) else { return }
        defer { SystemCalls.close(folder) }
        guard (try? Self.lock(folder, path: path)) != nil else { return }
        guard let status = try? SystemCalls.status(of: path), status.identity == identity else { return }
        try? SystemCalls.removeFile(path)
    }

    /// A connected socket, which the caller closes. On this kind of socket connecting waits for nothing.
    ///
    /// NIO's own `connect` takes paths of at most 103 bytes.
    static func connect(to address: TransportAddress) throws(TransportError) -> CInt {
        try checkLength(of: address.rest)
        do throws(Errno) {
            let descriptor = try SystemCalls.makeStreamSocket()
            do throws(Errno) {
                try SystemCalls.connect(descriptor, to: address.rest)
                return descriptor
            } catch {
                SystemCalls.close(descriptor)
                throw error
            }
        } catch {
            var failure = TransportError(error, "cannot connect to \(address)")
            // A path that is not there is a listener that is not there.
            if error.number == ENOENT || error.number == ENOTDIR { failure.code = .refused }
            throw failure
        }
    }

    /// - Throws: `.pathTooLong`, `.invalidAddress`.
    static func checkLength(of path: String) throws(TransportError) {
        let byteCount = path.utf8.count
        guard byteCount <= SystemCalls.maximumPathByteCount else {
            throw TransportError(
                .pathTooLong,
                "a socket path has at most \(SystemCalls.maximumPathByteCount) bytes, this one has \(byteCount): \(path)")
        }
        guard !path.isEmpty, !path.hasSuffix("/"), !path.utf8.contains(0) else {
            throw TransportError(.invalidAddress, "'\(path)' is no path of a socket")
        }
    }

    private static func openFolder(of path: String) throws(TransportError) -> CInt {
        let folder = folder(of: path)
        let descriptor: CInt
        let status: FileStatus
        do throws(Errno) {
            try SystemCalls.makeFolder(folder)
            descriptor = try SystemCalls.openFolder(folder)
            status = try SystemCalls.status(of: descriptor)
        } catch {
            throw TransportError(error, "cannot use the folder \(folder)")
        }
        do throws(TransportError) {
            try checkOwnership(status, folder: folder)
        } catch {
            SystemCalls.close(descriptor)
            throw error
        }
        return descriptor
    }

    /// Whoever may write to the folder may put a socket of their own in our place, unless the sticky bit keeps them off others' files.
    private static func checkOwnership(_ status: FileStatus, folder: String) throws(TransportError) {
        let isTrusted = status.owner == SystemCalls.userID || status.owner == 0
        let isClosed = status.permissions & 0o022 == 0 || status.permissions & 0o1000 != 0
        guard isTrusted, isClosed else {
            throw TransportError(.permissionDenied, "others could replace a socket in \(folder): its owner or mode lets them write there")
        }
    }

    private static func lock(_ folder: CInt, path: String) throws(TransportError) {
        for _ in 0..<lockAttempts {
            if SystemCalls.tryLock(folder) { return }
            SystemCalls.pause(microseconds: lockPauseMicroseconds)
        }
        throw TransportError(.addressInUse, "another process holds the lock on the folder of \(path)")
    }

    private static func removeDeadFile(_ path: String) throws(TransportError) {
        guard let status = try? SystemCalls.status(of: path) else { return }
        guard status.isSocket else { throw TransportError(.addressInUse, "\(path) exists and is no socket") }
        guard try !isAnswering(path) else { throw TransportError(.addressInUse, "somebody listens on \(path)") }
        do {
            try SystemCalls.removeFile(path)
        } catch {
            throw TransportError(error, "cannot remove the dead socket \(path)")
        }
    }

    private static func isAnswering(_ path: String) throws(TransportError) -> Bool {
        do throws(Errno) {
            let descriptor = try SystemCalls.makeStreamSocket()
            defer { SystemCalls.close(descriptor) }
            try SystemCalls.connect(descriptor, to: path)
            return true
        } catch {
            switch error.number {
            case ECONNREFUSED: return false
            // The backlog is full: somebody is there.
            case EAGAIN: return true
            default: throw TransportError(error, "cannot tell whether somebody listens on \(path)")
            }
        }
    }

    private static func folder(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }
}

extension TransportError {
    init(_ error: Errno, _ context: String) {
        let code: Code =
            switch error.number {
            case EADDRINUSE: .addressInUse
            case EACCES, EPERM: .permissionDenied
            case ENAMETOOLONG: .pathTooLong
            case ENOSPC, EDQUOT, EROFS, ENOENT, ENOTDIR, EIO, ENOMEM: .storage
            case ECONNREFUSED, EAGAIN, ENOTSOCK, EPROTOTYPE: .refused
            default: .system
            }
        self.init(code, "\(context): \(error.text)", cause: error)
    }
}
