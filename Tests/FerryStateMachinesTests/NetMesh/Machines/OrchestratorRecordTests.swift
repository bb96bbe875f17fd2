import FerryWire
import Testing

@testable import FerryStateMachines

/// The orchestrator's table, superposition, factories and placement on their own.
struct OrchestratorRecordTests {
    private func move() -> NetMeshOrchestration {
        NetMeshOrchestration(
            origin: Sample.origin, source: Sample.source, target: Sample.target, attempt: 1, budgets: NetMeshBudgets(), now: Sample.at(0))
    }

    @Test("Every phase needs its predecessor", arguments: MigrationPhase.allCases)
    func guardedSteps(reached: MigrationPhase) throws {
        var move = move()
        for phase in MigrationPhase.allCases where phase > .snapshot && phase <= reached {
            try move.advance(to: phase, budget: .seconds(1), now: Sample.at(0))
        }
        for phase in MigrationPhase.allCases where phase.rawValue != reached.rawValue + 1 {
            let before = move
            #expect(throws: NetMeshRefusal.self) { try move.advance(to: phase, budget: .seconds(1), now: Sample.at(1)) }
            #expect(move == before)
        }
    }

    @Test("Of two orders for one daemon the first one wins")
    func oneRecordADaemon() throws {
        var table = NetMeshOrchestrator()
        try table.begin(move(), limit: 8)
        let refusal = #expect(throws: NetMeshRefusal.self) { try table.begin(move(), limit: 8) }
        #expect(refusal?.code == .alreadyMigrating)
    }

