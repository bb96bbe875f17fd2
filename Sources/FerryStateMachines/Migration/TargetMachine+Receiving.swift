internal import DequeModule
internal import FerryCrypto
internal import FerryWire

extension TargetMachine {
    mutating func receive(
        _ body: FerryMessage.Body, from peer: PeerIdentity, now: Timestamp, _ effects: inout MoveEffects
    ) -> MessageVerdict {
        switch body {
        case .plan(let plan): return planned(plan, &effects)
        case .snapshotReady(let ready): return announced(ready, from: peer, now: now, &effects)
        case .bufferedEvents(let batch):
            guard isSource(peer) else { return .wrongBoot }
            return logged(batch, now: now, &effects)
        case .release(let signed):
            guard isSource(peer) else { return .wrongBoot }
            return released(signed, now: now, &effects)
        case .cutoverNotify(let commit):
            guard isSource(peer) else { return .wrongBoot }
            return committed(commit, now: now, &effects)
        case .activateTarget(let hash):
            guard isSource(peer) else { return .wrongBoot }
            return acknowledged(hash, now: now, &effects)
        case .abort(let reason): return aborted(reason, by: peer, now: now, &effects)
        case .tooLate:
            effects.actions.append(.cancelRefused(attempt.migration))
            return .taken
        case .status:
            if attempt.plays(peer.nodeKey, .source) {
                reply(.source, &effects)
                resendToSource(&effects)
            }
            if attempt.plays(peer.nodeKey, .orchestrator) { reply(.orchestrator, &effects) }
            return .taken
        case .statusReply(let reply): return statusReplied(reply, by: peer, now: now, &effects)
        case .unknown(let boot): return forgotten(boot, by: peer, now: now, &effects)
        default: return .wrongPhase
        }
    }

    /// A source takes part with the boot in which it announced its stream; a durable one keeps its word across boots.
    private func isSource(_ peer: PeerIdentity) -> Bool {
        guard let boot = sourceBoot else { return true }
        return peer.bootID == boot || peer.isDurable || environment.lacks(.bootCheck)
    }

    private var sourceBoot: BootID? {
        switch state {
        case .restoring(let restoring): restoring.sourceBoot
        case .restored(let restored), .comparing(let restored, _): restored.restoring.sourceBoot
        case .preparing(let prepared), .prepared(let prepared): prepared.sourceBoot
        case .taking(let took), .took(let took): took.prepared.sourceBoot
        case .admitting, .reserved, .active, .refused: nil
        }
    }

    private func planned(_ plan: Plan, _ effects: inout MoveEffects) -> MessageVerdict {
        guard plan.order == attempt.order, plan.offer == offer else { return .unproven }
        switch state {
        case .reserved: sendReservation(&effects)
        case .refused(let reason, _): effects.send(.planReply(.refused(reason)), about: attempt, to: .orchestrator)
        default: break
        }
        return .taken
    }

    func sendReservation(_ effects: inout MoveEffects) {
        let reply = PlanReply.reserved(
            boot: environment.boot, isDurable: environment.isDurable, memoryByteCount: memoryByteCount)
        effects.send(.planReply(reply), about: attempt, to: .orchestrator)
    }

    private mutating func announced(
        _ ready: SnapshotReady, from peer: PeerIdentity, now: Timestamp, _ effects: inout MoveEffects
    ) -> MessageVerdict {
        guard ready.order == attempt.order, ready.snapshot.entity == attempt.order.daemon, ready.snapshot.epoch == attempt.epoch,
            ready.snapshot.lineage == offer.lineage, ready.snapshot.kind == offer.kind,
            ready.snapshot.chainLink.origin == attempt.order.daemon.originHash
        else { return .unproven }
        switch state {
        case .admitting: return .wrongPhase
        case .reserved:
            state = .restoring(Restoring(snapshot: ready.snapshot, stream: ready.stream, sourceBoot: peer.bootID))
            phaseDeadline = now + environment.budgets.transfer(byteCount: offer.predictedByteCount) + environment.budgets.restore
            enter(.transfer, now: now, &effects)
            effects.actions.append(
                .restore(attempt.migration, snapshot: ready.snapshot, from: attempt.order.source, stream: ready.stream))
        default:
            resendToSource(&effects)
        }
        return .taken
    }

