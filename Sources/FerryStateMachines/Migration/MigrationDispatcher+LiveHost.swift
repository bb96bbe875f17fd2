public import FerryWire

// Results of the host that only moves in live mode have, and those of the comparison at the end.
extension MigrationDispatcher {
    // MARK: Source

    /// The answer to `freeze`; on a failure the daemon goes on as it was.
    public mutating func frozen(
        _ migration: MigrationID, _ daemon: Result<FrozenDaemon, FailureReason>, now: Timestamp, wallClock: UInt64
    ) {
        slots[migration]?.source?.frozen(daemon, now: now, &effects)
        drainLoopback(now: now, wallClock: wallClock)
    }

    /// How far the log is shipped and followed: what decides when the daemon stops.
    public mutating func logStatus(_ migration: MigrationID, _ status: MoveLogStatus, now: Timestamp, wallClock: UInt64) {
        slots[migration]?.source?.logStatus(status, now: now, &effects)
        drainLoopback(now: now, wallClock: wallClock)
    }

    /// What an order allows the pause beyond what a hand-over costs by itself; nil for a move that has no source here.
    package func pauseAllowance(of migration: MigrationID) -> Duration? {
        guard let budget = slots[migration]?.source?.pauseBudget else { return nil }
        return budget - environment.budgets.handshake
    }

    /// The log of a daemon that serves has no room for another input; a move whose copy is not at the target yet is given up.
    public mutating func logFull(_ migration: MigrationID, now: Timestamp, wallClock: UInt64) {
        slots[migration]?.source?.logFull(now: now, &effects)
        drainLoopback(now: now, wallClock: wallClock)
    }

    // MARK: Target

    /// Batches are replayed: how far the copy follows the log. Its lag is counted here.
    public mutating func replayed(_ migration: MigrationID, _ status: ReplayComplete, now: Timestamp, wallClock: UInt64) {
        slots[migration]?.target?.replayed(status, now: now, &effects)
        drainLoopback(now: now, wallClock: wallClock)
    }

    /// The copy did something else than the source's daemon with the same input.
    ///
    /// - Parameter reason: `.releaseMismatch`, naming the input.
    public mutating func replayDiverged(_ migration: MigrationID, _ reason: FailureReason, now: Timestamp, wallClock: UInt64) {
        slots[migration]?.target?.replayDiverged(reason, now: now, &effects)
        drainLoopback(now: now, wallClock: wallClock)
    }

    /// The answer to `inspect`.
    public mutating func inspected(
        _ migration: MigrationID, _ facts: Result<RestoredFacts, FailureReason>, now: Timestamp, wallClock: UInt64
    ) {
        slots[migration]?.target?.inspected(facts, now: now, &effects)
        drainLoopback(now: now, wallClock: wallClock)
    }
}
