import FerryCrypto
import FerrySodium
import FerryStateMachines
import FerryTestKit
import Testing

/// Deliberate mistakes of a node, and rules that its machines leave out: the checks can fail.
@Suite("Seeded defects") struct DefectTests {
    /// The seeds within which each mistake of a host is found.
    static let bound = 60
    /// The seeds within which each rule that a machine leaves out is found.
    static let machineBound = 300

    @Test("every deliberate mistake is found", arguments: Defect.allCases)
    func found(defect: Defect) throws {
        var options = SimulationOptions(preset: Self.preset(for: defect), crypto: .sodium)
        options.defects = [defect]
        for seed in 1...UInt64(Self.bound) {
            let result = try Simulation(seed: seed, options: options).run()
            guard let violation = result.violations.first else { continue }
            #expect(Self.invariants(of: defect).contains(violation.invariant), "\(violation)")
            return
        }
        Issue.record("\(defect) is not found within \(Self.bound) seeds")
    }

    @Test("every rule that a machine leaves out is missed", arguments: SeededDefect.allCases)
    func missed(rule: SeededDefect) throws {
        var options = SimulationOptions(preset: Self.preset(for: rule), crypto: .sodium)
        options.seededDefect = rule
        if options.preset == .unordered { options.focus = Self.focus }
        for seed in 1...UInt64(Self.machineBound) where try !Simulation(seed: seed, options: options).run().violations.isEmpty {
            // The same world with the rule: what was missed is the rule, and nothing else.
            options.seededDefect = nil
            let control = try Simulation(seed: seed, options: options).run()
            #expect(control.violations.isEmpty, "seed \(seed) breaks also with \(rule): \(control.violations)")
            return
        }
        Issue.record("\(rule) is not missed within \(Self.machineBound) seeds")
    }

    @Test("the rules that can be left out are those of the machines, and no fewer than twenty")
    func enough() { #expect(SeededDefect.allCases.count >= 20) }

    private static func preset(for defect: Defect) -> SimulationPreset {
        switch defect {
        // Daemons send to each other over sessions.
        case .forgetOutputs, .speakAfterFence: .ordered
        // What is said in vain is counted where nothing is lost.
        case .sayTwice: .calm
        default: .unordered
        }
    }

    /// Where the rule matters: most of them wherever messages are lost and overtaken.
    private static func preset(for rule: SeededDefect) -> SimulationPreset {
        switch rule {
        case .movedStub: .calm
        case .repetition: .lossy
        // Daemons send to each other over sessions.
        case .timerOfEachPhase, .outputLaneComparison, .bindingComparison: .ordered
        default: .unordered
        }
    }

    /// What tells most rules from their absence.
    private static let focus: [FaultKind] = [
        .loss, .duplication, .reordering, .delay, .partition, .forged, .stale, .cancel, .orderExpiry, .competingOrder, .duplicateOrder,
        .wrongRestore, .droppedField, .slowReplay, .linkClose,
    ]

    /// What each breaks first.
    private static func invariants(of defect: Defect) -> Set<String> {
        switch defect {
        case .dropFence: ["S1", "S2", "S3", "S5", "S6"]
        case .activateBeforeTake: ["S1"]
        case .forgetTail: ["S2", "S5"]
        case .acknowledgeUnprocessed: ["S2", "S3", "S4"]
        case .bypassEpochCheck: ["S2"]
        case .resumeByTimer: ["S1", "S6", "V"]
        // Whoever believes in an epoch that never comes hears nobody.
        case .movedAtFence: ["S1", "S2", "L1", "L2"]
        case .respawn: ["S1", "S2"]
        case .obeyCommitAgain: ["S1"]
        // A daemon that serves through its move is taken for ever, one that has stopped never serves again.
        case .forgetResume: ["L1", "L2"]
        case .keepStandby: ["L1", "L2"]
        case .skipComparison: ["S2", "S5"]
        case .sayTwice: ["S10"]
        case .leakKey: ["S9"]
        case .keepKey: ["S9"]
        case .forgetOutputs: ["S2"]
        case .speakAfterFence: ["S1", "S6"]
        }
    }
}
