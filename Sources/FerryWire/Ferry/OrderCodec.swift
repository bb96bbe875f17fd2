extension DaemonKind: WireEncodable, WireDecodable {
    /// Writes `name text | schema version u32`.
    public func encode(into sink: inout some ByteSink & ~Copyable & ~Escapable) {
        sink.require(!name.isEmpty, WireError(.invalidValue, "a daemon kind has no name"))
        sink.append(text16: name, limit: WireLimits.kindNameByteCount, "daemon kind")
        sink.append(littleEndian: schemaVersion)
    }

    /// Reads name and version.
    ///
    /// - Throws: `.truncated`, `.limitExceeded`, `.invalidText`, `.invalidValue` for an empty name.
    public init(from reader: inout ByteReader) throws(WireError) {
        let name = try reader.readText16(limit: WireLimits.kindNameByteCount, "daemon kind")
        guard !name.isEmpty else { throw WireError(.invalidValue, "a daemon kind has no name") }
        self.init(name: name, schemaVersion: try reader.readUInt32("schema version"))
    }
}

extension MoveOrder: WireEncodable, WireDecodable {
    /// Writes the canonical bytes, over which an operator or the daemon signs.
    public func encode(into sink: inout some ByteSink & ~Copyable & ~Escapable) {
        sink.require(attempt > 0, WireError(.invalidValue, "attempts count from 1"))
        sink.append(fixed: id)
        sink.append(fixed: daemon)
        sink.append(optional: lineage)
        sink.append(fixed: source)
        sink.append(fixed: target)
        sink.append(text16: targetAddress, limit: WireLimits.addressByteCount, "target address")
        sink.append(fixed: orchestrator)
        sink.append(littleEndian: attempt)
        sink.append(littleEndian: mode.rawValue)
        sink.append(littleEndian: expiresAt)
    }

    /// Reads an order.
    ///
    /// - Throws: `.truncated`, `.limitExceeded`, `.invalidText`, `.invalidValue` for a flag or attempt 0, `.unknownType` for a mode.
    public init(from reader: inout ByteReader) throws(WireError) {
        id = try reader.read("order id")
        daemon = try reader.read("daemon")
        lineage = try reader.readOptional("lineage")
        source = try reader.read("source")
        target = try reader.read("target")
        targetAddress = try reader.readText16(limit: WireLimits.addressByteCount, "target address")
        orchestrator = try reader.read("orchestrator")
        attempt = try reader.readUInt8("attempt")
        let mode = try reader.readUInt8("mode")
        expiresAt = try reader.readUInt64("expiry")
        guard attempt > 0 else { throw WireError(.invalidValue, "attempts count from 1") }
        guard let mode = MoveMode(rawValue: mode) else { throw WireError(.unknownType, "move mode \(mode)") }
        self.mode = mode
    }
}
