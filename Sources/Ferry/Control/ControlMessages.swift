/// The version of the operator socket's lines; docs/protocol.md describes it.
public enum ControlProtocol {
    /// What this build speaks.
    public static let version = 1
}

/// One line from the operator to a node.
public struct ControlRequest: Codable, Sendable, Hashable {
    /// What a node can be asked.
    public enum Command: String, Codable, Sendable, Hashable, CaseIterable {
        /// The node's keys, addresses and age.
        case status
        /// Its daemons.
        case daemons
        /// Its moves.
        case moves
        /// Order a move: lines of progress, then the report.
        case migrate
        /// Ask what a move would cost.
        case plan
        /// End a doubt.
        case resolve
        /// Give a move up.
        case cancel
        /// Digest a daemon's state.
        case digest
        /// Shut down gracefully.
        case stop
    }

    /// ``ControlProtocol/version``.
    public var version = ControlProtocol.version
    /// What is asked.
    public var command: String
    /// Origin hash (decimal) or public key (hex).
    public var daemon: String?
    /// The target, `scheme:rest#NODEKEY`.
    public var to: String?
    /// The source, where it is another node than the one asked.
    public var from: String?
    /// `live` or `stop-and-copy`.
    public var mode: String?
    /// How long the daemon may stand still in live mode.
    public var pauseBudgetMilliseconds: Double?
    /// The order's life in seconds.
    public var timeoutSeconds: Double?
    /// A signed order in hex, in place of `mode`, `pauseBudgetMilliseconds` and `timeoutSeconds`.
    public var order: String?
    /// `take-back` or `give-up`.
    public var resolution: String?
    /// A migration id in hex.
    public var migration: String?

    /// Asks for something that needs no more words.
    public init(_ command: Command) { self.command = command.rawValue }
}

/// One line from a node to the operator; every field but one or two is absent.
public struct ControlReply: Codable, Sendable, Hashable {
    /// ``ControlProtocol/version``.
    public var version = ControlProtocol.version
    /// Why the request failed.
    public var error: Failure?
    /// To `status`.
    public var status: Status?
    /// To `daemons`.
    public var daemons: [DaemonLine]?
    /// To `moves`.
    public var moves: [MoveLine]?
    /// To `migrate`, any number of lines before the report.
    public var progress: ProgressLine?
    /// To `migrate`, the last line, unless it failed.
    public var report: ReportLine?
    /// To `plan`, unless it is refused.
    public var plan: PlanLine?
    /// To `digest`.
    public var digest: DigestLine?
    /// To `cancel`, whether the node knows the move and it is not over; to `resolve` and `stop`, true.
    public var accepted: Bool?

    /// An empty reply, to be filled.
    public init() {}

    /// Why a request failed.
    public struct Failure: Codable, Sendable, Hashable {
        /// The code of a ``FerryError``.
        public var code: String
        /// One line for a person.
        public var message: String
        /// The code of the `FailureReason` behind a failed move.
        public var reason: String?
    }

    /// Who the node is.
    public struct Status: Codable, Sendable, Hashable {
        /// ed25519 key, hex.
        public var nodeKey: String
        /// Decimal.
        public var nodeID: String
        /// Where it listens, with its key.
        public var endpoints: [String]
        /// `registering`, `ready`, `shuttingDown`.
        public var phase: String
        /// Since it was made.
        public var uptimeSeconds: Double
        /// Peers with a session, hex.
        public var sessions: [String]
    }

    /// One daemon.
    public struct DaemonLine: Codable, Sendable, Hashable {
        /// Decimal.
        public var origin: String
        /// Hex.
        public var entityID: String
        /// `name/schema`.
        public var kind: String
        /// Decimal.
        public var epoch: String
        /// `active`, `fenced`, `standby`, `moved`.
        public var state: String
        /// Events processed here.
        public var events: UInt64
    }

