internal import DequeModule
internal import FerryCrypto
internal import FerryWire

// Results of the host, timers and views.
extension SourceMachine {
    /// Asks the host what the daemon is; the first thing that a source does.
    func start(_ effects: inout MoveEffects) {
        effects.actions.append(.describe(attempt.migration, daemon: attempt.order.daemon))
    }

    mutating func described(
        _ description: Result<DaemonDescription, FailureReason>, now: Timestamp, _ effects: inout MoveEffects
    ) {
        guard case .describing = state else { return }
        switch description {
        case .failure(let reason): abandon(reason, now: now, &effects)
        case .success(let daemon):
            if let lineage = attempt.order.lineage, lineage != daemon.lineage {
                return abandon(FailureReason(.lineageMismatch, "the daemon here is of another lineage"), now: now, &effects)
            }
            attempt.epoch = daemon.epoch
            let offer = PlanOffer(
                kind: daemon.kind, lineage: daemon.lineage, epoch: daemon.epoch, predictedByteCount: daemon.predictedByteCount,
                predictedWireByteCount: daemon.predictedWireByteCount,
                predictedDurationNanoseconds: daemon.predictedDurationNanoseconds,
                predictedPauseNanoseconds: daemon.predictedPauseNanoseconds)
            progress.totalByteCount = daemon.predictedByteCount
            self.offer = offer
            state = .offered(offer)
            // The offer binds nobody; it lapses when the order does not follow in the time that planning takes.
            phaseDeadline = now + environment.budgets.plan + environment.budgets.plan
            effects.send(.planReply(.offered(offer)), about: attempt, to: .orchestrator)
        }
    }

    mutating func fenced(_ daemon: Result<FencedDaemon, FailureReason>, now: Timestamp, _ effects: inout MoveEffects) {
        let following: Following?
        let targetBoot: BootID
        switch state {
        case .fencing(let boot): (following, targetBoot) = (nil, boot)
        case .stopping(let held): (following, targetBoot) = (held, held.targetBoot)
        default: return
        }
        switch daemon {
        case .failure(let reason): abandon(reason, now: now, &effects)
        case .success(var daemon):
            daemon.snapshot.epoch = attempt.epoch
            guard daemon.snapshot.entity == attempt.order.daemon, daemon.keypair.entityID == attempt.order.daemon else {
                return abandon(FailureReason(.daemonNotFound, "another daemon was fenced"), now: now, &effects)
            }
            if let obstacle = obstacle(daemon.snapshot, to: targetBoot) { return abandon(obstacle, now: now, &effects) }
            expectedPause = expectedPause.map { $0 + daemon.digest * 2 }
            let stopped = Stopped(daemon: daemon, at: now)
            if let following {
                let departing = Departing(
                    stopped: stopped, targetBoot: targetBoot, sent: following.sent, wireByteCount: following.wireByteCount)
                prepareRelease(departing, now: now, &effects)
            } else {
                let frozen = Frozen(snapshot: daemon.snapshot, targetBoot: targetBoot, stopped: stopped)
                open(frozen, byteCount: daemon.predictedByteCount, now: now, &effects)
            }
        }
    }

    /// Has the copy streamed to the target.
    mutating func open(_ frozen: Frozen, byteCount: UInt64, now: Timestamp, _ effects: inout MoveEffects) {
        progress.totalByteCount = byteCount
        state = .opening(frozen)
        if !environment.lacks(.timerOfEachPhase) {
            phaseDeadline = now + environment.budgets.transfer
        }
        effects.actions.append(
            .stream(attempt.migration, daemon: attempt.order.daemon, to: attempt.order.target, address: attempt.order.targetAddress))
        enter(.transfer, now: now, &effects)
    }

    mutating func streamOpened(_ stream: UInt64, now: Timestamp, _ effects: inout MoveEffects) {
        guard case .opening(let frozen) = state else { return }
        let streaming = Streaming(frozen: frozen, stream: stream)
        state = .streaming(streaming)
        if !environment.lacks(.timerOfEachPhase) {
            phaseDeadline = progress.phaseEnteredAt + environment.budgets.transfer(byteCount: progress.totalByteCount)
        }
        retry.start(now)
        progress.enter(.transfer, role: .source, of: attempt, now: now, &effects)
        effects.send(.snapshotReady(announcement(streaming)), about: attempt, to: .target)
    }

    mutating func streamProgress(_ byteCount: UInt64, now: Timestamp) {
        progress.advance(to: byteCount, now: now)
        guard case .streaming(let streaming) = state, streaming.sent == nil, byteCount > progress.totalByteCount else { return }
        // A daemon that offers no estimate, or too small a one, gets the time that its bytes earn at the floor rate.
        phaseDeadline = progress.phaseEnteredAt + environment.budgets.transfer(byteCount: byteCount)
    }

    mutating func streamed(_ summary: StateSummary, wireByteCount: UInt64, now: Timestamp, _ effects: inout MoveEffects) {
        guard case .streaming(var streaming) = state, streaming.sent == nil else { return }
        streaming.sent = summary
        streaming.wireByteCount = wireByteCount
        state = .streaming(streaming)
        progress.totalByteCount = summary.byteCount
        progress.advance(to: summary.byteCount, now: now)
        let deadline = now + environment.budgets.restore
        if streaming.frozen.stopped == nil { phaseDeadline = deadline } else { standStill(until: deadline, now: now) }
        enter(.restore, now: now, &effects)
        advanceIfRestored(now: now, &effects)
    }

