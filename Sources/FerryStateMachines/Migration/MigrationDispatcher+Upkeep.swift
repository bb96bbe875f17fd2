package import FerryWire

// Timers, views, caps and forgetting.
extension MigrationDispatcher {
    /// When ``deadlineReached(now:wallClock:)`` wants to be called; nil when nothing is pending.
    public var nextDeadline: Timestamp? {
        var earliest: Timestamp?
        for slot in slots.values {
            guard let deadline = slot.nextDeadline else { continue }
            earliest = min(earliest ?? deadline, deadline)
        }
        return earliest
    }

    /// Runs what is due; early, late and repeated calls are harmless.
    public mutating func deadlineReached(now: Timestamp, wallClock: UInt64) {
        for slot in slots.values.filter({ !$0.isAtRest }).sorted(by: { $0.ordinal < $1.ordinal }) {
            if let deadline = slot.nextLapseDeadline, deadline <= now { giveUpLapsed(slot, now: now, wallClock: wallClock) }
            slot.orchestrator?.deadlineReached(now: now, &effects)
            slot.source?.deadlineReached(now: now, &effects)
            slot.target?.deadlineReached(now: now, &effects)
        }
        drainLoopback(now: now, wallClock: wallClock)
        forgetClosed(wallClock: wallClock)
    }

    /// Every move that this node knows of, oldest first, one view for each role that the node plays in it; causes of a stall do not say how
    /// long it has lasted.
    public var moves: [MoveView] { views(nil) }

    /// The same, with how long a stall has lasted.
    public func moves(now: Timestamp) -> [MoveView] { views(now) }

    /// One of them.
    package func view(of migration: MigrationID, as role: MoveRole) -> MoveView? {
        guard let slot = slots[migration] else { return nil }
        return switch role {
        case .orchestrator: slot.orchestrator?.view
        case .source: slot.source?.view(nil)
        case .target: slot.target?.view(nil)
        }
    }

    /// Moves that are remembered, over or not.
    package var rememberedCount: Int { slots.count }

    /// Those of them that have not ended in this role, each asked anew.
    package func unendedCount(as role: MoveRole) -> Int {
        slots.values.count { slot in
            guard slot.hasMachine(role) else { return false }
            return switch role {
            case .orchestrator: slot.orchestrator?.outcome == nil
            case .source: slot.source?.outcome == nil
            case .target: slot.target?.outcome == nil
            }
        }
    }

    private func views(_ now: Timestamp?) -> [MoveView] {
        orderedSlots.flatMap { slot in
            [slot.orchestrator?.view, slot.source?.view(now), slot.target?.view(now)].compactMap { $0 }
        }
    }

    /// Forgets moves that are over on both sides and whose order has lapsed, so that no late message can revive them.
    public mutating func forgetClosed(wallClock: UInt64) {
        for (migration, slot) in slots where slot.attempt.order.expiresAt <= wallClock && slot.isClosed {
            slots[migration] = nil
            usedOrders.note(slot.attempt.order, isCarriedOut: slot.isCarriedOut, until: slot.usedUntil, ordinal: slot.ordinal)
        }
    }

    /// Slots in the order in which they were made; a dictionary's own order differs between runs.
    var orderedSlots: [MoveSlot] { slots.values.sorted { $0.ordinal < $1.ordinal } }

    mutating func insert(_ attempt: MoveAttempt) -> MoveSlot {
        let slot = MoveSlot(ordinal: nextOrdinal, attempt: attempt)
        nextOrdinal += 1
        slots[attempt.migration] = slot
        return slot
    }

    /// Makes sure that one more move fits under the caps, forgetting what is over and closed, oldest first.
    ///
    /// - Parameter peer: who has ordered the move, and only it can have sent the order; nil for this node itself.
    mutating func makeRoom(for role: MoveRole, orderedBy peer: NodeKey? = nil, wallClock: UInt64) throws(FailureReason) {
        let limits = environment.limits
        let active = slots.values.count { !$0.isAtRest && $0.isActive(role) }
        guard active < limits.movesPerRole else { throw FailureReason(.noCapacity, "\(active) moves in progress as \(role)") }
        let activeOfPeer = slots.values.count { !$0.isAtRest && $0.attempt.order.orchestrator == peer && $0.isActive(role) }
        guard activeOfPeer < MigrationLimits.share(limits.movesPerRole) else {
            throw FailureReason(.noCapacity, "\(activeOfPeer) moves in progress as \(role) for this orchestrator")
        }
        guard isFull(for: peer) else { return }
        forgetClosed(wallClock: wallClock)
        guard !isFull(for: peer) else {
            throw FailureReason(.noCapacity, "\(slots.count) moves are remembered until their orders lapse")
        }
    }

    /// Whether no further move can be remembered, at all or for this peer.
    private func isFull(for peer: NodeKey?) -> Bool {
        let limit = environment.limits.rememberedMoveCount
        return slots.count >= limit
            || slots.values.count { $0.attempt.order.orchestrator == peer } >= MigrationLimits.share(limit)
    }
}

extension MoveSlot {
    /// Whether every role here is over and needs no answer of any peer.
    var isClosed: Bool {
        isAtRest || ((orchestrator?.isClosed ?? true) && (source?.isClosed ?? true) && (target?.isClosed ?? true))
    }

    func hasMachine(_ role: MoveRole) -> Bool {
        switch role {
        case .orchestrator: orchestrator?.epoch != nil
        case .source: source?.epoch != nil
        case .target: target?.epoch != nil
        }
    }

    func isActive(_ role: MoveRole) -> Bool {
        switch role {
        case .orchestrator: orchestrator?.isActive ?? false
        case .source: source?.isActive ?? false
        case .target: target?.isActive ?? false
        }
    }
}
