internal import DequeModule
internal import FerryCrypto
public import FerryWire

/// The orchestrator of one attempt: asks both sides, gives the order, and hears how it ends. It carries no state and decides nothing
/// once the source has the order.
///
/// ```
/// planningSource ─▶ planningTarget ─▶ ordering ─▶ moving ─▶ ended
///        │                 │             │          │ └─▶ orphaned: the source has forgotten; the target knows ─▶ ended
///        └──── declined ───┴── planned, where nothing is to be ordered
/// an order that may have been given before: planningSource ─▶ moving ─▶ …, or confirming, at the target ─▶ orphaned, ended
/// ```
/// A cancel before the order ends the attempt here; after it, it is a request that is repeated until the source has decided. So is the word
/// that the daemon is busy with another move: an earlier copy of the order may have been obeyed all the same. A source that has forgotten
/// in the boot in which it answered the plan has forgotten an outcome, never a daemon.
///
/// Of an order that a crashed boot of this node may have given nothing is claimed before the source has offered the daemon, or source and
/// target have said what they know of it. Where they cannot be asked the move is in doubt, never declined.
///
/// A live attempt that ends because the daemon cannot be replayed, or was replayed differently, is followed by the order's next attempt in
/// stop-and-copy mode, where the order allows one.
///
/// Invalid input. Our bug: none. The peer's fault: a figure or take that does not hold is `unproven` and changes nothing. Harmless:
/// repetitions, and whatever comes after the end.
struct OrchestratorMachine: ~Copyable {
    enum State {
        case planningSource
        case planningTarget(PlanOffer)
        case ordering(PlanOffer, targetBoot: BootID)
        case moving
        case orphaned
        case confirming(FailureReason)
        case ended(MoveOutcome)
    }

    let environment: MoveEnvironment
    var attempt: MoveAttempt
    var state = State.planningSource
    var progress: MoveProgressState
    var retry: RetryTimer
    var phaseDeadline: Timestamp?
    /// A cancel that the source has not answered.
    var cancelReason: FailureReason?
    var stall = "the source's answer to the plan"
    var notReadyCount: UInt8 = 0
    var isInDoubt = false
    /// Whether only a plan is wanted.
    let isPlanOnly: Bool
    /// Whether the order was written for this machine, so that nobody can have heard of it before.
    let isNew: Bool
    /// Whether the attempt may be under way, or over, without this machine's doing.
    var mayHaveBegun: Bool
    /// The boots in which the participants answered the plan.
    var sourceBoot: BootID?
    var targetBoot: BootID?
    /// What the source said last of its progress.
    var report: MoveProgress?
    /// Whom plans ask, as sessions and answers have told.
    var boots: [MoveRole: BootID] = [:]

    /// - Parameter boots: of the peers that this node has sessions with.
    init(
        attempt: MoveAttempt, environment: MoveEnvironment, boots: [NodeKey: BootID] = [:], isPlanOnly: Bool = false, isNew: Bool = true,
        now: Timestamp
    ) {
        self.isPlanOnly = isPlanOnly
        self.isNew = isNew
        mayHaveBegun = !isNew
        self.attempt = attempt
        for role in [MoveRole.source, .target] {
            let node = attempt.node(role)
            self.boots[role] = node == environment.localKey ? environment.boot : boots[node]
        }
        self.environment = environment
        progress = MoveProgressState(now: now)
        retry = RetryTimer(environment.budgets.retry)
    }

    var epoch: Epoch { attempt.epoch }

    var isActive: Bool { outcome == nil }
    var isClosed: Bool { outcome != nil }

    var outcome: MoveOutcome? {
        guard case .ended(let outcome) = state else { return nil }
        return outcome
    }

    mutating func start(now: Timestamp, _ effects: inout MoveEffects) {
        retry.start(now)
        phaseDeadline = now + environment.budgets.plan
        progress.enter(.snapshot, role: .orchestrator, of: attempt, now: now, &effects)
        ask(&effects)
    }

    /// Whatever is unanswered, as before.
    func ask(_ effects: inout MoveEffects) {
        switch state {
        case .planningSource:
            let plan = Plan(order: attempt.order, boot: boots[.source], offer: nil)
            effects.send(cancelReason == nil ? .plan(plan) : .status, about: attempt, to: .source)
            // The source's word comes with the receipt; the target's is as good where the source is silent.
            if mayHaveBegun, retry.count > 0 { effects.send(.status, about: attempt, to: .target) }
        case .planningTarget(let offer):
            effects.send(.plan(Plan(order: attempt.order, boot: boots[.target], offer: offer)), about: attempt, to: .target)
        case .ordering(_, let boot):
            guard cancelReason == nil else { break }
            effects.send(.takeSnapshot(TakeSnapshot(order: attempt.order, targetBoot: boot)), about: attempt, to: .source)
        case .moving:
            if cancelReason == nil { effects.send(.status, about: attempt, to: .source) }
        case .orphaned, .confirming: effects.send(.status, about: attempt, to: .target)
        case .ended: return
        }
        if let cancelReason { effects.send(.abort(cancelReason), about: attempt, to: .source) }
    }

    mutating func end(_ outcome: MoveOutcome, now: Timestamp, _ effects: inout MoveEffects) {
        guard isActive else { return }
        let next = successor(after: outcome)
        if case .declined(let reason) = outcome { giveBack(reason, &effects) }
        finish(outcome)
        if case .completed = outcome {
            progress.enter(.complete, role: .orchestrator, of: attempt, now: now, &effects)
        }
        if let next {
            effects.successors.append(Successor(order: next, of: attempt.migration, outcome: outcome))
        } else {
            effects.actions.append(.ended(attempt.migration, .orchestrator, outcome))
        }
    }

