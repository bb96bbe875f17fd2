internal import FerryWire

extension PhaseBudgets {
    /// How long a target whose session is lost may stay away while the daemon stands still for it: nothing is lost by giving up before
    /// the commit, and the stall budget, meant for slow peers, is more than a peer needs to dial again.
    var reconnect: Duration { stall / 4 }

    /// How long the journal may take with the release before the move is given up; as long as the target may with its own record.
    var journal: Duration { prepare }

    /// From the word that the daemon shall stop to the move's end or to doubt.
    func handOver(_ mode: MoveMode) -> Duration { tail(mode) + journal + prepare + take }

    /// No longer than an order lives, and a hand-over that began with its last moment.
    func lapsing(_ phases: Duration, mode: MoveMode, lifetime: Duration?) -> Duration {
        min(phases, max(.zero, lifetime ?? phases) + handOver(mode))
    }

    /// The longest from the beginning of a phase at the source to the move's end or to doubt.
    ///
    /// - Parameter lifetime: from now to the order's expiry; nil leaves it out.
    func bound(from phase: MigrationPhase, byteCount: UInt64, mode: MoveMode, lifetime: Duration? = nil) -> Duration {
        let toDoubt = handOver(mode)
        let toRelease = following(mode) + toDoubt
        let phases: Duration =
            switch phase {
            case .snapshot: fence + transfer(byteCount: byteCount) + restore + toRelease
            case .transfer: transfer(byteCount: byteCount) + restore + toRelease
            case .restore, .replay: restore + toRelease
            case .cutover, .complete: toDoubt
            }
        return lapsing(phases, mode: mode, lifetime: lifetime)
    }
}
