internal import DequeModule
internal import FerryCrypto
internal import FerryWire

// Release, Commit and what follows the Take.
extension SourceMachine {
    /// The target holds the whole state: a daemon that has stopped is released, one that serves is followed.
    mutating func advanceIfRestored(now: Timestamp, _ effects: inout MoveEffects) {
        guard case .streaming(let streaming) = state, let sent = streaming.sent, let restored = streaming.restored else { return }
        enter(.replay, now: now, &effects)
        guard sent == restored else {
            return abandon(FailureReason(.stateFailed, "the target read another state than was written"), now: now, &effects)
        }
        let targetBoot = streaming.frozen.targetBoot
        guard let stopped = streaming.frozen.stopped else {
            return follow(
                Following(targetBoot: targetBoot, sent: sent, wireByteCount: streaming.wireByteCount), now: now, &effects)
        }
        guard streaming.isReplayed else { return }
        prepareRelease(
            Departing(stopped: stopped, targetBoot: targetBoot, sent: sent, wireByteCount: streaming.wireByteCount), now: now, &effects)
    }

    mutating func prepareRelease(_ departing: Departing, now: Timestamp, _ effects: inout MoveEffects) {
        state = .releasing(departing)
        phaseDeadline = now + environment.budgets.journal
        retry.stop()
        enter(.cutover, now: now, &effects)
        record.write(.released(attempt.order, epoch: attempt.epoch), about: attempt, &effects)
    }

    private mutating func release(_ departing: Departing, now: Timestamp, _ effects: inout MoveEffects) {
        let daemon = departing.stopped.daemon
        let crypto = environment.crypto
        guard let release = statement(of: daemon, for: departing.targetBoot, departing.sent),
            let hash = HandOverProofs.hash(release, crypto: crypto)
        else {
            return abandon(FailureReason(.stateFailed, "the daemon's facts have no canonical form"), now: now, &effects)
        }
        do throws(CryptoFailure) {
            let signed = try HandOverProofs.sign(release, hash: hash, daemon: daemon.keypair, node: environment.identity)
            state = .released(Released(departing: departing, release: signed, hash: hash))
            standStill(until: now + environment.budgets.replay(attempt.order.mode) + environment.budgets.prepare, now: now)
            retry.start(now)
            sealDeadline = now
            effects.send(.release(signed), about: attempt, to: .target)
        } catch {
            abandon(FailureReason(.identityTransportFailed, "\(error)"), now: now, &effects)
        }
    }

    private func statement(of daemon: FencedDaemon, for targetBoot: BootID, _ sent: StateSummary) -> Release? {
        guard var release = statement(of: daemon.snapshot, for: targetBoot, sent) else { return nil }
        release.lastLogIndex = daemon.lastLogIndex
        release.inputOutputDigest = daemon.inputOutputDigest
        release.stateDigest = daemon.stateDigest
        release.determinism = daemon.determinism
        return release
    }

    /// What a release states of a snapshot; as large as any that states more.
    func statement(of snapshot: SnapshotHeader, for targetBoot: BootID, _ sent: StateSummary) -> Release? {
        guard let lanes = try? snapshot.outputLanes.digest() else { return nil }
        return Release(
            lineage: snapshot.lineage, migration: attempt.migration, epoch: attempt.epoch, daemon: snapshot.entity,
            source: attempt.order.source, target: attempt.order.target, targetBoot: targetBoot, lastLogIndex: 0,
            inputOutputDigest: .zero, chainSequence: snapshot.chainLink.sequence,
            forwardHash: forwardHash(snapshot.chainLink, snapshot.headPayload.rawSpan), cursors: snapshot.cursors,
            outputLanesDigest: lanes, bindingsDigest: HandOverProofs.bindingsDigest(snapshot), state: sent, stateDigest: .zero,
            determinism: .unverified)
    }

    /// The only decision that gives the daemon away; everything that can fail is done before it.
    mutating func commit(
        _ released: Released, to peer: PeerIdentity, now: Timestamp, wallClock: UInt64, _ effects: inout MoveEffects
    ) {
        guard attempt.order.expiresAt > wallClock || environment.lacks(.expiryBeforeCommit) else {
            return abandon(FailureReason(.orderExpired, "the order lapsed before the commit"), now: now, &effects)
        }
        do throws(CryptoFailure) {
            let sealed = try sealed(released, to: peer.staticKey)
            let committed = Committed(released: released, commit: sealed.commit, moved: sealed.moved)
            state = .committing(committed)
            awaitJournal(now)
            if environment.lacks(.commitBeforeKey) { effects.send(.cutoverNotify(committed.commit), about: attempt, to: .target) }
            record.write(.committed(released.release, committed.commit, committed.moved), about: attempt, &effects)
        } catch {
            abandon(FailureReason(.identityTransportFailed, "\(error)"), now: now, &effects)
        }
    }

