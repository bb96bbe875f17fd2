internal import CSodium
internal import FerryCrypto
internal import FerryWire

/// The library's one-time set-up; every use of libsodium goes through `ready` first, since `sodium_malloc` aborts before it.
enum SodiumLibrary {
    static let ready: Bool = {
        precondition(sodium_init() >= 0, "libsodium cannot be initialized")
        return true
    }()
}

// The module's bridges between spans and C pointers; the other files only name the functions that they call. C headers declare their
// parameters non-null, so an empty span is lent as a pointer to no bytes that is not null.

private func nothing() -> UnsafeMutablePointer<UInt8> {
    guard let pointer = unsafe UnsafeMutablePointer<UInt8>(bitPattern: 16) else { preconditionFailure("16 is not zero") }
    return unsafe pointer
}

extension RawSpan {
    /// Lends the bytes as C sees them.
    func withPointer<Result>(_ body: (UnsafePointer<UInt8>, Int) -> Result) -> Result {
        unsafe withUnsafeBytes {
            let start = unsafe $0.baseAddress?.assumingMemoryBound(to: UInt8.self)
            return unsafe body(start ?? UnsafePointer(nothing()), $0.count)
        }
    }
}

extension OutputRawSpan {
    /// Lends `byteCount` bytes of the free capacity; they count as appended only when `body` returns true.
    mutating func append(byteCount: Int, _ body: (UnsafeMutablePointer<UInt8>) -> Bool) -> Bool {
        precondition(byteCount <= freeCapacity, "output span overflow")
        return unsafe withUnsafeMutableBytes { buffer, count in
            let start = unsafe buffer.baseAddress.map { unsafe ($0 + count).assumingMemoryBound(to: UInt8.self) }
            let succeeded = unsafe body(start ?? nothing())
            if succeeded { count += byteCount }
            return succeeded
        }
    }
}

extension FixedByteCount {
    /// Fills a value of fixed size; nil when `body` returns false.
    init?(filling body: (UnsafeMutablePointer<UInt8>) -> Bool) {
        let bytes = [UInt8](rawCapacity: Self.byteCount) { output in
            _ = unsafe output.append(byteCount: Self.byteCount, body)
        }
        self.init(bytes)
    }

    /// Lends the bytes as C sees them.
    func withPointer<Result>(_ body: (UnsafePointer<UInt8>) -> Result) -> Result {
        unsafe bytes.rawSpan.withPointer { pointer, _ in unsafe body(pointer) }
    }
}

extension AEADNonce {
    /// Lends the twelve bytes as C sees them.
    func withPointer<Result>(_ body: (UnsafePointer<UInt8>) -> Result) -> Result {
        unsafe withUnsafeTemporaryAllocation(byteCount: 12, alignment: 8) { buffer in
            unsafe buffer.storeBytes(of: prefix, as: UInt32.self)
            unsafe buffer.storeBytes(of: suffix, toByteOffset: 4, as: UInt64.self)
            return unsafe RawSpan(_unsafeBytes: buffer).withPointer { pointer, _ in unsafe body(pointer) }
        }
    }
}

extension SecretBytes {
    /// Lends the bytes as C sees them.
    borrowing func withPointer<Result>(_ body: (UnsafePointer<UInt8>) -> Result) -> Result {
        unsafe bytes.withPointer { pointer, _ in unsafe body(pointer) }
    }

    /// Refuses keys of another length, which C would read past.
    borrowing func require(byteCount: Int) throws(CryptoFailure) {
        guard self.byteCount == byteCount else {
            throw CryptoFailure(.invalidKey, "a key of \(self.byteCount) bytes instead of \(byteCount)")
        }
    }
}
