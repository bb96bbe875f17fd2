import FerryCrypto
import FerryStateMachines
import FerryTestKit
import FerryWire

/// One processed event: what a daemon's state consists of.
struct LogEntry: Hashable {
    var emitter: OriginHash
    var sequence: UInt64
    var payload: [UInt8]
}

/// A daemon, or a copy of one that stands by.
final class WorldDaemon {
    var keypair: EntityKeypair
    var ownership: OwnershipMachine
    var log: [LogEntry]
    var chain: ChainBuilder
    /// Length of the log when it was last checked.
    var checkedCount = -1
    /// What was frozen, and what came in since, while a live move goes on.
    var live: WorldLive?
    /// How a copy follows the log.
    var follower = LogFollower()
    /// Stands for a field of the state that outputs do not show.
    var hiddenCount = 0

    init(keypair: EntityKeypair, ownership: consuming OwnershipMachine, log: [LogEntry], chain: ChainBuilder) {
        self.keypair = keypair
        self.ownership = ownership
        self.log = log
        self.chain = chain
    }

    var isActive: Bool {
        guard case .active = ownership.standing else { return false }
        return true
    }

    var isStub: Bool {
        guard case .moved = ownership.standing else { return false }
        return true
    }

    func process(_ entry: LogEntry) {
        log.append(entry)
        hiddenCount += 1
        _ = chain.next(payload: entry.payload, horizon: 0)
    }

    var stateDigest: FixedBytes32 {
        keyedBlake2s(key: Array("state".utf8).rawSpan, (Self.summary(of: log).digest.bytes + [UInt8(hiddenCount & 0xFF)]).rawSpan)
    }

    static func summary(of log: [LogEntry]) -> StateSummary {
        let bytes = log.flatMap { Array("\($0.emitter):\($0.sequence):\($0.payload);".utf8) }
        let digest = keyedBlake2s(key: Array("log".utf8).rawSpan, bytes.rawSpan)
        return StateSummary(chunkCount: UInt64(log.count), byteCount: UInt64(bytes.count), digest: digest)
    }

    func snapshot(epoch: Epoch) -> SnapshotHeader {
        SnapshotHeader(
            entity: keypair.entityID, lineage: ownership.lineage, epoch: epoch, kind: DaemonKind(name: "log", schemaVersion: 1),
            chainLink: chain.head, headPayload: chain.headPayload, cursors: ownership.sortedCursors, outputLanes: [], bindings: [],
            createdAt: 0)
    }
}

/// A node with a fake host: carries out actions, and forgets everything in a crash.
final class WorldNode {
    let index: Int
    let identity: NodeIdentity
    unowned let world: MoveWorld
    let limits: MigrationLimits
    var policy = MigrationPolicy(orchestrators: .anyone)
    private(set) var bootCount = 0
    private(set) var boot: BootID
    var dispatcher: MigrationDispatcher
    var daemons: [OriginHash: WorldDaemon] = [:]
    var standbys: [MigrationID: WorldDaemon] = [:]
    var snapshots: [MigrationID: SnapshotHeader] = [:]
    var discarded: Set<MigrationID> = []
    var outcomes: [String: MoveOutcome] = [:]
    var doubts: [MoveRole] = []
    var phases: [MoveRole: [MigrationPhase]] = [:]
    var cancelsRefused = 0
    /// Host answers that never come, by name of the action.
    var deafTo: Set<String> = []
    var refusal: FailureReason?
    /// Batches are replayed one after the other.
    var replayedAt = Timestamp.zero
    /// Bytes of a daemon's move log that may wait.
    var logCapacity = 64 << 20
    var retried: [MigrationID: MigrationID] = [:]
    var plans: [MigrationID: PlanResult] = [:]
    var logLimits: [Int] = []
    /// The daemon's first state digest does not end.
    var isDigestPending = false

