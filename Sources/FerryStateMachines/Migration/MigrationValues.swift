public import FerryCrypto
public import FerryWire

/// What the source's host says of a daemon that is asked for.
public struct DaemonDescription: Hashable, Sendable {
    /// Type and schema.
    public var kind: DaemonKind
    /// The daemon's lineage.
    public var lineage: LineageID
    /// ``OwnershipMachine/nextEpoch``: what the attempt burns.
    public var epoch: Epoch
    /// The daemon's own estimate of its state in bytes; 0 when it offers none.
    public var predictedByteCount: UInt64
    /// What compression leaves of it, as the host expects; 0 when unknown.
    public var predictedWireByteCount: UInt64
    /// From the order to the take, as the host expects; 0 when unknown.
    public var predictedDurationNanoseconds: UInt64
    /// From the fence to the take, as the host expects; 0 when unknown.
    public var predictedPauseNanoseconds: UInt64

    /// Describes a daemon.
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

/// What the target's host is asked to set aside.
public struct AdmissionRequest: Hashable, Sendable {
    /// The order behind it.
    public var order: MoveOrder
    /// What the source offers.
    public var offer: PlanOffer

    /// Joins order and offer.
    public init(order: MoveOrder, offer: PlanOffer) {
        self.order = order
        self.offer = offer
    }
}

/// A daemon that has stopped and is frozen; from here on its facts do not change until it resumes.
public struct FencedDaemon: Sendable {
    /// The daemon's key; wiped by the host when it carries out ``MigrationAction/retire(_:daemon:moved:)``.
    public var keypair: EntityKeypair
    /// Everything but the state; the epoch is the attempt's.
    public var snapshot: SnapshotHeader
    /// The daemon's own estimate of its state in bytes; 0 when it offers none.
    public var predictedByteCount: UInt64
    /// The daemon's own state digest, where it offers one.
    public var stateDigest: FixedBytes32?
    /// ``MoveLog/lastIndex``; 0 in stop-and-copy mode.
    public var lastLogIndex: UInt64
    /// ``MoveLog/digest``; zero while the log is empty.
    public var inputOutputDigest: FixedBytes32
    /// What the comparison of both sides will prove.
    public var determinism: Determinism
    /// What a state digest took just before the daemon stopped; everybody waits for one at either end. Zero without a digest, and in
    /// stop-and-copy mode.
    public var digest = Duration.zero

    /// Describes a stopped daemon.
    ///
    /// - Parameter inputOutputDigest: nil in stop-and-copy mode, whose log is empty.
    public init(
        keypair: EntityKeypair, snapshot: SnapshotHeader, predictedByteCount: UInt64, stateDigest: FixedBytes32?,
        lastLogIndex: UInt64 = 0, inputOutputDigest: FixedBytes32? = nil, determinism: Determinism = .unverified
    ) {
        self.keypair = keypair
        self.snapshot = snapshot
        self.predictedByteCount = predictedByteCount
        self.stateDigest = stateDigest
        self.lastLogIndex = lastLogIndex
        self.inputOutputDigest = inputOutputDigest ?? .zero
        self.determinism = determinism
    }
}

/// What the target's copy is once it has replayed the whole log, taken from the copy itself and not from what was announced.
public struct RestoredFacts: Hashable, Sendable {
    /// Identity, chain, cursors, output lanes and bindings as the copy has them now.
    public var snapshot: SnapshotHeader
    /// The copy's own state digest, where it offers one.
    public var stateDigest: FixedBytes32?
    /// ``LogFollower/index``; 0 in stop-and-copy mode.
    public var lastLogIndex: UInt64
    /// ``LogFollower/digest``; zero before the first entry.
    public var inputOutputDigest: FixedBytes32

