internal import DequeModule
internal import FerryWire

// Results of the host, timers and views.
extension TargetMachine {
    mutating func admitted(refusal: FailureReason?, memoryByteCount: UInt64, now: Timestamp, _ effects: inout MoveEffects) {
        guard case .admitting = state else { return }
        if let refusal { return refuse(refusal, now: now, &effects) }
        self.memoryByteCount = memoryByteCount
        state = .reserved
        let budgets = environment.budgets
        phaseDeadline = now + budgets.plan + budgets.fence + budgets.transfer(byteCount: 0)
        enter(.snapshot, now: now, &effects)
        sendReservation(&effects)
    }

    /// The state has begun to arrive.
    mutating func restoreBegan(now: Timestamp, _ effects: inout MoveEffects) {
        guard case .restoring = state else { return }
        enter(.restore, now: now, &effects)
    }

    mutating func restoreProgress(_ byteCount: UInt64, now: Timestamp) {
        progress.advance(to: byteCount, now: now)
        guard case .restoring = state, byteCount > progress.totalByteCount else { return }
        // As at the source: time for bytes that the offer did not foresee.
        phaseDeadline = progress.phaseEnteredAt + environment.budgets.transfer(byteCount: byteCount) + environment.budgets.restore
    }

    mutating func restored(_ summary: StateSummary, now: Timestamp, _ effects: inout MoveEffects) {
        guard case .restoring(let restoring) = state else { return }
        progress.totalByteCount = summary.byteCount
        progress.advance(to: summary.byteCount, now: now)
        phaseDeadline = now + environment.budgets.following(attempt.order.mode) + environment.budgets.promise
        retry.start(now)
        restoreBegan(now: now, &effects)
        state = .restored(Restored(restoring: restoring, state: summary))
        enter(.replay, now: now, &effects)
        resendToSource(&effects)
        tellOrchestrator(.restoreComplete(summary), &effects)
    }

    mutating func restoreFailed(_ reason: FailureReason, now: Timestamp, _ effects: inout MoveEffects) {
        guard case .restoring = state else { return }
        refuse(reason, now: now, &effects)
    }

    mutating func journaled(_ written: UInt64, failure: FailureReason?, now: Timestamp, _ effects: inout MoveEffects) {
        guard record.isWritten(written) else { return }
        if let failure { return refuse(failure, now: now, &effects) }
        switch state {
        case .preparing(let prepared):
            state = .prepared(prepared)
            phaseDeadline = now + environment.budgets.promise
            retry.start(now)
            resendToSource(&effects)
        case .taking(let took):
            state = .took(took)
            phaseDeadline = now + environment.budgets.take
            retry.start(now)
            resendToSource(&effects)
            tellOrchestrator(.activateAck(took.take), &effects)
            if environment.lacks(.takeAckBeforeActivation) { activate(took, now: now, &effects) }
        default: break
        }
    }

    /// - Returns: whether the target plays a part in this wish; only the source decides.
    mutating func cancel(_ reason: FailureReason, now: Timestamp, _ effects: inout MoveEffects) -> Bool {
        switch state {
        case .admitting, .reserved, .restoring, .restored, .comparing, .preparing:
            refuse(reason, now: now, &effects)
        case .prepared: effects.send(.abort(reason), about: attempt, to: .source)
        case .taking, .took: effects.actions.append(.cancelRefused(attempt.migration))
        case .active, .refused: return false
        }
        return true
    }

    mutating func sessionEstablished(_ peer: PeerIdentity, now: Timestamp, _ effects: inout MoveEffects) {
        guard attempt.plays(peer.nodeKey, .source) else { return }
        isSourceConnected = true
        if !isSourceClosed { resendToSource(&effects) }
    }

    /// Only what operators read changes: streams report their own end, requests are repeated.
    mutating func sessionLost(_ node: NodeKey) {
        if attempt.plays(node, .source) { isSourceConnected = false }
    }

