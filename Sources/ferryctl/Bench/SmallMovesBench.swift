internal import FerryCrypto

/// Many small daemons that move between two nodes at once: what a move costs when there is next to no state.
struct SmallMovesBench {
    static let defaultStateByteCount = 1 << 10

    var options: BenchOptions

    private var kind: BenchDataKind { options.dataKind ?? .random }
    private var stateByteCount: Int { options.stateSize?.byteCount ?? Self.defaultStateByteCount }

    /// Measures the transport that the options name, or each.
    func run(say: (String) -> Void) async throws -> [SmallMovesResult] {
        say("\(options.daemons) daemons of \(stateByteCount) bytes moved at once, medians of \(options.runs):")
        var results: [SmallMovesResult] = []
        for transport in options.transport.map({ [$0] }) ?? DemoTransport.allCases {
            var result = SmallMovesResult(transport: transport, crypto: options.crypto, stateByteCount: stateByteCount)
            for index in 0..<options.runs {
                Console.status("\(transport.rawValue) \(index + 1)/\(options.runs)")
                result.runs.append(try await measure(transport))
            }
            Console.status("")
            say(result.line)
            results.append(result)
        }
        return results
    }

    private func measure(_ transport: DemoTransport) async throws -> SmallMovesRun {
        let folder = try DemoFolder()
        let cast = try await BenchCast.start(transport, options, in: folder)
        do {
            let run = try await play(cast)
            await cast.finish()
            return run
        } catch {
            await cast.finish()
            throw error
        }
    }

    private func play(_ cast: BenchCast) async throws -> SmallMovesRun {
        var daemons: [SpawnedDaemon] = []
        for _ in 0..<options.daemons { daemons.append(try await cast.spawn(kind, byteCount: stateByteCount)) }
        let (summaries, seconds) = try await cast.moveAll(daemons)
        var run = SmallMovesRun(summaries: summaries, seconds: seconds)
        for daemon in daemons {
            switch try await cast.standings(of: daemon).count(where: { $0 == "active" }) {
            case 0: run.homeless += 1
            case 1: break
            default: run.doubled += 1
            }
        }
        return run
    }
}

/// What came of one run.
struct SmallMovesRun: Sendable {
    var summaries: [MoveSummary]
    /// From the first order to the last report.
    var seconds: Double
    /// Daemons that are active on no node, and on both.
    var homeless = 0
    var doubled = 0

    func count(_ result: String) -> Int { summaries.count { $0.result == result } }
    var movesPerSecond: Double { seconds > 0 ? Double(count("completed")) / seconds : 0 }
    /// From each order's turn to its receipt, in milliseconds.
    var durations: [Double] { summaries.compactMap { $0.durationSeconds.map { $0 * 1_000 } }.sorted() }

    var json: JSONValue {
        .object([
            ("seconds", .number(seconds)), ("movesPerSecond", .number(movesPerSecond)), ("completed", .integer(count("completed"))),
            ("rolledBack", .integer(count("rolledBack"))), ("onNoNode", .integer(homeless)), ("onBothNodes", .integer(doubled)),
            ("durationP50Milliseconds", .optional(durations.quantile(0.5))),
            ("durationP99Milliseconds", .optional(durations.quantile(0.99))),
        ])
    }
}

/// All runs over one transport; its figures are medians, its counts sums.
struct SmallMovesResult: Sendable {
    var transport: DemoTransport
    var crypto: DemoCrypto
    var stateByteCount: Int
    var runs: [SmallMovesRun] = []

    private var moves: [MoveSummary] { runs.flatMap(\.summaries) }
    private func sum(_ result: String) -> Int { runs.map { $0.count(result) }.reduce(0, +) }
    private func median(_ fraction: Double) -> Double? { runs.compactMap { $0.durations.quantile(fraction) }.median }

    var json: JSONValue {
        .object([
            ("suite", .string(BenchSuite.smallMoves.rawValue)), ("transport", .string(transport.rawValue)),
            ("crypto", .string(crypto.rawValue)), ("stateBytes", .integer(stateByteCount)), ("moves", .integer(moves.count)),
            ("completed", .integer(sum("completed"))), ("rolledBack", .integer(sum("rolledBack"))),
            ("declined", .integer(sum("declined"))), ("movesPerSecond", .optional(runs.map(\.movesPerSecond).median)),
            ("durationP50Milliseconds", .optional(median(0.5))), ("durationP99Milliseconds", .optional(median(0.99))),
            ("onNoNode", .integer(runs.map(\.homeless).reduce(0, +))), ("onBothNodes", .integer(runs.map(\.doubled).reduce(0, +))),
            ("runs", .array(runs.map(\.json))),
        ])
    }

    /// One line for a person.
    var line: String {
        "\(transport.rawValue), \(crypto.rawValue): \(Figure.text(runs.map(\.movesPerSecond).median)) moves/s, each in "
            + "\(Figure.text(median(0.5))) ms (p50), \(Figure.text(median(0.99))) ms (p99); \(sum("completed")) of \(moves.count) completed, "
            + "\(sum("rolledBack")) rolled back"
    }

    /// Every daemon is on one node, and every move completed or rolled back.
    var failure: CommandFailure? {
        if let run = runs.first(where: { $0.homeless + $0.doubled > 0 }) {
            return CommandFailure(code: "failed", message: "\(run.homeless) daemons are on no node, \(run.doubled) on both")
        }
        guard let other = moves.first(where: { $0.result != "completed" && $0.result != "rolledBack" }) else { return nil }
        return CommandFailure(code: other.result, message: "a move neither completed nor rolled back: \(other.message ?? other.result)")
    }
}
