/// Why a move failed, was refused or was given up.
///
/// Codes below 256 are net-mesh's own and keep their meaning (net-mesh migration §D); the rest are Ferry's.
public struct FailureReason: Error, Hashable, Sendable, CustomStringConvertible {
    /// A kind of failure; new kinds may be added, and an unknown one is carried as it came.
    public struct Code: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
        /// The number on the wire.
        public var rawValue: UInt16
        /// Wraps a number read from a wire.
        public init(rawValue: UInt16) { self.rawValue = rawValue }

        /// The node is starting; the only reason that is worth a retry as it stands.
        public static let notReady = Code(rawValue: 0)
        /// No factory for the daemon's kind.
        public static let factoryNotFound = Code(rawValue: 1)
        /// The node hosts no daemons.
        public static let computeNotSupported = Code(rawValue: 2)
        /// Snapshot, transfer or restore failed.
        public static let stateFailed = Code(rawValue: 3)
        /// Another attempt is active.
        public static let alreadyMigrating = Code(rawValue: 4)
        /// The daemon's key could not be sealed or opened.
        public static let identityTransportFailed = Code(rawValue: 5)
        /// The target stayed unready for the whole retry budget.
        public static let notReadyTimeout = Code(rawValue: 6)

        /// The sender may not ask for this.
        public static let unauthorized = Code(rawValue: 256)
        /// No such daemon here.
        public static let daemonNotFound = Code(rawValue: 257)
        /// The daemon's schema version is not one that the target restores.
        public static let schemaMismatch = Code(rawValue: 258)
        /// No memory or no slot.
        public static let noCapacity = Code(rawValue: 259)
        /// No session with a participant within the phase's budget.
        public static let unreachable = Code(rawValue: 260)
        /// A phase outlived its budget.
        public static let phaseTimeout = Code(rawValue: 261)
        /// Somebody with the right to do so gave the move up.
        public static let cancelled = Code(rawValue: 262)
        /// The target does not hold what the release states.
        public static let releaseMismatch = Code(rawValue: 263)
        /// The order lapsed.
        public static let orderExpired = Code(rawValue: 264)
        /// The daemon's lineage is another.
        public static let lineageMismatch = Code(rawValue: 265)
        /// A participant crashed and forgot the move.
        public static let participantRestarted = Code(rawValue: 266)
        /// The node does not speak this mode.
        public static let modeNotSupported = Code(rawValue: 267)
        /// A message broke the protocol.
        public static let protocolViolation = Code(rawValue: 268)
        /// The source goes on under a new epoch: the commit was sent, and the target provably never acted on it.
        public static let rolledBackAfterCommit = Code(rawValue: 269)
        /// The daemon cannot be replayed and does not claim it: it moves in stop-and-copy mode only.
        public static let notDeterministic = Code(rawValue: 270)
        /// Inputs come in faster than the target follows them; the daemon was not stopped.
        public static let notConverging = Code(rawValue: 271)
        /// The operator has let the daemon go without the target's take: nobody here knows whether the target owns it.
        public static let givenUp = Code(rawValue: 272)
        /// The plan names another boot of the node than this one, or none.
        public static let bootMismatch = Code(rawValue: 273)

        /// A stable lower-camel-case name, as logs and JSON show it.
        public var description: String { Self.names[rawValue] ?? "code\(rawValue)" }

        private static let names: [UInt16: String] = [
            0: "notReady", 1: "factoryNotFound", 2: "computeNotSupported", 3: "stateFailed", 4: "alreadyMigrating",
            5: "identityTransportFailed", 6: "notReadyTimeout", 256: "unauthorized", 257: "daemonNotFound", 258: "schemaMismatch",
            259: "noCapacity", 260: "unreachable", 261: "phaseTimeout", 262: "cancelled", 263: "releaseMismatch", 264: "orderExpired",
            265: "lineageMismatch", 266: "participantRestarted", 267: "modeNotSupported", 268: "protocolViolation",
            269: "rolledBackAfterCommit", 270: "notDeterministic", 271: "notConverging",
            272: "givenUp", 273: "bootMismatch",
        ]
    }

    /// The kind of failure.
    public var code: Code
    /// One line for a person; at most 65,535 bytes of UTF-8 on the wire. Never discloses state.
    public var message: String
    /// How often the target was asked; with `notReadyTimeout` only.
    public var attempts: UInt8

    /// Describes a failure.
    public init(_ code: Code, _ message: String = "", attempts: UInt8 = 0) {
        self.code = code
        self.message = message
        self.attempts = attempts
    }

    /// `code: message`.
    public var description: String { message.isEmpty ? "\(code)" : "\(code): \(message)" }
}
