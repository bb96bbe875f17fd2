internal import DequeModule
internal import FerryWire

// An order that may have been given before, by a boot of this node that has forgotten it: whatever is said of its end has to be heard from
// those who took part.
extension OrchestratorMachine {
    /// The source is at work on the order: goes on from there.
    ///
    /// A source that is still at the snapshot is left to answer the plan, since an offer that was never ordered looks the same.
    mutating func join(_ report: MoveProgress, epoch: Epoch, of peer: PeerIdentity, now: Timestamp) {
        guard case .planningSource = state, mayHaveBegun, report.phase > .snapshot, epoch > .none else { return }
        attempt.epoch = epoch
        sourceBoot = peer.bootID
        state = .moving
        isInDoubt = false
        phaseDeadline = now + bound
        retry.start(now)
    }

    /// The source has the daemon and offers it: it has not gone, and the order begins like any other.
    ///
    /// - Returns: false when nobody waits for that any more.
    mutating func isWelcome(_ offer: PlanOffer, now: Timestamp, _ effects: inout MoveEffects) -> Bool {
        guard mayHaveBegun else { return true }
        mayHaveBegun = false
        guard let reason = cancelReason ?? (isInDoubt ? FailureReason(.unreachable, "the source has answered too late") : nil) else {
            return true
        }
        end(.declined(reason), now: now, &effects)
        return false
    }

    /// The source refuses, or says that the attempt has failed.
    ///
    /// A source that speaks under the attempt's epoch had the daemon in this boot, and knows. One that does not may have given it away
    /// before it crashed.
    mutating func declined(_ reason: FailureReason, epoch: Epoch, now: Timestamp, _ effects: inout MoveEffects) {
        guard mayHaveBegun else { return end(.declined(reason), now: now, &effects) }
        attempt.epoch = epoch
        switch reason.code {
        case .rolledBackAfterCommit: end(.rolledBackAfterCommit(reason), now: now, &effects)
        case .givenUp: end(.letGo(reason), now: now, &effects)
        case _ where epoch == .none: confirm(reason, now: now, &effects)
        default: end(.beforeCommit(reason), now: now, &effects)
        }
    }

    private mutating func confirm(_ reason: FailureReason, now: Timestamp, _ effects: inout MoveEffects) {
        // What this node itself knew as the target it has forgotten with the order.
        guard attempt.order.target != environment.localKey else { return unknownToBoth(reason, now: now, &effects) }
        state = .confirming(reason)
        stall = "the target's word, since the source says: \(reason)"
        phaseDeadline = now + environment.budgets.plan
        retry.start(now)
        ask(&effects)
    }

    /// The source has never heard of the order, or has forgotten it.
    mutating func unknownToSource(now: Timestamp, _ effects: inout MoveEffects) {
        guard mayHaveBegun, let cancelReason else { return }
        confirm(cancelReason, now: now, &effects)
    }

    /// The target says what became of an order of which the source knows nothing.
    mutating func confirmed(_ reply: StatusReply, epoch: Epoch, by peer: PeerIdentity, now: Timestamp, _ effects: inout MoveEffects) {
        switch (state, reply.standing) {
        case (.planningSource, .done) where mayHaveBegun, (.confirming, .done):
            attempt.epoch = epoch
            end(.completed(nil), now: now, &effects)
        case (.confirming(let reason), .abandoned): end(.declined(reason), now: now, &effects)
        case (.confirming, .working), (.confirming, .prepared), (.confirming, .inDoubt):
            attempt.epoch = epoch
            targetBoot = peer.bootID
            orphan(now: now, &effects)
        default: break
        }
    }
}
