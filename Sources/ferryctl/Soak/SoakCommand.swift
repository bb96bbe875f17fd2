internal import ArgumentParser
internal import Foundation

/// `ferryctl soak`: real processes under real faults.
struct SoakCommand: AsyncParsableCommand {
    /// No leg is longer: every process is started anew and every history closed between two of them.
    private static let longestLeg = Duration.seconds(150)

    static let configuration = CommandConfiguration(
        commandName: "soak",
        abstract: "Move daemons between processes that are killed, stopped and badly connected, and check every promise meanwhile.")

    @OptionGroup var options: SoakOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        try await output.run {
            let seed = options.seed ?? UInt64.random(in: 1...(1 << 53))
            let output = output
            let record = SoakRecord { output.say($0) }
            let startedAt = MonotonicClock.now
            let legs = Self.legs(options)
            let time = options.duration.duration / legs.count
            let parts = StartedParts()
            try await parts.untilSignalled({ await Self.end(parts, output, $0) }) {
                for (index, leg) in legs.enumerated() {
                    try await SoakLeg.play(leg, options, seed: seed &+ UInt64(index), for: time, record: record, parts)
                }
            }
            let report = SoakReport(
                seed: seed, durationSeconds: Double(MonotonicClock.now - startedAt) * 1e-9, counts: record.counts,
                violations: record.violations, isLiveExpected: options.mode != .stopAndCopy)
            for line in report.lines { output.say(line) }
            return CommandResult(fields: report.fields, status: report.failure == nil ? .success : .failed, failure: report.failure)
        }
    }

    /// A soak that is told to end does not wait for what it has hurt to heal.
    private static func end(_ parts: StartedParts, _ output: OutputOptions, _ failure: CommandFailure) async {
        await parts.cleanUp()
        output.complain(failure)
        Foundation.exit(failure.status.rawValue)
    }

    /// The transports in turn, each as often as the others.
    static func legs(_ options: SoakOptions) -> [DemoTransport] {
        let transports = options.transport.each
        let rounds = Int((options.duration.duration / (Self.longestLeg * transports.count)).rounded(.up))
        return Array(repeating: transports, count: max(1, rounds)).flatMap { $0 }
    }
}
