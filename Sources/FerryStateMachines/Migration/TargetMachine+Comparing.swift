internal import DequeModule
internal import FerryCrypto
internal import FerryWire

// The move log, and the comparison with what the source releases.
extension TargetMachine {
    // MARK: The log

    mutating func logged(_ batch: BufferedEvents, now: Timestamp, _ effects: inout MoveEffects) -> MessageVerdict {
        guard attempt.order.mode == .live, case .restored(let restored) = state else { return .wrongPhase }
        if let pending = restored.pending {
            // The release has said where the log ends.
            guard let last = ReplayQueue.lastIndex(of: batch), last <= pending.signed.release.lastLogIndex else { return .unproven }
        }
        switch replay.admit(batch, byteLimit: environment.limits.replayByteCount) {
        case .hand:
            effects.actions.append(.replay(attempt.migration, batch))
        case .repetition, .gap:
            effects.send(.replayComplete(replay.status), about: attempt, to: .source)
        case .full: return .wrongPhase
        case .malformed: return .unproven
        }
        return .taken
    }

    mutating func replayed(_ report: ReplayComplete, now: Timestamp, _ effects: inout MoveEffects) {
        guard case .restored = state, replay.replayed(report) else { return }
        retry.start(now)
        effects.send(.replayComplete(replay.status), about: attempt, to: .source)
        inspectIfReplayed(now: now, &effects)
    }

    /// What the copy does is not what the source's daemon did: nothing of this attempt can be kept.
    mutating func replayDiverged(_ reason: FailureReason, now: Timestamp, _ effects: inout MoveEffects) {
        guard case .restored = state else { return }
        refuse(reason, now: now, &effects)
    }

    // MARK: The release

    mutating func released(_ signed: SignedRelease, now: Timestamp, _ effects: inout MoveEffects) -> MessageVerdict {
        switch state {
        case .restored(var restored):
            if let pending = restored.pending { return pending.signed == signed ? .taken : .unproven }
            let crypto = environment.crypto
            guard let hash = HandOverProofs.hash(signed.release, crypto: crypto),
                HandOverProofs.isValid(signed, hash: hash, crypto: crypto) || environment.lacks(.releaseProof)
            else { return .unproven }
            if let mismatch = mismatch(signed.release, restored.state) {
                refuse(FailureReason(.releaseMismatch, mismatch), now: now, &effects)
                return .taken
            }
            restored.pending = Candidate(signed: signed, hash: hash)
            state = .restored(restored)
            phaseDeadline = now + environment.budgets.tail(attempt.order.mode) + environment.budgets.promise
            inspectIfReplayed(now: now, &effects)
        case .comparing(_, let candidate):
            return candidate.signed == signed ? .taken : .unproven
        case .preparing(let prepared), .prepared(let prepared):
            guard prepared.signed == signed else { return .unproven }
            resendToSource(&effects)
        case .taking, .took, .active, .refused: resendToSource(&effects)
        case .admitting, .reserved, .restoring: return .wrongPhase
        }
        return .taken
    }

    /// Asks what the copy is, once nothing of the log is missing.
    private mutating func inspectIfReplayed(now: Timestamp, _ effects: inout MoveEffects) {
        guard case .restored(let restored) = state, let pending = restored.pending,
            replay.status.logIndex == pending.signed.release.lastLogIndex || environment.lacks(.tail)
        else { return }
        state = .comparing(restored, pending)
        phaseDeadline = now + environment.budgets.prepare
        retry.stop()
        effects.actions.append(.inspect(attempt.migration))
    }

    mutating func inspected(_ facts: Result<RestoredFacts, FailureReason>, now: Timestamp, _ effects: inout MoveEffects) {
        guard case .comparing(let restored, let candidate) = state else { return }
        switch facts {
        case .failure(let reason): refuse(reason, now: now, &effects)
        case .success(let facts):
            if let mismatch = mismatch(candidate.signed.release, facts) {
                return refuse(FailureReason(.releaseMismatch, mismatch), now: now, &effects)
            }
            state = .preparing(
                Prepared(signed: candidate.signed, hash: candidate.hash, sourceBoot: restored.restoring.sourceBoot))
            phaseDeadline = now + environment.budgets.prepare
            enter(.cutover, now: now, &effects)
            record.write(.prepared(candidate.signed, attempt.order), about: attempt, &effects)
        }
    }

    // MARK: What must be equal

    /// Names the first thing that the release states and that no replay can make true.
    private func mismatch(_ release: Release, _ state: StateSummary) -> String? {
        let checks: [(String, Bool)] = [
            ("lineage", release.lineage == offer.lineage),
            ("migration id", release.migration == attempt.migration),
            ("epoch", release.epoch == attempt.epoch),
            ("daemon", release.daemon == attempt.order.daemon),
            ("source", release.source == attempt.order.source),
            ("target", release.target == attempt.order.target),
            ("target boot", release.targetBoot == environment.boot),
            ("move log", attempt.order.mode == .live ? release.lastLogIndex >= replay.handedIndex : release.lastLogIndex == 0),
            ("state", release.state == state),
            ("determinism", release.determinism != .verified || release.stateDigest != nil),
        ]
        return firstFailing(checks)
    }

    /// Names the first thing that the release states and the copy has not become.
    private func mismatch(_ release: Release, _ facts: RestoredFacts) -> String? {
        let held = facts.snapshot
        guard let lanes = try? held.outputLanes.digest() else { return "the restored output lanes have no canonical form" }
        if environment.lacks(.tail), release.lastLogIndex != facts.lastLogIndex { return nil }
        let checks: [(String, Bool)] = [
            ("lineage", release.lineage == held.lineage),
            ("daemon", release.daemon == held.entity),
            ("move log", release.lastLogIndex == facts.lastLogIndex),
            (
                "inputs and outputs",
                release.inputOutputDigest == facts.inputOutputDigest || environment.lacks(.inputOutputComparison)
            ),
            ("chain sequence", release.chainSequence == held.chainLink.sequence || environment.lacks(.headComparison)),
            (
                "forward hash",
                release.forwardHash == forwardHash(held.chainLink, held.headPayload.rawSpan) || environment.lacks(.headComparison)
            ),
            ("cursors", release.cursors == held.cursors || environment.lacks(.cursorComparison)),
            ("output lanes", release.outputLanesDigest == lanes || environment.lacks(.outputLaneComparison)),
            (
                "bindings",
                release.bindingsDigest == HandOverProofs.bindingsDigest(held) || environment.lacks(.bindingComparison)
            ),
            ("state digest", release.stateDigest == facts.stateDigest || environment.lacks(.stateComparison)),
        ]
        return firstFailing(checks)
    }

    private func firstFailing(_ checks: [(String, Bool)]) -> String? {
        for (name, holds) in checks where !holds { return "the release's \(name) is not what was restored" }
        return nil
    }
}
