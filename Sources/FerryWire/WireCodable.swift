/// A value with exactly one encoding.
public protocol WireEncodable {
    /// The most bytes that an encoding may have.
    static var maximumByteCount: Int { get }
    /// Writes the encoding.
    ///
    /// An `OutputRawSpan` traps when the value has no encoding, or when its free capacity is below `measured()`: measure first.
    func encode(into sink: inout some ByteSink & ~Copyable & ~Escapable)
}

extension WireEncodable {
    /// No bound of its own.
    public static var maximumByteCount: Int { .max }

    /// Checks that the value has an encoding, and returns its exact number of bytes.
    ///
    /// - Throws: `.limitExceeded`, `.invalidValue`, `.inconsistent`, `.notCanonical`.
    public func measured() throws(WireError) -> Int {
        var counter = ByteCounter()
        encode(into: &counter)
        return try counter.total(limit: Self.maximumByteCount)
    }

    /// The encoding in an array of exactly its size.
    ///
    /// - Throws: `.limitExceeded`, `.invalidValue`, `.inconsistent`, `.notCanonical`.
    public func encoded() throws(WireError) -> [UInt8] {
        [UInt8](rawCapacity: try measured()) { encode(into: &$0) }
    }
}

/// A value that reads itself off the front of a reader.
public protocol WireDecodable {
    /// Reads the value's fields and nothing behind them.
    init(from reader: inout ByteReader) throws(WireError)
}

extension WireDecodable {
    /// Decodes a value that fills `bytes` exactly.
    ///
    /// - Throws: `.trailingBytes`, and what the value's fields throw.
    public init(decoding bytes: RawSpan) throws(WireError) {
        var reader = ByteReader(bytes)
        self = try Self(from: &reader)
        try reader.finish("value")
    }

    /// Decodes a value that fills `bytes` exactly.
    ///
    /// - Throws: `.trailingBytes`, and what the value's fields throw.
    public init(decoding bytes: [UInt8]) throws(WireError) { try self.init(decoding: bytes.rawSpan) }
}

extension WireEncodable where Self: FixedByteCount {
    /// Writes the value's bytes.
    public func encode(into sink: inout some ByteSink & ~Copyable & ~Escapable) { sink.append(fixed: self) }
}

extension WireDecodable where Self: FixedByteCount {
    /// Reads the value's bytes.
    public init(from reader: inout ByteReader) throws(WireError) { self = try reader.read("value") }
}
