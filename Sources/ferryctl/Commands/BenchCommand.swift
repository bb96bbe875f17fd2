internal import ArgumentParser

/// `ferryctl bench`: what this machine does, against what it could do.
struct BenchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench", abstract: "Measure chunking and moves against the limit of the same primitives without a protocol.")

    @Argument(help: "What to measure: chunking, transfer, all.")
    var suite: BenchSuite
    @OptionGroup var options: BenchOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        try await output.run {
            var results: [JSONValue] = []
            if suite != .transfer { results += try ChunkingBench(options: options).run { output.say($0) } }
            if suite != .chunking { results += try await TransferBench(options: options).run { output.say($0) } }
            return CommandResult(fields: [("results", .array(results))])
        }
    }
}
