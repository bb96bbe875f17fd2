/// What went wrong with a link or a listener, in one line that names the cause.
public struct TransportError: Error, Sendable, CustomStringConvertible {
    /// A kind of failure; new kinds may be added.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        /// The stable name, as logs and JSON show it.
        public let description: String

        private init(_ description: String) { self.description = description }

        /// The address does not parse for this transport.
        public static let invalidAddress = Code("invalidAddress")
        /// Somebody else listens there.
        public static let addressInUse = Code("addressInUse")
        /// The operating system refused access.
        public static let permissionDenied = Code("permissionDenied")
        /// A socket path exceeds what `sockaddr_un` holds.
        public static let pathTooLong = Code("pathTooLong")
        /// The file system cannot hold the socket: full, read-only, missing folder.
        public static let storage = Code("storage")
        /// Nobody listens there.
        public static let refused = Code("refused")
        /// No route, no such host, no answer.
        public static let unreachable = Code("unreachable")
        /// The frame exceeds the link's maximum.
        public static let frameTooLarge = Code("frameTooLarge")
        /// The peer broke the framing of the transport.
        public static let malformedFrame = Code("malformedFrame")
        /// The link or listener is closed.
        public static let closed = Code("closed")
        /// The task that waited was cancelled; the link or listener lives on.
        public static let cancelled = Code("cancelled")
        /// Anything else that the operating system reports.
        public static let system = Code("system")
    }

    /// The kind of failure.
    public var code: Code
    /// One line for a person, with the address and the cause in it.
    public var message: String
    /// The underlying error, if any.
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
