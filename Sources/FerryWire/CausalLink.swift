/// One link of a daemon's chain of outputs: who, what it had seen, which output, and the hash of the output before.
public struct CausalLink: Hashable, Sendable {
    /// The daemon that emits the chain.
    public var origin: OriginHash
    /// Bloom filter over the origins that the emitter had observed (``HorizonBloom``); never validated.
    public var horizon: UInt64
    /// 0 for the genesis link, then 1, 2, 3, …
    public var sequence: UInt64
    /// ``forwardHash(_:_:)`` of the previous link and payload; 0 in the genesis link.
    public var parent: UInt64

    /// Wraps the four fields.
    public init(origin: OriginHash, horizon: UInt64, sequence: UInt64, parent: UInt64) {
        self.origin = origin
        self.horizon = horizon
        self.sequence = sequence
        self.parent = parent
    }

    /// The link that stands before a daemon's first output.
    public static func genesis(_ origin: OriginHash, horizon: UInt64 = 0) -> CausalLink {
        CausalLink(origin: origin, horizon: horizon, sequence: 0, parent: 0)
    }

    /// Whether sequence and parent are both 0.
    public var isGenesis: Bool { sequence == 0 && parent == 0 }

    /// The link of the output that follows one with this link and `payload`; nil when the sequence would overflow.
    public func next(payload: RawSpan, horizon: UInt64) -> CausalLink? {
        let (following, overflow) = sequence.addingReportingOverflow(1)
        guard !overflow else { return nil }
        return CausalLink(origin: origin, horizon: horizon, sequence: following, parent: forwardHash(self, payload))
    }
}

extension CausalLink: FixedByteCount {
    /// 32.
    public static var byteCount: Int { 32 }

    /// Reads origin, horizon, sequence and parent, any values; nil when there are fewer than 32 bytes.
    public init?(copying bytes: RawSpan) {
        guard bytes.byteCount >= Self.byteCount else { return nil }
        self.init(
            origin: OriginHash(rawValue: bytes.littleEndianUInt64(at: 0)), horizon: bytes.littleEndianUInt64(at: 8),
            sequence: bytes.littleEndianUInt64(at: 16), parent: bytes.littleEndianUInt64(at: 24))
    }

    /// Appends 32 bytes; the caller guarantees the free capacity.
    public func append(to output: inout OutputRawSpan) {
        output.append(littleEndian: origin.rawValue)
        output.append(littleEndian: horizon)
        output.append(littleEndian: sequence)
        output.append(littleEndian: parent)
    }
}

/// An input or output of a daemon.
public struct CausalEvent: Hashable, Sendable {
    /// Its place in the emitter's chain.
    public var link: CausalLink
    /// What it carries; at most `WireLimits.eventPayloadByteCount` bytes.
    public var payload: [UInt8]
    /// When the owner took it in (inputs) or made it (outputs): Unix time in nanoseconds.
    public var receivedAt: UInt64
    /// What it means; `data` for everything that net-mesh nodes exchange.
    public var content: EventContent

    /// Wraps the fields.
    public init(link: CausalLink, payload: [UInt8], receivedAt: UInt64, content: EventContent = .data) {
        self.link = link
        self.payload = payload
        self.receivedAt = receivedAt
        self.content = content
    }
}

extension CausalEvent {
    /// Bytes that an event without payload takes: link, payload length, receive time.
    static let minimumByteCount = CausalLink.byteCount + 4 + 8

    /// Reads link, payload behind a 32-bit length, receive time: the layout of net-mesh, which knows data alone.
    init(from reader: inout ByteReader, payloadLimit: Int) throws(WireError) {
        link = try reader.read("event link")
        payload = try reader.readBytes32(limit: payloadLimit, "event payload")
        receivedAt = try reader.readUInt64("event time")
        content = .data
    }

    /// Writes link, payload behind a 32-bit length, receive time.
    func encode(into sink: inout some ByteSink & ~Copyable & ~Escapable, payloadLimit: Int = Int(UInt32.max)) {
        sink.append(fixed: link)
        sink.append(length32: payload, limit: payloadLimit, "event payload")
        sink.append(littleEndian: receivedAt)
    }
}
