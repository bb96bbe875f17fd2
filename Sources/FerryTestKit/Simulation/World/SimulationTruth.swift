internal import FerryCrypto
internal import FerryStateMachines
internal import FerryWire

/// What is true of one daemon, whoever owns it: every event that took effect, once, in order.
final class DaemonTruth {
    /// How far one emitter's events have taken effect.
    struct Lane {
        /// Which start of the emitter they belong to.
        var incarnation: UInt32 = 0
        /// The last event of that start.
        var ordinal: UInt32 = 0
        /// The sequence under which it was processed.
        var sequence: UInt64 = 0
    }

    let index: Int
    let entity: EntityID
    let origin: OriginHash
    let lineage: LineageID
    let keypair: EntityKeypair
    let secret: [UInt8]
    /// Processes what the owner processes, and never moves.
    var twin: any SimulatedDaemon
    var lanes: [Lane]
    /// The last output, across all owners.
    var head: CausalLink
    var headPayload: [UInt8] = []
    var processedCount: UInt64 = 0
    /// The epoch of the newest owner.
    var epoch = Epoch.first
    /// The node and boot that became the owner under that epoch.
    var owner: Int?
    /// Whether a crash may have taken the daemon with it; not any more once a node owns it.
    var mayBeLost = false
    /// What its host can compare.
    let determinism: Determinism
    /// Whether its state, or what it answers, is not a function of its inputs, and nobody says so.
    let isNoisy: Bool
    /// Of the newest state.
    var noise: UInt64 = 0
    /// Every release that was ever signed.
    var releases: [(epoch: Epoch, migration: MigrationID)] = []

    /// Daemons that subscribe to this one's channel, in the order in which they did.
    private(set) var subscribers: [Int] = []
    /// By receiver: places in the chain of outputs that have not taken effect there.
    private var waitingOutputs: [[UInt64]] = []
    /// By sender: the last of its outputs that took effect here.
    private var lastOutputs: [UInt64] = []

    var hasDigest: Bool { determinism == .verified }

    init(
        index: Int, keypair: EntityKeypair, secret: [UInt8], lineage: LineageID, twin: any SimulatedDaemon, emitterCount: Int,
        determinism: Determinism, isNoisy: Bool
    ) {
        self.determinism = determinism
        self.isNoisy = isNoisy
        self.index = index
        self.keypair = keypair
        self.secret = secret
        self.lineage = lineage
        self.twin = twin
        entity = keypair.entityID
        origin = keypair.originHash
        lanes = [Lane](repeating: Lane(), count: emitterCount)
        head = .genesis(origin)
    }
}

// What daemons send each other.
extension DaemonTruth {
    var hasExpectedOutputs: Bool { waitingOutputs.contains { !$0.isEmpty } }

    func expected(at receiver: Int) -> [UInt64] { receiver < waitingOutputs.count ? waitingOutputs[receiver] : [] }

    /// One more output is on its way.
    func expect(_ sequence: UInt64, at receiver: Int) {
        while waitingOutputs.count <= receiver { waitingOutputs.append([]) }
        waitingOutputs[receiver].append(sequence)
    }

    /// An output takes effect.
    ///
    /// - Returns: whether it is the next one.
    func arrives(_ sequence: UInt64, at receiver: Int) -> Bool {
        guard expected(at: receiver).first == sequence else { return false }
        waitingOutputs[receiver].removeFirst()
        return true
    }

    func lastOutput(of sender: DaemonTruth) -> UInt64 { sender.index < lastOutputs.count ? lastOutputs[sender.index] : 0 }

    func processed(_ sequence: UInt64, of sender: DaemonTruth) {
        while lastOutputs.count <= sender.index { lastOutputs.append(0) }
        lastOutputs[sender.index] = sequence
    }

    func subscribe(_ daemon: Int) {
        if !subscribers.contains(daemon) { subscribers.append(daemon) }
    }
}

/// What is known of one attempt.
final class MoveTruth {
    let order: MoveOrder
    let migration: MigrationID
    let daemon: Int
    let orderedAt: Timestamp
    /// Role by role, as each said it.
    private(set) var outcomes: [MoveOutcome?] = [nil, nil, nil]
    /// In which boot of its node each role ended.
    private var endBoots: [BootID?] = [nil, nil, nil]
    var wasInDoubt = false
    /// What operators have said at source and target.
    private var resolutions: [MoveResolution?] = [nil, nil]
    /// How often the daemon's state began to be sent.
    var transferCount = 0
    /// What the hand-over did, in the terms of `docs/model`.
    private(set) var steps: [ModelStep] = []
    /// Whether a node that had forgotten the attempt took part in it once more: no trace of the model's any longer.
    private(set) var isRevived = false
    private(set) var sourceState: ModelState?
    /// Whether the source has ever let go, also if it has crashed since.
    private(set) var hasLetGo = false
    /// Whether the orchestrator has crashed: ordered again, it answers for a daemon that may have come back and gone since.
    private(set) var wasOrderForgotten = false
    private(set) var targetState: ModelState?
    private(set) var sentMessages: Set<ModelMessage> = []
    /// When the source entered each phase, by its own clock.
    var phaseEntries: [MigrationPhase: Timestamp] = [:]
    /// When its last role ended.
    private(set) var endedAt: Timestamp

