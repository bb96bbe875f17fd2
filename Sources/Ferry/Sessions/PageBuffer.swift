/// Page-aligned memory that one loop at a time writes again and again.
///
/// Whoever holds it sees to it that nobody reads a part while another writes it: hence unchecked.
@safe final class PageBuffer: @unchecked Sendable {
    private let memory: UnsafeMutableRawBufferPointer

    /// Allocates `byteCount` bytes, at least one.
    init(byteCount: Int) {
        unsafe memory = .allocate(byteCount: byteCount, alignment: 4_096)
    }

    deinit { unsafe memory.deallocate() }

    /// How many bytes fit.
    var byteCount: Int { unsafe memory.count }

    /// A writer over what lies behind the first `offset` bytes, which stay.
    @_lifetime(borrow self)
    borrowing func output(from offset: Int = 0) -> OutputRawSpan {
        let rest = unsafe UnsafeMutableRawBufferPointer(rebasing: memory[offset...])
        return unsafe _overrideLifetime(OutputRawSpan(buffer: rest, initializedCount: 0), borrowing: self)
    }

    /// Bytes that were written before.
    @_lifetime(borrow self)
    borrowing func bytes(in range: Range<Int>) -> RawSpan {
        let written = unsafe UnsafeRawBufferPointer(rebasing: memory[range])
        return unsafe _overrideLifetime(RawSpan(_unsafeBytes: written), borrowing: self)
    }
}
