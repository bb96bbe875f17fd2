public import FerryStateMachines
public import FerryWire

/// How a finished move went.
public struct MigrationReport: Sendable, Hashable {
    /// The attempt that moved the daemon.
    public var migration: MigrationID
    /// The daemon that moved.
    public var daemon: OriginHash
    /// Who let go.
    public var source: NodeKey
    /// Who owns it now.
    public var target: NodeKey
    /// The epoch under which the target owns it.
    public var epoch: Epoch
    /// Plain bytes given to the snapshot writer.
    public var stateByteCount: UInt64
    /// Bytes on the state's stream, after compression.
    public var wireByteCount: UInt64
    /// From the order to the source's departure, as the source saw it.
    public var duration: Duration
    /// From the fence to the take, as the source saw it.
    public var pause: Duration
    /// The longest time for which intake stood still: the pause, or longer where a full move log held intake while the daemon served,
    /// which only a source that ordered its own move knows.
    public var longestStall: Duration
    /// What the source predicted for `duration` before the move; nil when it could not.
    public var predictedDuration: Duration?
    /// What the source predicted for `pause` before the fence; nil when it could not.
    public var predictedPause: Duration?
    /// Inputs that the daemon took in while it moved, and that the target replayed; 0 in stop-and-copy mode.
    public var replayedInputCount: UInt64
    /// Freeze-and-stream rounds.
    public var rounds: Int
    /// How the daemon moved in the end: a live move that the daemon turns out not to be made for goes on in stop-and-copy mode.
    public var mode: MoveMode
    /// What the hand-over proves about the daemon's determinism.
    public var determinism: Determinism
    /// Both signed halves of the hand-over.
    public var receipt: MoveReceipt
}

/// How far a move has come, as its orchestrator knows.
public struct MigrationProgress: Sendable, Hashable {
    /// The attempt.
    public var migration: MigrationID
    /// Where it stands.
    public var phase: MigrationPhase
    /// State bytes moved so far.
    public var byteCount: UInt64
    /// State bytes in all; 0 when unknown.
    public var totalByteCount: UInt64
    /// State bytes moved per second since the transfer began.
    public var bytesPerSecond: Double
    /// Since the order.
    public var elapsed: Duration
    /// Why nothing moves, for a person; empty while something does.
    public var stall: String
}

/// How a move shall be made.
public struct MoveOptions: Sendable, Hashable {
    /// Whether the daemon serves while its state streams.
    public var mode: MoveMode = .live
    /// How long the daemon may stand still in live mode; a move that cannot keep it is declined before the daemon stops.
    public var pauseBudget: Duration = .milliseconds(50)
    /// Whether a live move goes on in stop-and-copy mode when the daemon turns out not to be deterministic.
    public var fallsBack = true
    /// The order lapses after this; 1 second to 1 day.
    public var timeout: Duration = .seconds(600)

    /// The defaults.
    public init() {}

    /// Names the mode and the order's life.
    public init(mode: MoveMode = .live, pauseBudget: Duration = .milliseconds(50), timeout: Duration = .seconds(600)) {
        self.mode = mode
        self.pauseBudget = pauseBudget
        self.timeout = timeout
    }

    /// The modes that the order allows.
    var modes: MoveModes { mode == .live && fallsBack ? .all : MoveModes(mode) }
    /// The attempts that the order covers.
    var attemptLimit: UInt8 { mode == .live && fallsBack ? 2 : 1 }
    var pauseBudgetNanoseconds: UInt64 { UInt64(max(0, pauseBudget.wholeNanoseconds)) }
}

extension UInt64 {
    /// Nanoseconds that were predicted; nil for 0.
    var asPrediction: Duration? { self == 0 ? nil : .nanoseconds(Int64(clamping: self)) }
}

/// One move in which a node takes part.
public struct MoveStatus: Sendable, Hashable {
    /// The attempt.
    public var migration: MigrationID
    /// The daemon.
    public var daemon: OriginHash
    /// This node's part.
    public var role: MoveRole
    /// The owner.
    public var source: NodeKey
    /// The next owner.
    public var target: NodeKey
    /// Where it stands.
    public var phase: MigrationPhase
    /// Since this node heard of it.
    public var elapsed: Duration
    /// Since the phase was reached.
    public var ageInPhase: Duration
    /// State bytes streamed or restored so far.
    public var byteCount: UInt64
    /// State bytes in all; 0 when unknown.
    public var totalByteCount: UInt64
    /// State bytes a second since they began to move; 0 before.
    public var bytesPerSecond: UInt64
    /// Logged inputs that the target has not replayed; 0 in stop-and-copy mode.
    public var replayLag: UInt64
    /// From a fence now to the take; nil when unknown.
    public var estimatedPause: Duration?
    /// Requests that had to be repeated.
    public var retryCount: Int
    /// Why nothing moves; empty while something does.
    public var stall: String
    /// By when the move has ended on this node, unless it is in doubt.
    public var bound: Duration
    /// Nil while it runs; else `completed`, `rolledBack`, `declined`, `inDoubt`, `failed`.
    public var result: String?
}