    /// One move, in one role.
    public struct MoveLine: Codable, Sendable, Hashable {
        /// Hex.
        public var migration: String
        /// Decimal origin.
        public var daemon: String
        /// `orchestrator`, `source`, `target`.
        public var role: String
        /// Node key, hex.
        public var source: String
        /// Node key, hex.
        public var target: String
        /// One of the six.
        public var phase: String
        /// Since this node heard of it.
        public var elapsedSeconds: Double
        /// Since the phase began.
        public var ageInPhaseSeconds: Double
        /// State bytes so far.
        public var bytes: UInt64
        /// 0 when unknown.
        public var totalBytes: UInt64
        /// Over the elapsed time.
        public var bytesPerSecond: Double
        /// Log entries not replayed; 0 in stop-and-copy mode.
        public var replayLag: UInt64
        /// Absent while it cannot be known.
        public var estimatedPauseMilliseconds: Double?
        /// Repeated requests.
        public var retries: Int
        /// Why nothing moves.
        public var stall: String
        /// The published bound.
        public var boundSeconds: Double
        /// Absent while it runs.
        public var result: String?
    }

    /// How far a move has come.
    public struct ProgressLine: Codable, Sendable, Hashable {
        /// Hex.
        public var migration: String
        /// One of the six.
        public var phase: String
        /// State bytes so far.
        public var bytes: UInt64
        /// 0 when unknown.
        public var totalBytes: UInt64
        /// Since the transfer began.
        public var bytesPerSecond: Double
        /// Since the order.
        public var elapsedSeconds: Double
        /// Why nothing moves.
        public var stall: String
    }

    /// How a move went.
    public struct ReportLine: Codable, Sendable, Hashable {
        /// `completed`; a move that ended otherwise is an error.
        public var result: String
        /// Hex.
        public var migration: String
        /// Decimal origin.
        public var daemon: String
        /// Plain bytes given to the snapshot writer.
        public var stateBytes: UInt64
        /// Bytes on the state's stream.
        public var wireBytes: UInt64
        /// From the order to the source's departure.
        public var durationSeconds: Double
        /// From the fence to the take.
        public var pauseMilliseconds: Double
        /// As far as the source knows.
        public var longestStallMilliseconds: Double
        /// What the source expected before the order; absent when it could not tell.
        public var predictedDurationSeconds: Double?
        /// What the source expected before the fence; absent when it could not tell.
        public var predictedPauseMilliseconds: Double?
        /// Inputs that the target replayed.
        public var replayedInputs: UInt64
        /// `live` or `stop-and-copy`: how the daemon moved in the end.
        public var mode: String
        /// Freeze-and-stream rounds.
        public var rounds: Int
        /// `verified`, `outputsOnly`, `unverified`.
        public var determinism: String
        /// Decimal.
        public var epoch: String
        /// Base64 of the two signed halves.
        public var receipt: String
    }

    /// What a move would cost.
    public struct PlanLine: Codable, Sendable, Hashable {
        /// `name/schema`.
        public var kind: String
        /// `live` or `stop-and-copy`.
        public var mode: String
        /// As the daemon estimates; 0 when it does not.
        public var stateBytes: UInt64
        /// Absent when unknown.
        public var wireBytes: UInt64?
        /// Absent when unknown.
        public var durationSeconds: Double?
        /// Absent when unknown.
        public var pauseMilliseconds: Double?
        /// What the target would set aside.
        public var memoryBytes: UInt64
        /// The published bound.
        public var boundSeconds: Double
    }

    /// A daemon's state in one number.
    public struct DigestLine: Codable, Sendable, Hashable {
        /// Hex.
        public var digest: String
        /// Plain bytes of the snapshot.
        public var bytes: UInt64
        /// Events processed here.
        public var events: UInt64
        /// Sequence of the chain head.
        public var chainSequence: UInt64
        /// The chain head's 32 bytes, hex.
        public var chainHead: String
    }
}
