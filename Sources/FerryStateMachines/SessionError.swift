/// Why a call on a session was refused; the session itself goes on unless the code is `.closed`.
public struct SessionError: Error, Sendable, CustomStringConvertible {
    /// A kind of refusal; new kinds may be added.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        /// The stable name, as logs and JSON show it.
        public let description: String

        private init(_ description: String) { self.description = description }

        /// The bounded buffer is full: try again after the next event or acknowledgement.
        public static let wouldBlock = Code("wouldBlock")
        /// The message exceeds what the peer accepts.
        public static let messageTooLarge = Code("messageTooLarge")
        /// The handshake is not complete yet.
        public static let notEstablished = Code("notEstablished")
        /// The session is closed or closing.
        public static let closed = Code("closed")
        /// The peer's limit on open streams, or our own, is reached.
        public static let tooManyStreams = Code("tooManyStreams")
        /// No such stream, or it is of the other direction.
        public static let unknownStream = Code("unknownStream")
        /// The stream was finished or reset.
        public static let streamClosed = Code("streamClosed")
        /// A configuration value is out of range.
        public static let invalidConfiguration = Code("invalidConfiguration")
        /// The cryptographic provider lacks a primitive that the profile needs, or failed.
        public static let crypto = Code("crypto")
    }

    /// The kind of refusal.
    public var code: Code
    /// One line for a person.
    public var message: String
    /// The underlying error, if any.
    public var cause: (any Error)?

    /// Describes a refusal.
    public init(_ code: Code, _ message: String, cause: (any Error)? = nil) {
        self.code = code
        self.message = message
        self.cause = cause
    }

    /// `code: message`.
    public var description: String { "\(code): \(message)" }
}
