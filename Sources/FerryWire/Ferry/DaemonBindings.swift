/// Who subscribes to a daemon's channels; names daemons and nodes by origin, so it follows them wherever they go.
public struct Roster: Hashable, Sendable {
    /// One subscription.
    public struct Entry: Hashable, Sendable {
        /// The channel.
        public var channel: ChannelName
        /// The daemon, or node, that gets what is published.
        public var subscriber: OriginHash

        /// Describes a subscription.
        public init(channel: ChannelName, subscriber: OriginHash) {
            self.channel = channel
            self.subscriber = subscriber
        }
    }

    private var subscribers: [ChannelName: [OriginHash]] = [:]
    /// On how many channels each of them is.
    private var channelCounts: [OriginHash: Int] = [:]
    /// Subscriptions, over all channels.
    public private(set) var count = 0

    /// Nobody subscribes.
    public init() {}

    /// Whether nobody subscribes.
    public var isEmpty: Bool { count == 0 }

    /// The subscribers of a channel, sorted.
    public func subscribers(of channel: ChannelName) -> [OriginHash] { subscribers[channel] ?? [] }

    /// Whether a subscription is there.
    public func contains(_ subscriber: OriginHash, on channel: ChannelName) -> Bool {
        subscribers[channel]?.contains(subscriber) ?? false
    }

    /// Whether it subscribes to any channel.
    public func contains(_ subscriber: OriginHash) -> Bool { channelCounts[subscriber] != nil }

    /// How many different subscribers satisfy a condition.
    public func subscriberCount(where isCounted: (OriginHash) -> Bool) -> Int {
        channelCounts.keys.reduce(into: 0) { count, subscriber in if isCounted(subscriber) { count += 1 } }
    }

    /// Adds a subscription; harmless when it is there.
    public mutating func insert(_ subscriber: OriginHash, on channel: ChannelName) {
        var list = subscribers[channel] ?? []
        let index = list.firstIndex { $0 >= subscriber } ?? list.count
        guard index == list.count || list[index] != subscriber else { return }
        list.insert(subscriber, at: index)
        subscribers[channel] = list
        channelCounts[subscriber, default: 0] += 1
        count += 1
    }

    /// Removes a subscription; harmless when it is not there.
    public mutating func remove(_ subscriber: OriginHash, from channel: ChannelName) {
        guard let index = subscribers[channel]?.firstIndex(of: subscriber) else { return }
        subscribers[channel]?.remove(at: index)
        let channelCount = channelCounts[subscriber] ?? 1
        channelCounts[subscriber] = channelCount > 1 ? channelCount - 1 : nil
        count -= 1
        if subscribers[channel]?.isEmpty == true { subscribers[channel] = nil }
    }

    /// Removes a subscriber from every channel.
    public mutating func removeAll(of subscriber: OriginHash) {
        guard contains(subscriber) else { return }
        for channel in subscribers.keys.sorted() { remove(subscriber, from: channel) }
    }

    /// All subscriptions, sorted by channel, then subscriber.
    public var entries: [Entry] {
        subscribers.keys.sorted().flatMap { channel in
            subscribers(of: channel).map { Entry(channel: channel, subscriber: $0) }
        }
    }
}

/// What a daemon is bound to: the channels that it subscribes to, and who subscribes to its own.
///
/// Bytes: none when both are empty, else `version u8 | ledger | roster`, where the roster is
/// `count u32`, then per subscription `channel name (u16 length) | subscriber u64`, sorted by channel, then subscriber.
public struct DaemonBindings: Hashable, Sendable {
    /// What the daemon subscribes to.
    public var ledger = SubscriptionLedger()
    /// Who subscribes to it.
    public var roster = Roster()

    /// No subscription either way.
    public init() {}

    /// Decodes what a snapshot carries.
    ///
    /// - Throws: as `init(from:)`, `.trailingBytes`.
    public init(snapshotBytes: [UInt8]) throws(WireError) {
        self.init()
        if !snapshotBytes.isEmpty { try self.init(decoding: snapshotBytes) }
    }

    /// What a snapshot carries: nothing when there is no subscription either way.
    ///
    /// - Throws: `.limitExceeded`.
    public func snapshotBytes() throws(WireError) -> [UInt8] { ledger.isEmpty && roster.isEmpty ? [] : try encoded() }
}

extension DaemonBindings: WireEncodable, WireDecodable {
    /// Bytes of an encoding without any subscription: version and two counts.
    public static var emptyByteCount: Int { 1 + 4 + 4 }

    /// The most that a snapshot carries.
    public static var maximumByteCount: Int { WireLimits.bindingsByteCount }

    /// Writes version, ledger, roster.
    public func encode(into sink: inout some ByteSink & ~Copyable & ~Escapable) {
        sink.append(littleEndian: FerryFormat.version)
        ledger.encode(into: &sink)
        sink.append(count32: roster.count, "subscribers")
        for entry in roster.entries {
            sink.append(length16: entry.channel.utf8, "channel name")
            sink.append(littleEndian: entry.subscriber.rawValue)
        }
    }

    /// Reads version, ledger, roster.
    ///
    /// - Throws: `.truncated`, `.unknownVersion`, `.invalidText`, `.invalidValue`, `.limitExceeded`, `.notCanonical` for anything unsorted.
    public init(from reader: inout ByteReader) throws(WireError) {
        try reader.readFerryVersion()
        ledger = try SubscriptionLedger(canonicalFrom: &reader)
        let count = try reader.readCount(limit: WireLimits.bindingsByteCount, minimumByteCount: 2 + 1 + 8, "subscribers")
        var last: Roster.Entry?
        for _ in 0..<count {
            guard let channel = ChannelName(utf8: try reader.readBytes16(limit: WireLimits.channelNameByteCount, "channel name")) else {
                throw WireError(.invalidText, "channel name")
            }
            let entry = Roster.Entry(channel: channel, subscriber: OriginHash(rawValue: try reader.readUInt64("subscriber")))
            if let last, (last.channel, last.subscriber) >= (entry.channel, entry.subscriber) {
                throw WireError(.notCanonical, "subscribers are not sorted")
            }
            last = entry
            roster.insert(entry.subscriber, on: channel)
        }
    }
}
