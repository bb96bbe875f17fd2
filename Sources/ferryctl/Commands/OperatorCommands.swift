internal import ArgumentParser
internal import Ferry
internal import Foundation

/// The node that a command speaks to.
struct NodeSelection: ParsableArguments {
    @Option(help: "The node's control socket (default: the only one in the default folder).")
    var node: String?

    /// Connects to it.
    ///
    /// - Parameter patience: how long it may be silent before it is asked whether it answers anybody.
    func connect(patience: Duration = .seconds(10)) throws -> ControlClient {
        try ControlClient(path: try ControlSocketPath.resolve(node), patience: patience)
    }
}

extension CommandFailure {
    /// A reply that is none to what was asked.
    static func answer(without field: String) -> CommandFailure {
        CommandFailure(code: "malformedRequest", message: "the node answered without \(field)")
    }
}

extension ControlReply {
    /// The reply, unless the node refused.
    func checked() throws(CommandFailure) -> ControlReply {
        guard let error else { return self }
        let status: ExitStatus =
            switch error.code {
            case "declined", "rolledBack": .rolledBack
            case "inDoubt": .inDoubt
            default: .failed
            }
        throw CommandFailure(code: error.code, message: error.message, status: status)
    }
}

/// `ferryctl daemons`
struct DaemonsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "daemons", abstract: "List the daemons of a running node.")

    @OptionGroup var selection: NodeSelection
    @OptionGroup var output: OutputOptions

    func run() async throws {
        try await output.run {
            let reply = try await selection.connect().send(ControlRequest(.daemons)).checked()
            guard let daemons = reply.daemons else { throw CommandFailure.answer(without: "daemons") }
            for daemon in daemons {
                output.say("\(daemon.origin)  \(daemon.kind)  epoch \(daemon.epoch)  \(daemon.state)  \(daemon.events) events")
            }
            if daemons.isEmpty { output.say("no daemons") }
            return CommandResult(fields: [("daemons", .array(daemons.map(Self.json)))])
        }
    }

    private static func json(_ daemon: ControlReply.DaemonLine) -> JSONValue {
        .object([
            ("origin", .string(daemon.origin)), ("entityID", .string(daemon.entityID)), ("kind", .string(daemon.kind)),
            ("epoch", .string(daemon.epoch)), ("state", .string(daemon.state)), ("events", .integer(Int(clamping: daemon.events))),
        ])
    }
}
