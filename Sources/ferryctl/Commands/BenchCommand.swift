internal import ArgumentParser

/// `ferryctl bench`: what this machine does, against what it could do.
struct BenchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench", abstract: "Measure chunking and moves against the limit of the same primitives without a protocol.")

    @Argument(help: "What to measure: chunking, transfer, small-moves, all.")
    var suite: BenchSuite
    @OptionGroup var options: BenchOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        try await output.run {
            var results: [JSONValue] = []
            if suite == .chunking || suite == .all { results += try ChunkingBench(options: options).run { output.say($0) } }
            if suite == .transfer || suite == .all { results += try await TransferBench(options: options).run { output.say($0) } }
            guard suite == .smallMoves || suite == .all else { return CommandResult(fields: [("results", .array(results))]) }
            let small = try await SmallMovesBench(options: options).run { output.say($0) }
            results += small.map(\.json)
            let failure = small.lazy.compactMap(\.failure).first
            return CommandResult(
                fields: [("results", .array(results))], status: failure == nil ? .success : .failed, failure: failure)
        }
    }
}
