public import FerryWire

/// What happened on a session, in order.
public enum SessionEvent: Sendable, Hashable {
    /// Handshake and hello are complete; the peer is authenticated. Comes once, before every other event but `closed`.
    case established(PeerIdentity)
    /// At least one more whole message waits in `receiveMessage`.
    case messagesReadable
    /// A message that did not fit earlier may fit now.
    case messagesWritable
    /// The peer opened a stream; read it until `finished` or `reset`, or reset it.
    case streamOpened(StreamID)
    /// `read` has something new: bytes, or the end.
    case streamReadable(StreamID)
    /// `write` takes bytes again.
    case streamWritable(StreamID)
    /// The peer acknowledged every byte of an own finished stream; its id is forgotten.
    case streamFinished(StreamID)
    /// The peer gave a stream up: of its own, unread bytes are gone and `read` returns `reset` once more; of ours, writing is over.
    case streamReset(StreamID, code: UInt64)
    /// The session is over. The last event.
    case closed(SessionCloseReason)
}

/// Names a bulk stream within one session: twice its ordinal, plus one if the session's responder opened it.
public struct StreamID: RawRepresentable, Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The number on the wire, below 2^62.
    public var rawValue: UInt64
    /// Wraps a number.
    public init(rawValue: UInt64) { self.rawValue = rawValue }
    /// Orders by number.
    public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
    /// Decimal.
    public var description: String { String(rawValue) }
}

/// What `read` found.
public enum StreamReadResult: Sendable, Hashable {
    /// This many bytes were appended, at least one.
    case bytes(Int)
    /// Nothing yet: `streamReadable` follows.
    case blocked
    /// Every byte was read and the writer finished; the id is forgotten.
    case finished
    /// The writer gave up; unread bytes are gone and the id is forgotten.
    case reset(code: UInt64)
}

/// Names a session protocol.
public struct SessionProfile: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    /// The stable name, as logs and JSON show it.
    public var rawValue: String
    /// Wraps a name.
    public init(rawValue: String) { self.rawValue = rawValue }
    /// Ferry's own session.
    public static let ferry = SessionProfile(rawValue: "ferry")
    /// A session with a net-mesh node.
    public static let netMesh = SessionProfile(rawValue: "net-mesh")
    /// The name.
    public var description: String { rawValue }
}

/// An authenticated peer and what it said about itself.
public struct PeerIdentity: Sendable, Hashable {
    /// The node's ed25519 key, proved in the handshake.
    public var nodeKey: NodeKey
    /// The X25519 static key that the handshake proved; identity envelopes are sealed to it.
    public var staticKey: FixedBytes32
    /// Random per process start; nil where the profile has none.
    public var bootID: BootID?
    /// Version of the profile that the peer speaks.
    public var profileVersion: UInt16
    /// Whether the peer keeps a journal.
    public var isDurable: Bool
    /// Compressors that the peer can undo, in its order of preference; at most 16.
    public var compressorIDs: [UInt8]

    /// Describes a peer.
    public init(
        nodeKey: NodeKey, staticKey: FixedBytes32, bootID: BootID?, profileVersion: UInt16, isDurable: Bool, compressorIDs: [UInt8]
    ) {
        self.nodeKey = nodeKey
        self.staticKey = staticKey
        self.bootID = bootID
        self.profileVersion = profileVersion
        self.isDurable = isDurable
        self.compressorIDs = compressorIDs
    }
}

/// Why a session ended.
public struct SessionCloseReason: Sendable, Hashable, CustomStringConvertible {
    /// Who ended it.
    public enum Origin: String, Sendable, Hashable {
        /// This side decided.
        case local
        /// The peer said so.
        case peer
    }

    /// A number that both sides understand; below 0x100 it is the session protocol's, above the application's.
    public struct Code: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
        /// The number on the wire.
        public var rawValue: UInt64
        /// Wraps a number; below 2^62.
        public init(rawValue: UInt64) { self.rawValue = rawValue }

        /// Nothing is wrong: the node has no more use for the session, or shuts down.
        public static let normal = Code(rawValue: 0x00)
        /// The handshake did not complete in time, or nothing was heard for the idle timeout.
        public static let timedOut = Code(rawValue: 0x01)
        /// The peer sent what the protocol forbids.
        public static let protocolViolation = Code(rawValue: 0x02)
        /// The peer sent more than its credit.
        public static let flowControl = Code(rawValue: 0x03)
        /// The peer opened too many streams.
        public static let streamLimit = Code(rawValue: 0x04)
        /// No common suite or version.
        public static let incompatible = Code(rawValue: 0x05)
        /// The handshake's proofs do not verify.
        public static let handshakeFailed = Code(rawValue: 0x06)
        /// The peer is not the node that was dialled.
        public static let wrongPeer = Code(rawValue: 0x07)
        /// The policy does not admit the peer.
        public static let notAdmitted = Code(rawValue: 0x08)
        /// Too many frames failed authentication (RFC 9001 §6.6), or keys ran out.
        public static let authenticationLimit = Code(rawValue: 0x09)
        /// The link was closed underneath.
        public static let linkClosed = Code(rawValue: 0x0A)
        /// The cryptographic provider failed.
        public static let internalError = Code(rawValue: 0x0B)

        /// The name, or the number in hex.
        public var description: String {
            let names = [
                "normal", "timedOut", "protocolViolation", "flowControl", "streamLimit", "incompatible", "handshakeFailed", "wrongPeer",
                "notAdmitted", "authenticationLimit", "linkClosed", "internalError",
            ]
            return rawValue < UInt64(names.count) ? names[Int(rawValue)] : "0x\(String(rawValue, radix: 16))"
        }
    }

    /// The kind of reason.
    public var code: Code
    /// One line for a person, at most 256 bytes on the wire; never key material.
    public var text: String
    /// Who ended the session.
    public var origin: Origin

    /// Describes a reason.
    public init(_ code: Code, _ text: String, origin: Origin = .local) {
        self.code = code
        self.text = text
        self.origin = origin
    }

    /// `code (origin): text`.
    public var description: String { "\(code) (\(origin.rawValue)): \(text)" }
}

/// Counters since the session began, and estimates as of now.
public struct SessionStatistics: Sendable, Hashable {
    /// Smoothed round-trip time (RFC 9002 §5.3); nil before the first sample.
    public var smoothedRoundTrip: Duration?
    /// Congestion window in bytes.
    public var congestionWindowByteCount = 0
    /// Bytes sent and not yet acknowledged or lost.
    public var inFlightByteCount = 0
    /// Frames sent.
    public var sentFrameCount: UInt64 = 0
    /// Bytes of frames sent.
    public var sentByteCount: UInt64 = 0
    /// Frames that authenticated.
    public var receivedFrameCount: UInt64 = 0
    /// Bytes of frames that authenticated.
    public var receivedByteCount: UInt64 = 0
    /// Frames declared lost (RFC 9002 §6.1).
    public var lostFrameCount: UInt64 = 0
    /// Frames that were malformed or failed authentication.
    public var rejectedFrameCount: UInt64 = 0
    /// Frames that had arrived before, or were too old to tell.
    public var repeatedFrameCount: UInt64 = 0
    /// Key updates so far.
    public var keyUpdateCount: UInt64 = 0

    /// Nothing counted yet.
    public init() {}
}
