/// Sixteen opaque bytes held inline, so that identifiers hash and compare without allocating.
public struct FixedBytes16: Hashable, Sendable {
    /// Sixteen zero bytes.
    public static let zero = FixedBytes16(low: 0, high: 0)

    var low: UInt64
    var high: UInt64
}

/// Thirty-two opaque bytes held inline.
public struct FixedBytes32: Hashable, Sendable {
    var head: FixedBytes16
    var tail: FixedBytes16
}

/// Sixty-four opaque bytes held inline.
public struct FixedBytes64: Hashable, Sendable {
    var head: FixedBytes32
    var tail: FixedBytes32
}

/// A value that is exactly `byteCount` bytes on the wire.
public protocol FixedByteCount: Hashable, Sendable {
    /// The exact number of bytes.
    static var byteCount: Int { get }
    /// Copies the first `byteCount` bytes, or returns nil when there are fewer.
    init?(copying bytes: RawSpan)
    /// Appends the bytes in wire order; the caller guarantees the free capacity.
    func append(to output: inout OutputRawSpan)
}

extension FixedBytes16: FixedByteCount {
    /// 16.
    public static var byteCount: Int { 16 }

    /// Copies the first `byteCount` bytes, or returns nil when there are fewer.
    public init?(copying bytes: RawSpan) {
        guard bytes.byteCount >= Self.byteCount else { return nil }
        low = bytes.littleEndianUInt64(at: 0)
        high = bytes.littleEndianUInt64(at: 8)
    }

    /// Appends the bytes in wire order; the caller guarantees the free capacity.
    public func append(to output: inout OutputRawSpan) {
        output.append(littleEndian: low)
        output.append(littleEndian: high)
    }
}

extension FixedBytes32: FixedByteCount {
    /// 32.
    public static var byteCount: Int { 32 }

    /// Copies the first `byteCount` bytes, or returns nil when there are fewer.
    public init?(copying bytes: RawSpan) {
        guard bytes.byteCount >= Self.byteCount, let head = FixedBytes16(copying: bytes.extracting(0..<16)),
            let tail = FixedBytes16(copying: bytes.extracting(16..<32))
        else { return nil }
        self.init(head: head, tail: tail)
    }

    /// Appends the bytes in wire order; the caller guarantees the free capacity.
    public func append(to output: inout OutputRawSpan) {
        head.append(to: &output)
        tail.append(to: &output)
    }
}

extension FixedBytes64: FixedByteCount {
    /// 64.
    public static var byteCount: Int { 64 }

    /// Copies the first `byteCount` bytes, or returns nil when there are fewer.
    public init?(copying bytes: RawSpan) {
        guard bytes.byteCount >= Self.byteCount, let head = FixedBytes32(copying: bytes.extracting(0..<32)),
            let tail = FixedBytes32(copying: bytes.extracting(32..<64))
        else { return nil }
        self.init(head: head, tail: tail)
    }

    /// Appends the bytes in wire order; the caller guarantees the free capacity.
    public func append(to output: inout OutputRawSpan) {
        head.append(to: &output)
        tail.append(to: &output)
    }
}

extension FixedByteCount {
    /// Copies exactly `byteCount` bytes out of an array, or returns nil when its length differs.
    public init?(_ bytes: [UInt8]) {
        guard bytes.count == Self.byteCount else { return nil }
        self.init(copying: bytes.rawSpan)
    }

    /// Parses lower- or upper-case hex of exactly `2 * byteCount` digits.
    public init?(hex: some StringProtocol) {
        guard let bytes = [UInt8](hex: hex) else { return nil }
        self.init(bytes)
    }

    /// The bytes in wire order.
    public var bytes: [UInt8] {
        [UInt8](rawCapacity: Self.byteCount) { append(to: &$0) }
    }

    /// Lower-case hex, two digits a byte.
    public var hex: String { bytes.hex }
}

extension FixedByteCount where Self: CustomStringConvertible {
    /// Lower-case hex.
    public var description: String { hex }
}

extension FixedBytes16: CustomStringConvertible {}
extension FixedBytes32: CustomStringConvertible {}
extension FixedBytes64: CustomStringConvertible {}
