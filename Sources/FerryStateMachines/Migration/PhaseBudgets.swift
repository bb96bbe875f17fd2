/// How long each phase of a move may take; every one has its own exit (system.md §5).
public struct PhaseBudgets: Hashable, Sendable {
    /// Each participant's answer to the plan.
    public var plan: Duration
    /// From the order to the frozen daemon.
    public var fence: Duration
    /// Opening the stream, on top of the time that the bytes take.
    public var transfer: Duration
    /// Bytes a second below which a transfer is given up; at least 1.
    public var transferFloorByteRate: UInt64
    /// How long not one byte may move.
    public var stall: Duration
    /// From the last byte streamed to the restored daemon.
    public var restore: Duration
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
        transferFloorByteRate: UInt64 = 4 << 20, stall: Duration = .seconds(10), restore: Duration = .seconds(30),
        prepare: Duration = .seconds(10), take: Duration = .seconds(10), promise: Duration = .seconds(60),
        retry: ClosedRange<Duration> = .milliseconds(200) ... .seconds(5)
    ) {
        self.plan = plan
        self.fence = fence
        self.transfer = transfer
        self.transferFloorByteRate = transferFloorByteRate
        self.stall = stall
        self.restore = restore
        self.prepare = prepare
        self.take = take
        self.promise = promise
        self.retry = retry
    }

    /// The transfer's budget for a state of `byteCount` bytes.
    public func transfer(byteCount: UInt64) -> Duration {
        transfer + .seconds(Int64(clamping: byteCount / max(1, transferFloorByteRate)))
    }

    /// The longest from the order to its end or to doubt, known before anything is paid for.
    public func publishedBound(byteCount: UInt64) -> Duration {
        plan + plan + fence + transfer(byteCount: byteCount) + restore + prepare + take
    }
}

/// Bounds of one node's migration dispatcher.
public struct MigrationLimits: Hashable, Sendable {
    /// Moves in progress per role; those that any one peer has ordered are at most a quarter of it.
    public var movesPerRole: Int
    /// Moves that are over and remembered, so that a late message gets the stored answer. Closed ones make room; open ones do not, and
    /// new moves are refused while all are open. Those that any one peer has ordered are at most a quarter of it.
    public var rememberedMoveCount: Int
    /// The farthest off that an order may lapse; twice the longest life that a host may give one, since clocks differ.
    public var orderLifetime: Duration

    /// Sets the bounds.
    public init(movesPerRole: Int = 256, rememberedMoveCount: Int = 4_096, orderLifetime: Duration = .seconds(172_800)) {
        self.movesPerRole = movesPerRole
        self.rememberedMoveCount = rememberedMoveCount
        self.orderLifetime = orderLifetime
    }
    /// What any one peer may take of a cap; this node itself may take all of it.
    static func share(_ cap: Int) -> Int { max(1, cap / 4) }
}
