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
            try checkReceiptPath()
            let client = try selection.connect(patience: min(.seconds(10), order.timeout.duration))
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
                throw CommandFailure.answer(without: "a report")
            }
            let (seconds, pause) = (JSONValue.number(report.durationSeconds).text, JSONValue.number(report.pauseMilliseconds).text)
            output.say("moved \(report.daemon): \(report.stateBytes) bytes in \(seconds) s, pause \(pause) ms")
            // The daemon has moved, and the node gives the receipt once: what is known is told whatever becomes of the file.
            let failure = receiptFailure(writing: report.receipt)
            return CommandResult(fields: Self.fields(report), status: failure?.status ?? .success, failure: failure)
        }
    }

    /// A path that nothing can be written to is better known before the daemon moves.
    private func checkReceiptPath() throws(CommandFailure) {
        guard let receipt else { return }
        let folder = URL(fileURLWithPath: receipt).deletingLastPathComponent().path
        var isFolder: ObjCBool = false
        guard FileManager.default.isWritableFile(atPath: folder),
            unsafe !FileManager.default.fileExists(atPath: receipt, isDirectory: &isFolder) || !isFolder.boolValue
        else { throw CommandFailure(code: "receipt", message: "the receipt cannot be written to \(receipt)") }
    }

    private func receiptFailure(writing text: String) -> CommandFailure? {
        guard let receipt, !FileManager.default.createFile(atPath: receipt, contents: Data((text + "\n").utf8)) else { return nil }
        return CommandFailure(code: "receipt", message: "the daemon has moved, but the receipt cannot be written to \(receipt)")
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