    init(order: MoveOrder, daemon: Int, at time: Timestamp) {
        self.order = order
        migration = order.migration
        self.daemon = daemon
        orderedAt = time
        endedAt = time
    }

    func outcome(_ role: MoveRole) -> MoveOutcome? { outcomes[Int(role.rawValue)] }

    /// What the operator of the source's or the target's node has said.
    func resolution(_ role: MoveRole) -> MoveResolution? { resolutions[role == .source ? 0 : 1] }

    var isResolvedByHand: Bool { resolutions.contains { $0 != nil } }

    func resolved(_ resolution: MoveResolution, at node: NodeKey) { resolutions[node == order.source ? 0 : 1] = resolution }

    /// The state that a step leads to.
    func enters(_ state: ModelState, standing: ModelStanding? = nil) {
        let isSource = state.rawValue.hasPrefix("S")
        if (isSource ? sourceState : targetState)?.isForgotten ?? false { isRevived = true }
        if isSource { sourceState = state } else { targetState = state }
        if state == .done { hasLetGo = true }
        steps.append(ModelStep(event: .enters(state), standing: standing))
    }

    func sends(_ message: ModelMessage, standing: ModelStanding? = nil) {
        sentMessages.insert(message)
        steps.append(ModelStep(event: .sends(message), standing: standing))
    }

    /// - Returns: false when this role had ended before, in the same boot.
    func end(_ role: MoveRole, _ outcome: MoveOutcome, in boot: BootID, at time: Timestamp) -> Bool {
        endedAt = time
        let place = Int(role.rawValue)
        let isFirst = outcomes[place] == nil || endBoots[place] != boot
        (outcomes[place], endBoots[place]) = (outcome, boot)
        return isFirst
    }

    /// A node that has crashed may take part, and end, anew.
    func forget(_ role: MoveRole) {
        outcomes[Int(role.rawValue)] = nil
        if role == .orchestrator { wasOrderForgotten = true }
    }

    /// How the move ended for the daemon: the source's word, else the target's, else the orchestrator's.
    var result: MoveResult {
        if case .completed = outcome(.target) { return .completed }
        switch outcome(.source) ?? outcome(.orchestrator) {
        case .completed: return .completed
        case .rolledBack, .rolledBackAfterCommit: return .rolledBack
        case .declined: return .declined
        case .letGo, .forgotten, nil: return .lost
        }
    }
}

extension ModelState {
    var isForgotten: Bool { self == .sourceForgotten || self == .targetForgotten }
}

/// How a move counts in a report.
enum MoveResult { case completed, rolledBack, declined, lost }

/// Messages that were seen on their way, to be sent again by those who should not.
struct ObservedMessages {
    struct Message {
        var bytes: [UInt8]
        var from: Int
        var fromBoot: BootID
        var to: Int
        var toBoot: BootID
    }

    /// How many of each kind are kept, the newest.
    static let capacity = 12
    /// By the kind of message: the rare ones count as much as those that every move repeats.
    private var kinds: [[Message]] = []
    private var counts: [Int] = []

    mutating func add(_ bytes: [UInt8], from: SimulationEndpoint, to: SimulationEndpoint) {
        // Kind of peer message, version, type.
        guard bytes.count > 2 else { return }
        let kind = Int(bytes[2])
        while kinds.count <= kind {
            kinds.append([])
            counts.append(0)
        }
        let message = Message(bytes: bytes, from: from.index, fromBoot: from.boot, to: to.index, toBoot: to.boot)
        if kinds[kind].count < Self.capacity {
            kinds[kind].append(message)
        } else {
            kinds[kind][counts[kind] % Self.capacity] = message
        }
        counts[kind] += 1
    }

    func pick(_ random: inout SimulationRandom) -> Message? {
        random.pick(kinds.filter { !$0.isEmpty }).flatMap { random.pick($0) }
    }
}

/// Looks for secrets in bytes that leave.
final class SecretScan {
    private var secrets: [[UInt8]] = []
    /// Whether some secret begins with this byte.
    private var isFirst = [Bool](repeating: false, count: 256)

    func add(_ secret: [UInt8]) {
        secrets.append(secret)
        isFirst[Int(secret[0])] = true
    }

    func finds(in bytes: [UInt8]) -> Bool {
        guard bytes.count >= 32 else { return false }
        for start in 0...(bytes.count - 32) where isFirst[Int(bytes[start])] {
            for secret in secrets where secret[0] == bytes[start] && secret[1] == bytes[start + 1] {
                if secret.elementsEqual(bytes[start..<start + 32]) { return true }
            }
        }
        return false
    }
}
