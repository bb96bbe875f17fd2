internal import ArgumentParser
internal import Ferry
internal import FerryWire

/// What an order says, as `migrate` and `plan` share it.
struct OrderOptions: ParsableArguments {
    /// The modes of the command line.
    enum Mode: String, ExpressibleByArgument, CaseIterable {
        case live
        case stopAndCopy = "stop-and-copy"

        var moveMode: MoveMode {
            switch self {
            case .live: .live
            case .stopAndCopy: .stopAndCopy
            }
        }
    }

    @Argument(help: "Origin hash (decimal) or entity id (hex).")
    var daemon: String
    @Option(help: "The target: scheme:rest#NODEKEY.")
    var to: String
    @Option(help: "The source, when the daemon lives on another node than the one asked: scheme:rest#NODEKEY.")
    var from: String?
    @Option(help: "How the daemon moves: live or stop-and-copy.")
    var mode = Mode.live
    @Option(help: "How long the daemon may stand still; a live move that cannot keep it is declined before the pause.")
    var pauseBudget = TimeSpan(.milliseconds(50))
    @Option(help: "Give the move up after this long.")
    var timeout = TimeSpan(.seconds(600))

    func validate() throws {
        guard UInt64(daemon) != nil || EntityID(hex: daemon) != nil else {
            throw ValidationError("\"\(daemon)\" is neither an origin hash (decimal) nor an entity id (64 hex digits)")
        }
        guard (1...86_400).contains(timeout.duration.seconds) else { throw ValidationError("--timeout is 1s to 24h") }
        guard (0...86_400).contains(pauseBudget.duration.seconds) else { throw ValidationError("--pause-budget is 0ms to 24h") }
    }

    /// Where the daemon is and where it goes.
    func endpoints() throws(CommandFailure) -> (source: Endpoint?, target: Endpoint) {
        var source: Endpoint?
        if let from { source = try Endpoint(argument: from, of: "--from") }
        return (source, try Endpoint(argument: to, of: "--to"))
    }

    /// The request, but for what a signed order says in its place.
    func request(_ command: ControlRequest.Command) throws(CommandFailure) -> ControlRequest {
        _ = try endpoints()
        var request = ControlRequest(command)
        request.daemon = daemon
        request.to = to
        request.from = from
        request.mode = mode.rawValue
        request.pauseBudgetMilliseconds = pauseBudget.duration.milliseconds
        request.timeoutSeconds = timeout.duration.seconds
        return request
    }
}
