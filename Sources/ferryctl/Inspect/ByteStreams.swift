internal import Foundation

/// Blocking reads and writes on descriptors: a read returns what is there, so that a line is answered before the next one is sent.
enum ByteStreams {
    private static let chunkByteCount = 256 << 10

    /// The bytes at hand, waiting for at least one; none at the end.
    static func readSome(from descriptor: Int32) throws(CommandFailure) -> [UInt8] {
        var received = 0
        let bytes = unsafe [UInt8](unsafeUninitializedCapacity: chunkByteCount) { buffer, count in
            repeat {
                received = unsafe read(descriptor, buffer.baseAddress, buffer.count)
            } while received < 0 && errno == EINTR
            count = max(received, 0)
        }
        guard received >= 0 else { throw CommandFailure(code: "input", message: "cannot read the input: \(systemError())") }
        return bytes
    }

    /// Writes a text whole.
    ///
    /// - Returns: false when whoever reads has left, which is no reason to fail.
    static func writeAll(_ text: String, to descriptor: Int32) throws(CommandFailure) -> Bool {
        let bytes = Array(text.utf8)
        var offset = 0
        while offset < bytes.count {
            let written = unsafe bytes[offset...].withUnsafeBytes { unsafe write(descriptor, $0.baseAddress, $0.count) }
            if written >= 0 {
                offset += written
            } else if errno == EPIPE {
                return false
            } else if errno != EINTR {
                throw CommandFailure(code: "output", message: "cannot write the output: \(systemError())")
            }
        }
        return true
    }

    private static func systemError() -> String {
        let code = errno
        return unsafe strerror(code).map { unsafe String(cString: $0) } ?? "error \(code)"
    }
}
