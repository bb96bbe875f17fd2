internal import DequeModule
internal import FerryCrypto
internal import FerryWire

/// The source of one attempt: owns the daemon, and alone decides whether it goes.
///
/// ```
/// describing ─▶ offered ─▶ fencing ─▶ opening ─▶ streaming ─▶ releasing ─▶ released ─▶ committing ─▶ committed ─▶ taking ─▶ done
///      │           │          │          │           │            │           │                        │
///      └─ declined ┘          └──────────┴─ abandoned: resume, same epoch ────┘                        └▶ resuming ─▶ abandoned
///                                                                                      Refused, or Unknown of a new boot: new epoch
/// ```
/// `releasing`, `committing`, `taking` and `resuming` wait for the journal. Committing begins with Prepared: from there on an abort is
/// too late. `committed` is doubt: no timer ends it, it asks until it is answered.
///
/// Invalid input. Our bug: a result of the host that no state waits for is ignored, since actions and messages cross. The peer's fault:
/// a verdict other than `taken`, and no change. Harmless: every repetition gets the stored answer.
struct SourceMachine: ~Copyable {
    struct Frozen {
        var daemon: FencedDaemon
        var targetBoot: BootID
        var fencedAt: Timestamp
    }

    struct Streaming {
        var frozen: Frozen
        var stream: UInt64
        var sent: StateSummary?
        var wireByteCount: UInt64 = 0
        var restored: StateSummary?
        var isReplayed = false
    }

    struct Released {
        var frozen: Frozen
        var release: SignedRelease
        var hash: ReleaseHash
        var wireByteCount: UInt64
    }

    struct Committed {
        var released: Released
        var commit: CutoverNotify
        var moved: Moved
        var isReported = false
    }

    enum State {
        case describing
        case offered(PlanOffer)
        case fencing(targetBoot: BootID)
        case opening(Frozen)
        case streaming(Streaming)
        case releasing(Streaming, StateSummary)
        case released(Released)
        case committing(Committed)
        case committed(Committed)
        case taking(Committed, Take)
        case done(ReleaseHash, MoveFigures)
        case resuming(Committed, FailureReason)
        case abandoned(FailureReason, isAfterCommit: Bool)
        case declined(FailureReason)
    }

    let environment: MoveEnvironment
    var attempt: MoveAttempt
    var state = State.describing
    var progress: MoveProgressState
    var retry: RetryTimer
    var record = PendingRecord(.source)
    /// When the phase outlives its budget.
    var phaseDeadline: Timestamp?
    /// Whether the target has nothing left that waits for this node.
    var isTargetClosed = false
    /// Whether no session with the target was lost since the last one was established.
    var isTargetConnected = true
    /// The phase's own deadline, while a lost session has shortened it.
    var connectedDeadline: Timestamp?
    var orderedAt: Timestamp

    init(attempt: MoveAttempt, environment: MoveEnvironment, now: Timestamp) {
        self.attempt = attempt
        self.environment = environment
        progress = MoveProgressState(now: now)
        retry = RetryTimer(environment.budgets.retry)
        orderedAt = now
        phaseDeadline = now + environment.budgets.plan
    }

    // MARK: What others may know

    var epoch: Epoch { attempt.epoch }

    /// Whether the daemon is stopped, or being stopped, for this attempt.
    var holdsDaemon: Bool {
        switch state {
        case .fencing, .opening, .streaming, .releasing, .released, .committing, .committed, .taking, .resuming: true
        case .describing, .offered, .done, .abandoned, .declined: false
        }
    }

    var isActive: Bool {
        switch state {
        case .done, .abandoned, .declined: false
        default: true
        }
    }

    var isClosed: Bool {
        switch state {
        case .declined: true
        case .done, .abandoned: isTargetClosed
        default: false
        }
    }

    var isOffered: Bool {
        guard case .offered = state else { return false }
        return true
    }

    var standing: MoveStanding {
        switch state {
        case .describing, .offered, .fencing, .opening, .streaming, .releasing: .working
        case .released: .prepared
        case .committing, .committed, .taking, .resuming: .inDoubt
        case .done: .done
        case .abandoned, .declined: .abandoned
        }
    }

    var outcome: MoveOutcome? {
        switch state {
        case .done(_, let figures): .completed(figures)
        case .abandoned(let reason, let isAfterCommit): isAfterCommit ? .rolledBackAfterCommit(reason) : .rolledBack(reason)
        case .declined(let reason): .declined(reason)
        default: nil
        }
    }

    // MARK: Transitions that end the attempt

    /// Gives the attempt up before the commit: the daemon goes on under its epoch.
    mutating func abandon(_ reason: FailureReason, now: Timestamp, _ effects: inout MoveEffects) {
        switch state {
        case .describing, .offered:
            state = .declined(reason)
            stopTimers()
            effects.send(.migrationFailed(reason), about: attempt, to: .orchestrator)
            effects.actions.append(.ended(attempt.migration, .source, .declined(reason)))
        case .fencing, .opening, .streaming, .releasing, .released:
            effects.actions.append(.stopStreaming(attempt.migration))
            finishAbandoning(reason, isAfterCommit: false, now: now, &effects)
        case .committing, .committed, .taking, .done, .resuming, .abandoned, .declined:
            break
        }
    }

    mutating func finishAbandoning(_ reason: FailureReason, isAfterCommit: Bool, now: Timestamp, _ effects: inout MoveEffects) {
        state = .abandoned(reason, isAfterCommit: isAfterCommit)
        record.forget()
        effects.actions.append(.resume(attempt.migration, daemon: attempt.order.daemon))
        // The target is told until it answers, or until its own promise has freed whatever it holds.
        phaseDeadline = now + environment.budgets.promise
        retry.start(now)
        effects.send(.abort(reason), about: attempt, to: .target)
        sendOutcome(&effects)
        guard let outcome else { return }
        effects.actions.append(.ended(attempt.migration, .source, outcome))
    }

    /// The target has proved that it never acted on the commit.
    mutating func resumeAfterCommit(_ reason: FailureReason, now: Timestamp, _ effects: inout MoveEffects) {
        guard case .committed(let committed) = state, let next = attempt.epoch.advanced(by: 1), !environment.lacks(.refusalAfterCommit)
        else { return }
        state = .resuming(committed, reason)
        phaseDeadline = nil
        retry.stop()
        record.write(.resumed(epoch: next, reason), about: attempt, &effects)
    }

    /// Tells the orchestrator how it ended.
    func sendOutcome(_ effects: inout MoveEffects) {
        switch state {
        case .done(_, let figures):
            effects.send(.cleanupComplete(figures), about: attempt, to: .orchestrator)
        case .abandoned(let reason, isAfterCommit: true):
            effects.send(
                .migrationFailed(FailureReason(.rolledBackAfterCommit, reason.description)), about: attempt, to: .orchestrator)
        case .abandoned(let reason, isAfterCommit: false), .declined(let reason):
            effects.send(.migrationFailed(reason), about: attempt, to: .orchestrator)
        default:
            break
        }
    }

    mutating func stopTimers() {
        phaseDeadline = nil
        retry.stop()
    }

    mutating func enter(_ phase: MigrationPhase, now: Timestamp, _ effects: inout MoveEffects) {
        progress.enter(phase, role: .source, of: attempt, now: now, &effects)
        sendProgress(&effects)
    }

    func sendProgress(_ effects: inout MoveEffects) {
        let report = MoveProgress(
            phase: progress.phase, byteCount: progress.byteCount, totalByteCount: progress.totalByteCount, stall: stall)
        effects.send(.progress(report), about: attempt, to: .orchestrator)
    }
}