    @Test("The table has a cap: at it, and one past it")
    func cap() throws {
        var table = NetMeshOrchestrator()
        try table.check(Sample.origin, source: Sample.source, target: Sample.target, limit: 1)
        try table.begin(move(), limit: 1)
        #expect(throws: NetMeshRefusal.self) {
            try table.check(Sample.other, source: Sample.source, target: Sample.target, limit: 1)
        }
    }

    @Test("Outcomes are remembered for participants that ask again, and expire")
    func rememberedOutcomes() throws {
        var table = NetMeshOrchestrator()
        let limits = NetMeshLimits(recordAge: .seconds(10))
        try table.begin(move(), limit: 8)
        table.end(Sample.origin, failure: nil, local: Sample.local, limits: limits, now: Sample.at(0))
        #expect(table.records.isEmpty && table.ended.count == 1)
        table.expire(now: Sample.at(9))
        #expect(table.ended.count == 1)
        table.expire(now: Sample.at(10))
        #expect(table == NetMeshOrchestrator())
    }

    @Test("An answer for every batch with events, or any answer to empty ones")
    func replayAnswers() {
        var move = move()
        move.replaySentCount = 3
        move.replayAnsweredCount = 1
        #expect(move.isReplayAnswered)
        move.hasSentEvents = true
        #expect(!move.isReplayAnswered)
        move.replayAnsweredCount = 3
        #expect(move.isReplayAnswered)
    }

    @Test("Times are spans of a monotonic clock and saturate")
    func saturatingTimes() {
        #expect(Timestamp.distantFuture - Timestamp(nanoseconds: .min) == .nanoseconds(Int64.max))
        #expect(Timestamp.distantFuture + .seconds(1) == .distantFuture)
    }

    @Test("The published bound is the sum of the budgets")
    func totalBound() {
        let budgets = NetMeshBudgets(
            snapshot: .seconds(1), transfer: .seconds(2), replayStep: .seconds(9), replay: .seconds(4), cutover: .seconds(8),
            activation: .seconds(16), hook: .seconds(32))
        #expect(budgets.totalBound == .seconds(63))
    }

    // MARK: Superposition

    @Test("A target that catches up while the state still spreads is ready to collapse")
    func earlyCatchUp() {
        var superposition = Superposition()
        superposition.sourceAdvanced(Sample.link(3))
        superposition.advance(.transfer)
        superposition.targetReplayed(Sample.link(3))
        #expect(superposition.phase == .readyToCollapse)
        superposition.advance(.replay)
        #expect(superposition.phase == .readyToCollapse)
    }

    @Test("A repeated message never moves the superposition back", arguments: MigrationPhase.allCases)
    func monotonePhase(phase: MigrationPhase) {
        var superposition = Superposition()
        superposition.advance(.complete)
        superposition.advance(phase)
        superposition.sourceAdvanced(Sample.link(3))
        superposition.targetReplayed(Sample.link(3))
        #expect(superposition.phase == .resolved)
    }

    @Test("The proof spans the outputs before both heads, whichever is ahead")
    func continuityProof() {
        var superposition = Superposition()
        #expect(superposition.continuityProof == nil)
        superposition.sourceAdvanced(Sample.link(3, parent: 30))
        superposition.targetReplayed(Sample.link(5, parent: 50))
        let proof = ContinuityProof(origin: Sample.origin, fromSequence: 2, toSequence: 4, fromHash: 30, toHash: 50)
        #expect(superposition.continuityProof == proof)
        #expect(superposition.replayGap == 0)
        var behind = Superposition()
        behind.sourceAdvanced(Sample.link(5, parent: 50))
        behind.targetReplayed(Sample.link(3, parent: 30))
        #expect(behind.continuityProof == proof)
        #expect(behind.replayGap == 2)
        #expect(behind.phase == .localized)
    }

    @Test("Heads at 0 and at 1 both stand for sequence 0", arguments: [UInt64(0), 1])
    func genesisEdges(sequence: UInt64) {
        var superposition = Superposition()
        superposition.sourceAdvanced(Sample.link(sequence))
        superposition.targetReplayed(Sample.link(sequence))
        #expect(superposition.continuityProof?.fromSequence == 0)
        #expect(superposition.continuityProof?.toSequence == 0)
        #expect(superposition.replayGap == 0)
    }

    // MARK: Factories and placement

    @Test("A second factory does not touch the first")
    func factoryIncumbent() throws {
        var factories = NetMeshFactories()
        let first = NetMeshFactories.Entry(kind: "a", hasFallbackKey: true, orchestrator: nil, source: nil)
        try factories.register(first, for: Sample.origin, limit: 2)
        let second = NetMeshFactories.Entry(kind: "b", hasFallbackKey: false, orchestrator: nil, source: nil)
        let refusal = #expect(throws: NetMeshRefusal.self) { try factories.register(second, for: Sample.origin, limit: 2) }
        #expect(refusal?.message == "factory for origin_hash \(Sample.origin.rawValue.prefixedHex) already registered")
        #expect(factories[Sample.origin] == first)
    }

    @Test("An orchestrator is bound once and never silently rebound")
    func boundOrchestrator() throws {
        var factories = NetMeshFactories()
        let unknown = factories.bind(Sample.origin, to: Sample.orchestrator)
        try factories.register(
            NetMeshFactories.Entry(kind: "a", hasFallbackKey: false, orchestrator: nil, source: nil), for: Sample.origin, limit: 1)
        let bound = factories.bind(Sample.origin, to: Sample.orchestrator)
        let again = factories.bind(Sample.origin, to: Sample.orchestrator)
        let other = factories.bind(Sample.origin, to: Sample.stranger)
        #expect([unknown, bound, again, other] == [false, true, true, false])
        #expect(factories[Sample.origin]?.orchestrator == Sample.orchestrator)
        #expect(throws: NetMeshRefusal.self) {
            try factories.register(
                NetMeshFactories.Entry(kind: "a", hasFallbackKey: false, orchestrator: nil, source: nil), for: Sample.other, limit: 1)
        }
        factories.remove(Sample.origin)
        factories.remove(Sample.origin)
        #expect(factories == NetMeshFactories())
    }

    @Test("Placement takes the lowest node that has everything, and never the source")
    func placement() {
        var placement = NetMeshPlacement()
        let speaks = NetMeshPlacement.subprotocol
        placement.advertise(Sample.source, [speaks, "gpu"], limit: 8)
        placement.advertise(NodeID(rawValue: 30), [speaks, "gpu"], limit: 8)
        placement.advertise(NodeID(rawValue: 20), [speaks, "gpu", "ssd"], limit: 8)
        placement.advertise(NodeID(rawValue: 1), ["gpu"], limit: 8)
        placement.advertise(NodeID(rawValue: 2), [speaks], limit: 8)
        #expect(placement.target(requirements: ["gpu"], source: Sample.source) == NodeID(rawValue: 20))
        placement.withdraw(NodeID(rawValue: 20))
        #expect(placement.target(requirements: ["gpu"], source: Sample.source) == NodeID(rawValue: 30))
        placement.withdraw(NodeID(rawValue: 30))
        #expect(placement.target(requirements: ["gpu"], source: Sample.source) == nil)
    }

    @Test("The interval between repetitions doubles up to its bound")
    func backoff() {
        var backoff = NetMeshBackoff()
        backoff.start(.zero, first: .milliseconds(500))
        var now = Timestamp.zero
        var gaps: [Duration] = []
        while gaps.count < 8, let deadline = backoff.deadline {
            gaps.append(deadline - now)
            now = deadline
            _ = backoff.isDue(now, longest: .seconds(16))
        }
        #expect(gaps == [0.5, 1, 2, 4, 8, 16, 16, 16].map { Duration.seconds($0) })
    }
}
