internal import DequeModule
internal import FerryWire

// How an operator ends a source's doubt.
extension SourceMachine {
    /// How far the operator's wish to let the daemon go has come.
    enum Surrender {
        /// The journal is waited for.
        case asked(FailureReason)
        /// The key is wiped; a take that comes all the same is acknowledged.
        case done(FailureReason)
    }

    /// - Returns: whether there was a doubt to end: a commit that was reported as unanswered, and still is.
    mutating func resolve(_ resolution: MoveResolution, now: Timestamp, _ effects: inout MoveEffects) -> Bool {
        guard case .committed(var committed) = state, committed.isReported, committed.surrender == nil else { return false }
        switch resolution {
        case .takeBack:
            resumeAfterCommit(FailureReason(.rolledBackAfterCommit, "taken back by the operator"), now: now, &effects)
        case .giveUp:
            let reason = FailureReason(.givenUp, "the operator has let the daemon go; whether the target owns it is not known here")
            committed.surrender = .asked(reason)
            state = .committed(committed)
            record.write(.gaveUp(committed.moved, reason), about: attempt, &effects)
        }
        return true
    }

    /// The wish to let go is on disk.
    mutating func surrender(_ current: Committed, failure: FailureReason?, now: Timestamp, _ effects: inout MoveEffects) {
        guard case .asked(let reason) = current.surrender else { return }
        var committed = current
        committed.surrender = failure == nil ? .done(reason) : nil
        state = .committed(committed)
        if let failure {
            effects.actions.append(.inDoubt(attempt.migration, .source, failure))
            return
        }
        // A target that took is told for a while yet; after that its own operator decides.
        phaseDeadline = now + environment.budgets.promise
        effects.actions.append(.retire(attempt.migration, daemon: attempt.order.daemon, moved: committed.moved))
        sendOutcome(&effects)
        effects.actions.append(.ended(attempt.migration, .source, .letGo(reason)))
    }

    var surrenderReason: FailureReason? {
        guard case .committed(let committed) = state, case .done(let reason) = committed.surrender else { return nil }
        return reason
    }

    var isSurrendered: Bool { surrenderReason != nil }

    mutating func closeIfSurrendered() {
        if isSurrendered { close() }
    }
}

extension SourceMachine.Committed {
    var isSurrendered: Bool {
        guard case .done = surrender else { return false }
        return true
    }
}
