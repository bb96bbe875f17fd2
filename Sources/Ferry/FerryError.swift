/// What a node, a daemon's snapshot or a move refuses, in one line that names the cause.
public struct FerryError: Error, Sendable, CustomStringConvertible {
    /// A kind of failure; new kinds may be added.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        /// The stable name, as logs and JSON show it.
        public let description: String

        /// Wraps a name that a control socket carried; hosts use the constants.
        init(_ description: String) { self.description = description }

        /// More was written or asked for between two checkpoints than the window holds.
        public static let windowExceeded = Code("windowExceeded")
        /// A field lies beyond what is decoded: a checkpoint is missing before it.
        public static let checkpointMissing = Code("checkpointMissing")
        /// The state ends before the field.
        public static let truncated = Code("truncated")
        /// The state holds another field than the one asked for, or more fields.
        public static let fieldMismatch = Code("fieldMismatch")
        /// A length or count exceeds its limit.
        public static let limitExceeded = Code("limitExceeded")

        /// The node is not running yet.
        public static let notReady = Code("notReady")
        /// The node shuts down.
        public static let shuttingDown = Code("shuttingDown")
        /// No such daemon here.
        public static let daemonNotFound = Code("daemonNotFound")
        /// A daemon with this key is here already.
        public static let daemonExists = Code("daemonExists")
        /// The daemon is moving, or its move is in doubt.
        public static let daemonMoving = Code("daemonMoving")
        /// No registration for the daemon's kind.
        public static let unknownKind = Code("unknownKind")
        /// Text is not an endpoint, or lacks what is needed here.
        public static let invalidEndpoint = Code("invalidEndpoint")
        /// No session with the peer could be had.
        public static let unreachable = Code("unreachable")
        /// Cryptography failed.
        public static let crypto = Code("crypto")

        /// The move was refused before anything was paid for; the daemon serves on at the source.
        public static let declined = Code("declined")
        /// The move was given up; the daemon serves on at the source.
        public static let rolledBack = Code("rolledBack")
        /// The move was committed, and whether the target took the daemon is not known yet.
        public static let inDoubt = Code("inDoubt")
        /// The move ended in a way that this node cannot tell.
        public static let failed = Code("failed")
        /// Nothing is to be resolved: the node knows no such move, or it is not in doubt there.
        public static let notInDoubt = Code("notInDoubt")
        /// The move cannot be cancelled any more: it is committed.
        public static let tooLate = Code("tooLate")

        /// The control socket is missing, not ours, or broke off.
        public static let controlSocket = Code("controlSocket")
        /// A request or reply on the control socket is malformed.
        public static let malformedRequest = Code("malformedRequest")
        /// A request on the control socket has a version that this node does not speak.
        public static let unsupportedVersion = Code("unsupportedVersion")
        /// No such command on the control socket.
        public static let unknownCommand = Code("unknownCommand")
    }

    /// The kind of failure.
    public var code: Code
    /// One line for a person; never key material, payloads or state.
    public var message: String
    /// The underlying error, if any: a `FailureReason` for moves.
    public var cause: (any Error)?

    /// Describes a failure.
    public init(_ code: Code, _ message: String, cause: (any Error)? = nil) {
        self.code = code
        self.message = message
        self.cause = cause
    }

    /// `code: message`.
    public var description: String { "\(code): \(message)" }
}
