public import FerryWire

/// What a session needs to know about its link; the host copies it from the transport.
public struct SessionLink: Sendable, Hashable {
    /// The largest frame in bytes; at least 1,200.
    public var maximumFrameByteCount: Int
    /// The largest frame known to arrive without path MTU discovery; 1,200 to `maximumFrameByteCount`.
    public var safeFrameByteCount: Int
    /// Whether frames arrive, in order, unless the link closes.
    public var isLossFree: Bool
    /// Whether the remote address may be forged (RFC 9000 §8).
    public var isAddressSpoofable: Bool
    /// Whether the address has been proved by a cookie before this session exists.
    public var isAddressValidated: Bool

    /// Describes a link.
    public init(
        maximumFrameByteCount: Int, safeFrameByteCount: Int, isLossFree: Bool, isAddressSpoofable: Bool, isAddressValidated: Bool = false
    ) {
        self.maximumFrameByteCount = maximumFrameByteCount
        self.safeFrameByteCount = safeFrameByteCount
        self.isLossFree = isLossFree
        self.isAddressSpoofable = isAddressSpoofable
        self.isAddressValidated = isAddressValidated
    }
}

/// Hard caps on what one session holds; all are bytes or counts, and bound its memory.
public struct SessionLimits: Sendable, Hashable {
    /// The longest message; 1,024 to 16 MiB.
    public var maximumMessageByteCount = 1 << 20
    /// Messages queued and not acknowledged; at least the longest message and its prefix.
    public var messageSendBufferByteCount = 4 << 20
    /// Messages received and not taken; at least the longest message and its prefix.
    public var messageReceiveWindowByteCount = 4 << 20
    /// Bytes of one bulk stream written and not acknowledged, and received and not read.
    public var streamWindowByteCount = 8 << 20
    /// Bytes of all bulk streams received and not read.
    public var connectionWindowByteCount = 64 << 20
    /// Bulk streams that each side may have open at once; at most 4,096.
    public var maximumStreamCount = 256

    /// The defaults.
    public init() {}
}

/// Every timer of a session.
public struct SessionTiming: Sendable, Hashable {
    /// From the first frame to `established`.
    public var handshakeTimeout: Duration = .seconds(10)
    /// The first wait before a handshake frame is repeated; doubles each time.
    public var handshakeRetryInterval: Duration = .milliseconds(250)
    /// Without a frame from the peer for this long the session is over; the smaller value of both sides counts.
    public var idleTimeout: Duration = .seconds(30)
    /// Without anything sent for this long, a probe is sent; nil leaves idle sessions to time out.
    public var keepAliveInterval: Duration? = .seconds(10)
    /// The longest wait before an acknowledgement (RFC 9000 §13.2.1).
    public var maximumAckDelay: Duration = .milliseconds(25)
    /// Assumed round trip before the first sample (RFC 9002 §6.2.2).
    public var initialRoundTrip: Duration = .milliseconds(100)

    /// The defaults.
    public init() {}
}

/// Congestion control and pacing.
public struct SessionCongestion: Sendable, Hashable {
    /// Bytes in flight before the first acknowledgement on links that lose frames; RFC 9002 §7.2 recommends ten frames, at most 14,720.
    public var initialWindowByteCount = 64 << 10
    /// The same on links that lose nothing, where credits alone bound what is in flight.
    public var lossFreeWindowByteCount = 128 << 20
    /// The most bytes in flight, whatever the path seems to bear.
    public var maximumWindowByteCount = 256 << 20
    /// Bytes that may leave at once between two waits of the pacer: one batch.
    public var burstByteCount = 64 << 10

    /// The defaults.
    public init() {}
}

/// Whom a listening node lets in.
public enum PeerPolicy: Sendable, Hashable {
    /// Every node that proves its key.
    case anyNode
    /// The listed nodes only.
    case nodes(Set<NodeKey>)

    /// Whether `key` is let in.
    public func admits(_ key: NodeKey) -> Bool {
        switch self {
        case .anyNode: true
        case .nodes(let keys): keys.contains(key)
        }
    }
}

