internal import ArgumentParser
internal import Foundation

/// The command line: a host like any other, which picks plug-ins by name.
@main
struct Ferryctl: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ferryctl", abstract: "Runs nodes that move live daemons, and speaks to those that run.",
        subcommands: [
            NodeCommand.self, DaemonsCommand.self, MigrateCommand.self, PlanCommand.self, MovesCommand.self, ReceiptCommand.self,
            DemoCommand.self, SimulateCommand.self, SoakCommand.self, BenchCommand.self, InspectCommand.self, DemoRoleCommand.self,
        ])

    static func main() async {
        // A peer, a reader of our output or a role that has died is an error of one write, not the end of this process.
        signal(SIGPIPE, SIG_IGN)
        do {
            var command = try parseAsRoot()
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
        } catch {
            // A command that ran has said what was wrong; what comes from parsing has not.
            guard !(error is ExitCode), exitCode(for: error) == .validationFailure else { exit(withError: error) }
            UsageError(error, CommandLine.arguments.dropFirst()).report(CommandLine.arguments.dropFirst())
        }
    }
}

/// Wrong usage: one line, and the JSON object that was asked for all the same.
private struct UsageError {
    let failure: CommandFailure
    /// Whose help says more.
    private let command: String

    init(_ error: any Error, _ arguments: some Collection<String>) {
        let known = Self.subcommand(arguments)
        command = known
        var text = Ferryctl.message(for: error).split(whereSeparator: \.isNewline).joined(separator: " ")
        // Of a command that does not exist, its flags are what the parser trips over first.
        if let command = arguments.first, !command.hasPrefix("-"), known.isEmpty { text = "no command '\(command)'" }
        failure = CommandFailure(code: "usage", message: text.isEmpty ? "wrong usage" : text, status: .usage)
    }

    func report(_ arguments: some Collection<String>) -> Never {
        var output = OutputOptions()
        output.jsonPath = Self.jsonPath(arguments)
        try? output.write(.object([("error", failure.json)]))
        Console.complain("\(failure.message) (see ferryctl \(command)--help)")
        Ferryctl.exit(withError: failure.status.code)
    }

    private static func subcommand(_ arguments: some Collection<String>) -> String {
        let names = Ferryctl.configuration.subcommands.compactMap { $0.configuration.commandName }
        return arguments.first.map { names.contains($0) ? $0 + " " : "" } ?? ""
    }

    /// Where `--json` would have sent the object, had the rest been right.
    private static func jsonPath(_ arguments: some Collection<String>) -> String? {
        for (argument, next) in zip(arguments, arguments.dropFirst()) where argument == "--json" { return next }
        return arguments.first { $0.hasPrefix("--json=") }.map { String($0.dropFirst("--json=".count)) }
    }
}
