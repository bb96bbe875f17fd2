internal import DequeModule
internal import FerryCrypto
public import FerryWire

/// The orchestrator of one attempt: asks both sides, gives the order, and hears how it ends. It carries no state and decides nothing
/// once the source has the order.
///
/// ```
/// planningSource ─▶ planningTarget ─▶ ordering ─▶ moving ─▶ ended
///        │                 │             │          │ └─▶ orphaned: the source has forgotten; the target knows ─▶ ended
///        └──── declined ───┴─────────────┴──────────┘
/// ```
/// A cancel before the order ends the attempt here; after it, it is a request that is repeated until the source has decided.
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

    init(attempt: MoveAttempt, environment: MoveEnvironment, now: Timestamp) {
        self.attempt = attempt
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
        case .planningSource: effects.send(.plan(Plan(order: attempt.order, offer: nil)), about: attempt, to: .source)
        case .planningTarget(let offer): effects.send(.plan(Plan(order: attempt.order, offer: offer)), about: attempt, to: .target)
        case .ordering(_, let boot):
            guard cancelReason == nil else { break }
            effects.send(.takeSnapshot(TakeSnapshot(order: attempt.order, targetBoot: boot)), about: attempt, to: .source)
        case .moving:
            if cancelReason == nil { effects.send(.status, about: attempt, to: .source) }
        case .orphaned: effects.send(.status, about: attempt, to: .target)
        case .ended: return
        }
        if let cancelReason { effects.send(.abort(cancelReason), about: attempt, to: .source) }
    }

    mutating func end(_ outcome: MoveOutcome, now: Timestamp, _ effects: inout MoveEffects) {
        guard isActive else { return }
        // An offer and a reservation that nobody will ever use are given back at once instead of lapsing.
        if case .declined(let reason) = outcome { effects.send(.abort(reason), about: attempt, to: .source, and: .target) }
        state = .ended(outcome)
        stall = ""
        isInDoubt = false
        cancelReason = nil
        phaseDeadline = nil
        retry.stop()
        if case .completed = outcome {
            progress.enter(.complete, role: .orchestrator, of: attempt, now: now, &effects)
        }
        effects.actions.append(.ended(attempt.migration, .orchestrator, outcome))
    }

    // MARK: The host

    /// - Returns: whether the move was still going on.
    mutating func cancel(_ reason: FailureReason, now: Timestamp, _ effects: inout MoveEffects) -> Bool {
        switch state {
        case .ended: return false
        case .planningSource, .planningTarget:
            end(.declined(reason), now: now, &effects)
        case .ordering, .moving:
            cancelReason = reason
            retry.start(now)
            ask(&effects)
        case .orphaned: effects.actions.append(.cancelRefused(attempt.migration))
        }
        return true
    }

    mutating func peerUnreachable(_ node: NodeKey, _ reason: FailureReason, now: Timestamp, _ effects: inout MoveEffects) {
        switch state {
        case .planningSource where attempt.plays(node, .source), .planningTarget where attempt.plays(node, .target):
            end(.declined(reason), now: now, &effects)
        default: break
        }
    }

    mutating func sessionEstablished(_ peer: PeerIdentity, now: Timestamp, _ effects: inout MoveEffects) {
        guard isActive else { return }
        ask(&effects)
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
        case .planningSource, .planningTarget:
            let reason =
                notReadyCount > 0
                ? FailureReason(.notReadyTimeout, stall, attempts: notReadyCount) : FailureReason(.unreachable, stall)
            end(.declined(reason), now: now, &effects)
        case .ordering:
            // The order may have arrived: from here on only the source knows.
            cancelReason = cancelReason ?? FailureReason(.phaseTimeout, stall)
            phaseDeadline = now + bound
            ask(&effects)
        case .moving, .orphaned:
            isInDoubt = true
            effects.actions.append(.inDoubt(attempt.migration, .orchestrator, FailureReason(.phaseTimeout, stall)))
        case .ended: break
        }
    }

    var bound: Duration { environment.budgets.publishedBound(byteCount: progress.totalByteCount, mode: attempt.order.mode) }

    var view: MoveView {
        progress.view(
            .orchestrator, of: attempt, retryCount: retry.count, replayLag: 0, stall: stall, isInDoubt: isInDoubt, budgets: environment.budgets,
            outcome: outcome)
    }
}

extension MoveOutcome {
    /// Why the daemon did not move; nil when it did.
    public var reason: FailureReason? {
        switch self {
        case .completed: nil
        case .rolledBack(let reason), .rolledBackAfterCommit(let reason), .declined(let reason), .lost(let reason): reason
        }
    }
}
