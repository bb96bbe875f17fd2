import FerryCrypto
import FerrySodium
import FerryTestKit
import Testing

/// Deliberate mistakes of a node: the checks can fail.
@Suite("Seeded defects") struct DefectTests {
    /// The seeds within which each is found.
    static let bound = 60

    @Test("every deliberate mistake is found", arguments: Defect.allCases)
    func found(defect: Defect) throws {
        var options = SimulationOptions(preset: .unordered, crypto: .sodium)
        options.defects = [defect]
        for seed in 1...UInt64(Self.bound) {
            let result = try Simulation(seed: seed, options: options).run()
            guard let violation = result.violations.first else { continue }
            #expect(Self.invariants(of: defect).contains(violation.invariant), "\(violation)")
            return
        }
        Issue.record("\(defect) is not found within \(Self.bound) seeds")
    }

    /// What each breaks first.
    private static func invariants(of defect: Defect) -> Set<String> {
        switch defect {
        case .dropFence: ["S1", "S2", "S3", "S6"]
        case .activateBeforeTake: ["S1"]
        case .forgetTail: ["S2", "S5"]
        case .acknowledgeUnprocessed: ["S2", "S3", "S4"]
        case .bypassEpochCheck: ["S2"]
        case .resumeByTimer: ["S1", "S6"]
        case .forgetResume: ["L1"]
        case .keepStandby: ["L1", "L2"]
        case .skipComparison: ["S2", "S5"]
        case .leakKey: ["S9"]
        case .keepKey: ["S9"]
        }
    }
}
