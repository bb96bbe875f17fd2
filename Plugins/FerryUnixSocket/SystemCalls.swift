// The only file of this module that calls the operating system by address.

internal import FerryTransports
internal import Glibc

/// What `lstat` and `fstat` say about a file.
struct FileStatus {
    /// Names a file on this machine as long as it exists.
    struct Identity: Hashable, Sendable {
        var device: UInt64
        var inode: UInt64
    }

    var identity: Identity
    var owner: UInt32
    /// The low twelve bits: set-id, sticky and rwx three times.
    var permissions: UInt32
    var isSocket: Bool
    var isFolder: Bool

    fileprivate init(_ status: stat) {
        identity = Identity(device: UInt64(status.st_dev), inode: UInt64(status.st_ino))
        owner = status.st_uid
        permissions = status.st_mode & 0o7777
        isSocket = status.st_mode & S_IFMT == S_IFSOCK
        isFolder = status.st_mode & S_IFMT == S_IFDIR
    }
}

/// `struct ucred`, which the C library shows only to programs that ask for GNU extensions.
struct PeerCredentials: Sendable {
    var processID: Int32
    var userID: UInt32
    var groupID: UInt32
}

/// The number that a system call left in `errno`.
struct Errno: Error, Hashable {
    var number: CInt

    /// The C library's name for it, in one line.
    var text: String { unsafe String(cString: strerror(number)) }
}

enum SystemCalls {
    /// `sun_path` holds 108 bytes, the last of which is a zero.
    static let maximumPathByteCount = 107
    static let peerCredentialsOption = CInt(SO_PEERCRED)

    static var userID: UInt32 { geteuid() }

    static func status(of path: String) throws(Errno) -> FileStatus {
        var status = stat()
        try check(unsafe lstat(path, &status))
        return FileStatus(status)
    }

    static func status(of descriptor: CInt) throws(Errno) -> FileStatus {
        var status = stat()
        try check(unsafe fstat(descriptor, &status))
        return FileStatus(status)
    }

    /// Makes the folder with mode 0700 unless something of that name exists.
    static func makeFolder(_ path: String) throws(Errno) {
        guard unsafe mkdir(path, 0o700) != 0, errno != EEXIST else { return }
        let failure = Errno(number: errno)
        // A read-only file system may say so before it says that the folder exists.
        if (try? status(of: path)) == nil { throw failure }
    }

    static func openFolder(_ path: String) throws(Errno) -> CInt {
        try check(unsafe open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC))
    }

    /// Whether the lock was free.
    static func tryLock(_ descriptor: CInt) -> Bool { flock(descriptor, LOCK_EX | LOCK_NB) == 0 }

    static func removeFile(_ path: String) throws(Errno) {
        try check(unsafe unlink(path))
    }

    static func close(_ descriptor: CInt) { _ = Glibc.close(descriptor) }

    static func pause(microseconds: UInt32) { usleep(microseconds) }

    static func makeStreamSocket() throws(Errno) -> CInt {
        let kind = CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
        return try check(socket(AF_UNIX, kind, 0))
    }

    static func setPermissions(_ permissions: UInt32, of descriptor: CInt) throws(Errno) {
        try check(fchmod(descriptor, permissions))
    }

    static func bind(_ descriptor: CInt, to path: String) throws(Errno) {
        try check(unsafe withAddress(path) { unsafe Glibc.bind(descriptor, $0, $1) })
    }

    static func connect(_ descriptor: CInt, to path: String) throws(Errno) {
        try check(unsafe withAddress(path) { unsafe Glibc.connect(descriptor, $0, $1) })
    }

    static func listen(_ descriptor: CInt, backlog: CInt) throws(Errno) {
        try check(Glibc.listen(descriptor, backlog))
    }

    @discardableResult
    private static func check(_ result: CInt) throws(Errno) -> CInt {
        guard result >= 0 else { throw Errno(number: errno) }
        return result
    }

    /// The caller has checked the length.
    private static func withAddress(_ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> CInt) -> CInt {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: path.utf8.prefix(maximumPathByteCount)) }
        return unsafe withUnsafePointer(to: address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
    }
}
