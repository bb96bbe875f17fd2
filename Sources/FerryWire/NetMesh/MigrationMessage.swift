/// A migration message of the net-mesh profile: the ten of subprotocol 0x0500.
///
/// The first byte is the type. Encoders produce exactly one byte string; decoders need the fixed part and ignore bytes behind the message.
public enum MigrationMessage: Hashable, Sendable {
    /// 0, orchestrator → source: move the daemon to that node.
    case takeSnapshot(origin: OriginHash, target: NodeID)
    /// 1, source → target: a piece of the snapshot.
    case snapshotReady(SnapshotPiece)
    /// 2, target → orchestrator: the snapshot is restored through this sequence.
    case restoreComplete(origin: OriginHash, restoredSequence: UInt64)
    /// 3, target → orchestrator: buffered events are replayed, and this is the head of the chain.
    case replayComplete(origin: OriginHash, replayedSequence: UInt64, targetHead: CausalLink)
    /// 4, orchestrator → source: stop, the target takes over.
    case cutoverNotify(origin: OriginHash, target: NodeID)
    /// 5, source → orchestrator: the source's copy is gone.
    case cleanupComplete(origin: OriginHash)
    /// 6, any → any: the move failed.
    case migrationFailed(origin: OriginHash, reason: FailureReason)
    /// 7, source → target: events that arrived during the move.
    case bufferedEvents(origin: OriginHash, events: [CausalEvent])
    /// 8, orchestrator → target: go live.
    case activateTarget(origin: OriginHash)
    /// 9, target → orchestrator: live, after replaying through this sequence.
    case activateAck(origin: OriginHash, replayedSequence: UInt64)

    /// The daemon that the message is about.
    public var origin: OriginHash {
        switch self {
        case .takeSnapshot(let origin, _), .restoreComplete(let origin, _), .replayComplete(let origin, _, _),
            .cutoverNotify(let origin, _), .cleanupComplete(let origin), .migrationFailed(let origin, _),
            .bufferedEvents(let origin, _), .activateTarget(let origin), .activateAck(let origin, _):
            origin
        case .snapshotReady(let piece): piece.origin
        }
    }

    /// The first byte.
    public var typeByte: UInt8 {
        switch self {
        case .takeSnapshot: 0
        case .snapshotReady: 1
        case .restoreComplete: 2
        case .replayComplete: 3
        case .cutoverNotify: 4
        case .cleanupComplete: 5
        case .migrationFailed: 6
        case .bufferedEvents: 7
        case .activateTarget: 8
        case .activateAck: 9
        }
    }
}

extension MigrationMessage {
    /// The name of the message's type, as net-mesh has it.
    public var typeName: String {
        switch self {
        case .takeSnapshot: "TakeSnapshot"
        case .snapshotReady: "SnapshotReady"
        case .restoreComplete: "RestoreComplete"
        case .replayComplete: "ReplayComplete"
        case .cutoverNotify: "CutoverNotify"
        case .cleanupComplete: "CleanupComplete"
        case .migrationFailed: "MigrationFailed"
        case .bufferedEvents: "BufferedEvents"
        case .activateTarget: "ActivateTarget"
        case .activateAck: "ActivateAck"
        }
    }
}

/// One of the pieces that a net-mesh snapshot is cut into.
public struct SnapshotPiece: Hashable, Sendable {
    /// The daemon.
    public var origin: OriginHash
    /// The last output that the snapshot covers.
    public var throughSequence: UInt64
    /// From 0.
    public var index: UInt32
    /// 1 to `WireLimits.netMeshChunkCount`.
    public var totalCount: UInt32
    /// At most `WireLimits.netMeshChunkByteCount` bytes when decoded.
    public var bytes: [UInt8]

    /// Joins the parts.
    public init(origin: OriginHash, throughSequence: UInt64, index: UInt32, totalCount: UInt32, bytes: [UInt8]) {
        self.origin = origin
        self.throughSequence = throughSequence
        self.index = index
        self.totalCount = totalCount
        self.bytes = bytes
    }
}

extension FailureReason {
    /// Whether the same order may be given again as it stands: only `notReady`.
    public var isRetriable: Bool { code == .notReady }

    /// The name of the code, as net-mesh has it: `NotReady`, `FactoryNotFound`, ….
    public var netMeshName: String {
        let name = code.description
        return name.prefix(1).uppercased() + name.dropFirst()
    }

    /// The fixed text of net-mesh for its own codes, with the message in it; else the plain description.
    public var netMeshDescription: String {
        switch code {
        case .notReady: "target runtime not ready yet"
        case .factoryNotFound: "no factory registered on target for this daemon"
        case .computeNotSupported: "target does not run a compute runtime"
        case .stateFailed: "state failed: \(message)"
        case .alreadyMigrating: "daemon is already migrating"
        case .identityTransportFailed: "identity envelope transport failed: \(message)"
        case .notReadyTimeout: "source gave up after \(attempts) NotReady retries"
        default: description
        }
    }
}
