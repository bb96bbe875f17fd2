internal import DequeModule
internal import FerryCrypto
internal import FerryWire

extension OrchestratorMachine {
    mutating func receive(
        _ message: FerryMessage, from peer: PeerIdentity, now: Timestamp, _ effects: inout MoveEffects
    ) -> MessageVerdict {
        let isSource = attempt.plays(peer.nodeKey, .source)
        switch message.body {
        case .status:
            let reply = StatusReply(standing: standing, boot: environment.boot, reason: outcome?.reason)
            effects.send(.statusReply(reply), about: attempt, to: isSource ? .source : .target)
            return .taken
        case _ where !isActive: return .taken
        case .planReply(let reply): return planned(reply, by: peer, isSource: isSource, now: now, &effects)
        case .progress(let report):
            if isSource { join(report, epoch: message.header.epoch, of: peer, now: now) }
            progressed(report, isSource: isSource, now: now, &effects)
        case .busy(let holder): return refusedAsBusy(holder, now: now, &effects)
        case .migrationFailed(let reason): failed(reason, epoch: message.header.epoch, now: now, &effects)
        case .cleanupComplete(let figures): return completed(figures, by: peer, now: now, &effects)
        case .tooLate:
            guard cancelReason != nil else { return .taken }
            cancelReason = nil
            if case .ordering = state { state = .moving }
            effects.actions.append(.cancelRefused(attempt.migration))
        case .statusReply(let reply):
            guard reply.boot == peer.bootID else { return .unproven }
            if !isSource { statusReplied(reply, epoch: message.header.epoch, by: peer, now: now, &effects) }
        case .unknown(let boot):
            guard boot == peer.bootID else { return .unproven }
            forgotten(isSource: isSource, boot: boot, now: now, &effects)
        // The source decides on what the target says; its own word follows.
        case .restoreComplete, .replayComplete, .activateAck: return .taken
        default: return .wrongPhase
        }
        return .taken
    }

    private var standing: MoveStanding {
        switch outcome {
        case nil: .working
        case .completed: .done
        default: .abandoned
        }
    }

    // MARK: Planning

    private mutating func planned(
        _ reply: PlanReply, by peer: PeerIdentity, isSource: Bool, now: Timestamp, _ effects: inout MoveEffects
    ) -> MessageVerdict {
        switch (state, reply) {
        case (.planningSource, .offered(let offer)):
            guard isSource, offer.epoch > .none else { return .unproven }
            if let lineage = attempt.order.lineage, lineage != offer.lineage { return .unproven }
            guard isWelcome(offer, now: now, &effects) else { return .taken }
            attempt.epoch = offer.epoch
            sourceBoot = peer.bootID
            progress.totalByteCount = offer.predictedByteCount
            enterPhase(.planningTarget(offer), awaiting: "the target's answer to the plan", environment.budgets.plan, now: now, &effects)
        case (.planningTarget(let offer), .reserved(let boot, _, _)):
            guard !isSource, boot == peer.bootID else { return .unproven }
            if isPlanOnly {
                planned(offer, by: reply, &effects)
                return .taken
            }
            targetBoot = boot
            let next = State.ordering(offer, targetBoot: boot)
            enterPhase(next, awaiting: "the source's acknowledgement of the order", environment.budgets.fence, now: now, &effects)
        case (.planningSource, .refused(let reason)) where isSource, (.planningTarget, .refused(let reason)) where !isSource:
            guard reason.code != .bootMismatch else {
                if learnBoot(of: peer) { ask(&effects) }
                return .taken
            }
            guard reason.code != .notReady else {
                // Starting nodes are asked again until the budget is spent.
                notReadyCount = notReadyCount < .max ? notReadyCount + 1 : .max
                return .taken
            }
            // Whoever has used the order before has forgotten what for.
            let isForgotten = !isNew && reason.code == .orderExpired
            if isForgotten { end(.forgotten(reason), now: now, &effects) } else { declined(reason, epoch: .none, now: now, &effects) }
        default:
            // The source's old offer, or a reservation that was taken up: said again since the plan was repeated.
            break
        }
        return .taken
    }

    private mutating func enterPhase(
        _ next: State, awaiting cause: String, _ budget: Duration, now: Timestamp, _ effects: inout MoveEffects
    ) {
        state = next
        stall = cause
        phaseDeadline = now + budget
        retry.start(now)
        ask(&effects)
    }

    // MARK: Moving

    /// The daemon is in another move. Whether an earlier copy of the order was obeyed before that, only the source knows.
    private mutating func refusedAsBusy(_ holder: MigrationID, now: Timestamp, _ effects: inout MoveEffects) -> MessageVerdict {
        guard case .ordering = state else { return .wrongPhase }
        if cancelReason == nil {
            cancelReason = FailureReason(.alreadyMigrating, "held by \(holder)")
            retry.start(now)
            ask(&effects)
        }
        return .taken
    }

    private mutating func beginMoving(now: Timestamp) {
        guard case .ordering = state else { return }
        state = .moving
        phaseDeadline = now + bound
    }

