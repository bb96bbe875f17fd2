internal import FerryStateMachines

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
    /// One of the others by seed: of 16 seeds one is ``full``, one ``calm``, six are ``unordered`` and eight ``ordered``.
    public static let mixed = SimulationPreset(rawValue: "mixed")

    /// Every preset.
    public static let all: [SimulationPreset] = [.mixed, .ordered, .unordered, .full, .calm]

    /// The name.
    public var description: String { rawValue }

    /// What a seed plays; itself for every preset but ``mixed``.
    public func resolved(seed: UInt64) -> SimulationPreset {
        guard self == .mixed else { return self }
        return switch seed % 16 {
        case 0: .full
        case 8: .calm
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
    /// Faults come between the world's beginning and this.
    var horizon: Duration
    /// What may go wrong in this seed.
    private var enabled: [FaultKind] = []
    /// Rates of the network's faults, out of 1,000.
    var lossPermille = 0
    var duplicationPermille = 0
    var isDaemonLargeAllowed = true
    var budgets = PhaseBudgets(
        plan: .seconds(3), fence: .seconds(2), transfer: .seconds(5), stall: .seconds(4), restore: .seconds(5), prepare: .seconds(3),
        take: .seconds(4), promise: .seconds(15), retry: .milliseconds(100) ... .seconds(2))

    init(preset: SimulationPreset, random: inout SimulationRandom) {
        switch preset {
        case .full: layer = .sessions
        case .unordered: layer = .unordered
        default: layer = .ordered
        }
        nodeCount = random.within(3...7)
        daemonCount = random.within(1...6)
        emitterCount = random.within(1...4)
        moveCount = random.within(6...16)
        eventsPerLane = random.within(60...220)
        horizon = .seconds(random.within(10...40))
        guard preset != .calm else { return }
        for kind in FaultKind.allCases where random.chance(Self.likelihood(of: kind)) { enabled.append(kind) }
        if isEnabled(.loss) { lossPermille = random.pick([10, 50, 150, 300]) ?? 0 }
        if isEnabled(.duplication) { duplicationPermille = random.pick([20, 100, 250]) ?? 0 }
    }

    /// Crashes without a journal take daemons with them, so they are rarer than what a move survives.
    private static func likelihood(of kind: FaultKind) -> Int {
        switch kind {
        case .sourceCrash, .targetCrash, .orchestratorCrash: 250
        case .orderExpiry, .journalFailure, .wrongRestore: 200
        // Only real sessions have frames to alter.
        case .corruption, .truncation: 700
        case .restart, .linkReopen: 1_000
        default: 330
        }
    }

    func isEnabled(_ kind: FaultKind) -> Bool { enabled.contains(kind) }
    var isCalm: Bool { enabled.isEmpty }
}
