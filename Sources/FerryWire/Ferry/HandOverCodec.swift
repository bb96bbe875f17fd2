extension Release: WireEncodable, WireDecodable {
    /// Writes the canonical bytes, whose SHA-256 is the ``ReleaseHash``.
    public func encode(into sink: inout some ByteSink & ~Copyable & ~Escapable) {
        sink.append(littleEndian: FerryFormat.version)
        sink.append(fixed: lineage)
        sink.append(fixed: migration)
        sink.append(littleEndian: epoch.rawValue)
        sink.append(fixed: daemon)
        sink.append(fixed: source)
        sink.append(fixed: target)
        sink.append(fixed: targetBoot)
        sink.append(littleEndian: lastLogIndex)
        sink.append(fixed: inputOutputDigest)
        sink.append(littleEndian: chainSequence)
        sink.append(littleEndian: forwardHash)
        cursors.encodeCursors(into: &sink)
        sink.append(fixed: outputLanesDigest)
        sink.append(fixed: bindingsDigest)
        state.encode(into: &sink)
        sink.append(optional: stateDigest)
        sink.append(littleEndian: determinism.rawValue)
    }

    /// Reads a release.
    ///
    /// - Throws: `.truncated`, `.unknownVersion`, `.limitExceeded`, `.notCanonical`, `.inconsistent`, `.invalidValue`, `.unknownType`.
    public init(from reader: inout ByteReader) throws(WireError) {
        try reader.readFerryVersion()
        lineage = try reader.read("lineage")
        migration = try reader.read("migration id")
        epoch = try reader.readEpoch()
        daemon = try reader.read("daemon")
        source = try reader.read("source")
        target = try reader.read("target")
        targetBoot = try reader.read("target boot")
        lastLogIndex = try reader.readUInt64("last log index")
        inputOutputDigest = try reader.read("I/O digest")
        chainSequence = try reader.readUInt64("chain sequence")
        forwardHash = try reader.readUInt64("forward hash")
        cursors = try [LaneCursor](cursorsFrom: &reader)
        outputLanesDigest = try reader.read("output lanes digest")
        bindingsDigest = try reader.read("bindings digest")
        state = try StateSummary(from: &reader)
        stateDigest = try reader.readOptional("state digest")
        let determinism = try reader.readUInt8("determinism")
        guard let known = Determinism(rawValue: determinism) else { throw WireError(.unknownType, "determinism \(determinism)") }
        self.determinism = known
    }

    /// What both signatures of a release cover: `"ferry-release"` and the hash of its canonical bytes.
    public static func signedBytes(_ hash: ReleaseHash) -> [UInt8] { Array("ferry-release".utf8) + hash.bytes }
}

extension SignedRelease: WireEncodable, WireDecodable {
    /// Writes the release, the daemon's and the node's signature.
    public func encode(into sink: inout some ByteSink & ~Copyable & ~Escapable) {
        release.encode(into: &sink)
        sink.append(fixed: daemonSignature)
        sink.append(fixed: nodeSignature)
    }

    /// Reads a release and its signatures, which are not verified here.
    ///
    /// - Throws: what `Release` throws, `.truncated`.
    public init(from reader: inout ByteReader) throws(WireError) {
        release = try Release(from: &reader)
        daemonSignature = try reader.read("daemon signature")
        nodeSignature = try reader.read("node signature")
    }
}

extension Take: WireEncodable, WireDecodable {
    /// Writes the signed fields, then the daemon's and the node's signature.
    public func encode(into sink: inout some ByteSink & ~Copyable & ~Escapable) {
        encodeSigned(into: &sink)
        sink.append(fixed: daemonSignature)
        sink.append(fixed: nodeSignature)
    }

    private func encodeSigned(into sink: inout some ByteSink & ~Copyable & ~Escapable) {
        sink.append(littleEndian: FerryFormat.version)
        sink.append(fixed: migration)
        sink.append(littleEndian: epoch.rawValue)
        sink.append(fixed: lineage)
        sink.append(fixed: daemon)
        sink.append(fixed: release)
        sink.append(fixed: target)
        sink.append(fixed: targetBoot)
    }

    /// What both signatures cover: `"ferry-take"` and the canonical bytes before the signatures.
    public var signedBytes: [UInt8] {
        Array("ferry-take".utf8) + [UInt8](rawCapacity: 1 + 16 + 8 + 16 + 32 + 32 + 32 + 16) { encodeSigned(into: &$0) }
    }

    /// Reads a take and its signatures, which are not verified here.
    ///
    /// - Throws: `.truncated`, `.unknownVersion`.
    public init(from reader: inout ByteReader) throws(WireError) {
        try reader.readFerryVersion()
        migration = try reader.read("migration id")
        epoch = try reader.readEpoch()
        lineage = try reader.read("lineage")
        daemon = try reader.read("daemon")
        release = try reader.read("release hash")
        target = try reader.read("target")
        targetBoot = try reader.read("target boot")
        daemonSignature = try reader.read("daemon signature")
        nodeSignature = try reader.read("node signature")
    }
}

extension Moved: WireEncodable, WireDecodable {
    /// Writes the signed fields, then the daemon's signature.
    public func encode(into sink: inout some ByteSink & ~Copyable & ~Escapable) {
        encodeSigned(into: &sink)
        sink.append(fixed: daemonSignature)
    }

    private func encodeSigned(into sink: inout some ByteSink & ~Copyable & ~Escapable) {
        sink.append(littleEndian: FerryFormat.version)
        sink.append(fixed: daemon)
        sink.append(littleEndian: epoch.rawValue)
        sink.append(fixed: migration)
        sink.append(fixed: target)
        sink.append(text16: targetAddress, limit: WireLimits.addressByteCount, "target address")
    }

    /// What the signature covers: `"ferry-moved"` and the canonical bytes before the signature.
    ///
    /// - Throws: `.limitExceeded` for the address.
    public func signedBytes() throws(WireError) -> [UInt8] {
        let byteCount = try measured() - Signature.byteCount
        return Array("ferry-moved".utf8) + [UInt8](rawCapacity: byteCount) { encodeSigned(into: &$0) }
    }

    /// Reads a redirection and its signature, which is not verified here.
    ///
    /// - Throws: `.truncated`, `.unknownVersion`, `.limitExceeded`, `.invalidText`.
    public init(from reader: inout ByteReader) throws(WireError) {
        try reader.readFerryVersion()
        daemon = try reader.read("daemon")
        epoch = try reader.readEpoch()
        migration = try reader.read("migration id")
        target = try reader.read("target")
        targetAddress = try reader.readText16(limit: WireLimits.addressByteCount, "target address")
        daemonSignature = try reader.read("daemon signature")
    }
}
