import FerryTransports
import Glibc
import Testing

extension [UInt8] {
    /// The array's bytes, borrowed.
    var raw: RawSpan {
        @_lifetime(borrow self)
        borrowing get { unsafe _overrideLifetime(span.bytes, borrowing: self) }
    }

    /// What `body` appends to `capacity` bytes of room.
    static func filled(capacity: Int, _ body: (inout OutputRawSpan) async throws -> Void) async rethrows -> [UInt8] {
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: capacity, alignment: 16)
        defer { unsafe memory.deallocate() }
        var output = unsafe OutputRawSpan(buffer: memory, initializedCount: 0)
        try await body(&output)
        let count = unsafe output.finalize(for: memory)
        return unsafe [UInt8](memory.prefix(count))
    }
}

/// Bytes that differ by position and by seed.
func pattern(_ count: Int, seed: Int = 0) -> [UInt8] {
    let start = seed * 61 % 4_093
    return Array(patternSource[start..<start + count])
}

private let patternSource: [UInt8] = (0..<300_000).map { UInt8(truncatingIfNeeded: ($0 &* 31) ^ ($0 >> 8)) }

/// How many descriptors this process has open.
func openDescriptorCount() -> Int {
    (0..<4_096).count { fcntl(CInt($0), F_GETFD) != -1 }
}

extension TransportLink {
    func send(bytes: [UInt8]) async throws(TransportError) {
        try await send(bytes.raw)
    }

    /// The next frame, or nil once the link is closed.
    func receiveBytes() async throws -> [UInt8]? {
        var isOpen = false
        let bytes = try await [UInt8].filled(capacity: properties.maximumFrameByteCount) { isOpen = try await receive(into: &$0) }
        return isOpen ? bytes : nil
    }
}

extension BatchingLink {
    func sendBatch(bytes: [UInt8], frameByteCount: Int) async throws(TransportError) {
        try await sendBatch(bytes.raw, frameByteCount: frameByteCount)
    }

    /// The frames of the next batch, or nil once the link is closed.
    func receiveFrames() async throws -> [[UInt8]]? {
        var size: Int?
        let bytes = try await [UInt8].filled(capacity: maximumBatchByteCount) { size = try await receiveBatch(into: &$0) }
        guard let size else { return nil }
        return stride(from: 0, to: bytes.count, by: size).map { Array(bytes[$0..<Swift.min($0 + size, bytes.count)]) }
    }
}

/// A private folder with a short path.
struct TemporaryFolder {
    let path: String

    init() throws {
        path = "/tmp/ferry-\(UInt32.random(in: .min ... .max))"
        let status = unsafe mkdir(path, 0o700)
        try #require(status == 0)
    }

    func remove() {
        guard let folder = unsafe opendir(path) else { return }
        while let entry = unsafe readdir(folder) {
            let name = unsafe withUnsafePointer(to: entry.pointee.d_name) {
                unsafe $0.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
            }
            if name != ".", name != ".." { unsafe unlink(path + "/" + name) }
        }
        unsafe closedir(folder)
        unsafe rmdir(path)
    }
}
