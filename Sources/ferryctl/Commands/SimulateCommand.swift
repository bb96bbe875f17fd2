internal import ArgumentParser
internal import FerryCrypto
internal import FerrySodium
internal import FerryTestKit
internal import Synchronization

/// `ferryctl simulate`: the shipping machines under every fault, in virtual time.
struct SimulateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "simulate",
        abstract: "Drive the protocol's machines through seeds of faults in virtual time, and check every invariant.")

    @Option(help: "How many seeds.")
    var seeds = 100
    @Option(help: "The first seed.")
    var start: UInt64 = 1
    @Option(help: "What is driven: \(SimulationPreset.all.map(\.rawValue).joined(separator: ", ")).")
    var preset = PresetName(.mixed)
    @Option(help: "Seeds at once.")
    var jobs = 1
    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard seeds >= 1 else { throw ValidationError("--seeds is at least 1") }
        guard (1...256).contains(jobs) else { throw ValidationError("--jobs is within 1 and 256") }
    }

    func run() async throws {
        try await output.run {
            let options = SimulationOptions(preset: preset.preset, crypto: .sodium)
            let doneCount = Atomic<Int>(0)
            let report = try await SimulationCampaign(first: start, count: seeds, options: options).run(jobs: jobs) { result in
                let count = doneCount.add(1, ordering: .relaxed).newValue
                if count.isMultiple(of: 20) { Console.status("\(count) of \(seeds) seeds") }
                for violation in result.violations.prefix(1) { Console.complain("seed \(result.seed) (\(result.preset)): \(violation)") }
            }
            Console.status("")
            for line in lines(of: report) { output.say(line) }
            if let failure = report.firstFailure { try show(failure, options) }
            return result(of: report)
        }
    }

    /// Plays the first seed that failed once more, and tells how it came to it.
    private func show(_ failure: SimulationResult, _ options: SimulationOptions) throws {
        for line in try Simulation(seed: failure.seed, options: options).timeline().suffix(400) { output.say(line) }
        for violation in failure.violations { output.say("violation: \(violation)") }
        output.say("replay: \(replay(failure))")
    }

    private func replay(_ failure: SimulationResult) -> String {
        "scripts/ferryctl simulate --seeds 1 --start \(failure.seed) --preset \(preset)"
    }

    private func lines(of report: SimulationReport) -> [String] {
        let total = report.total
        let seconds = max(report.wallTime.seconds, 0.001)
        let faults = FaultKind.allCases.map { "\($0.rawValue) \(total.faults[$0])" }.joined(separator: ", ")
        return [
            "\(report.seeds) seeds: \(total.moves) moves, \(total.completed) completed (\(total.completedLive) live),"
                + " \(total.rolledBack) rolled back,"
                + " \(total.declined) declined, \(total.lost) lost with their nodes, \(total.inDoubt) in doubt",
            "\(total.eventsAccepted) events accepted, \(total.outputsProcessed) outputs between daemons;"
                + " \(total.simulatedMilliseconds / 1_000) s simulated in \(String(format: seconds)) s",
            "per second and core: \(Int(Double(total.moves) / seconds) / jobs) moves,"
                + " \(Int(Double(total.eventsAccepted) / seconds) / jobs) events",
            "faults: \(faults)",
            "\(total.violations.count) violations; trace \(report.traceHash)",
        ]
    }

    func result(of report: SimulationReport) -> CommandResult {
        let total = report.total
        let first = report.firstFailure.flatMap { failure in
            failure.violations.first.map { JSONValue.string("seed \(failure.seed): \($0); replay: \(replay(failure))") }
        }
        let fields: [(String, JSONValue)] = [
            ("seeds", .integer(report.seeds)), ("moves", .integer(total.moves)), ("completed", .integer(total.completed)),
            ("completedLive", .integer(total.completedLive)), ("replayedInputs", .integer(Int(total.replayedInputs))),
            ("rolledBack", .integer(total.rolledBack)), ("inDoubt", .integer(total.inDoubt)), ("declined", .integer(total.declined)),
            ("lost", .integer(total.lost)), ("doubted", .integer(total.doubted)), ("resolved", .integer(total.resolved)),
            ("eventsAccepted", .integer(Int(total.eventsAccepted))),
            ("outputsProcessed", .integer(Int(total.outputsProcessed))),
            ("faults", .object(FaultKind.allCases.map { ($0.rawValue, .integer(Int(total.faults[$0]))) })),
            ("simulatedSeconds", .number(Double(total.simulatedMilliseconds) / 1_000)),
            ("wallSeconds", .number(report.wallTime.seconds)), ("violations", .integer(total.violations.count)),
            ("firstViolation", first ?? .null), ("traceHash", .id(report.traceHash)),
        ]
        guard let failure = report.firstFailure, let violation = failure.violations.first else { return CommandResult(fields: fields) }
        return CommandResult(
            fields: fields, status: .failed,
            failure: CommandFailure(code: "violation", message: "seed \(failure.seed): \(violation)", status: .failed))
    }
}

/// A preset as the command line names it.
struct PresetName: ExpressibleByArgument, CustomStringConvertible {
    let preset: SimulationPreset

    init(_ preset: SimulationPreset) { self.preset = preset }

    init?(argument: String) {
        guard let preset = SimulationPreset.all.first(where: { $0.rawValue == argument }) else { return nil }
        self.init(preset)
    }

    var description: String { preset.rawValue }
    var defaultValueDescription: String { preset.rawValue }
}

extension String {
    /// Seconds with one decimal.
    fileprivate init(format seconds: Double) { self.init((seconds * 10).rounded() / 10) }
}
