internal import FerryWire

extension PhaseBudgets {
    /// How long a target whose session is lost may stay away while the daemon stands still for it: nothing is lost by giving up before
    /// the commit, and the stall budget, meant for slow peers, is more than a peer needs to dial again.
    var reconnect: Duration { stall / 4 }

    /// How long the journal may take with the release before the move is given up; as long as the target may with its own record.
    var journal: Duration { prepare }

    /// The longest from the beginning of a phase at the source to the move's end or to doubt.
    func bound(from phase: MigrationPhase, byteCount: UInt64, mode: MoveMode) -> Duration {
        let toDoubt = tail(mode) + journal + prepare + take
        let toRelease = following(mode) + toDoubt
        return switch phase {
        case .snapshot: fence + transfer(byteCount: byteCount) + restore + toRelease
        case .transfer: transfer(byteCount: byteCount) + restore + toRelease
        case .restore, .replay: restore + toRelease
        case .cutover, .complete: toDoubt
        }
    }
}
