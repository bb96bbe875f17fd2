public import FerryWire

/// A move that this node orchestrates, for operators.
public struct NetMeshOrchestrationView: Hashable, Sendable {
    /// The daemon.
    public var origin: OriginHash
    /// Where it is.
    public var source: NodeID
    /// Where it goes.
    public var target: NodeID
    /// How far the move is.
    public var phase: MigrationPhase
    /// Since the order.
    public var elapsed: Duration
    /// Since the phase began.
    public var ageInPhase: Duration
    /// Bytes of the snapshot, once known.
    public var snapshotByteCount: Int?
    /// Inputs captured at a local source; 0 for a remote one.
    public var bufferedEventCount: Int
    /// Messages that had to be sent again.
    public var retryCount: Int
    /// 10, 30, 50, 70, 90 or 100 by phase.
    public var progressPercent: Int
    /// Where the daemon is, as an observer sees it.
    public var superposition: SuperpositionPhase
    /// Outputs of the source that the target has not replayed.
    public var replayGap: UInt64
    /// That the target's chain continues the source's; nil before both heads are known.
    public var continuityProof: ContinuityProof?
    /// Why the move is in doubt; nil while it is not.
    public var doubt: FailureReason?
    /// The longest that the move can take from its order until it has ended or is in doubt.
    public var bound: Duration
}

/// A daemon that leaves this node, for operators.
public struct NetMeshSourceView: Hashable, Sendable {
    /// The daemon.
    public var origin: OriginHash
    /// Who moves it.
    public var orchestrator: NodeID
    /// Where it goes.
    public var target: NodeID
    /// How far the source is.
    public var phase: MigrationPhase
    /// Whether the copy here is gone, or waits for the target's acknowledgement.
    public var stage: NetMeshSourceStage
    /// Since the order.
    public var elapsed: Duration
    /// Since the last progress.
    public var ageInPhase: Duration
    /// Bytes of the snapshot, once taken.
    public var snapshotByteCount: Int?
    /// Inputs captured.
    public var bufferedEventCount: Int
    /// Their payload bytes.
    public var bufferedByteCount: Int
}

/// A daemon that comes to this node, for operators.
public struct NetMeshTargetView: Hashable, Sendable {
    /// The daemon.
    public var origin: OriginHash
    /// Who moves it.
    public var orchestrator: NodeID
    /// Where it comes from, if known.
    public var source: NodeID?
    /// How far the target is.
    public var phase: MigrationPhase
    /// Since the snapshot was whole.
    public var elapsed: Duration
    /// Since the last progress.
    public var ageInPhase: Duration
    /// Bytes of the snapshot's state.
    public var snapshotByteCount: Int
    /// Inputs that wait for replay or activation.
    public var bufferedEventCount: Int
    /// The head of the restored chain, once restored.
    public var head: CausalLink?
}