    /// An offer and a reservation that nobody will ever use are given back at once instead of lapsing.
    private func giveBack(_ reason: FailureReason, _ effects: inout MoveEffects) {
        switch state {
        case .planningSource, .planningTarget, .ordering: effects.send(.abort(reason), about: attempt, to: .source, and: .target)
        case .moving, .orphaned, .confirming, .ended: break
        }
    }

    private mutating func finish(_ outcome: MoveOutcome) {
        state = .ended(outcome)
        stall = ""
        isInDoubt = false
        cancelReason = nil
        phaseDeadline = nil
        retry.stop()
    }

    /// Both sides have answered, and nothing is to be ordered.
    mutating func planned(_ offer: PlanOffer, by target: PlanReply, _ effects: inout MoveEffects) {
        guard case .reserved(let boot, let isDurable, let memoryByteCount) = target else { return }
        let result = PlanResult(
            offer: offer, mode: attempt.order.mode, targetBoot: boot, isTargetDurable: isDurable, targetMemoryByteCount: memoryByteCount,
            bound: bound)
        let reason = FailureReason(.cancelled, "planned, not ordered")
        giveBack(reason, &effects)
        finish(.declined(reason))
        effects.actions.append(.planned(attempt.migration, result))
    }

    /// The attempt that stands in for a live one that failed for a reason which stop-and-copy mode does not have.
    private func successor(after outcome: MoveOutcome) -> MoveOrder? {
        guard attempt.order.mode == .live, cancelReason == nil else { return nil }
        switch outcome {
        case .rolledBack(let reason), .declined(let reason):
            guard reason.code == .releaseMismatch || reason.code == .notDeterministic else { return nil }
            return attempt.order.next(mode: .stopAndCopy)
        case .completed, .rolledBackAfterCommit, .letGo, .forgotten: return nil
        }
    }

    // MARK: The host

    /// - Returns: whether the move was still going on.
    mutating func cancel(_ reason: FailureReason, now: Timestamp, _ effects: inout MoveEffects) -> Bool {
        switch state {
        case .ended: return false
        case .planningSource where !mayHaveBegun, .planningTarget:
            end(.declined(reason), now: now, &effects)
        case .planningSource, .ordering, .moving:
            cancelReason = reason
            retry.start(now)
            ask(&effects)
        case .orphaned, .confirming: effects.actions.append(.cancelRefused(attempt.migration))
        }
        return true
    }

    mutating func peerUnreachable(_ node: NodeKey, _ reason: FailureReason, now: Timestamp, _ effects: inout MoveEffects) {
        switch state {
        case .planningSource where mayHaveBegun, .confirming: break
        case .planningSource where attempt.plays(node, .source), .planningTarget where attempt.plays(node, .target):
            end(.declined(reason), now: now, &effects)
        default: break
        }
    }

    mutating func sessionEstablished(_ peer: PeerIdentity, now: Timestamp, _ effects: inout MoveEffects) {
        guard isActive else { return }
        learnBoot(of: peer)
        ask(&effects)
    }

    /// - Returns: whether it is another than was known.
    @discardableResult
    mutating func learnBoot(of peer: PeerIdentity) -> Bool {
        let role: MoveRole = attempt.plays(peer.nodeKey, .source) ? .source : .target
        guard attempt.plays(peer.nodeKey, role), boots[role] != peer.bootID else { return false }
        boots[role] = peer.bootID
        return true
    }

    // MARK: Timers

    var nextDeadline: Timestamp? {
        [phaseDeadline, retry.deadline].compactMap { $0 }.min()
    }

    mutating func deadlineReached(now: Timestamp, _ effects: inout MoveEffects) {
        if let deadline = phaseDeadline, deadline <= now { budgetSpent(now: now, &effects) }
        guard retry.isDue(now) else { return }
        ask(&effects)
    }

    private mutating func budgetSpent(now: Timestamp, _ effects: inout MoveEffects) {
        phaseDeadline = nil
        switch state {
        case .planningSource where !mayHaveBegun, .planningTarget:
            let reason =
                notReadyCount > 0
                ? FailureReason(.notReadyTimeout, stall, attempts: notReadyCount) : FailureReason(.unreachable, stall)
            end(.declined(reason), now: now, &effects)
        case .ordering:
            // The order may have arrived: from here on only the source knows.
            cancelReason = cancelReason ?? FailureReason(.phaseTimeout, stall)
            phaseDeadline = now + bound
            ask(&effects)
        case .planningSource, .moving, .orphaned, .confirming:
            isInDoubt = true
            effects.actions.append(.inDoubt(attempt.migration, .orchestrator, FailureReason(.phaseTimeout, stall)))
        case .ended: break
        }
    }

    var bound: Duration {
        environment.budgets.publishedBound(byteCount: progress.totalByteCount, mode: attempt.order.mode, lifetime: attempt.lifetime)
    }

    var view: MoveView {
        var view = progress.view(
            .orchestrator, of: attempt, retryCount: retry.count, replayLag: report?.replayLag ?? 0, stall: stall, isInDoubt: isInDoubt,
            budgets: environment.budgets, outcome: outcome)
        if let report {
            view.bytesPerSecond = report.bytesPerSecond
            if report.estimatedPauseNanoseconds > 0 {
                view.estimatedPause = .nanoseconds(Int64(clamping: report.estimatedPauseNanoseconds))
            }
        }
        return view
    }
}

extension MoveOutcome {
    /// Why the daemon did not move; nil when it did.
    public var reason: FailureReason? {
        switch self {
        case .completed: nil
        case .rolledBack(let reason), .rolledBackAfterCommit(let reason), .declined(let reason), .letGo(let reason),
            .forgotten(let reason):
            reason
        }
    }
}
