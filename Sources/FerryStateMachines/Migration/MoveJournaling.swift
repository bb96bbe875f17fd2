internal import DequeModule
internal import FerryWire

/// Numbers the journal records of one machine, and tells a result for the record that it waits for from any other.
struct PendingRecord {
    private var next: UInt64
    private(set) var current: UInt64?

    /// Source and target of one attempt never play on one node, but their numbers are kept apart all the same.
    init(_ role: MoveRole) { next = UInt64(role.rawValue) << 32 }

    mutating func write(_ record: MoveRecord, about attempt: MoveAttempt, _ effects: inout MoveEffects) {
        next += 1
        current = next
        effects.actions.append(.journal(attempt.migration, record: next, record))
    }

    /// Whether `record` is the one that is waited for.
    mutating func isWritten(_ record: UInt64) -> Bool {
        guard record == current else { return false }
        current = nil
        return true
    }

    mutating func forget() { current = nil }
}

/// What operators see of a machine's progress.
struct MoveProgressState {
    private(set) var phase: MigrationPhase
    let startedAt: Timestamp
    private(set) var phaseEnteredAt: Timestamp
    private(set) var byteCount: UInt64 = 0
    var totalByteCount: UInt64 = 0
    private(set) var movedAt: Timestamp
    /// When the first bytes began to move.
    private var firstByteAt: Timestamp?
    /// When the last byte that was heard of had moved.
    private var lastByteAt: Timestamp?
    /// Whether the first phase was announced; a machine exists before it.
    private var hasBegun = false

    init(now: Timestamp) {
        phase = .snapshot
        startedAt = now
        phaseEnteredAt = now
        movedAt = now
    }

    mutating func enter(_ phase: MigrationPhase, role: MoveRole, of attempt: MoveAttempt, now: Timestamp, _ effects: inout MoveEffects) {
        movedAt = now
        guard phase > self.phase || !hasBegun else { return }
        effects.actions.append(.phaseChanged(attempt.migration, role, phase))
        hasBegun = true
        self.phase = phase
        phaseEnteredAt = now
    }

    /// Something went on that is not counted in state bytes.
    mutating func moved(_ now: Timestamp) { movedAt = max(movedAt, now) }

    mutating func advance(to count: UInt64, now: Timestamp) {
        guard count > byteCount else { return }
        if byteCount == 0 { firstByteAt = movedAt }
        byteCount = count
        movedAt = now
        lastByteAt = now
    }

    /// State bytes a second while they moved; 0 before.
    var bytesPerSecond: UInt64 {
        guard let firstByteAt, let lastByteAt, lastByteAt > firstByteAt else { return 0 }
        return rate(byteCount, over: lastByteAt - firstByteAt)
    }

    /// How far it is, for a person; a daemon may have offered too small an estimate, or none.
    var portion: String { byteCount > totalByteCount ? "\(byteCount) bytes" : "\(byteCount) of \(totalByteCount) bytes" }

    /// What operators see of one role.
    func view(
        _ role: MoveRole, of attempt: MoveAttempt, retryCount: Int, replayLag: UInt64, estimatedPause: Duration? = nil, stall: String,
        isInDoubt: Bool, budgets: PhaseBudgets, outcome: MoveOutcome?
    ) -> MoveView {
        let total = max(totalByteCount, byteCount)
        return MoveView(
            migration: attempt.migration, daemon: attempt.order.daemon, role: role, source: attempt.order.source,
            target: attempt.order.target, phase: phase, startedAt: startedAt, phaseEnteredAt: phaseEnteredAt, byteCount: byteCount,
            totalByteCount: total, bytesPerSecond: bytesPerSecond, replayLag: replayLag, estimatedPause: estimatedPause,
            retryCount: retryCount, stall: stall, isInDoubt: isInDoubt,
            bound: budgets.publishedBound(byteCount: total, mode: attempt.order.mode, lifetime: attempt.lifetime), outcome: outcome)
    }
}
