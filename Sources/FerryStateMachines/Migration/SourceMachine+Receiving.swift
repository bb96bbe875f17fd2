internal import DequeModule
internal import FerryCrypto
internal import FerryWire

extension SourceMachine {
    mutating func receive(
        _ body: FerryMessage.Body, from peer: PeerIdentity, now: Timestamp, wallClock: UInt64, _ effects: inout MoveEffects
    ) -> MessageVerdict {
        switch body {
        case .plan: return repeatedPlan(now: now, &effects)
        case .takeSnapshot(let order): return ordered(order, now: now, wallClock: wallClock, &effects)
        case .restoreComplete, .replayComplete, .prepared, .refused, .activateAck:
            guard isTarget(peer) else { return .wrongBoot }
            return receiveFromTarget(body, from: peer, now: now, wallClock: wallClock, &effects)
        case .abort(let reason): return abortRequested(reason, by: peer, now: now, &effects)
        case .status:
            answerStatus(to: peer, now: now, &effects)
            return .taken
        case .statusReply(let reply): return statusReplied(reply, by: peer, now: now, &effects)
        case .unknown(let boot): return forgotten(boot, by: peer, now: now, &effects)
        default: return .wrongPhase
        }
    }

    /// A target takes part with the boot in which it reserved; a durable one keeps its promises across boots.
    private func isTarget(_ peer: PeerIdentity) -> Bool {
        guard let boot = targetBoot else { return true }
        return peer.bootID == boot || peer.isDurable || environment.lacks(.bootCheck)
    }

    private var targetBoot: BootID? {
        switch state {
        case .fencing(let boot), .freezing(let boot): boot
        case .opening(let frozen): frozen.targetBoot
        case .streaming(let streaming): streaming.frozen.targetBoot
        case .following(let following), .stopping(let following): following.targetBoot
        case .releasing(let departing): departing.targetBoot
        case .released(let released): released.departing.targetBoot
        case .committing(let committed), .committed(let committed), .taking(let committed, _), .resuming(let committed, _):
            committed.released.departing.targetBoot
        case .describing, .offered, .done, .abandoned, .declined: nil
        }
    }

    // MARK: Orchestrator

    private func repeatedPlan(now: Timestamp, _ effects: inout MoveEffects) -> MessageVerdict {
        switch state {
        case .describing: break
        case .offered(let offer): effects.send(.planReply(.offered(offer)), about: attempt, to: .orchestrator)
        case .done, .abandoned, .declined: sendOutcome(&effects)
        default: sendProgress(now: now, &effects)
        }
        return .taken
    }

    private mutating func ordered(
        _ order: TakeSnapshot, now: Timestamp, wallClock: UInt64, _ effects: inout MoveEffects
    ) -> MessageVerdict {
        guard order.order == attempt.order else { return .unproven }
        switch state {
        case .describing: return .wrongPhase
        case .offered:
            guard attempt.order.expiresAt > wallClock else {
                abandon(FailureReason(.orderExpired), now: now, &effects)
                return .taken
            }
            orderedAt = now
            phaseDeadline = now + environment.budgets.fence
            switch attempt.order.mode {
            case .live:
                state = .freezing(targetBoot: order.targetBoot)
                effects.actions.append(.freeze(attempt.migration, daemon: attempt.order.daemon, epoch: attempt.epoch))
            case .stopAndCopy:
                state = .fencing(targetBoot: order.targetBoot)
                effects.actions.append(.fence(attempt.migration, daemon: attempt.order.daemon, epoch: attempt.epoch))
            }
            enter(.snapshot, now: now, &effects)
        case .done, .abandoned, .declined: sendOutcome(&effects)
        default: sendProgress(now: now, &effects)
        }
        return .taken
    }

