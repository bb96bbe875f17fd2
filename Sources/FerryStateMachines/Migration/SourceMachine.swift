internal import DequeModule
internal import FerryCrypto
internal import FerryWire

/// The source of one attempt: owns the daemon, and alone decides whether it goes.
///
/// ```
/// stop and copy: describing ─▶ offered ─▶ fencing ─▶ opening ─▶ streaming ─▶ releasing ─▶ …
/// live:          describing ─▶ offered ─▶ freezing ─▶ opening ─▶ streaming ─▶ following ─▶ stopping ─▶ releasing ─▶ …
///                     │           │            └──────────┴───── abandoned: resume, same epoch ─┴────────────┤
///                     └─ declined ┘                                                                          │
/// both: … releasing ─▶ released ─▶ committing ─▶ committed ─▶ taking ─▶ done                                 │
///              └────────────┴──────────────────────────────────────────────────────────────────── abandoned ─┘
///                                                    └─▶ resuming ─▶ abandoned: Refused, or Unknown of a new boot: new epoch
/// ```
/// In live mode the daemon serves up to `stopping`. `following` is where the target replays the log: the daemon stops when nothing is left
/// of it, or when what is left fits the pause that the order allows. When neither comes in time, intake is slowed once; when that does not
/// help either, the move is declined, and the daemon has not stopped.
///
/// `releasing`, `committing`, `taking` and `resuming` wait for the journal. Committing begins with Prepared: from there on an abort is
/// too late. `committed` is doubt: no timer ends it, it asks until it is answered.
///
/// Invalid input. Our bug: a result of the host that no state waits for is ignored, since actions and messages cross. The peer's fault:
/// a verdict other than `taken`, and no change. Harmless: every repetition gets the stored answer.
struct SourceMachine: ~Copyable {
    /// The copy that goes to the target.
    struct Frozen {
        var snapshot: SnapshotHeader
        var targetBoot: BootID
        /// Nil in live mode, where the daemon still serves.
        var stopped: Stopped?
    }

    /// A daemon that processes nothing any more.
    struct Stopped {
        var daemon: FencedDaemon
        var at: Timestamp
    }

    struct Streaming {
        var frozen: Frozen
        var stream: UInt64
        var sent: StateSummary?
        var wireByteCount: UInt64 = 0
        var restored: StateSummary?
        var isReplayed = false
    }

    /// The target holds the copy and follows the log of a daemon that serves.
    struct Following {
        var targetBoot: BootID
        var sent: StateSummary
        var wireByteCount: UInt64
        /// Since when a fence would fit the order's pause budget.
        var fitsSince: Timestamp?
        /// Why the log does not converge, once intake had to be slowed.
        var obstacle: String?
    }

    /// A stopped daemon, and what the target holds of it.
    struct Departing {
        var stopped: Stopped
        var targetBoot: BootID
        var sent: StateSummary
        var wireByteCount: UInt64
    }

    struct Released {
        var departing: Departing
        var release: SignedRelease
        var hash: ReleaseHash
        /// What the commit will say, once it is sealed.
        var sealed: Sealed?
    }

    /// All of a commit that does not wait for the target's word.
    struct Sealed {
        var target: FixedBytes32
        var commit: CutoverNotify
        var moved: Moved
    }

    struct Committed {
        var released: Released
        var commit: CutoverNotify
        var moved: Moved
        var isReported = false
        /// The operator's word that the daemon is let go without a take.
        var surrender: Surrender?
    }

    enum State {
        case describing
        case offered(PlanOffer)
        case fencing(targetBoot: BootID)
        case freezing(targetBoot: BootID)
        case opening(Frozen)
        case streaming(Streaming)
        case following(Following)
        case stopping(Following)
        case releasing(Departing)
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
    /// The key to which the target's daemons are sealed, once the target has spoken.
    var targetStaticKey: FixedBytes32?
    /// When the commit is to be sealed: while the target compares, so that the pause does not wait for it.
    var sealDeadline: Timestamp?
    /// Whether no session with the target was lost since the last one was established.
    var isTargetConnected = true
    /// The phase's own deadline, while a lost session has shortened it.
    var connectedDeadline: Timestamp?
    var orderedAt: Timestamp
    /// What was said and predicted before the order.
    var offer: PlanOffer?
    /// How far the log is shipped and followed; nil before the host has said so.
    var log: MoveLogStatus?
    /// Whether the target was at work on the log when it was last heard of: then nothing of it is lost.
    var isReplaying = true
    /// What the fence was expected to cost, once it was asked for.
    var expectedPause: Duration?

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

