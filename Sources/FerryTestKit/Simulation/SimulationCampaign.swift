internal import FerryWire
internal import Synchronization

/// Many seeds, one after the other or several at once; what they come to together does not depend on how many at once.
public struct SimulationCampaign: Sendable {
    private let first: UInt64
    private let count: Int
    private let options: SimulationOptions

    /// Prepares the seeds `first`, `first` + 1, …, `count` of them.
    public init(first: UInt64 = 1, count: Int, options: SimulationOptions) {
        self.first = first
        self.count = max(0, count)
        self.options = options
    }

    /// Plays all seeds on `jobs` threads.
    ///
    /// - Parameter onResult: hears of each seed as it ends, in any order and from any thread.
    /// - Throws: what ``Simulation/run()`` throws.
    public func run(
        jobs: Int = 1, onResult: @escaping @Sendable (SimulationResult) -> Void = { _ in }
    ) async throws -> SimulationReport {
        let clock = ContinuousClock()
        let begun = clock.now
        let work = Work(count: count)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<max(1, jobs) {
                group.addTask {
                    while let index = work.next() {
                        let result = try Simulation(seed: first &+ UInt64(index), options: options).run()
                        work.finish(index, result)
                        onResult(result)
                    }
                }
            }
            try await group.waitForAll()
        }
        return SimulationReport(results: work.results, wallTime: clock.now - begun)
    }

    /// Hands out seeds and keeps their results in order.
    private final class Work: Sendable {
        private struct State {
            var nextIndex = 0
            var results: [SimulationResult?]
        }

        private let state: Mutex<State>

        init(count: Int) { state = Mutex(State(results: [SimulationResult?](repeating: nil, count: count))) }

        func next() -> Int? {
            state.withLock { state in
                guard state.nextIndex < state.results.count else { return nil }
                defer { state.nextIndex += 1 }
                return state.nextIndex
            }
        }

        func finish(_ index: Int, _ result: SimulationResult) { state.withLock { $0.results[index] = result } }

        var results: [SimulationResult] { state.withLock { $0.results.compactMap { $0 } } }
    }
}

/// What many seeds came to together.
public struct SimulationReport: Sendable {
    /// Seeds that were played.
    public private(set) var seeds = 0
    /// The sums of the seeds' figures; its seed and preset mean nothing.
    public private(set) var total: SimulationResult
    /// How long it took.
    public let wallTime: Duration
    /// Of all seeds' hashes in order of the seeds.
    public private(set) var traceHash: UInt64 = 0
    /// The lowest seed with a violation.
    public private(set) var firstFailure: SimulationResult?

    init(results: [SimulationResult], wallTime: Duration) {
        self.wallTime = wallTime
        total = SimulationResult(seed: 0, preset: .mixed)
        var hashes: [UInt8] = []
        for result in results { add(result, &hashes) }
        traceHash = xxh3(hashes.rawSpan)
    }

    private mutating func add(_ result: SimulationResult, _ hashes: inout [UInt8]) {
        seeds += 1
        total.moves += result.moves
        total.completed += result.completed
        total.rolledBack += result.rolledBack
        total.declined += result.declined
        total.lost += result.lost
        total.inDoubt += result.inDoubt
        total.doubted += result.doubted
        total.resolved += result.resolved
        total.completedLive += result.completedLive
        total.replayedInputs += result.replayedInputs
        total.eventsAccepted += result.eventsAccepted
        total.outputsProcessed += result.outputsProcessed
        total.faults += result.faults
        total.simulatedMilliseconds += result.simulatedMilliseconds
        total.violations += result.violations
        hashes += [UInt8](rawCapacity: 8) { $0.append(littleEndian: result.traceHash) }
        if firstFailure == nil, !result.violations.isEmpty { firstFailure = result }
    }
}
