internal import DequeModule
internal import FerryChunking
public import FerryWire

/// All moves of the net-mesh profile that one node takes part in: the ten messages of subprotocol 0x0500, three roles, and what a host
/// tells and asks. (net-mesh migration §F, §G.)
///
/// The pull contract: after **any** mutating call, take actions with ``nextAction()`` until it returns nil and carry them out in that
/// order, then wait for ``nextDeadline``, a message, or a result of the host, whichever comes first. Time is an argument.
///
/// States: those of ``NetMeshState``'s tables, one record a daemon and role. Transitions: one file for each role's arms. Every message is
/// checked for sender, role and phase before anything changes.
///
/// Invalid input. Our bug: none stops the process; an answer for an attempt that is over is counted and ignored. The peer's fault: a refused
/// message throws, is counted, changes nothing else, and is answered with MigrationFailed where the refusal has a reason. Harmless:
/// a participant's repetition, and MigrationFailed about a move that is not known: counted at most.
public struct NetMeshDispatcher: Sendable {
    /// Messages to itself that one input may cause.
    static let loopLimit = 32

    /// The node.
    public let localNode: NodeID
    /// What it obeys and how long it waits.
    public internal(set) var configuration: NetMeshDispatcherConfiguration
    /// Everything that it knows, counters and untaken actions apart.
    public internal(set) var state = NetMeshState()
    /// What was refused, repeated or sent again.
    public internal(set) var counters = NetMeshCounters()

    var outbox: Deque<NetMeshOutgoing> = []
    var loopback: Deque<MigrationMessage> = []

    /// A node without moves.
    public init(localNode: NodeID, configuration: NetMeshDispatcherConfiguration = NetMeshDispatcherConfiguration()) {
        self.localNode = localNode
        self.configuration = configuration
    }

    /// The oldest action not yet taken, or nil.
    public mutating func nextAction() -> NetMeshAction? {
        guard let first = outbox.first else { return nil }
        switch first {
        case .action(let action):
            outbox.removeFirst()
            return action
        case .pieces(var run):
            let message = run.next()
            if run.isFinished { outbox.removeFirst() } else { outbox[0] = .pieces(run) }
            return .send(message, to: run.destination)
        }
    }

    /// The oldest action not yet taken when it is to send pieces of a snapshot: all of them, for a host that cuts them as its carrier takes
    /// them. ``nextAction()`` gives them one by one.
    package mutating func nextPieces() -> PieceRun? {
        guard case .pieces(let run)? = outbox.first else { return nil }
        outbox.removeFirst()
        return run
    }

    mutating func act(_ action: NetMeshAction) { outbox.append(.action(action)) }

    /// Sends, or queues for this node's own arms.
    mutating func send(_ message: MigrationMessage, to node: NodeID) {
        guard node != localNode else { return loopback.append(message) }
        if case .migrationFailed(let origin, let reason) = message {
            return act(.send(.migrationFailed(origin: origin, reason: reason.onNetMeshWire), to: node))
        }
        act(.send(message, to: node))
    }

    mutating func makeAttempt() -> UInt64 {
        defer { state.nextAttempt += 1 }
        return state.nextAttempt
    }
}

/// Everything that a dispatcher knows; equal before and after a refused message.
public struct NetMeshState: Hashable, Sendable {
    /// What is being undone, after the failure hook.
    struct Failing: Hashable, Sendable {
        var attempt: UInt64
        var reason: FailureReason
        var deadline: Timestamp
        var role: Role
    }

    /// Whose records are undone; an orchestrator's include those of its own node.
    enum Role: Hashable, Sendable {
        case orchestrator
        case source
        case target
    }

    var orchestrator = NetMeshOrchestrator()
    var source = NetMeshSource()
    var target = NetMeshTarget()
    var assemblies = SnapshotAssemblies()
    var placement = NetMeshPlacement()
    var failing: [OriginHash: Failing] = [:]
    var hosted: Set<OriginHash> = []
    var isReady = true
    var nextAttempt: UInt64 = 1
    /// The daemons that this node can build.
    public internal(set) var factories = NetMeshFactories()
}

/// An action, or pieces of a snapshot that are cut when they are taken, so that a large one is not held twice.
enum NetMeshOutgoing: Sendable {
    case action(NetMeshAction)
    case pieces(PieceRun)
}

/// The pieces of one snapshot, first to last.
package struct PieceRun: Sendable {
    /// The daemon.
    package let origin: OriginHash
    let throughSequence: UInt64
    let bytes: [UInt8]
    /// Who gets them.
    package let destination: NodeID
    private let count: Int
    private var index = 0

    init?(origin: OriginHash, throughSequence: UInt64, bytes: [UInt8], destination: NodeID) {
        guard let count = try? netMeshPieceCount(of: bytes.count) else { return nil }
        self.origin = origin
        self.throughSequence = throughSequence
        self.bytes = bytes
        self.destination = destination
        self.count = count
    }

    /// Whether all have been cut.
    package var isFinished: Bool { index >= count }

    /// Whether the other one brings the same bytes to the same node, wherever each of them stands.
    package func isOfSameSnapshot(as other: PieceRun) -> Bool {
        origin == other.origin && destination == other.destination && throughSequence == other.throughSequence && bytes == other.bytes
    }

    /// The next piece; not to be called once they are finished.
    package mutating func next() -> MigrationMessage {
        let size = WireLimits.netMeshChunkByteCount
        let piece = SnapshotPiece(
            origin: origin, throughSequence: throughSequence, index: UInt32(index), totalCount: UInt32(count),
            bytes: Array(bytes[min(index * size, bytes.count)..<min((index + 1) * size, bytes.count)]))
        index += 1
        return .snapshotReady(piece)
    }
}
