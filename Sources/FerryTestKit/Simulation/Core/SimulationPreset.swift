internal import FerryStateMachines
internal import FerryWire

/// How much of Ferry a seed drives, and what goes wrong in it.
public struct SimulationPreset: RawRepresentable, Sendable, Hashable, CustomStringConvertible {
    /// The stable name, as the command line takes it.
    public var rawValue: String
    /// Wraps a name; see ``all`` for those that exist.
    public init(rawValue: String) { self.rawValue = rawValue }

    /// Move, ownership and lane machines over sessions as `PeerSession` promises them: messages in order while a session lives, and the
    /// loss of all that is on its way when it is lost.
    public static let ordered = SimulationPreset(rawValue: "protocol")
    /// The same machines over a network that loses, repeats and reorders whole messages, which no session does: the rules of the hand-over
    /// hold without any help from session order.
    public static let unordered = SimulationPreset(rawValue: "unordered")
    /// Everything: real handshakes, packet protection, loss recovery and streams over links that lose, repeat, reorder, alter and cut frames.
    public static let full = SimulationPreset(rawValue: "full")
    /// ``ordered`` without any fault: every move completes, and bytes are counted.
    public static let calm = SimulationPreset(rawValue: "calm")
    /// ``unordered`` with nothing but loss of up to three messages in ten, repetition and reordering: every move completes all the same.
    public static let lossy = SimulationPreset(rawValue: "lossy")
    /// ``ordered`` without crashes, and with operators who end doubts by hand (`ferryctl moves resolve`): each is right about what the other
    /// node will do, and no two contradict each other.
    public static let operators = SimulationPreset(rawValue: "operators")
    /// One of the others by seed, without ``operators``: of 16 seeds one is ``full``, one ``calm``, one ``lossy``, six are ``unordered`` and seven ``ordered``.
    public static let mixed = SimulationPreset(rawValue: "mixed")

    /// Every preset.
    public static let all: [SimulationPreset] = [.mixed, .ordered, .unordered, .full, .calm, .lossy, .operators]

    /// The name.
    public var description: String { rawValue }

    /// What a seed plays; itself for every preset but ``mixed``.
    public func resolved(seed: UInt64) -> SimulationPreset {
        guard self == .mixed else { return self }
        return switch seed % 16 {
        case 0: .full
        case 8: .calm
        case 12: .lossy
        case 1, 4, 6, 9, 11, 14: .unordered
        default: .ordered
        }
    }
}

/// What one seed plays with, drawn from the seed.
struct SimulationSettings {
    enum Layer { case ordered, unordered, sessions }

    var layer: Layer
    var nodeCount: Int
    var daemonCount: Int
    var emitterCount: Int
    var moveCount: Int
    var eventsPerLane: Int
    /// What a link carries in a second.
    var byteRate: Int
    /// Faults come between the world's beginning and this.
    var horizon: Duration
    /// What may go wrong in this seed.
    private var enabled: [FaultKind] = []
    /// Rates of the network's faults, out of 1,000.
    var lossPermille = 0
    var duplicationPermille = 0
    /// Nothing goes wrong but loss, repetition and reordering of messages.
    var isLossy = false
    /// Whether doubts are ended by hand.
    var hasOperators = false
    var budgets = PhaseBudgets(
        plan: .seconds(3), fence: .seconds(2), transfer: .seconds(5), stall: .seconds(4), restore: .seconds(5), converge: .seconds(2),
        replay: .seconds(3), prepare: .seconds(3), take: .seconds(4), promise: .seconds(15), retry: .milliseconds(100) ... .seconds(2))

    var moveLimits = MigrationLimits()
    var ownershipLimits: OwnershipLimits
    /// Whether daemons send to each other, and on channels; over sessions only, as hosts do.
    var hasDeliveries: Bool
    var outputLimits: OutputLimits

    init(preset: SimulationPreset, random: inout SimulationRandom) {
        switch preset {
        case .full: layer = .sessions
        case .unordered, .lossy: layer = .unordered
        default: layer = .ordered
        }
        nodeCount = random.within(3...7)
        daemonCount = random.within(1...6)
        emitterCount = random.within(1...4)
        hasDeliveries = layer == .ordered && random.chance(350)
        // Full lanes, so that what a stranger opens is one too many. Daemons that send to each other have lanes as well.
        ownershipLimits = OwnershipLimits(laneCount: emitterCount + (hasDeliveries ? 4 * daemonCount : 0))
        outputLimits = OutputLimits(
            lane: EmitterLimits(
                windowEventCount: layer == .unordered ? 8 : 64, retry: .milliseconds(250) ... .seconds(2), searchTime: .seconds(86_400)))
        moveCount = random.within(6...16)
        // Slow enough that daemons in live mode go on for a while, or as fast as a link in a house.
        byteRate = random.chance(400) ? 200_000 : 20_000_000
        eventsPerLane = random.within(60...220)
        horizon = .seconds(random.within(10...40))
        isLossy = preset == .lossy
        guard preset != .calm else { return }
        guard !isLossy else {
            drawLoss(&random)
            return
        }
        // Small enough to be met.
        if random.chance(200) { moveLimits = MigrationLimits(movesPerRole: 8, rememberedMoveCount: 24) }
        for kind in FaultKind.allCases where random.chance(Self.likelihood(of: kind)) { enabled.append(kind) }
        if preset == .operators { bringDoubts() }
        if isEnabled(.loss) { lossPermille = random.pick([10, 50, 150, 300]) ?? 0 }
        if isEnabled(.duplication) { duplicationPermille = random.pick([20, 100, 250]) ?? 0 }
    }

    /// Loss alone must not end a move: every budget is long enough for dozens of repetitions.
    private mutating func drawLoss(_ random: inout SimulationRandom) {
        enabled = [.loss, .duplication, .reordering]
        lossPermille = random.pick([100, 200, 300]) ?? 0
        duplicationPermille = 100
        budgets = PhaseBudgets(
            plan: .seconds(60), fence: .seconds(60), transfer: .seconds(60), stall: .seconds(60),
            restore: .seconds(60), converge: .seconds(60), replay: .seconds(60), prepare: .seconds(60), take: .seconds(60),
            promise: .seconds(120), retry: .milliseconds(100) ... .seconds(1))
    }

    /// Nobody forgets what an operator relies on, and nodes often lose sight of each other for longer than a take may last.
    private mutating func bringDoubts() {
        hasOperators = true
        enabled.removeAll { [.sourceCrash, .targetCrash, .orchestratorCrash].contains($0) }
        enable([.partition, .oneWayPartition, .clockPause])
        budgets.take = .seconds(1)
    }

    /// Crashes without a journal take daemons with them, so they are rarer than what a move survives.
    private static func likelihood(of kind: FaultKind) -> Int {
        switch kind {
        case .sourceCrash, .targetCrash, .orchestratorCrash: 250
        case .orderExpiry, .journalFailure, .wrongRestore, .droppedField: 200
        // Only real sessions have frames to alter.
        case .corruption, .truncation: 700
        case .restart, .linkReopen: 1_000
        default: 330
        }
    }

    /// Adds faults to those that were drawn.
    mutating func enable(_ kinds: [FaultKind]) {
        guard !kinds.isEmpty else { return }
        enabled += kinds.filter { !isEnabled($0) }
        if isEnabled(.loss) { lossPermille = max(lossPermille, 50) }
        if isEnabled(.duplication) { duplicationPermille = max(duplicationPermille, 50) }
    }

    func isEnabled(_ kind: FaultKind) -> Bool { enabled.contains(kind) }
    var isCalm: Bool { enabled.isEmpty }
}
