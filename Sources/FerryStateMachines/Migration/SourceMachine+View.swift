internal import FerryWire

// What people read.
extension SourceMachine {
    /// What the move waits for.
    ///
    /// - Parameter now: nil leaves out how long it has been waiting.
    func stall(_ now: Timestamp?) -> String {
        let cause = cause(now)
        return isTargetConnected || cause.isEmpty ? cause : "a session with the target, then " + cause
    }

    private func cause(_ now: Timestamp?) -> String {
        switch state {
        case .describing: "the daemon's description"
        case .offered: "the order"
        case .fencing, .stopping: "the event in hand, before the daemon stops"
        case .freezing: "the event in hand, before the daemon is frozen"
        case .opening: "a session and a stream to the target"
        case .streaming(let streaming):
            streaming.sent == nil
                ? streamCause(now) : "the target's restore" + running(now)
        case .following: logCause
        case .releasing, .committing, .taking, .resuming: "the journal"
        case .released:
            (log?.isCaughtUp ?? true)
                ? "the target, which compares its copy with the release" : "the target's replay of the last \(replayLag) inputs"
        case .committed: isSurrendered ? "" : "the target's take; the commit is sent and cannot be taken back"
        case .done, .abandoned, .declined: ""
        }
    }

    /// Bytes that move are no stall, however slow; within a second they may only not have been counted yet.
    private func streamCause(_ now: Timestamp?) -> String {
        guard let now, now - progress.movedAt > .seconds(1) else {
            return "the state's way to the target, at \(progress.portion), \(progress.bytesPerSecond.rateText)"
        }
        return "the target, which takes no more state at \(progress.portion) for \((now - progress.movedAt).secondsText)"
    }

    private func running(_ now: Timestamp?) -> String {
        guard let now, now > progress.phaseEnteredAt else { return "" }
        return ", running for \((now - progress.phaseEnteredAt).secondsText)"
    }

    /// Why the log is not followed closely enough for a fence.
    var logCause: String {
        guard let log else { return "the target's first answer to the log" }
        if log.isDigestPending { return "the daemon's state digest, which is part of the pause and not done yet" }
        if log.appendedBytesPerSecond > log.drainedBytesPerSecond {
            return "the log grows \(log.appendedBytesPerSecond.rateText), the target follows \(log.drainedBytesPerSecond.rateText)"
        }
        let pause = estimatedPause ?? .zero
        return "a fence now would take \(pause.secondsText), the order allows \(pauseBudget.secondsText)"
    }

    /// Move-log entries that the target has not replayed.
    var replayLag: UInt64 { log.map { $0.lastIndex - min($0.lastIndex, $0.acknowledgedIndex) } ?? 0 }

    /// From a fence now to the take; nil when unknown.
    var estimatedPause: Duration? {
        if let expectedPause { return expectedPause }
        if let log { return log.catchUp + environment.budgets.handshake }
        guard let predicted = offer?.predictedPauseNanoseconds, predicted > 0 else { return nil }
        return .nanoseconds(Int64(clamping: predicted))
    }

    func view(_ now: Timestamp?) -> MoveView {
        var isInDoubt = false
        if case .committed = state { isInDoubt = !isSurrendered }
        return progress.view(
            .source, of: attempt, retryCount: retry.count, replayLag: replayLag, estimatedPause: estimatedPause, stall: stall(now),
            isInDoubt: isInDoubt, budgets: environment.budgets, outcome: outcome)
    }
}