    /// Describes a copy.
    ///
    /// - Parameter inputOutputDigest: nil when nothing was replayed.
    public init(
        snapshot: SnapshotHeader, stateDigest: FixedBytes32?, lastLogIndex: UInt64 = 0, inputOutputDigest: FixedBytes32? = nil
    ) {
        self.snapshot = snapshot
        self.stateDigest = stateDigest
        self.lastLogIndex = lastLogIndex
        self.inputOutputDigest = inputOutputDigest ?? .zero
    }
}

/// Which of the three parts a node plays; a node may play two in one move.
public enum MoveRole: UInt8, Hashable, Sendable, CaseIterable, Comparable, CustomStringConvertible {
    /// Gives the order and hears of its outcome.
    case orchestrator
    /// Owns the daemon.
    case source
    /// Shall own it.
    case target

    /// Orchestrator, source, target.
    public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }

    /// Lower-case name.
    public var description: String {
        switch self {
        case .orchestrator: "orchestrator"
        case .source: "source"
        case .target: "target"
        }
    }
}

/// How a move ended at one node.
public enum MoveOutcome: Hashable, Sendable {
    /// The target is active and the source gone; the figures are nil when the source crashed before it could report them.
    case completed(MoveFigures?)
    /// The source goes on under its old epoch.
    case rolledBack(FailureReason)
    /// The source goes on under a new epoch: the target has provably never acted, but was sent the key.
    case rolledBackAfterCommit(FailureReason)
    /// Refused or given up before the daemon stopped.
    case declined(FailureReason)
    /// The source's operator has let the daemon go in doubt; whether the target owns it is not known.
    case letGo(FailureReason)
    /// The move is over, and whoever took part has forgotten how it ended; a daemon that was at a source which has crashed is lost.
    case forgotten(FailureReason)

    /// How an attempt ends that was given up before the commit.
    static func beforeCommit(_ reason: FailureReason) -> MoveOutcome {
        switch reason.code {
        // Found out while the daemon served.
        case .notConverging, .notDeterministic: .declined(reason)
        default: .rolledBack(reason)
        }
    }
}

/// What must be on disk before which act (system.md §4, Journal).
public enum MoveRecord: Hashable, Sendable {
    /// Source, before Release.
    case released(MoveOrder, epoch: Epoch)
    /// Source, before Commit.
    case committed(SignedRelease, CutoverNotify, Moved)
    /// Source, before the key is wiped and TakeAck is sent.
    case taken(Take, Moved)
    /// Target, before Prepared; the host adds the restored image.
    case prepared(SignedRelease, MoveOrder)
    /// Target, before Take.
    case took(CutoverNotify, Take)
    /// Source, before it goes on under a new epoch after a commit.
    case resumed(epoch: Epoch, FailureReason)
    /// Source, before the key is wiped without a take.
    case gaveUp(Moved, FailureReason)
}

/// One move as operators see it.
public struct MoveView: Hashable, Sendable {
    /// The attempt.
    public var migration: MigrationID
    /// The daemon's public key.
    public var daemon: EntityID
    /// The part that this node plays.
    public var role: MoveRole
    /// The node that owns the daemon.
    public var source: NodeKey
    /// The node that shall own it.
    public var target: NodeKey
    /// How far it has come.
    public var phase: MigrationPhase
    /// When this node heard of the move.
    public var startedAt: Timestamp
    /// When the phase began.
    public var phaseEnteredAt: Timestamp
    /// State bytes streamed or restored.
    public var byteCount: UInt64
    /// 0 when unknown.
    public var totalByteCount: UInt64
    /// State bytes a second since they began to move; 0 before.
    public var bytesPerSecond: UInt64
    /// Move-log entries that the target has not replayed; 0 in stop-and-copy mode.
    public var replayLag: UInt64
    /// From a fence now to the take; the source's prediction until the log is followed; nil when unknown.
    public var estimatedPause: Duration?
    /// Requests that had to be repeated.
    public var retryCount: Int
    /// Why nothing moves; empty while something does.
    public var stall: String
    /// Whether a commit was sent, or a take, and is not answered.
    public var isInDoubt: Bool
    /// The longest that the move can take from its start until it has ended or is in doubt.
    public var bound: Duration
    /// How it ended; nil while it goes on.
    public var outcome: MoveOutcome?
}
