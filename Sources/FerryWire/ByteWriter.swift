/// Takes the fields of a value in wire order.
///
/// A codec writes one function over a sink; measuring and writing then never disagree. `ByteCounter` measures, `OutputRawSpan` writes where
/// the caller chose.
public protocol ByteSink: ~Copyable, ~Escapable {
    /// Takes an integer in little-endian order.
    mutating func append(littleEndian value: some FixedWidthInteger & BitwiseCopyable)
    /// Takes a copy of the bytes.
    mutating func append(contentsOf bytes: RawSpan)
    /// Takes a value of fixed size.
    mutating func append<Value: FixedByteCount>(fixed value: Value)
}

extension ByteSink where Self: ~Copyable & ~Escapable {
    /// Takes bytes behind a 32-bit length; the caller has checked that it fits.
    package mutating func append(length32 bytes: [UInt8]) {
        append(littleEndian: UInt32(bytes.count))
        append(contentsOf: bytes.rawSpan)
    }

    /// Takes bytes behind a 16-bit length; the caller has checked that it fits.
    package mutating func append(length16 bytes: [UInt8]) {
        append(littleEndian: UInt16(bytes.count))
        append(contentsOf: bytes.rawSpan)
    }

    /// Takes UTF-8 behind a 16-bit length; the caller has checked that it fits.
    package mutating func append(text16 text: String) {
        append(littleEndian: UInt16(text.utf8.count))
        for byte in text.utf8 { append(littleEndian: byte) }
    }

    /// Takes 1 for true, 0 for false.
    package mutating func append(flag: Bool) { append(littleEndian: UInt8(flag ? 1 : 0)) }
}

extension OutputRawSpan: ByteSink {
    /// Writes a value of fixed size.
    public mutating func append<Value: FixedByteCount>(fixed value: Value) { value.append(to: &self) }
}

/// Measures what a codec would write.
public struct ByteCounter: ByteSink {
    /// Bytes so far.
    public private(set) var byteCount = 0

    /// Starts at zero.
    public init() {}

    /// Counts an integer.
    public mutating func append(littleEndian value: some FixedWidthInteger & BitwiseCopyable) {
        byteCount += value.bitWidth / 8
    }

    /// Counts bytes.
    public mutating func append(contentsOf bytes: RawSpan) { byteCount += bytes.byteCount }

    /// Counts a value of fixed size.
    public mutating func append<Value: FixedByteCount>(fixed value: Value) { byteCount += Value.byteCount }
}

/// A value with exactly one encoding.
public protocol WireEncodable {
    /// Writes the encoding; traps when the sink has less free capacity than `encodedByteCount`.
    func encode(into sink: inout some ByteSink & ~Copyable & ~Escapable)
}

extension WireEncodable {
    /// The exact number of bytes that `encode(into:)` writes.
    public var encodedByteCount: Int {
        var counter = ByteCounter()
        encode(into: &counter)
        return counter.byteCount
    }

    /// The encoding in an array of exactly its size.
    public func encoded() -> [UInt8] {
        [UInt8](rawCapacity: encodedByteCount) { encode(into: &$0) }
    }
}
