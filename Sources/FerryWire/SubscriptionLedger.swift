/// What a daemon is subscribed to; travels in its snapshot as "bindings", so that the target subscribes to the same.
///
/// Bytes: `count u32`, then per entry `publisher u64 | name length u16 | name | flag u8 | [token length u16 | token]`. Net-mesh leaves the
/// order open; Ferry writes entries sorted by publisher, then name, so that equal ledgers have equal bytes.
public struct SubscriptionLedger: Hashable, Sendable {
    /// One subscription.
    public struct Entry: Hashable, Sendable {
        /// The publisher's 64-bit name.
        public var publisher: UInt64
        /// The channel.
        public var channel: ChannelName
        /// What the publisher asks for, at most 65,535 bytes; empty is not absent.
        public var token: [UInt8]?

        /// Describes a subscription.
        public init(publisher: UInt64, channel: ChannelName, token: [UInt8]? = nil) {
            self.publisher = publisher
            self.channel = channel
            self.token = token
        }

        func precedes(_ other: Entry) -> Bool {
            publisher == other.publisher ? channel < other.channel : publisher < other.publisher
        }
    }

    /// Sorted by publisher, then channel; one entry per pair.
    public private(set) var entries: [Entry] = []

    /// No subscription.
    public init() {}

    /// Whether there is no subscription.
    public var isEmpty: Bool { entries.isEmpty }

    /// Whether there is a subscription.
    public func contains(publisher: UInt64, channel: ChannelName) -> Bool {
        let entry = Entry(publisher: publisher, channel: channel)
        let index = position(of: entry)
        return index < entries.count && !entry.precedes(entries[index])
    }

    /// Adds a subscription, or replaces the token of the same publisher and channel.
    public mutating func record(_ entry: Entry) {
        let index = position(of: entry)
        if index < entries.count, !entry.precedes(entries[index]) {
            entries[index] = entry
        } else {
            entries.insert(entry, at: index)
        }
    }

    /// Removes a subscription; harmless when there is none.
    public mutating func forget(publisher: UInt64, channel: ChannelName) {
        let entry = Entry(publisher: publisher, channel: channel)
        let index = position(of: entry)
        if index < entries.count, !entry.precedes(entries[index]) { entries.remove(at: index) }
    }

    /// The first index whose entry does not precede `entry`.
    private func position(of entry: Entry) -> Int {
        var low = 0
        var high = entries.count
        while low < high {
            let middle = (low + high) / 2
            if entries[middle].precedes(entry) { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// Decodes an array, as `init(decoding:)` does a raw span.
    ///
    /// - Throws: the same.
    public init(decoding bytes: [UInt8]) throws(WireError) { try self.init(decoding: bytes.rawSpan) }

    /// Decodes a ledger; no bytes are an empty one, and of two entries for one pair the later wins.
    ///
    /// - Throws: `.truncated`, `.invalidText` for a channel name, `.invalidValue` for a flag, `.trailingBytes`.
    public init(decoding bytes: RawSpan) throws(WireError) {
        guard bytes.byteCount > 0 else { return }
        var reader = ByteReader(bytes)
        let read = try Self.readEntries(&reader)
        try reader.finish("subscription ledger")
        let sorted = read.enumerated().sorted { left, right in
            left.element.precedes(right.element) || (!right.element.precedes(left.element) && left.offset < right.offset)
        }
        entries.reserveCapacity(read.count)
        for (_, entry) in sorted {
            if let last = entries.last, !last.precedes(entry) { entries.removeLast() }
            entries.append(entry)
        }
    }

    /// Reads a ledger as Ferry writes it: sorted, every pair once.
    init(canonicalFrom reader: inout ByteReader) throws(WireError) {
        entries = try Self.readEntries(&reader)
        for (entry, next) in zip(entries, entries.dropFirst()) where !entry.precedes(next) {
            throw WireError(.notCanonical, "subscriptions are not sorted")
        }
    }

    private static func readEntries(_ reader: inout ByteReader) throws(WireError) -> [Entry] {
        let count = try reader.readCount(limit: .max, minimumByteCount: 8 + 2 + 1, "subscriptions")
        var read: [Entry] = []
        read.reserveCapacity(count)
        for _ in 0..<count {
            let publisher = try reader.readUInt64("publisher")
            guard let channel = ChannelName(utf8: try reader.readBytes16(limit: .max, "channel name")) else {
                throw WireError(.invalidText, "channel name")
            }
            let token = try reader.readFlag("token flag") ? try reader.readBytes16(limit: .max, "channel token") : nil
            read.append(Entry(publisher: publisher, channel: channel, token: token))
        }
        return read
    }
}

extension SubscriptionLedger: WireEncodable {
    /// Writes the ledger's one encoding; four zero bytes when it is empty (a snapshot then carries none at all).
    ///
    /// Without one are tokens beyond 65,535 bytes (`.limitExceeded`).
    public func encode(into sink: inout some ByteSink & ~Copyable & ~Escapable) {
        sink.append(count32: entries.count, "subscriptions")
        for entry in entries {
            sink.append(littleEndian: entry.publisher)
            sink.append(length16: entry.channel.utf8, "channel name")
            sink.append(flag: entry.token != nil)
            if let token = entry.token { sink.append(length16: token, limit: WireLimits.channelTokenByteCount, "channel token") }
        }
    }
}
