internal import ArgumentParser
internal import FerryWire

/// Which transport carries the demo.
enum DemoTransport: String, ExpressibleByArgument, CaseIterable, Codable, Sendable {
    case udp, unix, memory
}

/// Which cryptographic back-end the nodes use.
enum DemoCrypto: String, ExpressibleByArgument, CaseIterable, Codable, Sendable {
    case `default`
    case sodium
    case swiftCrypto = "swift-crypto"
}

/// How chunks are compressed.
enum DemoCompression: String, ExpressibleByArgument, CaseIterable, Codable, Sendable {
    case adaptive, zstd, none
}

/// How the daemon moves.
enum DemoMode: String, ExpressibleByArgument, CaseIterable, Codable, Sendable {
    case live
    case stopAndCopy = "stop-and-copy"
}

/// Which node orders the moves.
enum DemoTopology: String, ExpressibleByArgument, CaseIterable, Codable, Sendable {
    case sourceOrchestrates = "source-orchestrates"
    case targetOrchestrates = "target-orchestrates"
    case thirdNode = "third-node"
}

/// A process that is killed when a phase is reached: `target@restore`.
struct DemoKill: ExpressibleByArgument, Hashable, Sendable {
    /// Which role's process is killed.
    enum Role: String, CaseIterable, Sendable {
        case source, target
    }

    /// When it is killed, in the words of the command line.
    enum Moment: String, CaseIterable, Codable, Sendable {
        case snapshot, transfer, restore, replay, commit, complete

        /// The migration phase in which the moment lies.
        var phase: MigrationPhase {
            switch self {
            case .snapshot: .snapshot
            case .transfer: .transfer
            case .restore: .restore
            case .replay: .replay
            case .commit: .cutover
            case .complete: .complete
            }
        }
    }

    var role: Role
    var moment: Moment

    init(role: Role, moment: Moment) {
        self.role = role
        self.moment = moment
    }

    /// Whether the other role has to do it: a target cannot tell when the source begins, nor a source when the target is active.
    var isByOther: Bool { (role == .target && moment == .snapshot) || (role == .source && moment == .complete) }
    /// Whether the process that dies is the daemon's owner, or becomes it.
    var takesTheDaemon: Bool { role == .source || moment == .complete }

    init?(argument: String) {
        let parts = argument.split(separator: "@", omittingEmptySubsequences: false)
        guard parts.count == 2, let role = Role(rawValue: String(parts[0])), let moment = Moment(rawValue: String(parts[1])) else {
            return nil
        }
        self.role = role
        self.moment = moment
    }
}

/// The flags of `ferryctl demo`.
struct DemoOptions: ParsableArguments {
    @Option(help: "What carries the frames: \(DemoTransport.allCases.map(\.rawValue).joined(separator: ", ")).")
    var transport = DemoTransport.udp
    @Option(help: "Cryptographic back-end: default, sodium, swift-crypto.")
    var crypto = DemoCrypto.default
    @Option(help: "Compression of the state: adaptive, zstd, none.")
    var compression = DemoCompression.adaptive
    @Option(help: "How the daemon moves: live, stop-and-copy.")
    var mode = DemoMode.live
    @Option(help: "Who orders the moves: source-orchestrates, target-orchestrates, third-node.")
    var topology = DemoTopology.sourceOrchestrates
    @Option(help: "The daemon's padding, a paged store.")
    var stateSize = ByteSize(byteCount: 64 << 20)
    @Option(help: "Events offered per second.")
    var eventRate = 10_000
    @Option(help: "Events in all; by default enough to run two seconds before the first and after the last move.")
    var events: Int?
    @Option(help: "How many moves; more than one go back and forth.")
    var moves = 1
    @Option(help: "A text file whose lines are the events, or '-'; by default the repository's own text.")
    var input: String?
    @Option(help: "Kill a process when a phase is reached: source@PHASE or target@PHASE.")
    var kill: DemoKill?

    func validate() throws {
        guard (1...1_000_000).contains(eventRate) else { throw ValidationError("--event-rate is 1 to 1000000 per second") }
        guard (1...10_000).contains(moves) else { throw ValidationError("--moves is 1 to 10000") }
        if let events, !(1...1_000_000_000).contains(events) { throw ValidationError("--events is 1 to 1000000000") }
        if kill != nil, transport == .memory { throw ValidationError("--kill needs processes: not with --transport memory") }
        if kill != nil, moves != 1 { throw ValidationError("--kill goes with one move") }
    }
}
