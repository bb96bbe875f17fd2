/// Says that a node owns a daemon and may speak for it on lanes: signed by the daemon's key, once per epoch.
public struct LaneCredential: Hashable, Sendable {
    /// The daemon that emits.
    public var daemon: EntityID
    /// The epoch under which the node owns it.
    public var epoch: Epoch
    /// The node.
    public var node: NodeKey
    /// By the daemon's key over `"ferry-lane-credential"` and the canonical bytes before the signature.
    public var daemonSignature: Signature

    /// Joins a statement and its signature.
    public init(daemon: EntityID, epoch: Epoch, node: NodeKey, daemonSignature: Signature) {
        self.daemon = daemon
        self.epoch = epoch
        self.node = node
        self.daemonSignature = daemonSignature
    }
}

extension LaneCredential: WireEncodable, WireDecodable {
    /// Writes `version u8 | daemon 32 | epoch u64 | node 32 | signature 64`.
    public func encode(into sink: inout some ByteSink & ~Copyable & ~Escapable) {
        encodeSigned(into: &sink)
        sink.append(fixed: daemonSignature)
    }

    private func encodeSigned(into sink: inout some ByteSink & ~Copyable & ~Escapable) {
        sink.append(littleEndian: FerryFormat.version)
        sink.append(fixed: daemon)
        sink.append(littleEndian: epoch.rawValue)
        sink.append(fixed: node)
    }

    /// What the signature covers: `"ferry-lane-credential"` and the canonical bytes before the signature.
    public var signedBytes: [UInt8] {
        let byteCount = 1 + EntityID.byteCount + 8 + NodeKey.byteCount
        return Array("ferry-lane-credential".utf8) + [UInt8](rawCapacity: byteCount) { encodeSigned(into: &$0) }
    }

    /// Reads a credential, whose signature is not verified here.
    ///
    /// - Throws: `.truncated`, `.unknownVersion`.
    public init(from reader: inout ByteReader) throws(WireError) {
        try reader.readFerryVersion()
        daemon = try reader.read("daemon")
        epoch = try reader.readEpoch()
        node = try reader.read("node")
        daemonSignature = try reader.read("daemon signature")
    }
}
