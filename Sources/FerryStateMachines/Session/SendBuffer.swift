/// The sending half of a byte stream: what is written and not acknowledged, and which parts must be sent, or sent again.
struct SendBuffer: ~Copyable {
    /// A part to send.
    struct Part: Sendable {
        var offset: UInt64
        var byteCount: Int
        var isRepeated: Bool
    }

    private(set) var ring = ByteRing()
    private let capacity: Int
    /// Everything below is acknowledged.
    private(set) var base: UInt64 = 0
    /// Everything from here on was never sent.
    private(set) var unsent: UInt64 = 0
    /// Everything below is written.
    private(set) var end: UInt64 = 0
    /// The peer's credit: offsets below may be sent.
    private(set) var credit: UInt64
    private var acknowledged = RangeSet64()
    private var lost = RangeSet64()

    init(capacity: Int, credit: UInt64) {
        self.capacity = capacity
        self.credit = credit
    }

    /// Bytes that `write` would take.
    var free: Int { capacity - Int(end - base) }
    /// Whether every byte written is acknowledged.
    var isAcknowledged: Bool { base == end }
    /// Whether something must be sent again.
    var hasLost: Bool { !lost.isEmpty }
    /// New bytes that the stream's own credit lets go.
    var sendableByteCount: Int { Int(min(end, max(credit, unsent)) - unsent) }

    /// Copies as much as the capacity allows.
    mutating func write(_ bytes: RawSpan) -> Int {
        let count = min(bytes.byteCount, free)
        guard count > 0 else { return 0 }
        let held = Int(end - base)
        ring.reserve(held + count, from: base, keeping: held)
        ring.write(bytes.extracting(first: count), at: end)
        end += UInt64(count)
        return count
    }

    /// Raises the peer's credit; a lower one is old news.
    mutating func raiseCredit(to limit: UInt64) -> Bool {
        guard limit > credit else { return false }
        credit = limit
        return true
    }

    /// The next part to send, lost ones first; new ones are bounded by the credit and by `newByteCount`.
    func next(newByteCount: Int) -> Part? {
        if let first = lost.first { return Part(offset: first.lowerBound, byteCount: first.count, isRepeated: true) }
        let count = min(newByteCount, sendableByteCount)
        return count > 0 ? Part(offset: unsent, byteCount: count, isRepeated: false) : nil
    }

    /// The first `byteCount` bytes of `part`, as `next` gave it, are on their way.
    mutating func sent(_ part: Part, byteCount: Int) {
        if part.isRepeated {
            lost.remove(part.offset..<part.offset + UInt64(byteCount))
        } else {
            unsent += UInt64(byteCount)
        }
    }

    /// The peer has these bytes.
    mutating func acknowledge(_ range: Range<UInt64>) {
        guard range.upperBound > base else { return }
        if !lost.isEmpty { lost.remove(range) }
        if range.lowerBound <= base, acknowledged.isEmpty {
            base = range.upperBound
        } else {
            acknowledged.insert(max(range.lowerBound, base)..<range.upperBound)
            if let first = acknowledged.first, first.lowerBound <= base {
                base = max(base, first.upperBound)
                acknowledged.removeFirst()
            }
        }
    }

    /// These bytes must be sent again, as far as they are not acknowledged meanwhile.
    mutating func lose(_ range: Range<UInt64>) {
        guard range.upperBound > base else { return }
        lost.insert(max(range.lowerBound, base)..<range.upperBound)
        for known in acknowledged.ranges {
            guard known.lowerBound < range.upperBound else { break }
            if known.upperBound > range.lowerBound { lost.remove(known) }
        }
    }

    /// Forgets everything.
    mutating func discard() {
        base = end
        unsent = end
        lost.removeAll()
        acknowledged.removeAll()
        ring.release()
    }
}
