internal import FerryWire

/// The receiving half of a byte stream: puts parts in order within the credit that was granted.
struct ReceiveBuffer: ~Copyable {
    /// What became of a part.
    enum Outcome: Sendable {
        /// It is stored, or was known.
        case stored(newlyContiguous: Bool)
        /// It lies beyond the credit.
        case beyondCredit
        /// Too many holes to keep track of: the packet must not be acknowledged.
        case discarded
    }

    private var ring = ByteRing()
    private let window: Int
    private let maximumRangeCount: Int
    private var outOfOrder = RangeSet64()
    /// Everything below was read.
    private(set) var base: UInt64 = 0
    /// Everything below has arrived.
    private(set) var contiguous: UInt64 = 0
    /// The end of the furthest part.
    private(set) var highest: UInt64 = 0
    /// The credit that the peer knows of, or will.
    private(set) var credit: UInt64

    init(window: Int, initialCredit: UInt64? = nil, maximumRangeCount: Int = 4096) {
        self.window = window
        self.maximumRangeCount = maximumRangeCount
        credit = initialCredit ?? UInt64(window)
    }

    /// Bytes that can be read.
    var readable: Int { Int(contiguous - base) }

    /// Stores a part that ends below 2^62.
    mutating func receive(_ bytes: RawSpan, at offset: UInt64) -> Outcome {
        let end = offset + UInt64(bytes.byteCount)
        guard end <= credit else { return .beyondCredit }
        guard end > contiguous else { return .stored(newlyContiguous: false) }
        let skipped = offset < contiguous ? Int(contiguous - offset) : 0
        let start = offset + UInt64(skipped)
        let inOrder = start == contiguous
        if !inOrder, outOfOrder.count >= maximumRangeCount, outOfOrder.wouldSplit(start..<end) { return .discarded }
        let held = Int(highest - base)
        highest = max(highest, end)
        ring.reserve(Int(highest - base), from: base, keeping: held)
        ring.write(bytes.extracting(droppingFirst: skipped), at: start)
        guard inOrder else {
            outOfOrder.insert(start..<end)
            return .stored(newlyContiguous: false)
        }
        contiguous = end
        while let first = outOfOrder.first, first.lowerBound <= contiguous {
            contiguous = max(contiguous, first.upperBound)
            outOfOrder.removeFirst()
        }
        return .stored(newlyContiguous: true)
    }

    /// Appends the readable bytes, at most the output's free capacity and `limit`.
    mutating func read(into output: inout OutputRawSpan, limit: Int = .max) -> Int {
        let count = min(readable, output.freeCapacity, limit)
        ring.copy(count, at: base, into: &output)
        base += UInt64(count)
        return count
    }

    /// Appends `count` readable bytes to an array, after skipping `skipped`.
    mutating func read(_ count: Int, skipping skipped: Int, into array: inout [UInt8]) {
        precondition(skipped + count <= readable, "reading more than has arrived")
        ring.copy(count, at: base + UInt64(skipped), into: &array)
        base += UInt64(skipped + count)
    }

    /// A readable byte, `distance` bytes ahead.
    func peek(_ distance: Int) -> UInt8 { ring.byte(at: base + UInt64(distance)) }

    /// A new credit worth telling the peer: half of the window or more was read since the last.
    mutating func updatedCredit() -> UInt64? {
        let target = base + UInt64(window)
        guard target > credit, target - credit >= UInt64(window / 2) else { return nil }
        credit = target
        return target
    }

    /// Opens the window to its full size, whatever was read.
    mutating func openWindow() -> UInt64 {
        credit = max(credit, base + UInt64(window))
        return credit
    }

    /// Drops what is held, as if everything below `end` had been read.
    mutating func skip(to end: UInt64) {
        highest = max(highest, end)
        discard()
    }

    /// Frees the memory.
    mutating func discard() {
        base = highest
        contiguous = highest
        outOfOrder.removeAll()
        ring.release()
    }
}
