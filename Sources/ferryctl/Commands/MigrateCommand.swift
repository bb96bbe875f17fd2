internal import ArgumentParser
internal import Ferry
internal import Foundation

/// `ferryctl migrate`: orders a move and waits for its end.
struct MigrateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "migrate", abstract: "Move a daemon to another node.")

    @OptionGroup var order: OrderOptions
    @Option(help: "Sign the order with an operator's or the daemon's key: @FILE (0600), or '-' for standard input.")
    var orderKey: String?
    @Option(help: "Write the receipt, base64, to this file.")
    var receipt: String?
    @OptionGroup var selection: NodeSelection
    @OptionGroup var output: OutputOptions

    func validate() throws {
        // Whatever the value is, it may be a secret: no message repeats it.
        guard let orderKey else { return }
        guard orderKey == "-" || (orderKey.hasPrefix("@") && orderKey.count > 1) else {
            throw ValidationError("--order-key is @FILE or '-', never the key itself")
        }
    }

    func run() async throws {
        try await output.run {
            var request = try order.request(.migrate)
            let client = try selection.connect()
            if let orderKey {
                request.order = try await OrderSigning.order(order, key: orderKey, over: client)
                (request.mode, request.pauseBudgetMilliseconds, request.timeoutSeconds) = (nil, nil, nil)
            }
            let reply = try await client.send(request) { progress in
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
                    ("determinism", .string(report.determinism)), ("epoch", .string(report.epoch)), ("mode", .string(report.mode)),
                    ("predictedDurationSeconds", .optional(report.predictedDurationSeconds)),
                    ("predictedPauseMilliseconds", .optional(report.predictedPauseMilliseconds)),
                    ("replayedInputs", .integer(Int(clamping: report.replayedInputs))),
                ])
            ),
            ("receipt", .string(report.receipt)),
        ]
    }
}