    /// Seals while the target compares; a failure is found again, and told, at the commit.
    mutating func sealAhead() {
        sealDeadline = nil
        guard case .released(var released) = state, let targetStaticKey else { return }
        released.sealed = try? seal(released, to: targetStaticKey)
        state = .released(released)
    }

    private func sealed(_ released: Released, to target: FixedBytes32) throws(CryptoFailure) -> Sealed {
        if let sealed = released.sealed, sealed.target == target { return sealed }
        return try seal(released, to: target)
    }

    private func seal(_ released: Released, to target: FixedBytes32) throws(CryptoFailure) -> Sealed {
        let crypto = environment.crypto
        let keypair = released.departing.stopped.daemon.keypair
        let binding = HandOverProofs.envelopeBinding(released.release.release, hash: released.hash)
        let envelope = try IdentityEnvelope(
            sealing: keypair, to: target, binding: binding.rawSpan, crypto: crypto, random: crypto.random)
        let moved = Moved(
            daemon: attempt.order.daemon, epoch: attempt.epoch, migration: attempt.migration, target: attempt.order.target,
            targetAddress: attempt.order.targetAddress, daemonSignature: .none)
        return Sealed(
            target: target, commit: CutoverNotify(release: released.hash, envelope: envelope.bytes),
            moved: try HandOverProofs.sign(moved, daemon: keypair))
    }

    mutating func taken(_ take: Take, _ committed: Committed, now: Timestamp, _ effects: inout MoveEffects) -> MessageVerdict {
        let release = committed.released.release.release
        guard HandOverProofs.isHalf(take, of: release, hash: committed.released.hash),
            HandOverProofs.isValid(take, crypto: environment.crypto) || environment.lacks(.takeProof)
        else { return .unproven }
        state = .taking(committed, take)
        awaitJournal(now)
        record.write(.taken(take, committed.moved), about: attempt, &effects)
        return .taken
    }

    private mutating func finish(_ committed: Committed, _ take: Take, now: Timestamp, _ effects: inout MoveEffects) {
        let released = committed.released
        let release = released.release.release
        let predictedPause = expectedPause.map { UInt64(max(0, $0.wholeNanoseconds)) } ?? offer?.predictedPauseNanoseconds ?? 0
        let figures = MoveFigures(
            stateByteCount: release.state.byteCount, wireByteCount: released.departing.wireByteCount,
            durationNanoseconds: UInt64(max(0, (now - orderedAt).wholeNanoseconds)),
            pauseNanoseconds: UInt64(max(0, (now - released.departing.stopped.at).wholeNanoseconds)), rounds: 1,
            predictedDurationNanoseconds: offer?.predictedDurationNanoseconds ?? 0, predictedPauseNanoseconds: predictedPause,
            replayedInputCount: release.lastLogIndex, take: take, release: released.release)
        let wasSurrendered = committed.isSurrendered
        if !wasSurrendered {
            effects.actions.append(.retire(attempt.migration, daemon: attempt.order.daemon, moved: committed.moved))
        }
        state = .done(released.hash, figures)
        retry.start(now)
        effects.send(.activateTarget(released.hash), about: attempt, to: .target)
        enter(.complete, now: now, &effects)
        sendOutcome(&effects)
        if !wasSurrendered { effects.actions.append(.ended(attempt.migration, .source, .completed(figures))) }
    }

    mutating func journaled(
        _ written: UInt64, failure: FailureReason?, now: Timestamp, wallClock: UInt64, _ effects: inout MoveEffects
    ) {
        guard record.isWritten(written) else { return }
        switch state {
        case .releasing(let departing):
            if let failure { return abandon(failure, now: now, &effects) }
            release(departing, now: now, &effects)
        case .committing(let committed):
            if let failure {
                // Nothing was sent: the release stands, and is given up as before the commit.
                state = .released(committed.released)
                return abandon(failure, now: now, &effects)
            }
            state = .committed(committed)
            phaseDeadline = now + environment.budgets.take
            retry.start(now)
            effects.actions.append(.commit(attempt.migration, daemon: attempt.order.daemon, moved: committed.moved))
            effects.send(.cutoverNotify(committed.commit), about: attempt, to: .target)
        case .taking(let committed, let take):
            // The signed take decides, whether or not it could be written down.
            finish(committed, take, now: now, &effects)
        case .resuming(_, let reason):
            finishAbandoning(reason, isAfterCommit: true, now: now, &effects)
        case .committed(let committed): surrender(committed, failure: failure, now: now, &effects)
        default: break
        }
    }
}