    // MARK: Commit, TakeAck

    private mutating func committed(_ commit: CutoverNotify, now: Timestamp, _ effects: inout MoveEffects) -> MessageVerdict {
        switch state {
        case .prepared(let prepared):
            guard commit.release == prepared.hash || environment.lacks(.commitHash) else { return .unproven }
            open(commit, prepared, now: now, &effects)
        case .taking: break
        case .took(let took):
            guard commit.release == took.prepared.hash else { return .unproven }
            resendToSource(&effects)
        case .active(let hash, _):
            guard commit.release == hash else { return .unproven }
            resendToSource(&effects)
        case .refused: resendToSource(&effects)
        case .admitting, .reserved, .restoring, .restored, .comparing, .preparing: return .wrongPhase
        }
        return .taken
    }

    private mutating func open(_ commit: CutoverNotify, _ prepared: Prepared, now: Timestamp, _ effects: inout MoveEffects) {
        let release = prepared.signed.release
        do throws(CryptoFailure) {
            guard let envelope = IdentityEnvelope(copying: commit.envelope.rawSpan) else {
                throw CryptoFailure(.sealOpenFailed, "the identity envelope is malformed")
            }
            let binding = HandOverProofs.envelopeBinding(release, hash: prepared.hash)
            let keypair = try envelope.open(with: environment.identity, binding: binding.rawSpan, expecting: attempt.order.daemon)
            let take = Take(
                migration: attempt.migration, epoch: attempt.epoch, lineage: release.lineage, daemon: release.daemon,
                release: prepared.hash, target: attempt.order.target, targetBoot: release.targetBoot, daemonSignature: .none,
                nodeSignature: .none)
            let signed = try HandOverProofs.sign(take, daemon: keypair, node: environment.identity)
            state = .taking(Took(prepared: prepared, keypair: keypair, take: signed))
            retry.stop()
            // Whatever the journal does, the key is here and the daemon stands still: that is reported, and never ended by a timer.
            phaseDeadline = now + environment.budgets.take
            record.write(.took(commit, signed), about: attempt, &effects)
        } catch {
            // The source resumes at once, instead of waiting for a take that cannot come.
            refuse(FailureReason(.identityTransportFailed, "\(error)"), now: now, &effects)
        }
    }

    private mutating func acknowledged(_ hash: ReleaseHash, now: Timestamp, _ effects: inout MoveEffects) -> MessageVerdict {
        switch state {
        case .took(let took):
            guard hash == took.prepared.hash || environment.lacks(.takeAckHash) else { return .unproven }
            // The source has let go for this take: the operator's word came too late, and nobody else has the daemon.
            if took.withdrawal != nil { effects.actions.append(.cancelRefused(attempt.migration)) }
            activate(took, now: now, &effects)
        case .active(let active, _):
            guard hash == active else { return .unproven }
            reply(.source, &effects)
        default: return .wrongPhase
        }
        return .taken
    }

    mutating func activate(_ took: Took, now: Timestamp, _ effects: inout MoveEffects) {
        state = .active(took.prepared.hash, took.take)
        phaseDeadline = nil
        retry.stop()
        effects.actions.append(
            .activate(attempt.migration, keypair: took.keypair, epoch: attempt.epoch, lineage: took.take.lineage))
        enter(.complete, now: now, &effects)
        reply(.source, &effects)
        tellOrchestrator(.activateAck(took.take), &effects)
        effects.actions.append(.ended(attempt.migration, .target, .completed(nil)))
    }

