/// Takes the fields of a value in wire order, and the conditions under which it has an encoding.
///
/// A codec is one function over a sink, so that measuring, checking and writing never disagree: `ByteCounter` measures and checks, then
/// `OutputRawSpan` writes where the caller chose.
public protocol ByteSink: ~Copyable, ~Escapable {
    /// Takes an integer in little-endian order.
    mutating func append(littleEndian value: some FixedWidthInteger & BitwiseCopyable)
    /// Takes a copy of the bytes.
    mutating func append(contentsOf bytes: RawSpan)
    /// Takes a value of fixed size.
    mutating func append(fixed value: some FixedByteCount)
    /// Takes a condition without which the value has no encoding.
    mutating func require(_ holds: Bool, _ violation: @autoclosure () -> WireError)
}

extension OutputRawSpan: ByteSink {
    /// Writes a value of fixed size.
    public mutating func append(fixed value: some FixedByteCount) { value.append(to: &self) }

    /// Traps when a condition does not hold: whoever writes has measured before.
    public mutating func require(_ holds: Bool, _ violation: @autoclosure () -> WireError) {
        precondition(holds, "encoded without being measured")
    }
}

/// Measures what a codec would write, and keeps the first violated condition.
public struct ByteCounter: ByteSink {
    /// Bytes so far.
    public private(set) var byteCount = 0
    /// Why the value has no encoding.
    public private(set) var violation: WireError?

    /// Starts at zero.
    public init() {}

    /// Counts an integer.
    public mutating func append(littleEndian value: some FixedWidthInteger & BitwiseCopyable) { byteCount += value.bitWidth / 8 }

    /// Counts bytes.
    public mutating func append(contentsOf bytes: RawSpan) { byteCount += bytes.byteCount }

    /// Counts a value of fixed size.
    public mutating func append<Value: FixedByteCount>(fixed value: Value) { byteCount += Value.byteCount }

    /// Keeps the first violation.
    public mutating func require(_ holds: Bool, _ violation: @autoclosure () -> WireError) {
        if !holds, self.violation == nil { self.violation = violation() }
    }

    /// The number of bytes of a value that has an encoding.
    ///
    /// - Throws: the first violation, or `.limitExceeded`.
    func total(limit: Int) throws(WireError) -> Int {
        if let violation { throw violation }
        guard byteCount <= limit else { throw WireError(.limitExceeded, "\(byteCount) bytes exceed \(limit)") }
        return byteCount
    }
}

extension ByteSink where Self: ~Copyable & ~Escapable {
    /// Takes bytes behind a 32-bit length.
    mutating func append(length32 bytes: [UInt8], limit: Int = Int(UInt32.max), _ field: StaticString) {
        require(bytes.count <= limit, WireError(.limitExceeded, "\(field) of \(bytes.count) bytes exceeds \(limit)"))
        append(littleEndian: UInt32(truncatingIfNeeded: bytes.count))
        append(contentsOf: bytes.rawSpan)
    }

    /// Takes bytes behind a 16-bit length.
    mutating func append(length16 bytes: [UInt8], limit: Int = Int(UInt16.max), _ field: StaticString) {
        require(bytes.count <= limit, WireError(.limitExceeded, "\(field) of \(bytes.count) bytes exceeds \(limit)"))
        append(littleEndian: UInt16(truncatingIfNeeded: bytes.count))
        append(contentsOf: bytes.rawSpan)
    }

    /// Takes UTF-8 behind a 16-bit length.
    mutating func append(text16 text: String, limit: Int = Int(UInt16.max), _ field: StaticString) {
        let byteCount = text.utf8.count
        require(byteCount <= limit, WireError(.limitExceeded, "\(field) of \(byteCount) bytes exceeds \(limit)"))
        append(littleEndian: UInt16(truncatingIfNeeded: byteCount))
        for byte in text.utf8 { append(littleEndian: byte) }
    }

    /// Takes the longest prefix of whole scalars within `limit` bytes: for text that only a person reads, and whose length must never keep
    /// the rest of a message from being sent.
    mutating func append(clipping16 text: String, limit: Int) {
        var byteCount = 0
        for scalar in text.unicodeScalars {
            let width = UTF8.width(scalar)
            guard byteCount + width <= limit else { break }
            byteCount += width
        }
        append(littleEndian: UInt16(truncatingIfNeeded: byteCount))
        for byte in text.utf8.prefix(byteCount) { append(littleEndian: byte) }
    }

    /// Takes a 32-bit count of elements.
    mutating func append(count32 count: Int, limit: Int = Int(UInt32.max), _ field: StaticString) {
        require(count <= limit, WireError(.limitExceeded, "\(field) count \(count) exceeds \(limit)"))
        append(littleEndian: UInt32(truncatingIfNeeded: count))
    }

    /// Takes 1 for true, 0 for false.
    mutating func append(flag: Bool) { append(littleEndian: UInt8(flag ? 1 : 0)) }
}

extension UTF8 {
    fileprivate static func width(_ scalar: Unicode.Scalar) -> Int {
        switch scalar.value {
        case 0..<0x80: 1
        case 0x80..<0x800: 2
        case 0x800..<0x1_0000: 3
        default: 4
        }
    }
}