    mutating func streamFailed(_ reason: FailureReason, now: Timestamp, _ effects: inout MoveEffects) {
        switch state {
        case .opening: abandon(reason, now: now, &effects)
        case .streaming(let streaming) where streaming.sent == nil: abandon(reason, now: now, &effects)
        default: break
        }
    }

    /// - Returns: whether the source plays a part in this wish.
    mutating func cancel(_ reason: FailureReason, now: Timestamp, _ effects: inout MoveEffects) -> Bool {
        switch state {
        case .describing, .offered, .fencing, .freezing, .opening, .streaming, .following, .stopping, .releasing, .released:
            abandon(reason, now: now, &effects)
            return true
        case .committing, .committed, .taking, .resuming:
            effects.actions.append(.cancelRefused(attempt.migration))
            return true
        case .done, .abandoned, .declined: return false
        }
    }

    mutating func sessionEstablished(_ peer: PeerIdentity, now: Timestamp, _ effects: inout MoveEffects) {
        guard attempt.plays(peer.nodeKey, .target) else { return }
        isTargetConnected = true
        if isStandingStill, let deadline = connectedDeadline { phaseDeadline = deadline }
        connectedDeadline = nil
        guard !isTargetClosed else { return }
        resendToTarget(&effects)
        isReplaying = false
        shipLogAgain(&effects)
        switch state {
        case .following(let following):
            effects.send(.status, about: attempt, to: .target)
            if let log, peer.bootID == following.targetBoot { decide(following, log, now: now, &effects) }
        case .stopping: effects.send(.status, about: attempt, to: .target)
        default: break
        }
    }

    /// Streams report their own end and requests are repeated; a daemon that stands still for a target that is gone waits no longer than
    /// it takes to dial again.
    mutating func sessionLost(_ node: NodeKey, now: Timestamp) {
        guard attempt.plays(node, .target) else { return }
        isTargetConnected = false
        guard isStandingStill, connectedDeadline == nil, let deadline = phaseDeadline else { return }
        standStill(until: deadline, now: now)
    }

    /// Everything is with the target; one that is gone is given no longer than it takes to dial again.
    mutating func standStill(until deadline: Timestamp, now: Timestamp) {
        connectedDeadline = isTargetConnected ? nil : deadline
        phaseDeadline = isTargetConnected ? deadline : min(deadline, now + environment.budgets.reconnect)
    }

    /// Whether everything is with the target, before the commit.
    private var isStandingStill: Bool {
        switch state {
        case .streaming(let streaming): streaming.sent != nil && streaming.frozen.stopped != nil
        case .released: true
        default: false
        }
    }

    // MARK: Timers

    /// Not one byte may stand still for longer than this while the state streams.
    private var stallDeadline: Timestamp? {
        guard case .streaming(let streaming) = state, streaming.sent == nil else { return nil }
        return progress.movedAt + environment.budgets.stall
    }

    var nextDeadline: Timestamp? {
        [phaseDeadline, retry.deadline, stallDeadline, sealDeadline].compactMap { $0 }.min()
    }

    mutating func deadlineReached(now: Timestamp, _ effects: inout MoveEffects) {
        if let deadline = [phaseDeadline, stallDeadline].compactMap({ $0 }).min(), deadline <= now {
            budgetSpent(now: now, &effects)
        }
        if let sealDeadline, sealDeadline <= now { sealAhead() }
        guard retry.isDue(now) else { return }
        resendToTarget(&effects)
        shipLogAgain(&effects)
        switch state {
        // A target that has restarted knows nothing of the log; it says so when it is asked.
        case .following, .stopping, .committed, .done: effects.send(.status, about: attempt, to: .target)
        default: break
        }
    }

    private mutating func budgetSpent(now: Timestamp, _ effects: inout MoveEffects) {
        phaseDeadline = nil
        switch state {
        case .committed(var committed):
            guard !committed.isReported else { return closeIfSurrendered() }
            committed.isReported = true
            state = .committed(committed)
            if environment.lacks(.doubtWithoutTimer) { return resumeAfterCommit(FailureReason(.phaseTimeout), now: now, &effects) }
            effects.actions.append(.inDoubt(attempt.migration, .source, FailureReason(.phaseTimeout, stall(now))))
            sendProgress(now: now, &effects)
        case .committing, .taking, .resuming:
            effects.actions.append(.inDoubt(attempt.migration, .source, FailureReason(.phaseTimeout, stall(now))))
        case .abandoned: close()
        case .following(let following): catchUpBudgetSpent(following, now: now, &effects)
        default:
            let code: FailureReason.Code = isReachable ? .phaseTimeout : .unreachable
            abandon(FailureReason(code, stall(now)), now: now, &effects)
        }
    }

    private var isReachable: Bool {
        guard case .opening = state else { return isTargetConnected }
        return false
    }
}
