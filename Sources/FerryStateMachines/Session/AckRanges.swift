internal import FerryWire

/// Which packets arrived and what to say about them (RFC 9000 §13.2, §19.3).
struct AckRanges: Sendable {
    /// Ranges kept at most; older ones were told often enough.
    static let maximumRangeCount = 64
    /// Packets that ask for an acknowledgement after which one is due at once (RFC 9000 §13.2.2).
    static let elicitingThreshold = 2

    private var received = RangeSet64()
    private var largest: UInt64 = 0
    private var largestArrival: Timestamp = .zero
    private var elicitingCount = 0
    private var isUrgent = false
    /// When an acknowledgement is due at the latest.
    private(set) var deadline: Timestamp?

    /// Whether an acknowledgement is owed, now or later.
    var isPending: Bool { elicitingCount > 0 }
    /// Whether one must go out even alone.
    func isDue(_ now: Timestamp) -> Bool {
        isUrgent || elicitingCount >= Self.elicitingThreshold || deadline.map { $0 <= now } ?? false
    }

    /// Notes a packet that was processed whole.
    mutating func receive(_ number: UInt64, isEliciting: Bool, maximumDelay: Duration, now: Timestamp) {
        let isNext = received.isEmpty ? number == 0 : number == largest + 1
        received.insert(number..<number + 1)
        if received.count > Self.maximumRangeCount { received.removeFirst() }
        if number >= largest {
            largest = number
            largestArrival = now
        }
        guard isEliciting else { return }
        elicitingCount += 1
        if !isNext { isUrgent = true }
        if deadline == nil { deadline = now + maximumDelay }
    }

    /// Appends an ACK record, as many ranges as fit.
    ///
    /// - Returns: the largest number acknowledged, or nil when nothing fits or is known.
    mutating func append(to writer: inout RecordWriter, now: Timestamp) -> UInt64? {
        guard let last = received.last, writer.free >= 32 else { return nil }
        let delay = UInt64(max(0, (now - largestArrival).wholeNanoseconds / 1000))
        writer.append(varint: RecordType.ack)
        writer.append(varint: last.upperBound - 1)
        writer.append(varint: min(delay, Varint.maximum))
        let ranges = received.ranges
        // Each further range takes at most sixteen bytes.
        let extra = min(ranges.count - 1, max(0, (writer.free - 10) / 16))
        writer.append(varint: UInt64(extra))
        writer.append(varint: UInt64(last.count) - 1)
        var smallest = last.lowerBound
        for step in 0..<extra {
            let range = ranges[ranges.count - 2 - step]
            writer.append(varint: smallest - range.upperBound - 1)
            writer.append(varint: UInt64(range.count) - 1)
            smallest = range.lowerBound
        }
        elicitingCount = 0
        isUrgent = false
        deadline = nil
        return last.upperBound - 1
    }

    /// The peer knows what was acknowledged up to `number`: it need not be told again (RFC 9000 §13.2.4).
    mutating func forget(upTo number: UInt64) {
        guard let last = received.last else { return }
        received.removeAll(below: min(number + 1, last.lowerBound))
    }
}
