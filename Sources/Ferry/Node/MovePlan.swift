internal import FerryStateMachines
public import FerryWire

/// What a move would be like, as source and target answer; nothing is ordered, and nothing stays set aside.
public struct MovePlan: Sendable, Hashable {
    /// The daemon's type.
    public var kind: DaemonKind
    /// How it would move at first.
    public var mode: MoveMode
    /// Plain bytes of its state, as it estimates; 0 when it does not.
    public var stateByteCount: UInt64
    /// Bytes on the state's stream; nil when unknown.
    public var wireByteCount: UInt64?
    /// From the order to the source's departure; nil when unknown.
    public var duration: Duration?
    /// From the fence to the take; nil when unknown.
    public var pause: Duration?
    /// Memory that the target would set aside, in bytes.
    public var memoryByteCount: UInt64
    /// By when the move would have ended, or be in doubt.
    public var bound: Duration

    init(_ result: PlanResult) {
        let offer = result.offer
        kind = offer.kind
        mode = result.mode
        stateByteCount = offer.predictedByteCount
        wireByteCount = offer.predictedWireByteCount > 0 ? offer.predictedWireByteCount : nil
        duration = offer.predictedDurationNanoseconds.asPrediction
        pause = offer.predictedPauseNanoseconds.asPrediction
        memoryByteCount = result.targetMemoryByteCount
        bound = result.bound
    }
}
