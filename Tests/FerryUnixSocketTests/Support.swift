import FerryTransports
import FerryUnixSocket
import Glibc
import Testing

func withFolder(_ body: (String) async throws -> Void) async throws {
    let folder = "/tmp/ferry-\(UInt32.random(in: .min ... .max))"
    let status = unsafe mkdir(folder, 0o700)
    try #require(status == 0)
    defer {
        for name in ["s", "made/s"] { unsafe unlink(folder + "/" + name) }
        unsafe rmdir(folder)
    }
    try await body(folder)
}

func withListener(
    _ configuration: UnixSocketConfiguration = UnixSocketConfiguration(), _ body: (UnixSocketListener, String) async throws -> Void
) async throws {
    try await withFolder { folder in
        let listener = try #require(try await UnixSocketTransport(path: folder + "/s", configuration: configuration).listen())
        try await body(listener, folder + "/s")
        await listener.close()
    }
}

/// The permission bits of a file, or nil when there is none.
func mode(of path: String) -> mode_t? {
    var status = stat()
    return unsafe lstat(path, &status) == 0 ? status.st_mode & 0o7777 : nil
}

/// A socket that is bound and does not listen.
func boundSocket(_ path: String) throws -> CInt {
    try unsafe rawSocket(path) { unsafe bind($0, $1, $2) }
}

/// A blocking socket that speaks for itself.
func connectedSocket(_ path: String) throws -> CInt {
    try unsafe rawSocket(path) { unsafe connect($0, $1, $2) }
}

private func rawSocket(_ path: String, _ body: (CInt, UnsafePointer<sockaddr>, socklen_t) -> CInt) throws -> CInt {
    let descriptor = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: path.utf8) }
    let result = unsafe withUnsafePointer(to: address) { pointer in
        unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            unsafe body(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
        }
    }
    try #require(result == 0)
    return descriptor
}

/// Writes everything, yielding while the peer does not read: a blocked thread would be missing elsewhere.
func write(_ descriptor: CInt, _ bytes: [UInt8]) async {
    var offset = 0
    while offset < bytes.count {
        let rest = Array(bytes[offset...])
        let count = unsafe send(descriptor, rest, rest.count, CInt(MSG_NOSIGNAL | MSG_DONTWAIT))
        guard count > 0 || errno == EAGAIN else { return }
        offset += max(0, count)
        if count < 0 { await Task.yield() }
    }
}

/// Exactly `count` bytes, or fewer at the end of the stream.
func read(_ descriptor: CInt, _ count: Int) async -> [UInt8] {
    var result: [UInt8] = []
    while result.count < count, let bytes = readAvailable(descriptor, count - result.count) {
        result += bytes
        if bytes.isEmpty { await Task.yield() }
    }
    return result
}

/// What is there to read, or nil at the end of the stream.
func readAvailable(_ descriptor: CInt, _ count: Int) -> [UInt8]? {
    var buffer = [UInt8](repeating: 0, count: count)
    let received = unsafe recv(descriptor, &buffer, buffer.count, CInt(MSG_DONTWAIT))
    if received < 0, errno == EAGAIN { return [] }
    return received > 0 ? Array(buffer.prefix(received)) : nil
}

extension TransportLink {
    func send(bytes: [UInt8]) async throws(TransportError) {
        try await send(unsafe _overrideLifetime(bytes.span.bytes, borrowing: bytes))
    }

    /// The next frame, or nil once the link is closed.
    func receiveBytes() async throws -> [UInt8]? {
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: properties.maximumFrameByteCount, alignment: 16)
        defer { unsafe memory.deallocate() }
        var output = unsafe OutputRawSpan(buffer: memory, initializedCount: 0)
        let isOpen = try await receive(into: &output)
        let count = unsafe output.finalize(for: memory)
        return isOpen ? unsafe [UInt8](memory.prefix(count)) : nil
    }
}

/// Fails unless `body` throws a transport error of this code.
func expectCode(_ code: TransportError.Code, _ body: () async throws -> Void, sourceLocation: SourceLocation = #_sourceLocation) async {
    do {
        try await body()
        Issue.record("expected \(code), nothing was thrown", sourceLocation: sourceLocation)
    } catch let error as TransportError {
        #expect(error.code == code, sourceLocation: sourceLocation)
    } catch {
        Issue.record("expected \(code), got \(error)", sourceLocation: sourceLocation)
    }
}
