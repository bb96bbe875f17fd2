internal import ArgumentParser
internal import Ferry
internal import Foundation

/// The node that a command speaks to.
struct NodeSelection: ParsableArguments {
    @Option(help: "The node's control socket (default: the only one in the default folder).")
    var node: String?

    /// Connects to it.
    func connect() throws -> ControlClient { try ControlClient(path: try ControlSocketPath.resolve(node)) }
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
            let daemons = reply.daemons ?? []
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
            ("epoch", .string(daemon.epoch)), ("state", .string(daemon.state)), ("events", .integer(Int(daemon.events))),
        ])
    }
}

/// `ferryctl moves`
struct MovesCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "moves", abstract: "List the moves of a running node.")

    @Flag(help: "Go on until interrupted: one JSON object a line, each with the key \"event\".")
    var watch = false
    @OptionGroup var selection: NodeSelection
    @OptionGroup var output: OutputOptions

    func run() async throws {
        guard !watch else { return try await follow() }
        try await output.run {
            let moves = try await Self.moves(try selection.connect())
            for move in moves {
                let stall = move.stall.isEmpty ? "" : "  (\(move.stall))"
                output.say(
                    "\(move.migration)  \(move.role)  \(move.result ?? move.phase)  \(move.bytes) of \(move.totalBytes) bytes\(stall)")
            }
            if moves.isEmpty { output.say("no moves") }
            return CommandResult(fields: [("moves", .array(moves.map(Self.json)))])
        }
    }

    private func follow() async throws {
        do {
            let client = try selection.connect()
            while true {
                let moves = try await Self.moves(client)
                NodeEvents.write("moves", [("moves", .array(moves.map(Self.json)))])
                try await Task.sleep(for: Self.watchInterval)
            }
        } catch {
            let failure = CommandFailure(describing: error)
            NodeEvents.write("failed", [("code", .string(failure.code)), ("message", .string(failure.message))])
            Console.complain(failure.message)
            throw failure.status.code
        }
    }

    private static let watchInterval = Duration.seconds(1)

    private static func moves(_ client: ControlClient) async throws -> [ControlReply.MoveLine] {
        try await client.send(ControlRequest(.moves)).checked().moves ?? []
    }

    private static func json(_ move: ControlReply.MoveLine) -> JSONValue {
        .object([
            ("migration", .string(move.migration)), ("daemon", .string(move.daemon)), ("role", .string(move.role)),
            ("source", .string(move.source)), ("target", .string(move.target)), ("phase", .string(move.phase)),
            ("elapsedSeconds", .number(move.elapsedSeconds)), ("ageInPhaseSeconds", .number(move.ageInPhaseSeconds)),
            ("bytes", .integer(Int(clamping: move.bytes))), ("totalBytes", .integer(Int(clamping: move.totalBytes))),
            ("bytesPerSecond", .number(move.bytesPerSecond)), ("replayLag", .integer(Int(clamping: move.replayLag))),
            ("estimatedPauseMilliseconds", .optional(move.estimatedPauseMilliseconds)), ("retries", .integer(move.retries)),
            ("stall", .string(move.stall)), ("boundSeconds", .number(move.boundSeconds)),
            ("result", move.result.map(JSONValue.string) ?? .null),
        ])
    }
}
