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
    /// Writes the terms, the attempt and the authorization.
    public func encode(into sink: inout some ByteSink & ~Copyable & ~Escapable) {
        encodeTerms(into: &sink)
        sink.require(attempt > 0, WireError(.invalidValue, "attempts count from 1"))
        sink.append(littleEndian: attempt)
        sink.append(littleEndian: mode.rawValue)
        sink.append(flag: authorization != nil)
        guard let authorization else { return }
        sink.append(fixed: authorization.signer)
        sink.append(fixed: authorization.signature)
    }

    /// The canonical terms: what all attempts of the order share.
    private func encodeTerms(into sink: inout some ByteSink & ~Copyable & ~Escapable) {
        sink.require(attemptLimit > 0, WireError(.invalidValue, "an order covers at least one attempt"))
        sink.require(MoveModes.all.isSuperset(of: modes), WireError(.unknownType, "move modes \(modes.rawValue)"))
        sink.require(!modes.isEmpty, WireError(.invalidValue, "an order allows at least one mode"))
        sink.append(littleEndian: FerryFormat.version)
        sink.append(fixed: id)
        sink.append(fixed: daemon)
        sink.append(optional: lineage)
        sink.append(fixed: source)
        sink.append(fixed: target)
        sink.append(text16: targetAddress, limit: WireLimits.addressByteCount, "target address")
        sink.append(fixed: orchestrator)
        sink.append(littleEndian: modes.rawValue)
        sink.append(littleEndian: attemptLimit)
        sink.append(littleEndian: pauseBudgetNanoseconds)
        sink.append(littleEndian: expiresAt)
    }

    /// Reads an order; whether its terms cover its attempt, and its authorization holds, is not judged here.
    ///
    /// - Throws: `.truncated`, `.limitExceeded`, `.invalidText`, `.invalidValue` for a flag, attempt 0 or terms that allow nothing,
    ///   `.unknownType` for a mode, `.unknownVersion`.
    public init(from reader: inout ByteReader) throws(WireError) {
        try reader.readFerryVersion()
        id = try reader.read("order id")
        daemon = try reader.read("daemon")
        lineage = try reader.readOptional("lineage")
        source = try reader.read("source")
        target = try reader.read("target")
        targetAddress = try reader.readText16(limit: WireLimits.addressByteCount, "target address")
        orchestrator = try reader.read("orchestrator")
        modes = MoveModes(rawValue: try reader.readUInt8("modes"))
        attemptLimit = try reader.readUInt8("attempt limit")
        pauseBudgetNanoseconds = try reader.readUInt64("pause budget")
        expiresAt = try reader.readUInt64("expiry")
        attempt = try reader.readUInt8("attempt")
        let mode = try reader.readUInt8("mode")
        guard let known = MoveMode(rawValue: mode) else { throw WireError(.unknownType, "move mode \(mode)") }
        self.mode = known
        authorization = try reader.readFlag("authorization") ? try OrderAuthorization(from: &reader) : nil
        guard attempt > 0, attemptLimit > 0 else { throw WireError(.invalidValue, "attempts count from 1") }
        guard MoveModes.all.isSuperset(of: modes) else { throw WireError(.unknownType, "move modes \(modes.rawValue)") }
        guard !modes.isEmpty else { throw WireError(.invalidValue, "an order allows at least one mode") }
    }

    /// What an authorization signs: `"ferry-order"` and the canonical terms (docs/protocol.md §5.5).
    ///
    /// - Throws: `.limitExceeded` for the address, `.invalidValue` or `.unknownType` for terms that allow nothing.
    public func signedBytes() throws(WireError) -> [UInt8] {
        var counter = ByteCounter()
        encodeTerms(into: &counter)
        let byteCount = try counter.total(limit: Int(UInt16.max))
        return [UInt8](rawCapacity: Self.signatureLabel.count + byteCount) { output in
            output.append(contentsOf: Self.signatureLabel.rawSpan)
            encodeTerms(into: &output)
        }
    }

    private static let signatureLabel = Array("ferry-order".utf8)
}

extension OrderAuthorization {
    init(from reader: inout ByteReader) throws(WireError) {
        self.init(signer: try reader.read("signer"), signature: try reader.read("signature"))
    }
}
