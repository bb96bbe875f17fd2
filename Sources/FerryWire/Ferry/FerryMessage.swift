/// The header of every migration message of the Ferry profile.
public struct MessageHeader: Hashable, Sendable {
    /// One per attempt, never reused.
    public var migration: MigrationID
    /// The epoch that the attempt burns; 0 before the source has answered the plan.
    public var epoch: Epoch

    /// Joins the two.
    public init(migration: MigrationID, epoch: Epoch) {
        self.migration = migration
        self.epoch = epoch
    }
}

/// A migration message of the Ferry profile: the ten of net-mesh's subprotocol 0x0500 and those that the hand-over needs.
public struct FerryMessage: Hashable, Sendable {
    /// Which attempt it is about.
    public var header: MessageHeader
    /// What it says.
    public var body: Body

    /// Joins header and body.
    public init(header: MessageHeader, body: Body) {
        self.header = header
        self.body = body
    }

    /// What is said; the arrows name sender and receiver (O orchestrator, S source, T target).
    public enum Body: Hashable, Sendable {
        /// O → S, O → T: may this move be ordered?
        case plan(Plan)
        /// S → O, T → O.
        case planReply(PlanReply)
        /// O → S: the order.
        case takeSnapshot(TakeSnapshot)
        /// S → T: announces the bulk stream that carries the state.
        case snapshotReady(SnapshotReady)
        /// T → S, T → O: the state is restored.
        case restoreComplete(StateSummary)
        /// S → T: a part of the move log.
        case bufferedEvents(BufferedEvents)
        /// T → S, T → O: the log is followed up to this index.
        case replayComplete(ReplayComplete)
        /// S → T: the source's half of the hand-over.
        case release(SignedRelease)
        /// T → S: the target holds all that the release states.
        case prepared(ReleaseHash)
        /// T → S: a signed-by-session promise never to take this migration id.
        case refused(FailureReason)
        /// S → T (Commit): the sealed identity; re-sent byte for byte.
        case cutoverNotify(CutoverNotify)
        /// T → S, T → O (Take).
        case activateAck(Take)
        /// S → T (TakeAck): the target is active from here.
        case activateTarget(ReleaseHash)
        /// S → O: the source is gone; its figures of the move.
        case cleanupComplete(MoveFigures)
        /// Any participant → any other: the move failed for this reason.
        case migrationFailed(FailureReason)
        /// O → S, T → S: please give up (a request); S → T, S → O: given up (a decision).
        case abort(FailureReason)
        /// S → whoever asked to abort after the commit.
        case tooLate
        /// S → O: another attempt is active.
        case busy(MigrationID)
        /// Any participant → any other: how does this move stand with you?
        case status
        /// The answer to `status`.
        case statusReply(StatusReply)
        /// The answer to a message about a migration that this boot knows nothing of.
        case unknown(BootID)
        /// S → O, T → O.
        case progress(MoveProgress)
    }
}

/// Asks a participant whether it would take part.
public struct Plan: Hashable, Sendable {
    /// The order as it would be given.
    public var order: MoveOrder
    /// The boot of the participant that is asked; nil while the orchestrator does not know it. Another boot begins nothing, and says so.
    public var boot: BootID?
    /// What the source answered, once it has: sent to the target with its plan.
    public var offer: PlanOffer?

    /// Asks with the source's offer, where it is known.
    public init(order: MoveOrder, boot: BootID? = nil, offer: PlanOffer?) {
        self.order = order
        self.boot = boot
        self.offer = offer
    }
}

/// What the source says of the daemon that is to move.
public struct PlanOffer: Hashable, Sendable {
    /// Type and schema.
    public var kind: DaemonKind
    /// The daemon's lineage.
    public var lineage: LineageID
    /// The epoch that this attempt burns if it comes to a release.
    public var epoch: Epoch
    /// The daemon's own estimate of its state in bytes; 0 when it offers none.
    public var predictedByteCount: UInt64
    /// Bytes after compression, as the source expects; 0 when unknown.
    public var predictedWireByteCount: UInt64
    /// From the order to the take, as the source expects; 0 when unknown.
    public var predictedDurationNanoseconds: UInt64
    /// From the fence to the take, as the source expects; 0 when unknown.
    public var predictedPauseNanoseconds: UInt64

