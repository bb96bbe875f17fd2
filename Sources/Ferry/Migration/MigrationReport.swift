public import FerryStateMachines
public import FerryWire

/// How a finished move went.
public struct MigrationReport: Sendable, Hashable {
    /// The attempt.
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
    /// The longest time without a processed event that the source knows of; at least the pause.
    public var longestStall: Duration
    /// Freeze-and-stream rounds.
    public var rounds: Int
    /// What the hand-over proves about the daemon's determinism.
    public var determinism: Determinism
    /// Both signed halves of the hand-over.
    public var receipt: MoveReceipt
}

/// What a hand-over proves about a daemon's determinism.
public enum Determinism: String, Sendable, Hashable, CaseIterable {
    /// Outputs and state were replayed and compared.
    case verified
    /// Outputs were replayed and compared; the daemon offers no state digest.
    case outputsOnly
    /// Nothing was replayed: the daemon stood still while it moved.
    case unverified
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
    public var mode: MoveMode = .stopAndCopy
    /// How long the daemon may stand still; informs the choice of the fence in live mode.
    public var pauseBudget: Duration = .milliseconds(500)
    /// The order lapses after this; 1 second to 1 day.
    public var timeout: Duration = .seconds(600)

    /// The defaults.
    public init() {}

    /// Names the mode and the order's life.
    public init(mode: MoveMode = .stopAndCopy, timeout: Duration = .seconds(600)) {
        self.mode = mode
        self.timeout = timeout
    }
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
    /// Requests that had to be repeated.
    public var retryCount: Int
    /// Why nothing moves; empty while something does.
    public var stall: String
    /// By when the move has ended on this node, unless it is in doubt.
    public var bound: Duration
    /// Nil while it runs; else `completed`, `rolledBack`, `declined`, `inDoubt`, `failed`.
    public var result: String?
}
