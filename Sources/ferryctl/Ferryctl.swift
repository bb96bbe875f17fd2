internal import ArgumentParser

/// The command line: a host like any other, which picks plug-ins by name.
@main
struct Ferryctl: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ferryctl", abstract: "Runs nodes that move live daemons, and speaks to those that run.",
        subcommands: [
            NodeCommand.self, DaemonsCommand.self, MigrateCommand.self, MovesCommand.self, DemoCommand.self, BenchCommand.self,
            DemoRoleCommand.self,
        ])
}
