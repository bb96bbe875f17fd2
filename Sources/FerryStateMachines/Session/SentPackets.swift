internal import DequeModule

/// One thing that a packet carried and that must arrive: told again after a loss, done with after an acknowledgement.
enum SentPart: Sendable {
    case message(offset: UInt64, byteCount: Int)
    case stream(StreamID, offset: UInt64, byteCount: Int, isEnd: Bool)
    case reset(StreamID)
    case stopSending(StreamID)
    case maximumData
    case maximumStreamData(StreamID)
    case maximumMessageData
    case maximumStreams
}

/// What is remembered of a packet until its fate is known.
struct SentPacket: Sendable {
    /// Where a packet stands.
    enum Fate: UInt8, Sendable {
        /// Nobody waits for it: it asked for no acknowledgement.
        case unwatched
        /// Sent, not acknowledged, not lost.
        case outstanding
        /// Acknowledged or lost.
        case settled
    }

    var sentAt: Timestamp
    var byteCount: Int
    var fate: Fate
    var isPathProbe: Bool
    /// The largest number that its ACK record acknowledged.
    var largestAcked: UInt64?
    fileprivate var firstPart: UInt64 = 0
    fileprivate var partCount = 0

    init(sentAt: Timestamp, byteCount: Int, fate: Fate, isPathProbe: Bool, largestAcked: UInt64?) {
        self.sentAt = sentAt
        self.byteCount = byteCount
        self.fate = fate
        self.isPathProbe = isPathProbe
        self.largestAcked = largestAcked
    }
}

/// The packets in flight, by number, and their parts: two queues that grow to what a window needs and are then reused.
struct SentPackets: Sendable {
    /// Packets remembered at most; a peer that leaves this many unanswered breaks the protocol.
    static let maximumCount = 1 << 17

    private var packets: Deque<SentPacket> = []
    private var parts: Deque<SentPart> = []
    private var firstPart: UInt64 = 0
    /// The number of the oldest packet that is remembered.
    private(set) var oldest: UInt64 = 0
    /// Packets whose fate is open.
    private(set) var outstandingCount = 0

    /// The number of the next packet.
    var next: UInt64 { oldest + UInt64(packets.count) }
    /// How many packets are remembered.
    var count: Int { packets.count }

    /// The packet with `number`, which is remembered.
    subscript(number: UInt64) -> SentPacket { packets[Int(number - oldest)] }

    /// Whether the fate of `number`, which is remembered, is open.
    func isOutstanding(_ number: UInt64) -> Bool { packets[Int(number - oldest)].fate == .outstanding }

    /// Remembers the next packet, which carried what was noted since the last one.
    mutating func append(_ packet: SentPacket) {
        var packet = packet
        let begin = packets.last.map { $0.firstPart + UInt64($0.partCount) } ?? firstPart
        packet.firstPart = begin
        packet.partCount = Int(firstPart + UInt64(parts.count) - begin)
        packets.append(packet)
        if packet.fate == .outstanding { outstandingCount += 1 }
        dropSettled()
    }

    /// Notes a part of the packet that is being built.
    mutating func note(_ part: SentPart) { parts.append(part) }

    /// Settles an outstanding packet and appends its parts to `collected`.
    mutating func settle(_ number: UInt64, into collected: inout [SentPart]) {
        copyParts(number, into: &collected)
        packets[Int(number - oldest)].fate = .settled
        outstandingCount -= 1
    }

    /// Appends the parts of a packet to `collected`.
    func copyParts(_ number: UInt64, into collected: inout [SentPart]) {
        let packet = packets[Int(number - oldest)]
        let start = Int(packet.firstPart - firstPart)
        for index in start..<start + packet.partCount { collected.append(parts[index]) }
    }

    /// Forgets settled and unwatched packets at the front.
    mutating func dropSettled() {
        while let first = packets.first, first.fate != .outstanding {
            parts.removeFirst(first.partCount)
            firstPart += UInt64(first.partCount)
            packets.removeFirst()
            oldest += 1
        }
    }
}
