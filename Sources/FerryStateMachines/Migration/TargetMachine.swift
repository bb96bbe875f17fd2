internal import DequeModule
internal import FerryCrypto
internal import FerryWire

/// The target of one attempt: restores beside the running owner, and becomes the owner only when told so last.
///
/// ```
/// admitting ─▶ reserved ─▶ restoring ─▶ restored ─▶ comparing ─▶ preparing ─▶ prepared ─▶ taking ─▶ took ─▶ active
///      │           │            │           │            │            │            │         │
///      └───────────┴────────────┴───────────┴─ refused ──┴────────────┴────────────┴─────────┘  a promise never to take this id
/// ```
/// In live mode `restored` follows the move log: every batch goes to the host and every report of a replay back to the source. A Release
/// may overtake the log's tail; it waits in `restored` until the tail is replayed, and only then, in `comparing`, the host says what the
/// copy has become.
///
/// `preparing` and `taking` wait for the journal. `prepared` ends by the source's word or by a refusal; `took` only by the source's
/// acknowledgement, or by the proof that the source has forgotten the daemon.
///
/// Invalid input. Our bug: a result of the host that no state waits for is ignored, since actions and messages cross. The peer's fault:
/// a verdict other than `taken`, and no change, except that a release that does not hold is refused. Harmless: every repetition gets the
/// stored answer, a repeated Commit the stored Take, also after the daemon has moved on.
struct TargetMachine: ~Copyable {
    struct Restoring {
        var snapshot: SnapshotHeader
        var stream: UInt64
        var sourceBoot: BootID?
    }

    struct Restored {
        var restoring: Restoring
        var state: StateSummary
        /// A release that waits for the log's tail.
        var pending: Candidate?
    }

    /// A release whose signatures hold.
    struct Candidate {
        var signed: SignedRelease
        var hash: ReleaseHash
    }

    struct Prepared {
        var signed: SignedRelease
        var hash: ReleaseHash
        var sourceBoot: BootID?
    }

    struct Took {
        var prepared: Prepared
        var keypair: EntityKeypair
        var take: Take
        var isReported = false
        /// The operator has let the daemon go; the copy stands by until the source says which word it heard first, this one or the take.
        var withdrawal: FailureReason?
    }

    enum State {
        case admitting
        case reserved
        case restoring(Restoring)
        case restored(Restored)
        case comparing(Restored, Candidate)
        case preparing(Prepared)
        case prepared(Prepared)
        case taking(Took)
        case took(Took)
        case active(ReleaseHash, Take)
        case refused(FailureReason, wasPrepared: Bool)
    }

    let environment: MoveEnvironment
    let attempt: MoveAttempt
    let offer: PlanOffer
    var state = State.admitting
    var progress: MoveProgressState
    var retry: RetryTimer
    var record = PendingRecord(.target)
    /// What of the move log was handed to the host, and what of it is replayed.
    var replay = ReplayQueue()
    /// What the host has set aside.
    var memoryByteCount: UInt64 = 0
    var phaseDeadline: Timestamp?
    /// Whether the source has nothing left that waits for this node.
    var isSourceClosed = false
    /// Whether no session with the source was lost since the last one was established.
    var isSourceConnected = true

    init(attempt: MoveAttempt, offer: PlanOffer, environment: MoveEnvironment, now: Timestamp) {
        self.attempt = attempt
        self.offer = offer
        self.environment = environment
        progress = MoveProgressState(now: now)
        progress.totalByteCount = offer.predictedByteCount
        retry = RetryTimer(environment.budgets.retry)
        phaseDeadline = now + environment.budgets.plan
    }

    var epoch: Epoch { attempt.epoch }

    var isActive: Bool {
        switch state {
        case .active, .refused: false
        default: true
        }
    }

    var isClosed: Bool {
        switch state {
        case .active: true
        // Without Prepared the source cannot have committed, so nobody ever needs the promise.
        case .refused(_, let wasPrepared): !wasPrepared || isSourceClosed
        default: false
        }
    }

    var standing: MoveStanding {
        switch state {
        case .admitting, .reserved, .restoring, .restored, .comparing, .preparing: .working
        case .prepared, .taking: .prepared
        case .took: .inDoubt
        case .active: .done
        case .refused: .abandoned
        }
    }

    var outcome: MoveOutcome? {
        switch state {
        case .active: .completed(nil)
        case .refused(let reason, _): .rolledBack(reason)
        default: nil
        }
    }

    /// Sets nothing aside yet: asks the host.
    func start(_ effects: inout MoveEffects) {
        effects.actions.append(.reserve(attempt.migration, AdmissionRequest(order: attempt.order, offer: offer)))
    }

    /// Promises never to take this id, and frees what it holds; only before the Take.
    mutating func refuse(_ reason: FailureReason, tell: Bool = true, now: Timestamp, _ effects: inout MoveEffects) {
        let wasPrepared: Bool
        switch state {
        case .admitting, .reserved, .restoring, .restored, .comparing, .preparing: wasPrepared = false
        case .prepared: wasPrepared = true
        case .taking(let took):
            took.keypair.wipe()
            wasPrepared = true
        case .took, .active, .refused: return
        }
        let wasAsked = if case .admitting = state { true } else { false }
        state = .refused(reason, wasPrepared: wasPrepared)
        record.forget()
        phaseDeadline = now + environment.budgets.promise
        if !environment.lacks(.discardOnRefusal) { effects.actions.append(.discard(attempt.migration)) }
        if wasAsked, tell { effects.send(.planReply(.refused(reason)), about: attempt, to: .orchestrator) }
        if tell, !wasAsked, !isSilent {
            retry.start(now)
            effects.send(.refused(reason), about: attempt, to: .source)
        } else {
            retry.stop()
        }
        effects.actions.append(.ended(attempt.migration, .target, .rolledBack(reason)))
    }

    mutating func close() {
        isSourceClosed = true
        phaseDeadline = nil
        retry.stop()
    }

    mutating func enter(_ phase: MigrationPhase, now: Timestamp, _ effects: inout MoveEffects) {
        progress.enter(phase, role: .target, of: attempt, now: now, &effects)
    }

    /// For tests: whether a refusal is kept from the source.
    var isSilent: Bool {
        if case .refused(_, wasPrepared: true) = state { environment.lacks(.refusalIsTold) } else { false }
    }

    func reply(_ role: MoveRole, _ effects: inout MoveEffects) {
        guard !isSilent else { return }
        var reason: FailureReason?
        if case .refused(let refusal, _) = state { reason = refusal }
        let reply = StatusReply(standing: standing, boot: environment.boot, reason: reason)
        effects.send(.statusReply(reply), about: attempt, to: role)
    }
}
