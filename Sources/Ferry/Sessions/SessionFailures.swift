internal import FerryStateMachines
internal import FerryTransports

extension FerryError.Code {
    /// No address of the peer is known.
    public static let noAddress = Self("noAddress")
    /// No transport of the composition has the address's scheme.
    public static let noTransport = Self("noTransport")
    /// Nobody listens there, or the listener turned the link away.
    public static let refused = Self("refused")
    /// The node that answered has another key than the one that was dialled.
    public static let wrongPeer = Self("wrongPeer")
    /// The peer's policy, or our own, does not admit the other.
    public static let notAdmitted = Self("notAdmitted")
    /// The peer did not answer in time.
    public static let timedOut = Self("timedOut")
    /// The node has as many sessions as it may.
    public static let tooManySessions = Self("tooManySessions")
    /// The session failed or was closed.
    public static let sessionClosed = Self("sessionClosed")
    /// The message exceeds what a session carries.
    public static let messageTooLarge = Self("messageTooLarge")
    /// The peer gave the stream up.
    public static let streamReset = Self("streamReset")
    /// The stream was finished, reset or claimed already, or never existed.
    public static let streamClosed = Self("streamClosed")
    /// One side has as many streams open as it may.
    public static let tooManyStreams = Self("tooManyStreams")
}

extension FerryError {
    /// What a refused call on a session means to the node.
    init(_ error: SessionError) {
        let code: Code =
            switch error.code {
            case .messageTooLarge: .messageTooLarge
            case .tooManyStreams: .tooManyStreams
            case .unknownStream, .streamClosed: .streamClosed
            case .crypto: .crypto
            default: .sessionClosed
            }
        self.init(code, error.message, cause: error)
    }

    /// What the end of a session that was never established means to whoever dialled.
    init(_ reason: SessionCloseReason) {
        let code: Code =
            switch reason.code {
            case .wrongPeer: .wrongPeer
            case .notAdmitted: .notAdmitted
            case .timedOut: .timedOut
            case .linkClosed: .refused
            default: .sessionClosed
            }
        self.init(code, reason.description)
    }

    /// What a failed dial means to whoever asked for the session.
    init(_ error: TransportError) {
        let code: Code =
            switch error.code {
            case .invalidAddress, .pathTooLong: .invalidEndpoint
            case .refused: .refused
            default: .unreachable
            }
        self.init(code, error.message, cause: error)
    }
}
