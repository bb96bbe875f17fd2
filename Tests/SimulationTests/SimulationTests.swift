import FerryCrypto
import FerrySodium
import FerryTestKit
import Testing

@Suite("Simulation") struct SimulationTests {
    private func options(_ preset: SimulationPreset, _ cast: SimulatedCast = .ledger) -> SimulationOptions {
        SimulationOptions(preset: preset, cast: cast, crypto: .sodium)
    }

    @Test("one seed gives one run, another seed another", arguments: SimulationPreset.all)
    func sameSeedSameRun(preset: SimulationPreset) throws {
        let first = try Simulation(seed: 3, options: options(preset)).run()
        let again = try Simulation(seed: 3, options: options(preset)).run()
        let other = try Simulation(seed: 4, options: options(preset)).run()
        #expect(first == again)
        #expect(first.traceHash != other.traceHash)
    }

    @Test("many at once come to what they come to one after the other")
    func jobsDoNotMatter() async throws {
        let campaign = SimulationCampaign(first: 20, count: 4, options: options(.ordered))
        let one = try await campaign.run(jobs: 1)
        let two = try await campaign.run(jobs: 3)
        #expect(one.traceHash == two.traceHash && one.total == two.total)
    }

    @Test("no seed breaks an invariant, and every kind of fault takes effect")
    func manySeeds() async throws {
        let report = try await SimulationCampaign(first: 1, count: 128, options: options(.mixed)).run(jobs: 2)
        #expect(report.firstFailure == nil, "\(report.firstFailure?.seed ?? 0): \(report.total.violations)")
        for kind in FaultKind.allCases { #expect(report.total.faults[kind] > 0, "\(kind.rawValue) never took effect") }
        let total = report.total
        #expect(total.completed * 100 >= total.moves * 30, "\(total.completed) of \(total.moves) completed")
        #expect(total.rolledBack * 100 >= total.moves * 10, "\(total.rolledBack) of \(total.moves) rolled back")
        #expect(total.inDoubt == 0)
        #expect(total.outputsProcessed > 1_000, "daemons hardly send to each other")
    }

    @Test("without a fault nothing is rolled back, and every event is accepted")
    func calm() async throws {
        let report = try await SimulationCampaign(first: 1, count: 6, options: options(.calm)).run(jobs: 2)
        #expect(report.firstFailure == nil, "\(report.total.violations)")
        #expect(report.total.completed > 0 && report.total.lost == 0)
        for kind in FaultKind.allCases { #expect(report.total.faults[kind] == 0) }
    }

    @Test("doubts that operators end, each knowing how the other node stands, end well whatever is on its way")
    func operators() async throws {
        let report = try await SimulationCampaign(first: 1, count: 150, options: options(.operators)).run(jobs: 2)
        #expect(report.firstFailure == nil, "\(report.firstFailure?.seed ?? 0): \(report.total.violations)")
        #expect(report.total.resolved >= 10, "of \(report.total.doubted) doubts \(report.total.resolved) were ended by hand")
        #expect(report.total.lost == 0, "nobody crashes, so no daemon may be lost")
    }

    @Test("the timeline tells the same run")
    func timeline() throws {
        let simulation = Simulation(seed: 5, options: options(.ordered))
        let first = try simulation.timeline()
        #expect(!first.isEmpty)
        #expect(try simulation.timeline() == first)
    }

    @Test("a host's own daemon plays, through the real snapshot writer and reader")
    func ownDaemon() async throws {
        let cast = SimulatedCast { _ in Tally() }
        let report = try await SimulationCampaign(first: 1, count: 5, options: options(.ordered, cast)).run(jobs: 2)
        #expect(report.firstFailure == nil, "\(report.total.violations)")
        #expect(report.total.completed > 0)
    }

    @Test("a daemon whose snapshot drops a field is found out")
    func forgetfulDaemon() async throws {
        let cast = SimulatedCast { _ in ForgetfulTally() }
        let report = try await SimulationCampaign(first: 1, count: 3, options: options(.calm, cast)).run(jobs: 2)
        let total = report.total
        #expect(total.moves > 0 && total.rolledBack > 0 && total.eventsAccepted > 0)
        #expect(total.completed == 0, "the source's digest is over a state that the copy does not hold")
        // Which is all that the world complains of.
        let complaint = "a move comes to nothing without a fault"
        #expect(total.violations.allSatisfy { $0.invariant == "L1" && $0.text.hasPrefix(complaint) }, "\(total.violations)")
    }
}
