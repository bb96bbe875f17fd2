internal import DequeModule
public import FerryWire

/// How far a move log is shipped and followed.
public struct MoveLogStatus: Hashable, Sendable {
    /// The newest entry; 0 while the log is empty.
    public var lastIndex: UInt64
    /// The newest entry that the target has replayed.
    public var acknowledgedIndex: UInt64
    /// Bytes of the entries that the target has not replayed.
    public var waitingByteCount: Int
    /// What a fence now would wait for the replay: the age that the newest acknowledged entry had when it was acknowledged, or that of the
    /// oldest waiting one, whichever is longer.
    public var catchUp: Duration
    /// How fast inputs come in.
    public var appendedBytesPerSecond: UInt64
    /// How fast the target follows.
    public var drainedBytesPerSecond: UInt64
    /// Whether the daemon's first state digest of the move is still under way: a daemon that stopped now would wait for one as long.
    public var isDigestPending: Bool

    /// Describes a log.
    public init(
        lastIndex: UInt64, acknowledgedIndex: UInt64, waitingByteCount: Int, catchUp: Duration, appendedBytesPerSecond: UInt64,
        drainedBytesPerSecond: UInt64, isDigestPending: Bool = false
    ) {
        self.lastIndex = lastIndex
        self.acknowledgedIndex = acknowledgedIndex
        self.waitingByteCount = waitingByteCount
        self.catchUp = catchUp
        self.appendedBytesPerSecond = appendedBytesPerSecond
        self.drainedBytesPerSecond = drainedBytesPerSecond
        self.isDigestPending = isDigestPending
    }

    /// Whether the target has replayed everything.
    public var isCaughtUp: Bool { lastIndex == acknowledgedIndex }
}

/// The source's log of inputs since the freeze, each kept until the target has replayed it.
///
/// States: open ──seal──▶ sealed (the daemon is fenced; what is left is sent without waiting for more). Entries pass through waiting, in
/// flight and acknowledged, in order; ``rewind()`` puts what is in flight back.
///
/// Two batches are in flight at once at most while they are small, so that a slow round trip makes batches longer and not more; full
/// batches follow each other until the window is full.
///
/// Invalid input. The peer's fault: acknowledging what was not sent returns false. Harmless: repeated acknowledgements.
public struct MoveLog: ~Copyable {
    /// What an entry counts beside its payload: link, times, outcome.
    public static let entryByteCount = 64
    /// A batch of this many bytes is worth sending whatever is in flight.
    private static let fullBatchByteCount = 16 << 10
    private static let smallBatchCount = 2

    private struct Entry {
        var input: LoggedInput
        var appendedAt: Timestamp
        var byteCount: Int { input.event.payload.count + MoveLog.entryByteCount }
    }

    private let windowByteCount: Int
    private let capacityByteCount: Int
    private var entries: Deque<Entry> = []
    /// Entries, from the first, that are in flight.
    private var sentCount = 0
    private var sentByteCount = 0
    /// The newest entry that was ever in flight: also what was lost may be acknowledged late.
    private var highestSentIndex: UInt64 = 0
    private var waitingByteCount = 0
    /// The last index of every batch in flight.
    private var batches: Deque<UInt64> = []
    private var acknowledgedIndex: UInt64 = 0
    private var acknowledgedAge: Duration = .zero
    private var log = LogDigest()
    private var appended = RateMeter()
    private var drained = RateMeter()
    private var isSealed = false
    /// Whether the capacity is used up; once it is, half of it must be free again.
    private var isFull = false
    /// Above this intake is slowed to half of what the target follows, once it must be.
    private var limitByteCount: Int?
    private var creditByteCount = 0
    /// Whether another entry may be appended.
    public var hasRoom: Bool {
        guard let limitByteCount else { return !isFull }
        return !isFull && (waitingByteCount < limitByteCount || creditByteCount > 0)
    }

    /// An empty log.
    ///
    /// - Parameters:
    ///   - windowByteCount: bytes in flight; a single entry may exceed them.
    ///   - capacityByteCount: bytes that wait for the target's replay before intake is slowed.
    public init(windowByteCount: Int = 1 << 20, capacityByteCount: Int = 64 << 20) {
        self.windowByteCount = windowByteCount
        self.capacityByteCount = capacityByteCount
    }

    /// The newest entry; 0 while the log is empty.
    public var lastIndex: UInt64 { log.index }

    /// Rolling digest over all entries so far; zero while the log is empty.
    public var digest: FixedBytes32 { log.value }

