/// Names a daemon on every wire: the 64-bit hash of its public key (net-mesh `origin_hash`).
public struct OriginHash: RawRepresentable, Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The 64-bit value, little-endian on the wire.
    public var rawValue: UInt64
    /// Wraps a value read from a wire or a command line.
    public init(rawValue: UInt64) { self.rawValue = rawValue }
    /// Orders by value.
    public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
    /// Decimal.
    public var description: String { String(rawValue) }
}

/// Names a node: the 64-bit hash of its own ed25519 key (net-mesh `node_id`).
public struct NodeID: RawRepresentable, Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The 64-bit value, little-endian on the wire.
    public var rawValue: UInt64
    /// Wraps a value read from a wire or a command line.
    public init(rawValue: UInt64) { self.rawValue = rawValue }
    /// Orders by value.
    public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
    /// Decimal.
    public var description: String { String(rawValue) }
}

/// Fencing number of a daemon's ownership: strictly increasing over its whole life.
public struct Epoch: RawRepresentable, Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The number; the first owner has 1, and 0 means "none yet".
    public var rawValue: UInt64
    /// Wraps a number.
    public init(rawValue: UInt64) { self.rawValue = rawValue }
    /// No owner yet.
    public static let none = Epoch(rawValue: 0)
    /// What `spawn` gives a new daemon.
    public static let first = Epoch(rawValue: 1)
    /// The number `count` above, or nil on overflow.
    public func advanced(by count: UInt64) -> Epoch? {
        let (sum, overflow) = rawValue.addingReportingOverflow(count)
        return overflow ? nil : Epoch(rawValue: sum)
    }
    /// Orders by value.
    public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
    /// Decimal.
    public var description: String { String(rawValue) }
}

/// A thin type over a fixed number of bytes, so that one kind of identifier is never taken for another.
public protocol ByteIdentifier: FixedByteCount, RawRepresentable, CustomStringConvertible where RawValue: FixedByteCount {
    /// Wraps the bytes.
    init(rawValue: RawValue)
}

extension ByteIdentifier {
    /// The exact number of bytes on the wire.
    public static var byteCount: Int { RawValue.byteCount }

    /// Copies the first `byteCount` bytes, or returns nil when there are fewer.
    public init?(copying bytes: RawSpan) {
        guard let value = RawValue(copying: bytes) else { return nil }
        self.init(rawValue: value)
    }

    /// Appends the bytes in wire order; the caller guarantees the free capacity.
    public func append(to output: inout OutputRawSpan) { rawValue.append(to: &output) }
}

/// A daemon's ed25519 public key.
public struct EntityID: ByteIdentifier {
    /// The key's 32 bytes.
    public var rawValue: FixedBytes32
    /// Wraps the key's bytes; says nothing about their being a point of the curve.
    public init(rawValue: FixedBytes32) { self.rawValue = rawValue }
}

extension EntityID: Comparable {
    /// Orders by bytes, the first one first.
    public static func < (left: Self, right: Self) -> Bool {
        let (left, right) = (left.rawValue, right.rawValue)
        // The words were read little-endian, so their last byte counts least only after swapping.
        return (left.head.low.byteSwapped, left.head.high.byteSwapped, left.tail.low.byteSwapped, left.tail.high.byteSwapped)
            < (right.head.low.byteSwapped, right.head.high.byteSwapped, right.tail.low.byteSwapped, right.tail.high.byteSwapped)
    }
}

/// A node's ed25519 public key: the part after `#` in an address.
public struct NodeKey: ByteIdentifier {
    /// The key's 32 bytes.
    public var rawValue: FixedBytes32
    /// Wraps the key's bytes; says nothing about their being a point of the curve.
    public init(rawValue: FixedBytes32) { self.rawValue = rawValue }
}

/// Identifies one attempt of one order; never reused.
public struct MigrationID: ByteIdentifier {
    /// 128 bits.
    public var rawValue: FixedBytes16
    /// Wraps the bytes.
    public init(rawValue: FixedBytes16) { self.rawValue = rawValue }
}

/// Identifies an order to move; random.
public struct OrderID: ByteIdentifier {
    /// 128 bits.
    public var rawValue: FixedBytes16
    /// Wraps the bytes.
    public init(rawValue: FixedBytes16) { self.rawValue = rawValue }
}

/// Drawn at random when a daemon is first spawned, and carried through its whole life.
public struct LineageID: ByteIdentifier {
    /// 128 bits.
    public var rawValue: FixedBytes16
    /// Wraps the bytes.
    public init(rawValue: FixedBytes16) { self.rawValue = rawValue }
}

/// Random per process start: two boots of one node never share it.
public struct BootID: ByteIdentifier {
    /// 128 bits.
    public var rawValue: FixedBytes16
    /// Wraps the bytes.
    public init(rawValue: FixedBytes16) { self.rawValue = rawValue }
}

/// SHA-256 of the canonical bytes of a Release; names what Prepared, Commit and Take are about.
public struct ReleaseHash: ByteIdentifier {
    /// 256 bits.
    public var rawValue: FixedBytes32
    /// Wraps the bytes.
    public init(rawValue: FixedBytes32) { self.rawValue = rawValue }
}

/// An ed25519 signature (RFC 8032).
public struct Signature: ByteIdentifier {
    /// 64 bytes, R then S.
    public var rawValue: FixedBytes64
    /// Wraps the bytes; says nothing about validity.
    public init(rawValue: FixedBytes64) { self.rawValue = rawValue }
}