    /// Whether the daemon is frozen or stopped, or about to be, for this attempt.
    var holdsDaemon: Bool {
        guard !isSurrendered else { return false }
        return switch state {
        case .fencing, .freezing, .opening, .streaming, .following, .stopping, .releasing, .released, .committing, .committed, .taking,
            .resuming:
            true
        case .describing, .offered, .done, .abandoned, .declined: false
        }
    }

    var isActive: Bool {
        switch state {
        case .done, .abandoned, .declined: false
        default: !isSurrendered
        }
    }

    var isClosed: Bool {
        switch state {
        case .declined: true
        case .done, .abandoned: isTargetClosed
        default: isSurrendered && isTargetClosed
        }
    }

    var isOffered: Bool {
        guard case .offered = state else { return false }
        return true
    }

    var standing: MoveStanding {
        switch state {
        case .describing, .offered, .fencing, .freezing, .opening, .streaming, .following, .stopping, .releasing: .working
        case .released: .prepared
        case .committing, .committed, .taking, .resuming: .inDoubt
        case .done: .done
        case .abandoned, .declined: .abandoned
        }
    }

    var outcome: MoveOutcome? {
        switch state {
        case .done(_, let figures): .completed(figures)
        case .abandoned(let reason, let isAfterCommit): isAfterCommit ? .rolledBackAfterCommit(reason) : .beforeCommit(reason)
        case .declined(let reason): .declined(reason)
        default: surrenderReason.map { .letGo($0) }
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
        case .released where environment.lacks(.abortBeforePrepared):
            effects.actions.append(.resume(attempt.migration, daemon: attempt.order.daemon))
            effects.send(.abort(reason), about: attempt, to: .target)
        case .fencing, .freezing, .opening, .streaming, .following, .stopping, .releasing, .released:
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
        guard committed.surrender == nil else { return closeIfSurrendered() }
        state = .resuming(committed, reason)
        awaitJournal(now)
        record.write(.resumed(epoch: next, reason), about: attempt, &effects)
    }

    /// Tells the orchestrator how it ended.
    func sendOutcome(_ effects: inout MoveEffects) {
        switch state {
        case .done(_, let figures):
            effects.send(.cleanupComplete(figures), about: attempt, to: .orchestrator)
        case .abandoned(let reason, isAfterCommit: true):
            let isNamed = reason.code == .rolledBackAfterCommit
            effects.send(
                .migrationFailed(isNamed ? reason : FailureReason(.rolledBackAfterCommit, reason.description)), about: attempt,
                to: .orchestrator)
        case .abandoned(let reason, isAfterCommit: false), .declined(let reason):
            effects.send(.migrationFailed(reason), about: attempt, to: .orchestrator)
        default:
            guard let surrenderReason else { break }
            effects.send(.migrationFailed(surrenderReason), about: attempt, to: .orchestrator)
        }
    }

    mutating func stopTimers() {
        phaseDeadline = nil
        retry.stop()
    }

    /// Waits for a record without which nothing more may be said; a journal that never answers is reported, and waited for.
    mutating func awaitJournal(_ now: Timestamp) {
        phaseDeadline = now + environment.budgets.take
        retry.stop()
    }

    mutating func enter(_ phase: MigrationPhase, now: Timestamp, _ effects: inout MoveEffects) {
        progress.enter(phase, role: .source, of: attempt, now: now, &effects)
        sendProgress(now: now, &effects)
    }

    func sendProgress(now: Timestamp, _ effects: inout MoveEffects) {
        let report = MoveProgress(
            phase: progress.phase, byteCount: progress.byteCount, totalByteCount: progress.totalByteCount,
            bytesPerSecond: progress.bytesPerSecond, replayLag: replayLag,
            estimatedPauseNanoseconds: UInt64(max(0, (estimatedPause ?? .zero).wholeNanoseconds)), stall: stall(now))
        effects.send(.progress(report), about: attempt, to: .orchestrator)
    }
}
