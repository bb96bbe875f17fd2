public import FerryStateMachines
public import FerryWire

/// Hears of what a node does; every call is brief and synchronous, in the order in which things happened to one daemon.
public protocol NodeObserver: Sendable {
    /// A move in which this node takes part has reached a phase, and what was due in it is done.
    func move(_ migration: MigrationID, of daemon: OriginHash, as role: MoveRole, reached phase: MigrationPhase)
    /// This node owns the daemon now: spawned here, taken over, or resumed.
    func daemonActivated(_ daemon: OriginHash, epoch: Epoch, stateByteCount: UInt64)
    /// This node does not own the daemon any more.
    func daemonDeparted(_ daemon: OriginHash, epoch: Epoch)
    /// A move or a daemon failed; the daemon is where it was unless the code says otherwise.
    func daemonFailed(_ daemon: OriginHash, error: FerryError)
    /// A session with a peer was established or ended.
    func session(with peer: NodeKey, isOpen: Bool)
}

extension NodeObserver {
    /// Ignores it.
    public func move(_ migration: MigrationID, of daemon: OriginHash, as role: MoveRole, reached phase: MigrationPhase) {}
    /// Ignores it.
    public func daemonActivated(_ daemon: OriginHash, epoch: Epoch, stateByteCount: UInt64) {}
    /// Ignores it.
    public func daemonDeparted(_ daemon: OriginHash, epoch: Epoch) {}
    /// Ignores it.
    public func daemonFailed(_ daemon: OriginHash, error: FerryError) {}
    /// Ignores it.
    public func session(with peer: NodeKey, isOpen: Bool) {}
}

/// Hears of every input that a daemon processed here, of every output that it emitted, and of every fence.
///
/// Called inside the daemon's isolation, in processing order: an input, then its outputs. Whatever it does delays the daemon.
public protocol OutputObserver: Sendable {
    /// The daemon has processed an input.
    func daemon(_ daemon: OriginHash, epoch: Epoch, processed input: ProcessedInput)
    /// The daemon has emitted an output.
    func daemon(_ daemon: OriginHash, epoch: Epoch, emitted output: CausalEvent)
    /// The daemon processes nothing more: it is fenced for a move, and the pause, of which this call is part, has begun.
    func daemon(_ daemon: OriginHash, epoch: Epoch, fencedFor migration: MigrationID)
}

extension OutputObserver {
    /// Ignores it.
    public func daemon(_ daemon: OriginHash, epoch: Epoch, processed input: ProcessedInput) {}
    /// Ignores it.
    public func daemon(_ daemon: OriginHash, epoch: Epoch, emitted output: CausalEvent) {}
    /// Ignores it.
    public func daemon(_ daemon: OriginHash, epoch: Epoch, fencedFor migration: MigrationID) {}
}

/// One input that a daemon has processed.
public struct ProcessedInput: Sendable, Hashable {
    /// Who sent it.
    public var emitter: OriginHash
    /// Its place on the lane.
    public var sequence: UInt64
    /// When the owner took it in: Unix nanoseconds.
    public var receivedAt: UInt64
    /// Whether `process` threw.
    public var isFailed: Bool

    /// Describes an input.
    public init(emitter: OriginHash, sequence: UInt64, receivedAt: UInt64, isFailed: Bool) {
        self.emitter = emitter
        self.sequence = sequence
        self.receivedAt = receivedAt
        self.isFailed = isFailed
    }
}