    init(index: Int, identity: NodeIdentity, world: MoveWorld, limits: MigrationLimits) throws {
        self.index = index
        self.identity = identity
        self.world = world
        self.limits = limits
        boot = world.random.next()
        dispatcher = MigrationDispatcher(
            environment: MoveEnvironment(
                identity: identity, boot: boot, crypto: world.crypto, policy: policy, budgets: world.budgets, limits: limits))
    }

    var key: NodeKey { identity.nodeKey }

    var peer: PeerIdentity {
        PeerIdentity(
            nodeKey: key, staticKey: identity.staticPublicKey, bootID: boot, profileVersion: 1, isDurable: false, compressorIDs: [])
    }

    /// Loses everything and starts again.
    func crash() {
        let holds = daemons.values.contains { !$0.isStub }
        let hasTaken = dispatcher.moves.contains { $0.role == .target && $0.isInDoubt }
        if holds || hasTaken { world.isLost = true }
        bootCount += 1
        boot = world.random.next()
        daemons = [:]
        standbys = [:]
        discarded = []
        outcomes = [:]
        dispatcher = MigrationDispatcher(
            environment: MoveEnvironment(
                identity: identity, boot: boot, crypto: world.crypto, policy: policy, budgets: world.budgets, limits: limits))
        for other in world.nodes where other !== self {
            other.dispatcher.sessionLost(key, now: world.now, wallClock: world.wallClock)
            other.dispatcher.sessionEstablished(peer, now: world.now, wallClock: world.wallClock)
            other.drain()
        }
    }

    func spawn(_ keypair: EntityKeypair, lineage: LineageID) {
        let ownership = OwnershipMachine(spawning: keypair.entityID, lineage: lineage)
        daemons[keypair.originHash] = WorldDaemon(
            keypair: keypair, ownership: ownership, log: [], chain: ChainBuilder(origin: keypair.originHash))
    }

    var nextDeadline: Timestamp? { dispatcher.nextDeadline }

    func deadlineReached() {
        guard let deadline = dispatcher.nextDeadline, deadline <= world.now else { return }
        dispatcher.deadlineReached(now: world.now, wallClock: world.wallClock)
        drain()
    }

    // MARK: Receiving

    func receive(_ message: PeerMessage, from: MoveWorld.Endpoint) {
        switch (message, from) {
        case (.migration(let message), .node(let sender)):
            dispatcher.receive(message, from: world.nodes[sender].peer, now: world.now, wallClock: world.wallClock)
            drain()
        case (.lane(let message), _):
            if let body = answer(message) {
                let reply = LaneMessage(emitter: message.emitter, daemon: message.daemon, body: body)
                world.send(.lane(reply), from: .node(index), to: from)
            }
            drain()
        case (.migration, .emitter): break
        }
    }

    private func answer(_ message: LaneMessage) -> LaneMessage.Body? {
        let standby = standbys.values.first { $0.keypair.originHash == message.daemon }
        let owned = daemons[message.daemon]
        guard let daemon = (owned?.isStub ?? true) ? (standby ?? owned) : owned else { return .notHere }
        switch message.body {
        case .hello: return daemon.ownership.welcome(message.emitter).reply
        case .event(let event):
            let verdict = daemon.ownership.admit(event, from: message.emitter)
            guard verdict == .process else {
                if case .acknowledge(let cursor, _) = verdict { accept(cursor, by: message.emitter) }
                return verdict.reply
            }
            if let live = daemon.live, !live.hasRoom { return daemon.ownership.holdForRoom(message.emitter).reply }
            let entry = LogEntry(emitter: message.emitter, sequence: event.link.sequence, payload: event.payload)
            world.takeEffect(entry)
            daemon.process(entry)
            let acknowledgement = daemon.ownership.processed(emitter: message.emitter, sequence: event.link.sequence)
            log(CausalEvent(link: event.link, payload: event.payload, receivedAt: world.wallClock), in: daemon)
            accept(event.link.sequence, by: message.emitter)
            return acknowledgement.reply
        default: return nil
        }
    }

    private func accept(_ cursor: UInt64, by emitter: OriginHash) {
        world.accepted[emitter] = max(world.accepted[emitter] ?? 0, cursor)
    }
}
