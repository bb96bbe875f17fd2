public import FerryWire

// Moves that this node wants, and attempts that follow others.
extension MigrationDispatcher {
    /// Begins a move as its orchestrator; progress and outcome come as actions.
    ///
    /// - Parameter isNew: whether the order was written just now, so that nobody can have heard of it. Of any other one nothing is claimed
    ///   before its participants were asked: a boot of this node that has crashed since may have given it.
    /// - Returns: the attempt's id; ``MoveOrder/migration``. A later attempt of the order has another (``MigrationAction/retried(_:as:)``).
    /// - Throws: `.unauthorized` when the order names another orchestrator, `.protocolViolation` when source and target are one node,
    ///   `.orderExpired` when it has lapsed or was used before, `.alreadyMigrating` when the attempt is known already, `.noCapacity` at a cap.
    @discardableResult
    public mutating func order(
        _ order: MoveOrder, isNew: Bool = true, now: Timestamp, wallClock: UInt64
    ) throws(FailureReason) -> MigrationID {
        try insert(order, isPlanOnly: false, isNew: isNew, now: now, wallClock: wallClock)
        start(order.migration, now: now)
        drainLoopback(now: now, wallClock: wallClock)
        return order.migration
    }

    /// Asks both sides what a move would be like, and gives back what they have set aside; ``MigrationAction/planned(_:_:)``, or `ended` with
    /// the reason of a refusal, follows.
    ///
    /// - Parameter order: with an id of its own: an order that was planned under its id cannot be given.
    /// - Returns: the attempt's id.
    /// - Throws: what ``order(_:now:wallClock:)`` throws.
    @discardableResult
    public mutating func plan(_ order: MoveOrder, now: Timestamp, wallClock: UInt64) throws(FailureReason) -> MigrationID {
        try insert(order, isPlanOnly: true, isNew: true, now: now, wallClock: wallClock)
        start(order.migration, now: now)
        drainLoopback(now: now, wallClock: wallClock)
        return order.migration
    }

    private mutating func insert(
        _ order: MoveOrder, isPlanOnly: Bool, isNew: Bool, now: Timestamp, wallClock: UInt64
    ) throws(FailureReason) {
        guard order.orchestrator == environment.localKey else {
            throw FailureReason(.unauthorized, "the order names another orchestrator")
        }
        try check(order, wallClock: wallClock)
        guard slots[order.migration] == nil else { throw FailureReason(.alreadyMigrating, "this attempt was ordered before") }
        try refuseUsed(order, now: now)
        try makeRoom(for: .orchestrator, wallClock: wallClock)
        let slot = insert(MoveAttempt(order: order, wallClock: wallClock))
        slot.usedUntil = UsedOrders.end(of: order, now: now, wallClock: wallClock)
        slot.orchestrator = OrchestratorMachine(
            attempt: slot.attempt, environment: environment, boots: boots, isPlanOnly: isPlanOnly, isNew: isNew, now: now)
    }

    private mutating func start(_ migration: MigrationID, now: Timestamp) {
        slots[migration]?.orchestrator?.start(now: now, &effects)
    }

    /// Begins the attempt that follows another; when it cannot begin, the first one's end is the move's.
    mutating func begin(_ successor: Successor, now: Timestamp, wallClock: UInt64) {
        do throws(FailureReason) {
            let isNew = slots[successor.of]?.orchestrator?.isNew ?? true
            try insert(successor.order, isPlanOnly: false, isNew: isNew, now: now, wallClock: wallClock)
            effects.actions.append(.retried(successor.of, as: successor.order.migration))
            start(successor.order.migration, now: now)
        } catch {
            effects.actions.append(.ended(successor.of, .orchestrator, successor.outcome))
        }
    }
}
