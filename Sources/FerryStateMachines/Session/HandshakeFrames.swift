internal import FerryCrypto
internal import FerryWire

/// The clear frames of the handshake (docs/protocol-session.md §3). Integers are big-endian.
enum HandshakeFrameType {
    static let offer: UInt8 = 0x01
    static let answer: UInt8 = 0x02
    static let first: UInt8 = 0x03
    static let second: UInt8 = 0x04
    static let third: UInt8 = 0x05
}

/// What the initiator offers: versions, suites, features and a random number that names the attempt.
struct HandshakeOffer: Sendable {
    /// The only version of the session protocol.
    static let version: UInt16 = 1
    static let magic: [UInt8] = Array("FRY".utf8)
    /// Entries of a list at most.
    static let maximumListCount = 8
    /// On spoofable links a first frame has at least this many bytes (RFC 9000 §14.1).
    static let minimumFrameByteCount = 1200

    var versions: [UInt16]
    var suites: [UInt8]
    var features: UInt64
    var attempt: FixedBytes16

    /// The canonical bytes, as the prologue has them.
    var bytes: [UInt8] {
        var bytes = Self.magic
        bytes.append(UInt8(versions.count))
        for version in versions { bytes.append(bigEndian: version) }
        bytes.append(UInt8(suites.count))
        bytes += suites
        bytes.append(bigEndian: features)
        bytes += attempt.bytes
        return bytes
    }

    init(suites: [UInt8], attempt: FixedBytes16) {
        versions = [Self.version]
        self.suites = suites
        features = 0
        self.attempt = attempt
    }

    init?(_ reader: inout RecordReader) {
        guard let magic = reader.take(3), [UInt8](copying: magic) == Self.magic, let versions = reader.versions(),
            let suites = reader.suites(), let features = reader.bigEndianUInt64(), let bytes = reader.take(16),
            let attempt = FixedBytes16(copying: bytes)
        else { return nil }
        self.versions = versions
        self.suites = suites
        self.features = features
        self.attempt = attempt
    }
}

/// What the responder answers: its own lists, and what it chose.
struct HandshakeAnswer: Sendable, Equatable {
    /// Zero when there is no common one.
    var version: UInt16
    /// Zero when there is no common one.
    var suite: UInt8
    var versions: [UInt16]
    var suites: [UInt8]
    var features: UInt64

    /// Chooses the initiator's first preference that both sides have.
    init(to offer: HandshakeOffer, suites: [UInt8]) {
        versions = [HandshakeOffer.version]
        self.suites = suites
        features = 0
        version = offer.versions.contains(HandshakeOffer.version) ? HandshakeOffer.version : 0
        suite = version == 0 ? 0 : offer.suites.first { suites.contains($0) } ?? 0
    }

    init?(_ reader: inout RecordReader) {
        guard let version = reader.bigEndianUInt16(), let suite = reader.byte(), let versions = reader.versions(),
            let suites = reader.suites(), let features = reader.bigEndianUInt64()
        else { return nil }
        self.version = version
        self.suite = suite
        self.versions = versions
        self.suites = suites
        self.features = features
    }

    /// The canonical bytes, as the prologue has them.
    var bytes: [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(bigEndian: version)
        bytes.append(suite)
        bytes.append(UInt8(versions.count))
        for version in versions { bytes.append(bigEndian: version) }
        bytes.append(UInt8(suites.count))
        bytes += suites
        bytes.append(bigEndian: features)
        return bytes
    }

    /// The whole frame that answers `attempt`.
    func frame(attempt: FixedBytes16, cookie: [UInt8]) -> [UInt8] {
        [HandshakeFrameType.answer] + attempt.bytes + bytes + [UInt8(cookie.count)] + cookie
    }

    /// What both sides mix into the Noise handshake before its first message.
    func prologue(_ offer: HandshakeOffer) -> [UInt8] {
        Array("ferry-session-1".utf8) + offer.bytes + bytes
    }
}

extension CryptoProvider {
    /// The wire numbers of the provider's ciphers, in its order of preference.
    var suiteNumbers: [UInt8] {
        aeads.prefix(HandshakeOffer.maximumListCount).map { $0.algorithm.rawValue }
    }
}

extension RecordReader {
    @_lifetime(self: copy self)
    mutating func bigEndianUInt16() -> UInt16? {
        guard let high = byte(), let low = byte() else { return nil }
        return UInt16(high) << 8 | UInt16(low)
    }

    @_lifetime(self: copy self)
    mutating func bigEndianUInt64() -> UInt64? {
        guard let bytes = take(8) else { return nil }
        return bytes.littleEndianUInt64(at: 0).byteSwapped
    }

    @_lifetime(self: copy self)
    mutating func versions() -> [UInt16]? {
        guard let count = byte(), count <= HandshakeOffer.maximumListCount else { return nil }
        var versions: [UInt16] = []
        for _ in 0..<count {
            guard let version = bigEndianUInt16() else { return nil }
            versions.append(version)
        }
        return versions
    }

    @_lifetime(self: copy self)
    mutating func suites() -> [UInt8]? {
        guard let count = byte(), count <= HandshakeOffer.maximumListCount, let bytes = take(Int(count)) else { return nil }
        return [UInt8](copying: bytes)
    }
}

extension [UInt8] {
    mutating func append<Value: FixedWidthInteger>(bigEndian value: Value) {
        for shift in stride(from: Value.bitWidth - 8, through: 0, by: -8) {
            append(UInt8(truncatingIfNeeded: value >> Value(shift)))
        }
    }
}
