internal import Ferry
internal import FerryCrypto
internal import FerryStateMachines
internal import FerryWire

/// An endpoint in one of its boots.
struct SimulationSender: Sendable {
    var index: Int
    var bootCount: Int
}

/// One daemon on one node, as `DaemonHost` keeps it: its value, its ownership, its chain.
final class SimulationHost {
    let truth: DaemonTruth
    var ownership: OwnershipMachine
    var daemon: any SimulatedDaemon
    var keypair: EntityKeypair
    var chain: ChainBuilder
    /// What it sends to other daemons.
    var lanes: OutputLanes
    /// Who may speak for the daemons that send to it.
    var fence: EmitterFence
    /// The endpoints through which emitters that were made to wait are told more; looked up, never walked through.
    var heldPaths: [OriginHash: Int] = [:]
    /// What came for a copy that nobody serves beside.
    var parked = ParkedEvents<SimulationSender>()
    /// What was frozen at the fence, so that a rollback is seen to change nothing.
    var frozen: Frozen?
    /// When the last change of its standing is done: they come in order.
    var changedAt = Timestamp.zero
    /// How a copy that was restored to something else than was written differs.
    var wrong: WrongRestore?
    /// What makes the daemon differ from run to run, if anything does; part of its state.
    var noise: UInt64 = 0
    /// The move that follows the daemon while it serves.
    var live: SimulatedLiveMove?
    /// For the defect that leaves outputs behind.
    private let forgetsOutputs: Bool
    /// An older copy, for the defect that forgets the tail.
    var stale: (any SimulatedDaemon)?

    struct Frozen: Hashable {
        var state: [UInt8]
        var cursors: [LaneCursor]
        var outputs: [OutputLaneState]
        var head: CausalLink
        var epoch: Epoch
    }

    init(spawning daemon: any SimulatedDaemon, keypair: EntityKeypair, truth: DaemonTruth, in world: SimulationWorld) {
        self.truth = truth
        self.daemon = daemon
        self.keypair = keypair
        ownership = OwnershipMachine(spawning: truth.entity, lineage: truth.lineage, limits: world.settings.ownershipLimits)
        ownership.defect = world.seededDefect
        chain = ChainBuilder(origin: truth.origin)
        forgetsOutputs = world.has(.forgetOutputs)
        lanes = OutputLanes(daemon: truth.origin, limits: world.settings.outputLimits)
        fence = EmitterFence()
    }

    /// A restored copy; nil when it has more lanes than the node keeps.
    init?(
        standby daemon: any SimulatedDaemon, migration: MigrationID, snapshot: SnapshotHeader, truth: DaemonTruth, in world: SimulationWorld
    ) {
        guard let ownership = OwnershipMachine(standbyFor: migration, snapshot: snapshot, limits: world.settings.ownershipLimits),
            let lanes = OutputLanes(restoring: snapshot, limits: world.settings.outputLimits)
        else { return nil }
        self.lanes = lanes
        forgetsOutputs = world.has(.forgetOutputs)
        fence = EmitterFence(cursors: snapshot.cursors)
        self.truth = truth
        self.daemon = daemon
        self.ownership = ownership
        self.ownership.defect = world.seededDefect
        keypair = EntityKeypair(publicOnly: snapshot.entity)
        chain = ChainBuilder(head: snapshot.chainLink, headPayload: snapshot.headPayload)
    }

    var isActive: Bool { ownership.claim == .owner }

    /// Whether a move has the daemon, or has left its log behind.
    var isTaken: Bool { live != nil || ownership.activeMigration != nil }

    var isStub: Bool {
        if case .moved = ownership.standing { true } else { false }
    }

    var isStandby: Bool {
        if case .standby = ownership.standing { true } else { false }
    }

    func header(epoch: Epoch, kind: DaemonKind) -> SnapshotHeader {
        SnapshotHeader(
            entity: truth.entity, lineage: truth.lineage, epoch: epoch, kind: kind, chainLink: chain.head, headPayload: chain.headPayload,
            cursors: fence.marked(ownership.sortedCursors), outputLanes: forgetsOutputs ? [] : lanes.states, bindings: bindings,
            ownerHints: lanes.hints, createdAt: 0)
    }

    private var bindings: [UInt8] {
        (try? lanes.bindings.snapshotBytes()) ?? [UInt8](repeating: 0, count: WireLimits.bindingsByteCount + 1)
    }

    /// The whole state: the daemon's, and its noise.
    func state() throws -> [UInt8] { try state(of: daemon) }

    func state(of daemon: any SimulatedDaemon) throws -> [UInt8] {
        let noise = noise
        return try daemon.snapshot() + [UInt8](rawCapacity: 8) { $0.append(littleEndian: noise) }
    }

    /// Nil when the daemon offers none.
    var stateDigest: FixedBytes32? {
        guard truth.hasDigest, let state = try? state() else { return nil }
        return FixedBytes32(label: "ferry-simulated-digest", state)
    }

    /// What may not change while the daemon is fenced.
    func facts() throws -> Frozen {
        Frozen(state: try state(), cursors: ownership.sortedCursors, outputs: lanes.states, head: chain.head, epoch: ownership.epoch)
    }
}

/// What a restore may get wrong.
enum WrongRestore: CaseIterable {
    case state, head, cursors, outputs, bindings

    /// The header as such a restore reads it; nil when there is nothing in it to get wrong.
    func applied(to original: SnapshotHeader) -> SnapshotHeader? {
        var header = original
        switch self {
        case .state: return nil
        case .head: header.chainLink.parent ^= 1
        case .cursors:
            guard let last = header.cursors.indices.last, header.cursors[last].sequence > 0 else { return nil }
            header.cursors[last].sequence -= 1
        case .outputs:
            guard let lane = header.outputLanes.lastIndex(where: { !$0.unacknowledged.isEmpty }) else { return nil }
            header.outputLanes[lane].unacknowledged.removeLast()
        case .bindings:
            guard let empty = try? DaemonBindings().snapshotBytes(), header.bindings != empty else { return nil }
            header.bindings = empty
        }
        return header
    }
}

extension [UInt8] {
    /// The summary of a state that was streamed as these bytes.
    var stateSummary: StateSummary {
        StateSummary(
            chunkCount: UInt64((count + (16 << 10) - 1) / (16 << 10)), byteCount: UInt64(count),
            digest: FixedBytes32(label: "ferry-simulated-state", self))
    }
}