    /// One on the source's node hears what the source is told.
    func tellOrchestrator(_ body: FerryMessage.Body, _ effects: inout MoveEffects) {
        guard attempt.node(.orchestrator) != attempt.node(.source) else { return }
        effects.send(body, about: attempt, to: .orchestrator)
    }

    // MARK: Abort and doubt

    private mutating func aborted(
        _ reason: FailureReason, by peer: PeerIdentity, now: Timestamp, _ effects: inout MoveEffects
    ) -> MessageVerdict {
        let isSource = attempt.plays(peer.nodeKey, .source)
        switch state {
        case .admitting, .reserved:
            refuse(reason, tell: false, now: now, &effects)
            if isSource { finishClosing(&effects) }
        case .restoring, .restored, .comparing, .preparing, .prepared:
            guard isSource else { return orphaned(reason, now: now, &effects) }
            refuse(reason, tell: false, now: now, &effects)
            finishClosing(&effects)
        case .refused:
            if isSource { finishClosing(&effects) }
        case .took(let took) where isSource && (reason.code == .rolledBackAfterCommit || took.withdrawal != nil):
            standDown(took, took.withdrawal ?? reason, now: now, &effects)
            finishClosing(&effects)
        // The key was sent: no abort of the source can be true any more but its operator's word, and nobody else's counts.
        case .taking, .took, .active: return .wrongPhase
        }
        return .taken
    }

    /// The orchestrator has learnt that the source has forgotten the move: a copy without a promise is given up, and any target asks.
    private mutating func orphaned(
        _ reason: FailureReason, now: Timestamp, _ effects: inout MoveEffects
    ) -> MessageVerdict {
        guard reason.code == .participantRestarted else { return .wrongPhase }
        switch state {
        case .restoring, .restored, .comparing, .preparing: refuse(reason, now: now, &effects)
        case .prepared: effects.send(.status, about: attempt, to: .source)
        default: return .wrongPhase
        }
        return .taken
    }

    private mutating func finishClosing(_ effects: inout MoveEffects) {
        close()
        reply(.source, &effects)
    }

    private mutating func statusReplied(
        _ reply: StatusReply, by peer: PeerIdentity, now: Timestamp, _ effects: inout MoveEffects
    ) -> MessageVerdict {
        guard attempt.plays(peer.nodeKey, .source) else { return .taken }
        guard reply.boot == peer.bootID else { return .unproven }
        guard reply.standing == .abandoned else { return .taken }
        let reason = reply.reason ?? FailureReason(.cancelled, "the source has given the move up")
        switch state {
        case .admitting, .reserved, .restoring, .restored, .comparing, .preparing, .prepared:
            refuse(reason, tell: false, now: now, &effects)
            close()
        case .refused: close()
        case .took(let took):
            guard let withdrawal = took.withdrawal else { return .wrongPhase }
            standDown(took, withdrawal, now: now, &effects)
            close()
        case .taking, .active: return .wrongPhase
        }
        return .taken
    }

    private mutating func forgotten(
        _ boot: BootID, by peer: PeerIdentity, now: Timestamp, _ effects: inout MoveEffects
    ) -> MessageVerdict {
        guard boot == peer.bootID else { return .unproven }
        guard attempt.plays(peer.nodeKey, .source) else { return .taken }
        switch state {
        case .admitting, .reserved, .restoring, .restored, .comparing, .preparing, .prepared:
            // What the source has forgotten it can neither commit nor take back.
            refuse(FailureReason(.participantRestarted, "the source has forgotten the move"), tell: false, now: now, &effects)
            close()
        case .took(let took):
            // A source that was told of the withdrawal may have gone on, and moved the daemon, before it forgot.
            if let withdrawal = took.withdrawal {
                standDown(took, withdrawal, now: now, &effects)
                close()
                break
            }
            guard boot != took.prepared.sourceBoot else { return .wrongBoot }
            activate(took, now: now, &effects)
        case .taking: break
        case .refused, .active: close()
        }
        return .taken
    }
}
