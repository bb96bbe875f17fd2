extension StateSummary: WireEncodable, WireDecodable {
    /// Writes `chunk count u64 | byte count u64 | digest`.
    public func encode(into sink: inout some ByteSink & ~Copyable & ~Escapable) {
        if let violation { sink.require(false, violation) }
        sink.append(littleEndian: chunkCount)
        sink.append(littleEndian: byteCount)
        sink.append(fixed: digest)
    }

    /// Reads the totals.
    ///
    /// - Throws: `.truncated`, `.limitExceeded`, `.inconsistent` for more chunks than bytes.
    public init(from reader: inout ByteReader) throws(WireError) {
        chunkCount = try reader.readUInt64("chunk count")
        byteCount = try reader.readUInt64("state length")
        digest = try reader.read("state digest")
        if let violation { throw violation }
    }

    private var violation: WireError? {
        if byteCount > WireLimits.stateByteCount { return WireError(.limitExceeded, "state of \(byteCount) bytes") }
        // A chunk holds at least one byte.
        return chunkCount > byteCount ? WireError(.inconsistent, "\(chunkCount) chunks of \(byteCount) bytes") : nil
    }
}

extension [LaneCursor] {
    /// Writes `count u32`, then `emitter u64 | sequence u64 | emitter's epoch u64` each, sorted by emitter.
    func encodeCursors(into sink: inout some ByteSink & ~Copyable & ~Escapable) {
        sink.append(count32: count, limit: WireLimits.cursorCount, "cursors")
        var last: OriginHash?
        for cursor in self {
            sink.require(last.map { $0 < cursor.emitter } ?? true, WireError(.notCanonical, "cursors are not sorted by emitter"))
            last = cursor.emitter
            sink.append(littleEndian: cursor.emitter.rawValue)
            sink.append(littleEndian: cursor.sequence)
            sink.append(littleEndian: cursor.emitterEpoch.rawValue)
        }
    }

    init(cursorsFrom reader: inout ByteReader) throws(WireError) {
        let count = try reader.readCount(limit: WireLimits.cursorCount, minimumByteCount: 24, "cursors")
        self.init()
        reserveCapacity(count)
        for _ in 0..<count {
            let emitter = OriginHash(rawValue: try reader.readUInt64("cursor emitter"))
            if let last, last.emitter >= emitter { throw WireError(.notCanonical, "cursors are not sorted by emitter") }
            let sequence = try reader.readUInt64("cursor")
            append(LaneCursor(emitter: emitter, sequence: sequence, emitterEpoch: try reader.readEpoch()))
        }
    }
}

extension SnapshotHeader: WireEncodable, WireDecodable {
    /// The version that follows the magic.
    static let version: UInt8 = 3

    /// With the order around it, a header fits a message.
    public static var maximumByteCount: Int { WireLimits.snapshotHeaderByteCount }

    /// H("ferry-bindings", bindings), as a Release states it.
    public var bindingsDigest: FixedBytes32 { FixedBytes32(label: "ferry-bindings", bindings) }

    /// Writes CDS1 version 3.
    public func encode(into sink: inout some ByteSink & ~Copyable & ~Escapable) {
        if let violation { sink.require(false, violation) }
        sink.append(littleEndian: StateSnapshot.magic)
        sink.append(littleEndian: Self.version)
        sink.append(fixed: entity)
        sink.append(fixed: lineage)
        sink.append(littleEndian: epoch.rawValue)
        kind.encode(into: &sink)
        sink.append(fixed: chainLink)
        sink.append(length32: headPayload, limit: WireLimits.eventPayloadByteCount, "head payload")
        cursors.encodeCursors(into: &sink)
        outputLanes.encodeLanes(into: &sink)
        sink.append(length32: bindings, limit: WireLimits.bindingsByteCount, "bindings")
        ownerHints.encodeHints(into: &sink)
        sink.append(littleEndian: createdAt)
    }

    /// Reads CDS1 version 3; version 2 is ``StateSnapshot``.
    ///
    /// - Throws: `.badMagic`, `.unknownVersion`, `.truncated`, `.limitExceeded`, `.invalidText`, `.invalidValue`, `.notCanonical` for anything
    ///   unsorted, `.inconsistent` when the link is not the entity's or a genesis link has a payload.
    public init(from reader: inout ByteReader) throws(WireError) {
        let start = reader.offset
        let magic = try reader.readUInt32("magic")
        guard magic == StateSnapshot.magic else { throw WireError(.badMagic, "not a CDS1 snapshot") }
        let version = try reader.readUInt8("snapshot version")
        guard version == Self.version else { throw WireError(.unknownVersion, "snapshot version \(version)") }
        entity = try reader.read("entity id")
        lineage = try reader.read("lineage")
        epoch = try reader.readEpoch()
        kind = try DaemonKind(from: &reader)
        chainLink = try reader.read("chain link")
        headPayload = try reader.readBytes32(limit: WireLimits.eventPayloadByteCount, "head payload")
        cursors = try [LaneCursor](cursorsFrom: &reader)
        outputLanes = try [OutputLaneState](lanesFrom: &reader)
        bindings = try reader.readBytes32(limit: WireLimits.bindingsByteCount, "bindings")
        ownerHints = try [OwnerHint](hintsFrom: &reader)
        createdAt = try reader.readUInt64("creation time")
        if let violation { throw violation }
        guard reader.offset - start <= Self.maximumByteCount else { throw WireError(.limitExceeded, "snapshot header") }
    }

    private var violation: WireError? {
        if chainLink.origin != entity.originHash { return WireError(.inconsistent, "the chain link's origin is not the entity's") }
        return chainLink.sequence == 0 && !headPayload.isEmpty ? WireError(.inconsistent, "a genesis link has a payload") : nil
    }
}