    /// Appends an input that was processed, and what it did.
    public mutating func append(_ event: CausalEvent, outcome: UInt64, now: Timestamp) {
        log.fold(event, outcome: outcome)
        let entry = Entry(input: LoggedInput(event: event, outcome: outcome), appendedAt: now)
        waitingByteCount += entry.byteCount
        appended.count(entry.byteCount, now: now)
        entries.append(entry)
        if waitingByteCount >= capacityByteCount { isFull = true }
        creditByteCount = max(0, creditByteCount - entry.byteCount)
    }

    /// Whether ``nextBatch(byteLimit:)`` has one.
    public var isBatchDue: Bool {
        guard sentCount < entries.count, sentByteCount < windowByteCount else { return false }
        if isSealed || batches.count < Self.smallBatchCount { return true }
        return min(waitingByteCount, windowByteCount) - sentByteCount >= Self.fullBatchByteCount
    }

    /// The next entries to ship; nil when none is due or the window is full.
    ///
    /// - Parameter byteLimit: payload and overhead of one batch, which holds one entry at least.
    public mutating func nextBatch(byteLimit: Int) -> BufferedEvents? {
        guard isBatchDue else { return nil }
        var batch = BufferedEvents(firstIndex: acknowledgedIndex + UInt64(sentCount) + 1, entries: [])
        var byteCount = 0
        while sentCount < entries.count, batch.entries.count < WireLimits.bufferedEventCount {
            let entry = entries[sentCount]
            guard batch.entries.isEmpty || byteCount + entry.byteCount <= min(byteLimit, windowByteCount - sentByteCount) else { break }
            byteCount += entry.byteCount
            batch.entries.append(entry.input)
            sentCount += 1
        }
        sentByteCount += byteCount
        let last = acknowledgedIndex + UInt64(sentCount)
        highestSentIndex = max(highestSentIndex, last)
        batches.append(last)
        return batch
    }

    /// Forgets what the target has replayed.
    ///
    /// - Returns: false, and nothing changes, when the target claims what it was not sent.
    public mutating func acknowledge(through index: UInt64, now: Timestamp) -> Bool {
        guard index <= highestSentIndex else { return false }
        guard index > acknowledgedIndex else { return true }
        var freed = 0
        while acknowledgedIndex < index, let entry = entries.popFirst() {
            acknowledgedIndex += 1
            freed += entry.byteCount
            acknowledgedAge = now - entry.appendedAt
            if sentCount > 0 {
                sentCount -= 1
                sentByteCount -= entry.byteCount
            }
        }
        waitingByteCount -= freed
        drained.count(freed, now: now)
        while let last = batches.first, last <= index { batches.removeFirst() }
        if waitingByteCount <= capacityByteCount / 2 { isFull = false }
        if let limitByteCount { creditByteCount = waitingByteCount < limitByteCount ? 0 : creditByteCount + freed / 2 }
        return true
    }

    /// Goes back to the first entry that is not acknowledged: what was in flight was lost with its session.
    public mutating func rewind() {
        sentCount = 0
        sentByteCount = 0
        batches.removeAll(keepingCapacity: true)
    }

    /// Nothing will be appended any more: what is left is due at once.
    public mutating func seal() { isSealed = true }

    /// Slows intake: while `byteCount` bytes or more wait for the target's replay, every two bytes that it replays make room for one. So
    /// what waits shrinks, and intake never stands still for as long as the target follows.
    public mutating func limit(byteCount: Int) { limitByteCount = max(1, byteCount) }

    /// How far the log is shipped and followed.
    public func status(now: Timestamp) -> MoveLogStatus {
        let oldest = entries.first.map { now - $0.appendedAt } ?? .zero
        return MoveLogStatus(
            lastIndex: log.index, acknowledgedIndex: acknowledgedIndex, waitingByteCount: waitingByteCount,
            catchUp: max(acknowledgedAge, oldest, .zero), appendedBytesPerSecond: appended.bytesPerSecond(now),
            drainedBytesPerSecond: drained.bytesPerSecond(now))
    }
}

/// Bytes per second over the recent past: a fold of intervals of 50 ms at least.
private struct RateMeter {
    private static let interval = Duration.milliseconds(50)
    private var startedAt: Timestamp?
    private var byteCount = 0
    private var rate: Double?

    mutating func count(_ bytes: Int, now: Timestamp) {
        roll(now)
        byteCount += bytes
    }

    private mutating func roll(_ now: Timestamp) {
        guard let start = startedAt else {
            startedAt = now
            return
        }
        guard now - start >= Self.interval else { return }
        let current = Double(byteCount) / (Double((now - start).wholeNanoseconds) * 1e-9)
        rate = rate.map { ($0 + current) / 2 } ?? current
        startedAt = now
        byteCount = 0
    }

    func bytesPerSecond(_ now: Timestamp) -> UInt64 {
        var copy = self
        copy.roll(now)
        return UInt64(max(0, min(copy.rate ?? 0, 1e15)))
    }
}