    /// Describes the daemon.
    public init(
        kind: DaemonKind, lineage: LineageID, epoch: Epoch, predictedByteCount: UInt64, predictedWireByteCount: UInt64 = 0,
        predictedDurationNanoseconds: UInt64 = 0, predictedPauseNanoseconds: UInt64 = 0
    ) {
        self.kind = kind
        self.lineage = lineage
        self.epoch = epoch
        self.predictedByteCount = predictedByteCount
        self.predictedWireByteCount = predictedWireByteCount
        self.predictedDurationNanoseconds = predictedDurationNanoseconds
        self.predictedPauseNanoseconds = predictedPauseNanoseconds
    }
}

/// The answer to a plan.
public enum PlanReply: Hashable, Sendable {
    /// The source would release the daemon.
    case offered(PlanOffer)
    /// The target has reserved that much memory and a slot, for this boot's life or until the reservation lapses.
    case reserved(boot: BootID, isDurable: Bool, memoryByteCount: UInt64)
    /// No.
    case refused(FailureReason)
}

/// The order itself, once source and target have agreed.
public struct TakeSnapshot: Hashable, Sendable {
    /// The order.
    public var order: MoveOrder
    /// The boot in which the target reserved.
    public var targetBoot: BootID

    /// Orders the move.
    public init(order: MoveOrder, targetBoot: BootID) {
        self.order = order
        self.targetBoot = targetBoot
    }
}

/// Announces the stream of a snapshot.
public struct SnapshotReady: Hashable, Sendable {
    /// The order that the source obeys.
    public var order: MoveOrder
    /// Everything but the state.
    public var snapshot: SnapshotHeader
    /// The bulk stream of this session on which the chunks follow.
    public var stream: UInt64

    /// Announces a stream.
    public init(order: MoveOrder, snapshot: SnapshotHeader, stream: UInt64) {
        self.order = order
        self.snapshot = snapshot
        self.stream = stream
    }
}

/// One move-log entry: an input and what it did at the source.
public struct LoggedInput: Hashable, Sendable {
    /// The input as it was processed, receive time included.
    public var event: CausalEvent
    /// What it did, folded to 64 bits; a replay must do the same.
    public var outcome: UInt64

    /// Joins the two.
    public init(event: CausalEvent, outcome: UInt64) {
        self.event = event
        self.outcome = outcome
    }
}

/// A run of move-log entries.
public struct BufferedEvents: Hashable, Sendable {
    /// Index of the first entry, from 1.
    public var firstIndex: UInt64
    /// In log order.
    public var entries: [LoggedInput]

    /// Joins index and entries.
    public init(firstIndex: UInt64, entries: [LoggedInput]) {
        self.firstIndex = firstIndex
        self.entries = entries
    }
}

/// How far the target follows the move log.
public struct ReplayComplete: Hashable, Sendable {
    /// The last entry replayed.
    public var logIndex: UInt64
    /// Rolling digest up to it.
    public var inputOutputDigest: FixedBytes32
    /// Entries received and not replayed yet.
    public var lag: UInt64

    /// Describes the replay.
    public init(logIndex: UInt64, inputOutputDigest: FixedBytes32, lag: UInt64) {
        self.logIndex = logIndex
        self.inputOutputDigest = inputOutputDigest
        self.lag = lag
    }
}

/// The commit: from here on only the target may become the daemon.
public struct CutoverNotify: Hashable, Sendable {
    /// What is committed to.
    public var release: ReleaseHash
    /// The 209-byte identity envelope, sealed to the target's static key and bound to {migration, epoch, lineage, source, target, release}.
    public var envelope: [UInt8]

    /// Joins hash and envelope.
    public init(release: ReleaseHash, envelope: [UInt8]) {
        self.release = release
        self.envelope = envelope
    }
}

/// What a finished move cost, as the source saw it.
public struct MoveFigures: Hashable, Sendable {
    /// Plain bytes given to the snapshot writer.
    public var stateByteCount: UInt64
    /// Chunk record bytes after compression.
    public var wireByteCount: UInt64
    /// From the accepted order to the take.
    public var durationNanoseconds: UInt64
    /// From the fence to the take.
    public var pauseNanoseconds: UInt64
    /// Freeze-and-stream rounds; 1 in both modes that exist.
    public var rounds: UInt32
    /// What the source predicted before the move for `durationNanoseconds`; 0 when it could not.
    public var predictedDurationNanoseconds: UInt64
    /// What the source predicted before the fence for `pauseNanoseconds`; 0 when it could not.
    public var predictedPauseNanoseconds: UInt64
    /// Inputs that the target replayed from the move log; 0 in stop-and-copy mode.
    public var replayedInputCount: UInt64
    /// The target's half.
    public var take: Take
    /// The source's half.
    public var release: SignedRelease