    /// Whatever the source has not answered yet, byte for byte as before.
    func resendToSource(_ effects: inout MoveEffects) {
        guard !isSilent else { return }
        switch state {
        case .restored(let restored):
            effects.send(.restoreComplete(restored.state), about: attempt, to: .source)
            effects.send(.replayComplete(replay.status), about: attempt, to: .source)
        case .comparing: effects.send(.replayComplete(replay.status), about: attempt, to: .source)
        case .prepared(let prepared): effects.send(.prepared(prepared.hash), about: attempt, to: .source)
        case .took(let took):
            guard let withdrawal = took.withdrawal else {
                return effects.send(.activateAck(took.take), about: attempt, to: .source)
            }
            effects.send(.refused(withdrawal), about: attempt, to: .source)
        case .active(_, let take): effects.send(.activateAck(take), about: attempt, to: .source)
        case .refused(let reason, _): effects.send(.refused(reason), about: attempt, to: .source)
        case .admitting, .reserved, .restoring, .preparing, .taking: break
        }
    }

    // MARK: Timers

    /// Not one byte may stand still for longer than this while the state streams.
    private var stallDeadline: Timestamp? {
        guard case .restoring = state else { return nil }
        return progress.movedAt + environment.budgets.stall + environment.budgets.restore
    }

    var nextDeadline: Timestamp? {
        [phaseDeadline, retry.deadline, stallDeadline].compactMap { $0 }.min()
    }

    mutating func deadlineReached(now: Timestamp, _ effects: inout MoveEffects) {
        if let deadline = [phaseDeadline, stallDeadline].compactMap({ $0 }).min(), deadline <= now {
            budgetSpent(now: now, &effects)
        }
        guard retry.isDue(now) else { return }
        resendToSource(&effects)
        switch state {
        case .restored, .prepared, .took, .refused: effects.send(.status, about: attempt, to: .source)
        default: break
        }
    }

    private mutating func budgetSpent(now: Timestamp, _ effects: inout MoveEffects) {
        phaseDeadline = nil
        switch state {
        case .took(var took):
            guard !took.isReported else { return }
            took.isReported = true
            state = .took(took)
            if environment.lacks(.activationWithoutTimer) { return activate(took, now: now, &effects) }
            effects.actions.append(.inDoubt(attempt.migration, .target, FailureReason(.phaseTimeout, stall)))
        case .taking: effects.actions.append(.inDoubt(attempt.migration, .target, FailureReason(.phaseTimeout, stall)))
        // A promise after Prepared is repeated until the source has heard it; any other lapses.
        case .refused(_, let wasPrepared): if !wasPrepared { close() }
        default: refuse(FailureReason(.phaseTimeout, stall), now: now, &effects)
        }
    }

    /// What the move waits for, for a person.
    var stall: String { isSourceConnected || cause.isEmpty ? cause : "a session with the source, then " + cause }

    private var cause: String {
        switch state {
        case .admitting: "room for the daemon"
        case .reserved: "the source's stream"
        case .restoring: "the restore, at \(progress.portion)"
        case .restored(let restored): replayCause(restored)
        case .comparing: "the copy's account of itself, to be compared with the release"
        case .preparing, .taking: "the journal"
        case .prepared: "the source's commit"
        case .took(let took):
            took.withdrawal == nil
                ? "the source's acknowledgement of the take" : "the source's word, whether it heard the take before it was withdrawn"
        case .active, .refused: ""
        }
    }

    private func replayCause(_ restored: Restored) -> String {
        if let pending = restored.pending {
            return "the replay of the log's tail, at \(replay.status.logIndex) of \(pending.signed.release.lastLogIndex) inputs"
        }
        let lag = replay.status.lag
        return lag == 0 ? "the source's release" : "the replay of \(lag) inputs"
    }

    func view(_ now: Timestamp?) -> MoveView {
        var isInDoubt = false
        if case .took = state { isInDoubt = true }
        return progress.view(
            .target, of: attempt, retryCount: retry.count, replayLag: replay.status.lag, stall: stall, isInDoubt: isInDoubt,
            budgets: environment.budgets, outcome: outcome)
    }
}
