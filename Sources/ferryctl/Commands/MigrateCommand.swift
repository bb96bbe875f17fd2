internal import ArgumentParser
internal import Ferry
internal import FerryWire
internal import Foundation

/// `ferryctl migrate`: orders a move and waits for its end.
struct MigrateCommand: AsyncParsableCommand {
    /// The modes of the command line.
    enum Mode: String, ExpressibleByArgument, CaseIterable {
        case live
        case stopAndCopy = "stop-and-copy"
    }

    static let configuration = CommandConfiguration(commandName: "migrate", abstract: "Move a daemon to another node.")

    @Argument(help: "Origin hash (decimal) or entity id (hex).")
    var daemon: String
    @Option(help: "The target: scheme:rest#NODEKEY.")
    var to: String
    @Option(help: "The source, when the daemon lives on another node than the one asked: scheme:rest#NODEKEY.")
    var from: String?
    @Option(help: "How the daemon moves: live or stop-and-copy.")
    var mode = Mode.stopAndCopy
    @Option(help: "How long the daemon may stand still.")
    var pauseBudget = TimeSpan(.milliseconds(50))
    @Option(help: "Give the move up after this long.")
    var timeout = TimeSpan(.seconds(600))
    @Option(help: "Write the receipt, base64, to this file.")
    var receipt: String?
    @OptionGroup var selection: NodeSelection
    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard UInt64(daemon) != nil || EntityID(hex: daemon) != nil else {
            throw ValidationError("\"\(daemon)\" is neither an origin hash (decimal) nor an entity id (64 hex digits)")
        }
        guard (1...86_400).contains(timeout.duration.seconds) else { throw ValidationError("--timeout is 1s to 24h") }
    }

    func run() async throws {
        try await output.run {
            _ = try Endpoint(argument: to, of: "--to")
            _ = try from.map { try Endpoint(argument: $0, of: "--from") }
            var request = ControlRequest(.migrate)
            request.daemon = daemon
            request.to = to
            request.from = from
            request.mode = mode.rawValue
            request.timeoutSeconds = timeout.duration.seconds
            let reply = try await selection.connect().send(request) { progress in
                Console.status("\(progress.phase): \(progress.bytes) of \(progress.totalBytes) bytes \(progress.stall)")
            }
            Console.status("")
            if let error = reply.error { return Self.failed(error) }
            guard let report = reply.report else {
                throw CommandFailure(code: "malformedRequest", message: "the node answered without a report")
            }
            try writeReceipt(report.receipt)
            output.say(
                "moved \(report.daemon): \(report.stateBytes) bytes in \(report.durationSeconds) s, pause \(report.pauseMilliseconds) ms")
            return CommandResult(fields: Self.fields(report))
        }
    }

    private func writeReceipt(_ text: String) throws {
        guard let receipt else { return }
        guard FileManager.default.createFile(atPath: receipt, contents: Data((text + "\n").utf8)) else {
            throw CommandFailure(code: "receipt", message: "the daemon has moved, but the receipt cannot be written to \(receipt)")
        }
    }

    private static func failed(_ error: ControlReply.Failure) -> CommandResult {
        var failure = CommandFailure(code: error.code, message: error.message)
        let result = ["declined", "rolledBack", "inDoubt"].contains(error.code) ? error.code : "failed"
        switch result {
        case "inDoubt": failure.status = .inDoubt
        case "declined": failure.status = .rolledBack
        case "rolledBack": failure.status = .rolledBack
        default: failure.status = .failed
        }
        return CommandResult(
            fields: [("result", .string(result)), ("report", .null), ("receipt", .null)], status: failure.status, failure: failure)
    }

    private static func fields(_ report: ControlReply.ReportLine) -> [(String, JSONValue)] {
        [
            ("result", .string(report.result)),
            (
                "report",
                .object([
                    ("stateBytes", .integer(Int(clamping: report.stateBytes))), ("wireBytes", .integer(Int(clamping: report.wireBytes))),
                    ("durationSeconds", .number(report.durationSeconds)), ("pauseMilliseconds", .number(report.pauseMilliseconds)),
                    ("longestStallMilliseconds", .number(report.longestStallMilliseconds)), ("rounds", .integer(report.rounds)),
                    ("determinism", .string(report.determinism)), ("epoch", .string(report.epoch)),
                ])
            ),
            ("receipt", .string(report.receipt)),
        ]
    }
}
