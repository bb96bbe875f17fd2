internal import FerryStateMachines
internal import FerryWire
internal import Logging

// Attempts that take over from others, and plans.
extension MoveInterpreter {
    /// The order's next attempt has begun; whoever waits for the first waits for it from now on.
    func retried(_ migration: MigrationID, as next: MigrationID) {
        guard var move = orders.removeValue(forKey: migration) else { return }
        core.logger.notice("a move is tried again in another mode", metadata: ["migration": "\(migration)", "next": "\(next)"])
        let isLive = move.order.mode == .live
        if let order = move.order.next(mode: isLive ? .stopAndCopy : .live), order.migration == next { move.order = order }
        move.transferStartedAt = nil
        successors[move.handle.migration] = next
        orders[next] = move
    }

    /// Asks source and target what a move would be like; nothing is ordered.
    ///
    /// - Throws: the reason of whoever refuses.
    func plan(_ order: MoveOrder) async throws(FailureReason) -> PlanResult {
        try checkRunning()
        try dispatcher.plan(order, now: core.now, wallClock: WallClock.nanoseconds)
        let result = await withCheckedContinuation { continuation in
            plans[order.migration] = continuation
            Task { await drain() }
        }
        return try result.get()
    }

    func planned(_ migration: MigrationID, _ plan: PlanResult) {
        plans.removeValue(forKey: migration)?.resume(returning: .success(plan))
    }

    /// A plan that did not come about ends as a move that was declined.
    func endPlan(_ migration: MigrationID, _ outcome: MoveOutcome) {
        guard let plan = plans.removeValue(forKey: migration) else { return }
        switch outcome {
        case .declined(let reason), .rolledBack(let reason), .rolledBackAfterCommit(let reason), .letGo(let reason),
            .forgotten(let reason):
            plan.resume(returning: .failure(reason))
        case .completed: plan.resume(returning: .failure(FailureReason(.protocolViolation, "a plan was carried out")))
        }
    }
}