    private mutating func progressed(_ report: MoveProgress, isSource: Bool, now: Timestamp, _ effects: inout MoveEffects) {
        guard isSource else {
            progress.advance(to: report.byteCount, now: now)
            return
        }
        beginMoving(now: now)
        guard case .moving = state else { return }
        stall = report.stall
        self.report = report
        let known = progress.totalByteCount
        progress.totalByteCount = max(known, report.totalByteCount, report.byteCount)
        if report.phase > progress.phase || progress.totalByteCount > known {
            let (count, mode) = (progress.totalByteCount, attempt.order.mode)
            let lifetime = attempt.lifetime.map { $0 - (now - progress.startedAt) }
            phaseDeadline = now + environment.budgets.bound(from: report.phase, byteCount: count, mode: mode, lifetime: lifetime)
        }
        progress.enter(report.phase, role: .orchestrator, of: attempt, now: now, &effects)
        progress.advance(to: report.byteCount, now: now)
    }

    private mutating func failed(_ reason: FailureReason, epoch: Epoch, now: Timestamp, _ effects: inout MoveEffects) {
        switch state {
        case .planningSource, .planningTarget: declined(reason, epoch: epoch, now: now, &effects)
        case .ordering where reason.code == .alreadyMigrating: end(.declined(reason), now: now, &effects)
        // Said to a copy of the plan, by a source that does not have the daemon: the target may have taken it by now.
        case .orphaned where epoch == .none: break
        case .ordering, .moving, .orphaned:
            let outcome: MoveOutcome =
                switch reason.code {
                case .rolledBackAfterCommit: .rolledBackAfterCommit(reason)
                case .givenUp: .letGo(reason)
                default: .beforeCommit(reason)
                }
            end(outcome, now: now, &effects)
        case .confirming, .ended: break
        }
    }

    private mutating func completed(
        _ figures: MoveFigures, by peer: PeerIdentity, now: Timestamp, _ effects: inout MoveEffects
    ) -> MessageVerdict {
        let take = figures.take
        guard take.migration == attempt.migration, take.epoch == attempt.epoch || attempt.epoch == .none,
            take.daemon == attempt.order.daemon, take.target == attempt.order.target,
            figures.release.release.source == attempt.order.source,
            // A source on this node has made or checked the signatures itself, and the target waits for what it says next.
            peer.nodeKey == environment.localKey || areProven(figures)
        else { return .unproven }
        switch state {
        case .planningSource where !mayHaveBegun, .planningTarget, .ended: return .wrongPhase
        case .planningSource, .ordering, .moving, .orphaned, .confirming:
            attempt.epoch = take.epoch
            end(.completed(figures), now: now, &effects)
        }
        return .taken
    }

    private func areProven(_ figures: MoveFigures) -> Bool {
        let (release, take, crypto) = (figures.release, figures.take, environment.crypto)
        guard let hash = HandOverProofs.hash(release.release, crypto: crypto), hash == take.release else { return false }
        return HandOverProofs.isValid(take, crypto: crypto) && HandOverProofs.isValid(release, hash: hash, crypto: crypto)
    }

    // MARK: A participant has forgotten

    private mutating func forgotten(isSource: Bool, boot: BootID, now: Timestamp, _ effects: inout MoveEffects) {
        switch state {
        case .ordering where isSource, .moving where isSource:
            guard boot != sourceBoot else { return endForgotten("the source has forgotten its end", now: now, &effects) }
            orphan(now: now, &effects)
        case .orphaned where !isSource:
            guard let targetBoot, boot != targetBoot else { return endForgotten("the target has forgotten its end", now: now, &effects) }
            endForgotten("source and target have forgotten", now: now, &effects)
        case .planningSource where isSource: unknownToSource(now: now, &effects)
        case .confirming(let reason) where !isSource: unknownToBoth(reason, now: now, &effects)
        default: break
        }
    }

    /// Nobody knows the order any more, if anybody ever did.
    mutating func unknownToBoth(_ reason: FailureReason, now: Timestamp, _ effects: inout MoveEffects) {
        // Refused on its face, in whatever boot.
        guard reason.code != .unauthorized else { return end(.declined(reason), now: now, &effects) }
        endForgotten("the target does not know the order, and the source says: \(reason)", now: now, &effects)
    }

    /// Only the target can still say that the move is complete.
    mutating func orphan(now: Timestamp, _ effects: inout MoveEffects) {
        state = .orphaned
        stall = "the target's word, since the source has forgotten the move"
        cancelReason = nil
        phaseDeadline = now + bound
        retry.start(now)
        // A target that was never sent anything frees its reservation; any other obeys the source only.
        effects.send(.abort(FailureReason(.participantRestarted, "the source has forgotten the move")), about: attempt, to: .target)
        ask(&effects)
    }

    /// Nobody can tell. A participant forgets, in one boot, only what is over; with a source's boot the daemon has gone, unless that boot had
    /// given the attempt up, and the daemon away, before.
    private mutating func endForgotten(_ message: String, now: Timestamp, _ effects: inout MoveEffects) {
        end(.forgotten(FailureReason(.participantRestarted, message)), now: now, &effects)
    }

    private mutating func statusReplied(
        _ reply: StatusReply, epoch: Epoch, by target: PeerIdentity, now: Timestamp, _ effects: inout MoveEffects
    ) {
        guard case .orphaned = state else { return confirmed(reply, epoch: epoch, by: target, now: now, &effects) }
        switch reply.standing {
        case .done: end(.completed(nil), now: now, &effects)
        case .abandoned: endForgotten("the source knows nothing of the move, and the target has not taken the daemon", now: now, &effects)
        case .working, .prepared, .inDoubt: break
        }
    }
}
