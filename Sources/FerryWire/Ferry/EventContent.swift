/// What an event means to the daemon's host; its payload is opaque in any case.
///
/// The first four travel on lanes. The rest are inputs of the host itself, which only a move log carries, so that a daemon's lanes come out
/// alike wherever the log is replayed.
public enum EventContent: Hashable, Sendable {
    /// For the daemon.
    case data
    /// The emitter subscribes to a channel of the daemon.
    case subscribe(ChannelName)
    /// The emitter no longer subscribes.
    case unsubscribe(ChannelName)
    /// The emitter publishes on a channel that the daemon subscribed to.
    case published(ChannelName)
    /// Move log only: the link's origin has acknowledged this daemon's outputs up to the link's sequence.
    case acknowledged
    /// Move log only: the emitter that the link's origin names has proven an owner whose epoch is the link's sequence.
    case credential
    /// Move log only: the lane to the link's origin has ended; its outputs and subscriptions are dropped.
    case laneEnded

    /// The channel, where there is one.
    public var channel: ChannelName? {
        switch self {
        case .subscribe(let channel), .unsubscribe(let channel), .published(let channel): channel
        case .data, .acknowledged, .credential, .laneEnded: nil
        }
    }

    /// Whether an emitter may send it.
    public var travelsOnLanes: Bool { typeByte <= 3 }

    private var typeByte: UInt8 {
        switch self {
        case .data: 0
        case .subscribe: 1
        case .unsubscribe: 2
        case .published: 3
        case .acknowledged: 4
        case .credential: 5
        case .laneEnded: 6
        }
    }
}

extension EventContent {
    /// Bytes on the wire: 1, and behind it the channel's name with its length.
    public var encodedByteCount: Int { 1 + (channel.map { 2 + $0.utf8.count } ?? 0) }

    func encode(into sink: inout some ByteSink & ~Copyable & ~Escapable) {
        sink.append(littleEndian: typeByte)
        if let channel { sink.append(length16: channel.utf8, "channel name") }
    }

    init(from reader: inout ByteReader) throws(WireError) {
        switch try reader.readUInt8("event content") {
        case 0: self = .data
        case 1: self = .subscribe(try Self.readChannel(&reader))
        case 2: self = .unsubscribe(try Self.readChannel(&reader))
        case 3: self = .published(try Self.readChannel(&reader))
        case 4: self = .acknowledged
        case 5: self = .credential
        case 6: self = .laneEnded
        case let type: throw WireError(.unknownType, "event content \(type)")
        }
    }

    private static func readChannel(_ reader: inout ByteReader) throws(WireError) -> ChannelName {
        guard let channel = ChannelName(utf8: try reader.readBytes16(limit: WireLimits.channelNameByteCount, "channel name")) else {
            throw WireError(.invalidText, "channel name")
        }
        return channel
    }
}

extension CausalEvent {
    /// Bytes that a data event without payload takes in the Ferry profile: link, content, payload length, receive time.
    static let minimumTypedByteCount = minimumByteCount + 1

    /// Bytes in the Ferry profile.
    public var typedByteCount: Int { Self.minimumByteCount + content.encodedByteCount + payload.count }

    /// Reads link, content, payload, receive time, as the Ferry profile writes them.
    init(typedFrom reader: inout ByteReader) throws(WireError) {
        let link: CausalLink = try reader.read("event link")
        let content = try EventContent(from: &reader)
        let payload = try reader.readBytes32(limit: WireLimits.eventPayloadByteCount, "event payload")
        self.init(link: link, payload: payload, receivedAt: try reader.readUInt64("event time"), content: content)
    }

    /// Writes link, content, payload, receive time.
    func encodeTyped(into sink: inout some ByteSink & ~Copyable & ~Escapable) {
        sink.append(fixed: link)
        content.encode(into: &sink)
        sink.append(length32: payload, limit: WireLimits.eventPayloadByteCount, "event payload")
        sink.append(littleEndian: receivedAt)
    }
}
