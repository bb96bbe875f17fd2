extension ByteReader {
    /// Reads a 32-bit count of elements, each of which takes at least `minimumByteCount` bytes.
    ///
    /// - Returns: a count that the remaining bytes can hold, so that reserving room for it never exceeds what the peer paid for.
    /// - Throws: `.truncated`, `.limitExceeded`.
    public mutating func readCount(
        limit: Int, minimumByteCount: Int, _ field: StaticString
    ) throws(WireError) -> Int {
        let count = Int(try readUInt32(field))
        guard count <= limit else { throw WireError(.limitExceeded, "\(field) count \(count) exceeds \(limit)") }
        guard count <= remainingByteCount / minimumByteCount else {
            throw WireError(.truncated, "\(field) count \(count) exceeds what \(remainingByteCount) bytes can hold")
        }
        return count
    }

    /// Borrows bytes behind a 32-bit length.
    ///
    /// - Throws: `.truncated`, `.limitExceeded`.
    @_lifetime(copy self)
    public mutating func readSpan32(limit: Int, _ field: StaticString) throws(WireError) -> RawSpan {
        let byteCount = Int(try readUInt32(field))
        guard byteCount <= limit else { throw WireError(.limitExceeded, "\(field) of \(byteCount) bytes exceeds \(limit)") }
        return try readSpan(byteCount: byteCount, field)
    }

    /// Borrows bytes behind a 16-bit length.
    ///
    /// - Throws: `.truncated`, `.limitExceeded`.
    @_lifetime(copy self)
    public mutating func readSpan16(limit: Int, _ field: StaticString) throws(WireError) -> RawSpan {
        let byteCount = Int(try readUInt16(field))
        guard byteCount <= limit else { throw WireError(.limitExceeded, "\(field) of \(byteCount) bytes exceeds \(limit)") }
        return try readSpan(byteCount: byteCount, field)
    }

    /// Copies bytes behind a 32-bit length.
    ///
    /// - Throws: `.truncated`, `.limitExceeded`.
    public mutating func readBytes32(limit: Int, _ field: StaticString) throws(WireError) -> [UInt8] {
        [UInt8](copying: try readSpan32(limit: limit, field))
    }

    /// Copies bytes behind a 16-bit length.
    ///
    /// - Throws: `.truncated`, `.limitExceeded`.
    public mutating func readBytes16(limit: Int, _ field: StaticString) throws(WireError) -> [UInt8] {
        [UInt8](copying: try readSpan16(limit: limit, field))
    }

    /// Reads UTF-8 text behind a 16-bit length.
    ///
    /// - Throws: `.truncated`, `.limitExceeded`, `.invalidText`.
    public mutating func readText16(limit: Int, _ field: StaticString) throws(WireError) -> String {
        let bytes = try readBytes16(limit: limit, field)
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw WireError(.invalidText, "\(field) is not UTF-8")
        }
        return text
    }

    /// Reads a flag that is exactly 0 or 1.
    ///
    /// - Throws: `.truncated`, `.invalidValue`.
    public mutating func readFlag(_ field: StaticString) throws(WireError) -> Bool {
        switch try readUInt8(field) {
        case 0: return false
        case 1: return true
        case let other: throw WireError(.invalidValue, "\(field) is \(other), neither 0 nor 1")
        }
    }
}
