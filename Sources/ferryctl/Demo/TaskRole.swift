internal import FerryInMemory

/// A role as a task of this process: what a memory transport needs.
final class TaskRole: DemoRole {
    let lines = RoleLines()
    private let commands = RoleLines()
    private let task: Task<Void, Never>

    init(configuration: RoleConfiguration, network: InMemoryNetwork) {
        let commands = commands.stream
        let lines = lines
        task = Task {
            await RoleRunner.run(configuration, network: network, commands: commands) { lines.continuation.yield(RoleLine.encode($0)) }
            lines.continuation.finish()
        }
    }

    var processID: Int32? { nil }

    func send(_ command: String) { commands.continuation.yield(command) }

    func kill() { task.cancel() }

    var wasStuck: Bool { false }

    func finish() async {
        commands.continuation.finish()
        await task.value
    }
}

/// Runs a role, whatever carries its commands and lines.
enum RoleRunner {
    static func run(
        _ configuration: RoleConfiguration, network: InMemoryNetwork?, commands: AsyncStream<String>,
        say: @escaping @Sendable (RoleEvent) -> Void
    ) async {
        do {
            switch configuration.kind {
            case .node: try await NodeRole(configuration: configuration, network: network, say: say).run(commands)
            case .emitter: try await EmitterRole(configuration: configuration, network: network, say: say).run(commands)
            case .relay: try await RelayRole(say: say).run(commands)
            }
        } catch is CancellationError {
            return
        } catch {
            let failure = CommandFailure(describing: error)
            say(.failed(code: failure.code, message: failure.message))
        }
    }
}
