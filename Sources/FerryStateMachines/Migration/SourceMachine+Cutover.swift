internal import DequeModule
internal import FerryCrypto
internal import FerryWire

// Release, Commit and what follows the Take.
extension SourceMachine {
    /// The target holds the whole state; whether it holds the same is decided when it has followed the log.
    mutating func enterReplay(now: Timestamp, _ effects: inout MoveEffects) {
        guard case .streaming(let streaming) = state, streaming.sent != nil, streaming.restored != nil else { return }
        enter(.replay, now: now, &effects)
    }

    mutating func releaseIfRestored(now: Timestamp, _ effects: inout MoveEffects) {
        guard case .streaming(let streaming) = state, let sent = streaming.sent, let restored = streaming.restored, streaming.isReplayed
        else { return }
        guard sent == restored else {
            return abandon(FailureReason(.stateFailed, "the target read another state than was written"), now: now, &effects)
        }
        state = .releasing(streaming, sent)
        phaseDeadline = now + environment.budgets.prepare
        retry.stop()
        enter(.cutover, now: now, &effects)
        record.write(.released(attempt.order, epoch: attempt.epoch), about: attempt, &effects)
    }

    private mutating func release(_ streaming: Streaming, _ sent: StateSummary, now: Timestamp, _ effects: inout MoveEffects) {
        let frozen = streaming.frozen
        let crypto = environment.crypto
        guard let release = statement(of: frozen, sent), let hash = HandOverProofs.hash(release, crypto: crypto) else {
            return abandon(FailureReason(.stateFailed, "the daemon's facts have no canonical form"), now: now, &effects)
        }
        do throws(CryptoFailure) {
            let signed = try HandOverProofs.sign(release, hash: hash, daemon: frozen.daemon.keypair, node: environment.identity)
            state = .released(Released(frozen: frozen, release: signed, hash: hash, wireByteCount: streaming.wireByteCount))
            retry.start(now)
            effects.send(.release(signed), about: attempt, to: .target)
        } catch {
            abandon(FailureReason(.identityTransportFailed, "\(error)"), now: now, &effects)
        }
    }

    func statement(of frozen: Frozen, _ sent: StateSummary) -> Release? {
        let snapshot = frozen.daemon.snapshot
        guard let lanes = try? snapshot.outputLanes.digest() else { return nil }
        return Release(
            lineage: snapshot.lineage, migration: attempt.migration, epoch: attempt.epoch, daemon: snapshot.entity,
            source: attempt.order.source, target: attempt.order.target, targetBoot: frozen.targetBoot, lastLogIndex: 0,
            inputOutputDigest: .zero, chainSequence: snapshot.chainLink.sequence,
            forwardHash: forwardHash(snapshot.chainLink, snapshot.headPayload.rawSpan), cursors: snapshot.cursors,
            outputLanesDigest: lanes, bindingsDigest: HandOverProofs.bindingsDigest(snapshot), state: sent,
            stateDigest: frozen.daemon.stateDigest, determinism: frozen.daemon.determinism)
    }

    /// The only decision that gives the daemon away; everything that can fail is done before it.
    mutating func commit(
        _ released: Released, to peer: PeerIdentity, now: Timestamp, wallClock: UInt64, _ effects: inout MoveEffects
    ) {
        guard attempt.order.expiresAt > wallClock || environment.lacks(.expiryBeforeCommit) else {
            return abandon(FailureReason(.orderExpired, "the order lapsed before the commit"), now: now, &effects)
        }
        let crypto = environment.crypto
        let keypair = released.frozen.daemon.keypair
        do throws(CryptoFailure) {
            let binding = HandOverProofs.envelopeBinding(released.release.release, hash: released.hash)
            let envelope = try IdentityEnvelope(
                sealing: keypair, to: peer.staticKey, binding: binding.rawSpan, crypto: crypto, random: crypto.random)
            let moved = Moved(
                daemon: attempt.order.daemon, epoch: attempt.epoch, migration: attempt.migration, target: attempt.order.target,
                targetAddress: attempt.order.targetAddress, daemonSignature: .none)
            let committed = Committed(
                released: released, commit: CutoverNotify(release: released.hash, envelope: envelope.bytes),
                moved: try HandOverProofs.sign(moved, daemon: keypair))
            state = .committing(committed)
            stopTimers()
            if environment.lacks(.commitBeforeKey) { effects.send(.cutoverNotify(committed.commit), about: attempt, to: .target) }
            record.write(.committed(released.release, committed.commit, committed.moved), about: attempt, &effects)
        } catch {
            abandon(FailureReason(.identityTransportFailed, "\(error)"), now: now, &effects)
        }
    }

    mutating func taken(_ take: Take, _ committed: Committed, now: Timestamp, _ effects: inout MoveEffects) -> MessageVerdict {
        let release = committed.released.release.release
        guard HandOverProofs.isHalf(take, of: release, hash: committed.released.hash),
            HandOverProofs.isValid(take, crypto: environment.crypto) || environment.lacks(.takeProof)
        else { return .unproven }
        state = .taking(committed, take)
        stopTimers()
        record.write(.taken(take, committed.moved), about: attempt, &effects)
        return .taken
    }

    private mutating func finish(_ committed: Committed, _ take: Take, now: Timestamp, _ effects: inout MoveEffects) {
        let released = committed.released
        let figures = MoveFigures(
            stateByteCount: released.release.release.state.byteCount, wireByteCount: released.wireByteCount,
            durationNanoseconds: UInt64(max(0, (now - orderedAt).wholeNanoseconds)),
            pauseNanoseconds: UInt64(max(0, (now - released.frozen.fencedAt).wholeNanoseconds)), rounds: 1, take: take,
            release: released.release)
        effects.actions.append(.retire(attempt.migration, daemon: attempt.order.daemon, moved: committed.moved))
        state = .done(released.hash, figures)
        retry.start(now)
        effects.send(.activateTarget(released.hash), about: attempt, to: .target)
        enter(.complete, now: now, &effects)
        sendOutcome(&effects)
        effects.actions.append(.ended(attempt.migration, .source, .completed(figures)))
    }

    mutating func journaled(
        _ written: UInt64, failure: FailureReason?, now: Timestamp, wallClock: UInt64, _ effects: inout MoveEffects
    ) {
        guard record.isWritten(written) else { return }
        switch state {
        case .releasing(let streaming, let sent):
            if let failure { return abandon(failure, now: now, &effects) }
            release(streaming, sent, now: now, &effects)
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
        default: break
        }
    }
}
