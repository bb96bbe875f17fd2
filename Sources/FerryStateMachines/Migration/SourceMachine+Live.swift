internal import DequeModule
internal import FerryWire

// What only a source in live mode does: the frozen copy, its log, and when to stop the daemon.
extension SourceMachine {
    var pauseBudget: Duration { .nanoseconds(Int64(clamping: attempt.order.pauseBudgetNanoseconds)) }

    mutating func frozen(_ daemon: Result<FrozenDaemon, FailureReason>, now: Timestamp, _ effects: inout MoveEffects) {
        guard case .freezing(let targetBoot) = state else { return }
        switch daemon {
        case .failure(let reason): abandon(reason, now: now, &effects)
        case .success(var daemon):
            daemon.snapshot.epoch = attempt.epoch
            guard daemon.snapshot.entity == attempt.order.daemon else {
                return abandon(FailureReason(.daemonNotFound, "another daemon was frozen"), now: now, &effects)
            }
            if let obstacle = obstacle(daemon.snapshot, to: targetBoot) { return abandon(obstacle, now: now, &effects) }
            let frozen = Frozen(snapshot: daemon.snapshot, targetBoot: targetBoot, stopped: nil)
            open(frozen, byteCount: daemon.predictedByteCount, now: now, &effects)
        }
    }

    // MARK: The log

    /// The target has the copy: ships what the daemon has processed since.
    mutating func follow(_ following: Following, now: Timestamp, _ effects: inout MoveEffects) {
        state = .following(following)
        phaseDeadline = now + environment.budgets.converge
        retry.start(now)
        shipLog(&effects)
    }

    private func shipLog(_ effects: inout MoveEffects) {
        let header = MessageHeader(migration: attempt.migration, epoch: attempt.epoch)
        effects.actions.append(
            .shipLog(attempt.migration, daemon: attempt.order.daemon, to: attempt.order.target, header: header))
    }

    /// Goes back to what the target has not acknowledged, unless it has said that it is still at work on what it has.
    mutating func shipLogAgain(_ effects: inout MoveEffects) {
        guard isLogging, !(log?.isCaughtUp ?? false) else { return }
        guard !isReplaying else {
            isReplaying = false
            return
        }
        shipLog(&effects)
    }

    /// Whether there is a log, shipped and not followed to its end.
    private var isLogging: Bool {
        switch state {
        case .following, .stopping: true
        case .releasing, .released: attempt.order.mode == .live
        default: false
        }
    }

    /// The target says how far it follows.
    mutating func followed(_ replay: ReplayComplete, now: Timestamp, _ effects: inout MoveEffects) -> MessageVerdict {
        guard isLogging else { return .wrongPhase }
        isReplaying = replay.lag > 0
        guard replay.logIndex > log?.acknowledgedIndex ?? 0 else { return .taken }
        effects.actions.append(
            .logAcknowledged(attempt.migration, daemon: attempt.order.daemon, through: replay.logIndex))
        return .taken
    }

    mutating func logStatus(_ status: MoveLogStatus, now: Timestamp, _ effects: inout MoveEffects) {
        guard isLogging else { return }
        if status.acknowledgedIndex > log?.acknowledgedIndex ?? 0 {
            progress.moved(now)
            if retry.deadline != nil { retry.start(now) }
        }
        log = status
        guard case .following(let following) = state else { return }
        decide(following, status, now: now, &effects)
    }

    /// Stops the daemon when nothing is left to replay, or when what is left fits the pause budget and waiting makes it no shorter.
    mutating func decide(
        _ following: Following, _ status: MoveLogStatus, now: Timestamp, _ effects: inout MoveEffects
    ) {
        let pause = status.isCaughtUp ? environment.budgets.handshake : status.catchUp + environment.budgets.handshake
        var following = following
        // Nobody would take over from a daemon that stops now, or not before it is digested; it serves until then, or is given up.
        guard isTargetConnected, !status.isDigestPending else {
            following.fitsSince = nil
            state = .following(following)
            return
        }
        if !status.isCaughtUp {
            following.fitsSince = pause <= pauseBudget ? following.fitsSince ?? now : nil
            state = .following(following)
            guard let fitsSince = following.fitsSince else { return }
            // A backlog that drains is a pause that shrinks; one that is down to a tenth of what the order allows is short enough.
            let isShort = pause * 10 <= pauseBudget || following.obstacle != nil
            guard isShort || now - fitsSince >= environment.budgets.settle else { return }
        }
        expectedPause = pause
        state = .stopping(following)
        phaseDeadline = now + environment.budgets.fence
        effects.actions.append(.fence(attempt.migration, daemon: attempt.order.daemon, epoch: attempt.epoch))
    }

    /// The log has no room, and before the copy is at the target nobody makes any: the daemon would take nothing in until then.
    mutating func logFull(now: Timestamp, _ effects: inout MoveEffects) {
        let frozen: Frozen
        switch state {
        case .opening(let opening): frozen = opening
        case .streaming(let streaming): frozen = streaming.frozen
        default: return
        }
        guard frozen.stopped == nil else { return }
        abandon(FailureReason(.notConverging, "the log is full before the copy is at the target"), now: now, &effects)
    }

    /// The log did not converge in time: slows intake, or lets the daemon be.
    mutating func catchUpBudgetSpent(_ following: Following, now: Timestamp, _ effects: inout MoveEffects) {
        // Intake that is held back makes no digest shorter.
        let digestObstacle = log?.isDigestPending ?? false ? stall(now) : nil
        if let obstacle = following.obstacle ?? digestObstacle {
            return abandon(FailureReason(obstacleCode, obstacle), now: now, &effects)
        }
        var limited = following
        limited.obstacle = stall(now)
        state = .following(limited)
        phaseDeadline = now + environment.budgets.converge
        effects.actions.append(.limitLog(attempt.migration, daemon: attempt.order.daemon, byteCount: logLimit))
        sendProgress(now: now, &effects)
    }

    /// A target that replays nothing at all is not too slow: something is wrong with it.
    private var obstacleCode: FailureReason.Code {
        guard isTargetConnected else { return .unreachable }
        guard let log, !log.isDigestPending, !log.isCaughtUp, log.drainedBytesPerSecond == 0 else { return .notConverging }
        return .phaseTimeout
    }

    /// What the target replays in half of the pause that the order allows; at least a few inputs, so that intake never stands still.
    private var logLimit: Int {
        let perPause = amount(at: log?.drainedBytesPerSecond ?? 0, over: pauseBudget / 2)
        return Int(clamping: max(perPause, 4 << 10))
    }
}