    private mutating func abortRequested(
        _ reason: FailureReason, by peer: PeerIdentity, now: Timestamp, _ effects: inout MoveEffects
    ) -> MessageVerdict {
        let asker: MoveRole = attempt.plays(peer.nodeKey, .orchestrator) ? .orchestrator : .target
        switch state {
        case .describing, .offered:
            // A target that was never ordered has no say in the plan.
            guard asker == .orchestrator else { return .wrongPhase }
            abandon(reason, now: now, &effects)
        case .fencing, .freezing, .opening, .streaming, .following, .stopping, .releasing, .released:
            abandon(reason, now: now, &effects)
        case .committed where environment.lacks(.tooLateToAbort): resumeAfterCommit(reason, now: now, &effects)
        case .committing, .committed, .taking, .done, .resuming:
            effects.send(.tooLate, about: attempt, to: asker)
        case .abandoned, .declined:
            if asker == .orchestrator { sendOutcome(&effects) } else { sendAbort(&effects) }
        }
        return .taken
    }

    // MARK: Target

    private mutating func receiveFromTarget(
        _ body: FerryMessage.Body, from peer: PeerIdentity, now: Timestamp, wallClock: UInt64, _ effects: inout MoveEffects
    ) -> MessageVerdict {
        targetStaticKey = peer.staticKey
        switch (state, body) {
        case (.streaming(var streaming), .restoreComplete(let summary)):
            streaming.restored = summary
            state = .streaming(streaming)
            advanceIfRestored(now: now, &effects)
        case (.streaming(var streaming), .replayComplete(let replay)):
            // The log of a stopped daemon is empty, and that of one that serves is not shipped yet.
            guard replay.logIndex == 0 else { return .unproven }
            streaming.isReplayed = true
            state = .streaming(streaming)
            advanceIfRestored(now: now, &effects)
        case (.following, .replayComplete(let replay)), (.stopping, .replayComplete(let replay)),
            (.releasing, .replayComplete(let replay)), (.released, .replayComplete(let replay)):
            guard attempt.order.mode == .live else { break }
            return followed(replay, now: now, &effects)
        case (.released(let released), .prepared(let hash)):
            guard hash == released.hash || environment.lacks(.preparedHash) else { return .unproven }
            commit(released, to: peer, now: now, wallClock: wallClock, &effects)
        case (.released(let released), .restoreComplete) where environment.lacks(.preparedBeforeCommit):
            commit(released, to: peer, now: now, wallClock: wallClock, &effects)
        case (.committed(let committed), .prepared(let hash)):
            guard hash == committed.released.hash else { return .unproven }
            effects.send(.cutoverNotify(committed.commit), about: attempt, to: .target)
        case (.committed(let committed), .activateAck(let take)):
            return taken(take, committed, now: now, &effects)
        case (.committed, .refused(let reason)):
            if let surrenderReason { effects.send(.abort(surrenderReason), about: attempt, to: .target) }
            resumeAfterCommit(reason, now: now, &effects)
        case (.fencing, .refused(let reason)), (.freezing, .refused(let reason)), (.opening, .refused(let reason)),
            (.streaming, .refused(let reason)), (.following, .refused(let reason)), (.stopping, .refused(let reason)),
            (.releasing, .refused(let reason)), (.released, .refused(let reason)):
            abandon(reason, now: now, &effects)
        case (.done(let hash, let figures), .activateAck(let take)):
            guard take == figures.take else { return .unproven }
            effects.send(.activateTarget(hash), about: attempt, to: .target)
        case (.done(let hash, _), .refused):
            // The take came first, and stands.
            effects.send(.activateTarget(hash), about: attempt, to: .target)
        case (.abandoned, _), (.declined, _):
            sendAbort(&effects)
            if case .activateAck = body { return .unproven }
        case (.following, .restoreComplete), (.stopping, .restoreComplete), (.releasing, .restoreComplete),
            (.released, .restoreComplete), (.committing, _), (.taking, _), (.resuming, _), (.committed, .restoreComplete),
            (.committed, .replayComplete), (.done, .prepared):
            break
        default: return .wrongPhase
        }
        return .taken
    }

