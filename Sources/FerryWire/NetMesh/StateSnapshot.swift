/// A whole snapshot as net-mesh sends it: CDS1 version 2.
///
/// | offset | bytes | field |
/// |---|---|---|
/// | 0 | 4 | `CDS1` |
/// | 4 | 1 | version, 2 |
/// | 5 | 32 | entity id |
/// | 37 | 8 | through sequence, equal to the link's |
/// | 45 | 32 | chain link |
/// | 77 | 8 | creation time, Unix ns |
/// | 85 | 4 + S | state |
/// | 89 + S | 4 + B | bindings |
/// | 93 + S + B | 1 | envelope flag |
/// | 94 + S + B | 0 or 209 | envelope |
public struct StateSnapshot: Hashable, Sendable {
    /// `CDS1`, little-endian: the first four bytes of versions 2 and 3.
    static let magic: UInt32 = 0x3153_4443
    /// The version that this type is.
    public static let version: UInt8 = 2
    /// Version byte of the envelopes that it may carry.
    static let envelopeVersion: UInt8 = 1

    /// The daemon's public key; its hash is the link's origin.
    public var entity: EntityID
    /// The last link of the daemon's chain.
    public var chainLink: CausalLink
    /// Unix time in nanoseconds.
    public var createdAt: UInt64
    /// What the daemon wrote; opaque.
    public var state: [UInt8]
    /// The subscription ledger's bytes; empty when there is none. Checked when the daemon is restored, not here.
    public var bindings: [UInt8]
    /// The identity envelope, 209 bytes that start with 1, unopened.
    public var envelope: [UInt8]?
    /// The payload of `chainLink`'s output. Not on the wire: nil after decoding, and nil is not empty.
    public var headPayload: [UInt8]?

    /// The last output that the snapshot covers.
    public var throughSequence: UInt64 { chainLink.sequence }

    /// Joins the parts.
    public init(
        entity: EntityID, chainLink: CausalLink, createdAt: UInt64, state: [UInt8], bindings: [UInt8] = [], envelope: [UInt8]? = nil,
        headPayload: [UInt8]? = nil
    ) {
        self.entity = entity
        self.chainLink = chainLink
        self.createdAt = createdAt
        self.state = state
        self.bindings = bindings
        self.envelope = envelope
        self.headPayload = headPayload
    }

    /// Decodes an array, as `init(decoding:)` does a raw span.
    ///
    /// - Throws: the same.
    public init(decoding bytes: [UInt8]) throws(WireError) { try self.init(decoding: bytes.rawSpan) }

    /// Decodes a whole snapshot.
    ///
    /// Not checked, as in net-mesh: parent hash, horizon, creation time, the envelope behind its version byte, the contents of the bindings.
    ///
    /// - Throws: `.truncated`, `.badMagic`, `.unknownVersion`, `.invalidValue`, `.inconsistent`, `.trailingBytes`.
    public init(decoding bytes: RawSpan) throws(WireError) {
        var reader = ByteReader(bytes)
        entity = try Self.readHead(from: &reader)
        let throughSequence = try reader.readUInt64("through sequence")
        chainLink = try reader.read("chain link")
        createdAt = try reader.readUInt64("creation time")
        state = try reader.readBytes32(limit: .max, "state")
        bindings = try reader.readBytes32(limit: .max, "bindings")
        envelope = nil
        headPayload = nil
        if try reader.readFlag("envelope flag") {
            let sealed = [UInt8](copying: try reader.readSpan(byteCount: WireLimits.identityEnvelopeByteCount, "envelope"))
            guard sealed.first == Self.envelopeVersion else { throw WireError(.unknownVersion, "envelope version") }
            envelope = sealed
        }
        try reader.finish("snapshot")
        guard throughSequence == chainLink.sequence else {
            throw WireError(.inconsistent, "through sequence \(throughSequence) is not the link's \(chainLink.sequence)")
        }
        guard chainLink.origin == entity.originHash else {
            throw WireError(.inconsistent, "the chain link's origin is not the entity's")
        }
    }

    private static func readHead(from reader: inout ByteReader) throws(WireError) -> EntityID {
        let magic = try reader.readUInt32("magic")
        guard magic == Self.magic else { throw WireError(.badMagic, "not a CDS1 snapshot") }
        let version = try reader.readUInt8("snapshot version")
        guard version == Self.version else { throw WireError(.unknownVersion, "snapshot version \(version)") }
        return try reader.read("entity id")
    }

    /// Checks that the first piece of a snapshot begins as one of this daemon; later pieces pass.
    ///
    /// - Throws: `.truncated`, `.badMagic`, `.unknownVersion`, `.originMismatch`.
    public static func checkHead(of piece: RawSpan, index: UInt32, origin: OriginHash) throws(WireError) {
        guard index == 0 else { return }
        var reader = ByteReader(piece)
        let entity = try readHead(from: &reader)
        guard entity.originHash == origin else { throw WireError(.originMismatch, "the snapshot is of another daemon") }
    }
}

extension StateSnapshot: WireEncodable {
    /// Writes the snapshot's one encoding.
    ///
    /// Without one are state or bindings beyond 32 bits (`.limitExceeded`), an envelope of another size or version (`.invalidValue`), and a
    /// link that is not the entity's (`.inconsistent`).
    public func encode(into sink: inout some ByteSink & ~Copyable & ~Escapable) {
        sink.require(
            chainLink.origin == entity.originHash, WireError(.inconsistent, "the chain link's origin is not the entity's"))
        sink.append(littleEndian: Self.magic)
        sink.append(littleEndian: Self.version)
        sink.append(fixed: entity)
        sink.append(littleEndian: throughSequence)
        sink.append(fixed: chainLink)
        sink.append(littleEndian: createdAt)
        sink.append(length32: state, "state")
        sink.append(length32: bindings, "bindings")
        sink.append(flag: envelope != nil)
        guard let envelope else { return }
        sink.require(
            envelope.count == WireLimits.identityEnvelopeByteCount && envelope.first == Self.envelopeVersion,
            WireError(.invalidValue, "envelope of \(envelope.count) bytes is not of version \(Self.envelopeVersion)"))
        sink.append(contentsOf: envelope.rawSpan)
    }
}
