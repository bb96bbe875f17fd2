internal import ArgumentParser

/// Which sockets a soak runs over, in turn.
enum SoakTransport: String, ExpressibleByArgument, CaseIterable, Sendable {
    case udp, unix, both

    /// In the order of the legs.
    var each: [DemoTransport] {
        switch self {
        case .udp: [.udp]
        case .unix: [.unix]
        case .both: [.udp, .unix]
        }
    }
}

/// How the daemons move.
enum SoakMode: String, ExpressibleByArgument, CaseIterable, Sendable {
    case mixed
    case live
    case stopAndCopy = "stop-and-copy"

    /// In the words of an order.
    func next(_ noise: inout Noise) -> String {
        switch self {
        case .mixed: noise.next().isMultiple(of: 2) ? Self.live.rawValue : Self.stopAndCopy.rawValue
        case .live, .stopAndCopy: rawValue
        }
    }
}

/// Evidence that is falsified on its way to the checks, so that a test can see them fail.
enum SoakSabotage: String, ExpressibleByArgument, CaseIterable, Sendable {
    /// One processed event is not told.
    case lost
    /// One is told twice.
    case duplicated
    /// One is told with its successor's place in the emitter's order.
    case reordered
    /// A daemon's owner is told to be another node as well.
    case twoOwners = "two-owners"
    /// The bound on memory is a byte.
    case memory
    /// A daemon that is where it was is told to be nowhere.
    case vanished
    /// A node's process ends just before it is killed.
    case crashed
    /// A move that completed is told to be rolled back.
    case misreported
    /// A move is told to have been made in another mode than was ordered.
    case fellBack = "fell-back"

    var falsifiesLogs: Bool {
        switch self {
        case .lost, .duplicated, .reordered: true
        case .twoOwners, .memory, .vanished, .crashed, .misreported, .fellBack: false
        }
    }
}

/// The flags of `ferryctl soak`.
struct SoakOptions: ParsableArguments {
    @Option(help: "How long faults are injected; healing and counting come on top.")
    var duration = TimeSpan(.seconds(600))
    @Option(help: "What the faults, moves and weather are drawn from; drawn itself when it is not given.")
    var seed: UInt64?
    @Option(help: "udp, unix, or both in turn.")
    var transport = SoakTransport.both
    @Option(help: "mixed, live, stop-and-copy.")
    var mode = SoakMode.mixed
    @Option(help: "Node processes.")
    var nodes = 3
    @Option(help: "Daemons at any time, each with an emitter process of its own.")
    var daemons = 5
    @Option(help: "Each daemon's padding, a paged store.")
    var stateSize = ByteSize(byteCount: 1 << 20)
    @Option(help: "Events per second for each daemon.")
    var eventRate = 200
    @Option(help: .hidden)
    var sabotage: SoakSabotage?

    func validate() throws {
        guard (.seconds(4) ... .seconds(86_400)).contains(duration.duration) else { throw ValidationError("--duration is 4s to 24h") }
        guard (3...9).contains(nodes) else { throw ValidationError("--nodes is 3 to 9") }
        guard (1...12).contains(daemons) else { throw ValidationError("--daemons is 1 to 12") }
        guard stateSize.byteCount <= 256 << 20 else { throw ValidationError("--state-size is at most 256MiB") }
        guard (1...10_000).contains(eventRate) else { throw ValidationError("--event-rate is 1 to 10000 per second") }
    }
}
