internal import ArgumentParser
internal import Ferry

/// `ferryctl plan`: asks source and target what a move would cost, and orders nothing.
struct PlanCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "plan", abstract: "Say what a move would cost, without making it.")

    @OptionGroup var order: OrderOptions
    @OptionGroup var selection: NodeSelection
    @OptionGroup var output: OutputOptions

    func run() async throws {
        try await output.run {
            let request = try order.request(.plan)
            let reply = try await selection.connect(patience: min(.seconds(10), order.timeout.duration)).send(request)
            if let error = reply.error, error.code == "declined" { return refused(error) }
            guard let plan = try reply.checked().plan else {
                throw CommandFailure.answer(without: "a plan")
            }
            let duration = plan.durationSeconds.map { "\(JSONValue.number($0).text) s" } ?? "an unknown time"
            let pause = plan.pauseMilliseconds.map { "\(JSONValue.number($0).text) ms" } ?? "an unknown time"
            output.say("accepted: \(plan.stateBytes) bytes in \(duration), pause \(pause), \(plan.memoryBytes) bytes at the target")
            return CommandResult(fields: [
                ("accepted", true), ("reason", .null), ("stateBytes", .integer(Int(clamping: plan.stateBytes))),
                ("wireBytes", .optional(plan.wireBytes.map { Int(clamping: $0) })),
                ("durationSeconds", .optional(plan.durationSeconds)), ("pauseMilliseconds", .optional(plan.pauseMilliseconds)),
                ("memoryBytes", .integer(Int(clamping: plan.memoryBytes))), ("mode", .string(plan.mode)),
                ("boundSeconds", .number(plan.boundSeconds)),
            ])
        }
    }

    /// The reason is the code of whoever refuses; the line says more.
    private func refused(_ error: ControlReply.Failure) -> CommandResult {
        let failure = CommandFailure(code: error.code, message: error.message, status: .rolledBack)
        return CommandResult(
            fields: [
                ("accepted", false), ("reason", .string(error.reason ?? error.message)), ("stateBytes", nil), ("wireBytes", nil),
                ("durationSeconds", nil), ("pauseMilliseconds", nil), ("memoryBytes", nil), ("mode", nil), ("boundSeconds", nil),
            ], status: failure.status, failure: failure)
    }
}
