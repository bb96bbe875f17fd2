public import FerryWire

/// A daemon of which a copy was frozen while it goes on processing; every input from there on is in its move log.
public struct FrozenDaemon: Hashable, Sendable {
    /// Everything but the state, as of the freeze; the epoch is the attempt's.
    public var snapshot: SnapshotHeader
    /// The daemon's own estimate of its state in bytes; 0 when it offers none.
    public var predictedByteCount: UInt64
    /// What a comparison of both sides can prove.
    public var determinism: Determinism

    /// Describes a frozen copy.
    public init(snapshot: SnapshotHeader, predictedByteCount: UInt64, determinism: Determinism) {
        self.snapshot = snapshot
        self.predictedByteCount = predictedByteCount
        self.determinism = determinism
    }
}

/// What a move would be like, as both sides answered; nothing was ordered and nothing is set aside any more.
public struct PlanResult: Hashable, Sendable {
    /// What the source says and predicts.
    public var offer: PlanOffer
    /// How the daemon would move.
    public var mode: MoveMode
    /// The boot in which the target answered.
    public var targetBoot: BootID
    /// Whether the target keeps a journal.
    public var isTargetDurable: Bool
    /// Memory that the target would set aside, in bytes.
    public var targetMemoryByteCount: UInt64
    /// The longest that the move could take until it has ended or is in doubt.
    public var bound: Duration
}
