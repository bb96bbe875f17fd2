internal import ArgumentParser
internal import Ferry
internal import FerryWire

/// `ferryctl moves`
struct MovesCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "moves", abstract: "List the moves of a running node, or end a doubt.",
        subcommands: [ListMovesCommand.self, ResolveMoveCommand.self], defaultSubcommand: ListMovesCommand.self)
}

/// `ferryctl moves [--watch]`
struct ListMovesCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "List the moves of a running node.")

    @Flag(help: "Go on until interrupted: one JSON object a line, each with the key \"event\".")
    var watch = false
    @OptionGroup var selection: NodeSelection
    @OptionGroup var output: OutputOptions

    func run() async throws {
        guard !watch else { return try await follow() }
        try await output.run {
            let moves = try await Self.moves(try selection.connect())
            for move in moves { output.say(Self.line(move)) }
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
        guard let moves = try await client.send(ControlRequest(.moves)).checked().moves else {
            throw CommandFailure.answer(without: "moves")
        }
        return moves
    }

    private static func line(_ move: ControlReply.MoveLine) -> String {
        let lag = move.replayLag > 0 ? "  \(move.replayLag) inputs behind" : ""
        let stall = move.stall.isEmpty ? "" : "  (\(move.stall))"
        return "\(move.migration)  \(move.role)  \(move.result ?? move.phase)  \(move.bytes) of \(move.totalBytes) bytes\(lag)\(stall)"
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

/// `ferryctl moves resolve`: ends the doubt of a move whose other side does not answer.
struct ResolveMoveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "resolve", abstract: "End the doubt of a move, by your word that the other node will not contradict.")

    @Argument(help: "The move, 32 hex digits, as 'moves' lists it.")
    var migration: String
    @Flag(help: "The daemon is this node's: it goes on here.")
    var takeBack = false
    @Flag(help: "The daemon is not this node's: its key is wiped here.")
    var giveUp = false
    @OptionGroup var selection: NodeSelection
    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard MigrationID(hex: migration) != nil else { throw ValidationError("\"\(migration)\" is not a move of 32 hex digits") }
        guard takeBack != giveUp else { throw ValidationError("say either --take-back or --give-up") }
    }

    func run() async throws {
        try await output.run {
            var request = ControlRequest(.resolve)
            request.migration = migration
            request.resolution = takeBack ? "take-back" : "give-up"
            let reply = try await selection.connect().send(request)
            let fields: [(String, JSONValue)] = [
                ("migration", .string(migration)), ("resolution", .string(takeBack ? "take-back" : "give-up")),
                ("accepted", .bool(reply.accepted ?? false)),
            ]
            if let error = reply.error {
                return CommandResult(
                    fields: fields, status: .failed, failure: CommandFailure(code: error.code, message: error.message))
            }
            guard reply.accepted == true else {
                return CommandResult(fields: fields, status: .failed, failure: .answer(without: "having accepted it"))
            }
            output.say(takeBack ? "the daemon is this node's" : "the daemon is let go")
            return CommandResult(fields: fields)
        }
    }
}