    func sendAbort(_ effects: inout MoveEffects) {
        guard case .abandoned(let reason, _) = state else { return }
        effects.send(.abort(reason), about: attempt, to: .target)
    }

    private mutating func forgotten(
        _ boot: BootID, by peer: PeerIdentity, now: Timestamp, _ effects: inout MoveEffects
    ) -> MessageVerdict {
        guard boot == peer.bootID else { return .unproven }
        guard attempt.plays(peer.nodeKey, .target) else { return .taken }
        let reason = FailureReason(.participantRestarted, "the target has forgotten the move")
        switch state {
        case .describing, .offered: break
        case .fencing, .freezing, .opening, .streaming, .following, .stopping, .releasing, .released:
            abandon(reason, now: now, &effects)
        case .committed(let committed):
            // In the boot that it prepared in, a target never forgets; only a new one proves that it never will act.
            guard boot != committed.released.departing.targetBoot else { return .wrongBoot }
            resumeAfterCommit(reason, now: now, &effects)
        case .committing, .taking, .resuming: break
        case .done, .abandoned, .declined: close()
        }
        return .taken
    }

    mutating func close() {
        isTargetClosed = true
        stopTimers()
    }

    // MARK: Status

    private func answerStatus(to peer: PeerIdentity, now: Timestamp, _ effects: inout MoveEffects) {
        let reply = StatusReply(standing: standing, boot: environment.boot, reason: nil)
        if attempt.plays(peer.nodeKey, .target) {
            effects.send(.statusReply(reply), about: attempt, to: .target)
            resendToTarget(&effects)
        }
        if attempt.plays(peer.nodeKey, .orchestrator) {
            effects.send(.statusReply(reply), about: attempt, to: .orchestrator)
            if outcome == nil { sendProgress(now: now, &effects) } else { sendOutcome(&effects) }
        }
    }

    private mutating func statusReplied(
        _ reply: StatusReply, by peer: PeerIdentity, now: Timestamp, _ effects: inout MoveEffects
    ) -> MessageVerdict {
        guard attempt.plays(peer.nodeKey, .target) else { return .taken }
        guard reply.boot == peer.bootID else { return .unproven }
        switch (state, reply.standing) {
        case (.committed, .abandoned):
            guard isTarget(peer) else { return .wrongBoot }
            resumeAfterCommit(reply.reason ?? FailureReason(.cancelled, "the target has refused"), now: now, &effects)
        case (.fencing, .abandoned), (.freezing, .abandoned), (.opening, .abandoned), (.streaming, .abandoned),
            (.following, .abandoned), (.stopping, .abandoned), (.releasing, .abandoned), (.released, .abandoned):
            abandon(reply.reason ?? FailureReason(.cancelled, "the target has refused"), now: now, &effects)
        case (.done, .done), (.abandoned, .abandoned): close()
        default: break
        }
        return .taken
    }

    /// Whatever the target has not answered yet, byte for byte as before.
    func resendToTarget(_ effects: inout MoveEffects) {
        switch state {
        case .streaming(let streaming):
            guard streaming.restored == nil else { return }
            effects.send(.snapshotReady(announcement(streaming)), about: attempt, to: .target)
        case .released where environment.lacks(.repetition), .committed where environment.lacks(.repetition): break
        case .released(let released): effects.send(.release(released.release), about: attempt, to: .target)
        case .committed(let committed): effects.send(.cutoverNotify(committed.commit), about: attempt, to: .target)
        case .done(let hash, _): effects.send(.activateTarget(hash), about: attempt, to: .target)
        case .abandoned: sendAbort(&effects)
        default: break
        }
    }

    func announcement(_ streaming: Streaming) -> SnapshotReady {
        SnapshotReady(order: attempt.order, snapshot: streaming.frozen.snapshot, stream: streaming.stream)
    }
}
