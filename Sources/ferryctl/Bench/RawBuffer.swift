/// Reused memory for measurements: nothing is allocated while the clock runs.
@safe final class RawBuffer: @unchecked Sendable {
    private let memory: UnsafeMutableRawBufferPointer
    private(set) var byteCount = 0

    init(capacity: Int) { unsafe memory = .allocate(byteCount: capacity, alignment: 4096) }

    deinit { unsafe memory.deallocate() }

    var capacity: Int { unsafe memory.count }

    /// What has been appended since the last `removeAll`.
    var bytes: RawSpan {
        @_lifetime(borrow self)
        borrowing get {
            unsafe _overrideLifetime(RawSpan(_unsafeBytes: UnsafeRawBufferPointer(rebasing: memory[..<byteCount])), borrowing: self)
        }
    }

    func removeAll() { byteCount = 0 }

    /// Drops what was appended after the first `byteCount` bytes.
    func truncate(to byteCount: Int) { self.byteCount = min(self.byteCount, byteCount) }

    /// Appends through a raw output span.
    func append<E: Error>(_ body: (inout OutputRawSpan) throws(E) -> Void) throws(E) {
        let free = unsafe UnsafeMutableRawBufferPointer(rebasing: memory[byteCount...])
        var output = unsafe OutputRawSpan(buffer: free, initializedCount: 0)
        try body(&output)
        byteCount += unsafe output.finalize(for: free)
    }

    /// Overwrites four bytes that have been appended before.
    func store(_ value: UInt32, at offset: Int) {
        precondition(offset + 4 <= byteCount, "only appended bytes can be overwritten")
        unsafe memory.storeBytes(of: value.littleEndian, toByteOffset: offset, as: UInt32.self)
    }

    /// Replaces the contents by what an awaited source appends.
    func fill<Result>(_ body: (inout OutputRawSpan) async throws -> Result) async throws -> Result {
        var output = unsafe OutputRawSpan(buffer: memory, initializedCount: 0)
        let result = try await body(&output)
        byteCount = unsafe output.finalize(for: memory)
        return result
    }
}
