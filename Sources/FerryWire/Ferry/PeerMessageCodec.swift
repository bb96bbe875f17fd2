extension PeerMessage: WireEncodable, WireDecodable {
    /// What a session takes as one message.
    public static var maximumByteCount: Int { WireLimits.messageByteCount }

    /// Writes the first byte and the message.
    public func encode(into sink: inout some ByteSink & ~Copyable & ~Escapable) {
        switch self {
        case .migration(let message):
            sink.append(littleEndian: UInt8(1))
            message.encode(into: &sink)
        case .lane(let message):
            sink.append(littleEndian: UInt8(2))
            message.encode(into: &sink)
        }
    }

    /// Reads the first byte and the message.
    ///
    /// - Throws: `.unknownType`, and what the message throws.
    public init(from reader: inout ByteReader) throws(WireError) {
        switch try reader.readUInt8("message kind") {
        case 1: self = .migration(try FerryMessage(from: &reader))
        case 2: self = .lane(try LaneMessage(from: &reader))
        case let kind: throw WireError(.unknownType, "message kind \(kind)")
        }
    }
}

/// The version byte of every message and of every signed value of the Ferry profile.
enum FerryFormat {
    static let version: UInt8 = 1
}

extension ByteReader {
    /// Reads the version byte.
    mutating func readFerryVersion() throws(WireError) {
        let version = try readUInt8("version")
        guard version == FerryFormat.version else { throw WireError(.unknownVersion, "Ferry profile version \(version)") }
    }

    /// Reads a value behind a presence flag.
    mutating func readOptional<Value: FixedByteCount>(_ field: StaticString) throws(WireError) -> Value? {
        try readFlag(field) ? try read(field) : nil
    }

    /// Reads an epoch.
    mutating func readEpoch() throws(WireError) -> Epoch { Epoch(rawValue: try readUInt64("epoch")) }
}

extension ByteSink where Self: ~Copyable & ~Escapable {
    /// Takes a value behind a presence flag.
    mutating func append(optional value: (some FixedByteCount)?) {
        append(flag: value != nil)
        if let value { append(fixed: value) }
    }
}
