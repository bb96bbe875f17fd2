// The module's only use of the file system.
#if canImport(Glibc)
internal import Glibc
#elseif canImport(Musl)
internal import Musl
#elseif canImport(Darwin)
internal import Darwin
#endif

/// Files that only their owner can read.
enum SecretFile {
    /// Reads a file of exactly `byteCount` bytes straight into secret memory.
    ///
    /// - Throws: `.identityFile` naming path and cause: missing, not a regular file, another owner, accessible by others, another length.
    static func read(_ path: String, byteCount: Int, allocator: any SecretAllocator) throws(CryptoFailure) -> SecretBytes {
        try read(path, byteCounts: byteCount...byteCount, allocator: allocator)
    }

    /// Reads a file with one of several lengths straight into secret memory.
    ///
    /// - Throws: `.identityFile`, as for one length.
    static func read(_ path: String, byteCounts: ClosedRange<Int>, allocator: any SecretAllocator) throws(CryptoFailure) -> SecretBytes {
        // Without O_NONBLOCK a FIFO would block here, before its kind can be told.
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
        guard descriptor >= 0 else { throw failure(path, systemError()) }
        defer { close(descriptor) }
        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0 else { throw failure(path, systemError()) }
        guard status.st_mode & S_IFMT == S_IFREG else { throw failure(path, "not a regular file") }
        guard status.st_uid == geteuid() else { throw failure(path, "owned by user \(status.st_uid), not by user \(geteuid())") }
        guard status.st_mode & 0o077 == 0 else {
            throw failure(path, "accessible by group or others (mode 0\(String(status.st_mode & 0o777, radix: 8))); chmod 600 it")
        }
        let byteCount = Int(status.st_size)
        guard byteCounts.contains(byteCount) else {
            let expected = byteCounts.count == 1 ? "\(byteCounts.lowerBound)" : "\(byteCounts.lowerBound) to \(byteCounts.upperBound)"
            throw failure(path, "truncated or not an identity (\(byteCount) bytes instead of \(expected))")
        }
        return try SecretBytes(byteCount: byteCount, allocator: allocator) { output throws(CryptoFailure) in
            while output.freeCapacity > 0 {
                guard let count = readSome(descriptor, into: &output) else { throw failure(path, systemError()) }
                guard count > 0 else { throw failure(path, "truncated while it was read") }
            }
        }
    }

    /// Reads an open descriptor to its end straight into secret memory.
    ///
    /// - Throws: `.identityFile` naming `name` and cause: unreadable, or more than `limit` bytes.
    static func read(
        descriptor: Int32, name: String, limit: Int, allocator: any SecretAllocator
    ) throws(CryptoFailure) -> SecretBytes {
        var byteCount = 0
        let contents = try SecretBytes(byteCount: limit + 1, allocator: allocator) { output throws(CryptoFailure) in
            while output.freeCapacity > 0 {
                guard let count = readSome(descriptor, into: &output) else { throw failure(name, systemError()) }
                guard count > 0 else { break }
            }
            byteCount = output.byteCount
            while output.freeCapacity > 0 { output.append(UInt8(0)) }
        }
        guard byteCount <= limit else { throw failure(name, "longer than \(limit) bytes") }
        return SecretBytes(copying: contents.bytes.extracting(0..<byteCount), allocator: allocator)
    }

    /// Makes a new file of mode 0600 that holds `contents` on disk, complete from the moment it appears; missing folders get mode 0700.
    ///
    /// - Throws: `.identityFile` naming path and cause; an existing file is never touched.
    static func create(_ path: String, contents: RawSpan) throws(CryptoFailure) {
        let folder = folder(of: path)
        try makeFolder(folder, for: path)
        // Written under another name first: a crash leaves no half identity, and a second process reads none.
        // A random name: process ids repeat in containers, and a draft that a crash left must not stop the next start.
        let draft = "\(path).\(String(UInt64.random(in: .min ... .max), radix: 16)).new"
        let descriptor = unsafe open(draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw failure(path, systemError()) }
        defer { unsafe unlink(draft) }
        do {
            defer { close(descriptor) }
            // The umask may have taken away even the owner's access.
            guard fchmod(descriptor, 0o600) == 0, writeAll(contents, to: descriptor), fsync(descriptor) == 0 else {
                throw failure(path, systemError())
            }
        }
        // Unlike rename, link refuses to replace a file.
        guard unsafe link(draft, path) == 0 else { throw failure(path, systemError()) }
        try synchronize(folder: folder)
    }

    private static func folder(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    private static func makeFolder(_ folder: String, for path: String) throws(CryptoFailure) {
        if unsafe mkdir(folder, 0o700) == 0 { return }
        switch errno {
        case EEXIST: return
        case ENOENT:
            let parent = Self.folder(of: folder)
            guard parent != folder else { throw failure(path, systemError()) }
            try makeFolder(parent, for: path)
            guard unsafe mkdir(folder, 0o700) == 0 || errno == EEXIST else { throw failure(folder, systemError()) }
        default:
            // A folder on a read-only or foreign file system may exist nevertheless; opening the file tells.
            return
        }
    }

    private static func synchronize(folder: String) throws(CryptoFailure) {
        let descriptor = unsafe open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure(folder, systemError()) }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 || errno == EINVAL else { throw failure(folder, systemError()) }
    }

    /// The number of bytes appended, 0 at the end of the file, nil on an error.
    private static func readSome(_ descriptor: Int32, into output: inout OutputRawSpan) -> Int? {
        unsafe output.withUnsafeMutableBytes { buffer, count in
            while true {
                guard let base = buffer.baseAddress else { return nil }
                let received = unsafe Self.read(descriptor, base + count, buffer.count - count)
                if received < 0 && errno == EINTR { continue }
                guard received >= 0 else { return nil }
                count += received
                return received
            }
        }
    }

    private static func read(_ descriptor: Int32, _ start: UnsafeMutableRawPointer, _ byteCount: Int) -> Int {
        #if canImport(Glibc)
        unsafe Glibc.read(descriptor, start, byteCount)
        #elseif canImport(Musl)
        unsafe Musl.read(descriptor, start, byteCount)
        #else
        unsafe Darwin.read(descriptor, start, byteCount)
        #endif
    }

    private static func writeAll(_ contents: RawSpan, to descriptor: Int32) -> Bool {
        var offset = 0
        while offset < contents.byteCount {
            let rest = contents.extracting(offset..<contents.byteCount)
            let written = unsafe rest.withUnsafeBytes { unsafe write(descriptor, $0.baseAddress, $0.count) }
            if written < 0 && errno == EINTR { continue }
            guard written > 0 else { return false }
            offset += written
        }
        return true
    }

    private static func systemError() -> String {
        let code = errno
        guard let text = unsafe strerror(code) else { return "error \(code)" }
        return unsafe String(cString: text)
    }

    static func failure(_ path: String, _ cause: String) -> CryptoFailure {
        CryptoFailure(.identityFile, "identity file \(path): \(cause)")
    }
}
