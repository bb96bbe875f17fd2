public import FerryWire

/// How long each phase of a move may take; every one has its own exit (system.md §5).
public struct PhaseBudgets: Hashable, Sendable {
    /// Each participant's answer to the plan.
    public var plan: Duration
    /// From the order to the frozen daemon.
    public var fence: Duration
    /// Opening the stream, on top of the time that the bytes take.
    public var transfer: Duration
    /// Bytes a second below which a transfer is given up although it moves; at least 1. It makes the bound of a move computable: what
    /// ends one that does not move is `stall`, and any other its order's expiry.
    public var transferFloorByteRate: UInt64
    /// How long the target may take in not one byte.
    public var stall: Duration
    /// From the last byte streamed to the restored daemon.
    public var restore: Duration
    /// How long a live target may take to catch up with the move log before intake is slowed, and once more before the move is declined.
    public var converge: Duration
    /// How long a live source that may stop the daemon goes on following for a shorter pause; part of `converge`.
    public var settle: Duration
    /// From the fence of a live move until the target has replayed the log's tail.
    public var replay: Duration
    /// What a hand-over costs beside the replay of the tail: a live daemon is stopped only when this and the catching up fit the order's
    /// pause budget.
    public var handshake: Duration
    /// From Release to Prepared.
    public var prepare: Duration
    /// From Commit to Take, after which the source is reported in doubt and goes on asking.
    public var take: Duration
    /// How long a prepared target waits for the source's word before it promises never to take; longer than `take`.
    public var promise: Duration
    /// First and longest interval between repeated requests.
    public var retry: ClosedRange<Duration>

    /// Sets the budgets.
    public init(
        plan: Duration = .seconds(10), fence: Duration = .seconds(5), transfer: Duration = .seconds(10),
        transferFloorByteRate: UInt64 = 64 << 10, stall: Duration = .seconds(10), restore: Duration = .seconds(30),
        converge: Duration = .seconds(5), settle: Duration = .milliseconds(100), replay: Duration = .seconds(5),
        handshake: Duration = .milliseconds(2), prepare: Duration = .seconds(10), take: Duration = .seconds(10),
        promise: Duration = .seconds(60), retry: ClosedRange<Duration> = .milliseconds(200) ... .seconds(5)
    ) {
        self.plan = plan
        self.fence = fence
        self.transfer = transfer
        self.transferFloorByteRate = transferFloorByteRate
        self.stall = stall
        self.restore = restore
        self.converge = converge
        self.settle = settle
        self.replay = replay
        self.handshake = handshake
        self.prepare = prepare
        self.take = take
        self.promise = promise
        self.retry = retry
    }

    /// The transfer's budget for a state of `byteCount` bytes.
    public func transfer(byteCount: UInt64) -> Duration {
        transfer + .seconds(Int64(clamping: byteCount / max(1, transferFloorByteRate)))
    }

    /// The longest from the order to its end or to doubt, known before anything is paid for: the sum of all budgets, or the order's
    /// expiry, which ends whatever is not committed, and the hand-over.
    ///
    /// - Parameters:
    ///   - mode: how the attempt moves; a second attempt has its own bound.
    ///   - lifetime: from the attempt's beginning to the order's expiry; nil leaves it out.
    public func publishedBound(byteCount: UInt64, mode: MoveMode = .stopAndCopy, lifetime: Duration? = nil) -> Duration {
        let phases = plan + plan + fence + transfer(byteCount: byteCount) + restore + following(mode) + handOver(mode)
        return lapsing(phases, mode: mode, lifetime: lifetime)
    }

    /// How long a daemon that serves may be followed; catching up, and once more with intake held back.
    func following(_ mode: MoveMode) -> Duration { mode == .live ? converge + converge : .zero }

    /// From the release until the log's tail is replayed.
    func replay(_ mode: MoveMode) -> Duration { mode == .live ? replay : .zero }

    /// The event in hand before a daemon that serves stops, and the rest of its log.
    func tail(_ mode: MoveMode) -> Duration { mode == .live ? fence + replay : .zero }
}

/// Bounds of one node's migration dispatcher.
public struct MigrationLimits: Hashable, Sendable {
    /// Moves in progress per role; those that any one peer has ordered are at most a quarter of it.
    public var movesPerRole: Int
    /// Moves that are over and remembered, so that a late message gets the stored answer. Closed ones make room; open ones do not, and
    /// new moves are refused while all are open. Those that any one peer has ordered are at most a quarter of it.
    public var rememberedMoveCount: Int
    /// Bytes of the move log that one arriving daemon may have waiting for their replay, at least one batch.
    public var replayByteCount: Int
    /// The farthest off that an order may lapse; twice the longest life that a host may give one, since clocks differ.
    public var orderLifetime: Duration

    /// Sets the bounds.
    public init(
        movesPerRole: Int = 256, rememberedMoveCount: Int = 4_096, replayByteCount: Int = 8 << 20,
        orderLifetime: Duration = .seconds(172_800)
    ) {
        self.movesPerRole = movesPerRole
        self.rememberedMoveCount = rememberedMoveCount
        self.replayByteCount = replayByteCount
        self.orderLifetime = orderLifetime
    }

    /// What any one peer may take of a cap; this node itself may take all of it.
    static func share(_ cap: Int) -> Int { max(1, cap / 4) }
}