/// What this node says about itself after the handshake.
public struct SessionHello: Sendable, Hashable {
    /// Random per process start.
    public var bootID: BootID
    /// Whether this node keeps a journal.
    public var isDurable: Bool
    /// Compressors that this node can undo, in order of preference; at most 16.
    public var compressorIDs: [UInt8]

    /// Describes this node.
    public init(bootID: BootID, isDurable: Bool, compressorIDs: [UInt8]) {
        self.bootID = bootID
        self.isDurable = isDurable
        self.compressorIDs = compressorIDs
    }
}

/// Everything that a session is told at birth.
public struct SessionConfiguration: Sendable {
    /// Which side of the handshake this is.
    public enum Role: Sendable, Hashable {
        /// Dialled; the peer must prove `expecting`, or any key when it is nil.
        case initiator(expecting: NodeKey?)
        /// Accepted; the peer must pass the policy.
        case responder(PeerPolicy)
    }

    /// Which side this is, and whom it accepts.
    public var role: Role
    /// The link underneath.
    public var link: SessionLink
    /// What this node says about itself.
    public var hello: SessionHello
    /// Memory bounds.
    public var limits = SessionLimits()
    /// Timers.
    public var timing = SessionTiming()
    /// Congestion control.
    public var congestion = SessionCongestion()

    /// Starts from the default limits, timers and windows.
    public init(role: Role, link: SessionLink, hello: SessionHello) {
        self.role = role
        self.link = link
        self.hello = hello
    }
}

extension SessionConfiguration {
    /// Checks every range that the doc comments name.
    ///
    /// - Throws: `.invalidConfiguration` naming the value.
    func validate() throws(SessionError) {
        let prefixed = limits.maximumMessageByteCount + MessageStream.prefixByteCount
        let rules: [(Bool, StaticString)] = [
            (link.safeFrameByteCount >= 1200, "safeFrameByteCount is below 1,200"),
            (link.maximumFrameByteCount >= link.safeFrameByteCount, "maximumFrameByteCount is below safeFrameByteCount"),
            (link.maximumFrameByteCount <= 1 << 24, "maximumFrameByteCount is above 16 MiB"),
            ((1024...(16 << 20)).contains(limits.maximumMessageByteCount), "maximumMessageByteCount is not within 1,024 and 16 MiB"),
            (limits.messageSendBufferByteCount >= max(prefixed, 65_536), "messageSendBufferByteCount does not hold the longest message"),
            (
                limits.messageReceiveWindowByteCount >= max(prefixed, 65_536),
                "messageReceiveWindowByteCount does not hold the longest message"
            ),
            (limits.messageReceiveWindowByteCount <= 1 << 40, "messageReceiveWindowByteCount is above 2^40"),
            ((4096...(1 << 40)).contains(limits.streamWindowByteCount), "streamWindowByteCount is not within 4,096 and 2^40"),
            ((4096...(1 << 40)).contains(limits.connectionWindowByteCount), "connectionWindowByteCount is not within 4,096 and 2^40"),
            ((0...4096).contains(limits.maximumStreamCount), "maximumStreamCount is not within 0 and 4,096"),
            (timing.idleTimeout >= .milliseconds(1), "idleTimeout is below a millisecond"),
            (timing.handshakeTimeout > .zero && timing.handshakeRetryInterval > .zero, "a handshake timer is not positive"),
            ((.zero ... .seconds(16)).contains(timing.maximumAckDelay), "maximumAckDelay is not within 0 and 16 s"),
            (timing.initialRoundTrip > .zero, "initialRoundTrip is not positive"),
            (timing.keepAliveInterval.map { $0 > .zero } ?? true, "keepAliveInterval is not positive"),
            (
                link.isLossFree || congestion.initialWindowByteCount >= 2 * link.safeFrameByteCount,
                "initialWindowByteCount is below two frames"
            ),
            (link.isLossFree || congestion.burstByteCount >= link.safeFrameByteCount, "burstByteCount is below one frame"),
            (hello.compressorIDs.count <= PeerHello.maximumCompressorCount, "more than 16 compressors"),
        ]
        for (holds, text) in rules where !holds { throw SessionError(.invalidConfiguration, "\(text)") }
    }
}
