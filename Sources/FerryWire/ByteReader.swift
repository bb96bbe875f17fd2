/// Reads values off the front of borrowed bytes; nothing outside this type and its extensions indexes bytes that a peer sent.
///
/// Every read is bounds-checked, and every length is held against a limit and the bytes that are left before anything is allocated. A failed
/// read leaves the position where the failing field begins or inside it; callers give up on the first error.
public struct ByteReader: ~Escapable {
    private let bytes: RawSpan
    /// Bytes consumed so far.
    public private(set) var offset: Int

    /// Starts at the first byte.
    @_lifetime(copy bytes)
    public init(_ bytes: RawSpan) {
        self.bytes = bytes
        offset = 0
    }

    /// Bytes that are left.
    public var remainingByteCount: Int { bytes.byteCount - offset }

    /// Consumes `byteCount` bytes and returns where they began.
    private mutating func take(_ byteCount: Int, _ field: StaticString) throws(WireError) -> Int {
        guard byteCount >= 0, byteCount <= remainingByteCount else {
            throw WireError(.truncated, "\(field) needs \(byteCount) bytes, \(remainingByteCount) are left")
        }
        let start = offset
        offset += byteCount
        return start
    }

    /// Reads one byte.
    ///
    /// - Throws: `.truncated`.
    public mutating func readUInt8(_ field: StaticString) throws(WireError) -> UInt8 {
        bytes.byte(at: try take(1, field))
    }

    /// Reads two bytes, little-endian.
    ///
    /// - Throws: `.truncated`.
    public mutating func readUInt16(_ field: StaticString) throws(WireError) -> UInt16 {
        bytes.littleEndianUInt16(at: try take(2, field))
    }

    /// Reads four bytes, little-endian.
    ///
    /// - Throws: `.truncated`.
    public mutating func readUInt32(_ field: StaticString) throws(WireError) -> UInt32 {
        bytes.littleEndianUInt32(at: try take(4, field))
    }

    /// Reads eight bytes, little-endian.
    ///
    /// - Throws: `.truncated`.
    public mutating func readUInt64(_ field: StaticString) throws(WireError) -> UInt64 {
        bytes.littleEndianUInt64(at: try take(8, field))
    }

    /// Reads a value of fixed size.
    ///
    /// - Throws: `.truncated`.
    public mutating func read<Value: FixedByteCount>(_ field: StaticString) throws(WireError) -> Value {
        let start = try take(Value.byteCount, field)
        guard let value = Value(copying: bytes.extracting(start..<offset)) else {
            throw WireError(.truncated, "\(field) is too short")
        }
        return value
    }

    /// Borrows the next `byteCount` bytes.
    ///
    /// - Throws: `.truncated`.
    @_lifetime(copy self)
    public mutating func readSpan(byteCount: Int, _ field: StaticString) throws(WireError) -> RawSpan {
        let start = try take(byteCount, field)
        return bytes.extracting(start..<offset)
    }

    /// Borrows all bytes that are left.
    @_lifetime(copy self)
    public mutating func readRest() -> RawSpan {
        let start = offset
        offset = bytes.byteCount
        return bytes.extracting(start..<offset)
    }

    /// Refuses bytes after the last field.
    ///
    /// - Throws: `.trailingBytes`.
    public func finish(_ format: StaticString) throws(WireError) {
        guard remainingByteCount == 0 else {
            throw WireError(.trailingBytes, "\(remainingByteCount) bytes follow the \(format)")
        }
    }
}