    /// Joins the figures.
    public init(
        stateByteCount: UInt64, wireByteCount: UInt64, durationNanoseconds: UInt64, pauseNanoseconds: UInt64, rounds: UInt32,
        predictedDurationNanoseconds: UInt64 = 0, predictedPauseNanoseconds: UInt64 = 0, replayedInputCount: UInt64 = 0, take: Take,
        release: SignedRelease
    ) {
        self.stateByteCount = stateByteCount
        self.wireByteCount = wireByteCount
        self.durationNanoseconds = durationNanoseconds
        self.pauseNanoseconds = pauseNanoseconds
        self.rounds = rounds
        self.predictedDurationNanoseconds = predictedDurationNanoseconds
        self.predictedPauseNanoseconds = predictedPauseNanoseconds
        self.replayedInputCount = replayedInputCount
        self.take = take
        self.release = release
    }
}

/// Where a participant stands in a move.
public enum MoveStanding: UInt8, Hashable, Sendable, CaseIterable {
    /// Before the release.
    case working = 1
    /// The source has released and not committed; the target is prepared and not committed to.
    case prepared = 2
    /// The source has committed and holds no take; the target has taken and holds no acknowledgement.
    case inDoubt = 3
    /// The source is gone; the target is active.
    case done = 4
    /// Rolled back or refused.
    case abandoned = 5
}

/// The answer to `status`.
public struct StatusReply: Hashable, Sendable {
    /// Where the sender stands.
    public var standing: MoveStanding
    /// The sender's boot.
    public var boot: BootID
    /// Why it was abandoned.
    public var reason: FailureReason?

    /// Describes a standing.
    public init(standing: MoveStanding, boot: BootID, reason: FailureReason?) {
        self.standing = standing
        self.boot = boot
        self.reason = reason
    }
}

/// How far a move has come.
public struct MoveProgress: Hashable, Sendable {
    /// Where the sender stands.
    public var phase: MigrationPhase
    /// State bytes streamed or restored so far.
    public var byteCount: UInt64
    /// 0 when unknown.
    public var totalByteCount: UInt64
    /// State bytes a second; 0 when unknown.
    public var bytesPerSecond: UInt64
    /// Move-log entries that the target has not replayed.
    public var replayLag: UInt64
    /// What a fence now would cost; 0 when unknown.
    public var estimatedPauseNanoseconds: UInt64
    /// Why nothing moves, for a person; empty while something does.
    public var stall: String

    /// Describes progress.
    public init(
        phase: MigrationPhase, byteCount: UInt64, totalByteCount: UInt64, bytesPerSecond: UInt64 = 0, replayLag: UInt64 = 0,
        estimatedPauseNanoseconds: UInt64 = 0, stall: String
    ) {
        self.phase = phase
        self.byteCount = byteCount
        self.totalByteCount = totalByteCount
        self.bytesPerSecond = bytesPerSecond
        self.replayLag = replayLag
        self.estimatedPauseNanoseconds = estimatedPauseNanoseconds
        self.stall = stall
    }
}

/// The six phases of a move.
public enum MigrationPhase: UInt8, Hashable, Comparable, Sendable, CaseIterable, CustomStringConvertible {
    /// The source fences or freezes the daemon.
    case snapshot = 1
    /// The state streams.
    case transfer = 2
    /// The target restores.
    case restore = 3
    /// The target follows the move log.
    case replay = 4
    /// Release, Prepared, Commit, Take.
    case cutover = 5
    /// The target is active; the source is gone.
    case complete = 6

    /// Orders by progress.
    public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }

    /// Lower-case name, as the command line shows it.
    public var description: String {
        switch self {
        case .snapshot: "snapshot"
        case .transfer: "transfer"
        case .restore: "restore"
        case .replay: "replay"
        case .cutover: "cutover"
        case .complete: "complete"
        }
    }
}
