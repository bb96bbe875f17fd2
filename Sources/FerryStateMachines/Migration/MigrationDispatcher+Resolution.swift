internal import DequeModule
internal import FerryCrypto
public import FerryWire

/// What an operator decides of a daemon whose move is in doubt at this node.
public enum MoveResolution: Hashable, Sendable, CaseIterable {
    /// The daemon is this node's. A source goes on under a new epoch, and a target that took drops its copy when it hears of it; a target
    /// serves without the source's acknowledgement.
    case takeBack
    /// The daemon is not this node's. A source keeps a stub that points to the target, and wipes the key without a receipt; a target takes
    /// its take back, and drops its copy when the source says that it heard of it before it obeyed the take.
    case giveUp
}

extension MigrationDispatcher {
    /// Ends a doubt by the operator's word; `ended` follows once the journal has it, or the source has answered a target that lets go.
    ///
    /// Nothing of the protocol can tell whether the word is right: two owners, or none, are the operator's to rule out.
    ///
    /// - Returns: false when this node knows no such move, or it is not reported as in doubt here; then nothing has changed.
    @discardableResult
    public mutating func resolve(
        _ migration: MigrationID, _ resolution: MoveResolution, now: Timestamp, wallClock: UInt64
    ) -> Bool {
        guard let slot = slots[migration] else { return false }
        var isResolved = slot.source?.resolve(resolution, now: now, &effects) ?? false
        if !isResolved { isResolved = slot.target?.resolve(resolution, now: now, &effects) ?? false }
        drainLoopback(now: now, wallClock: wallClock)
        return isResolved
    }
}

extension TargetMachine {
    /// - Returns: whether there was a doubt to end: a take that was reported as unacknowledged, and still is.
    mutating func resolve(_ resolution: MoveResolution, now: Timestamp, _ effects: inout MoveEffects) -> Bool {
        guard case .took(var took) = state, took.isReported else { return false }
        switch resolution {
        case .takeBack: activate(took, now: now, &effects)
        case .giveUp:
            // The take is signed and on its way: whoever dropped the copy now would lose the daemon if the source obeyed the take after all.
            took.withdrawal = FailureReason(.givenUp, "the operator has let the daemon go")
            state = .took(took)
            retry.start(now)
            resendToSource(&effects)
        }
        return true
    }

    /// Undoes a take that was never acknowledged.
    mutating func standDown(_ took: Took, _ reason: FailureReason, now: Timestamp, _ effects: inout MoveEffects) {
        took.keypair.wipe()
        state = .refused(reason, wasPrepared: true)
        record.forget()
        phaseDeadline = now + environment.budgets.promise
        retry.stop()
        effects.actions.append(.discard(attempt.migration))
        effects.actions.append(.ended(attempt.migration, .target, .rolledBack(reason)))
    }
}
