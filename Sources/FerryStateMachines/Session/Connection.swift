internal import FerryCrypto
internal import FerryWire

/// Everything after the handshake: protected packets, loss recovery, messages and streams.
///
/// It knows no states of its own: `SessionMachine` decides when it exists. What the peer does wrong ends up in `failure`, which the
/// machine turns into a close; what the provider fails at likewise.
struct Connection: ~Copyable {
    let configuration: SessionConfiguration
    let isInitiator: Bool
    let nodeKey: NodeKey
    let staticKey: FixedBytes32
    var protection: PacketProtection
    var recovery: LossRecovery
    var replay = ReplayWindow()
    var acks = AckRanges()
    var writer: RecordWriter
    var scratch: RawStorage
    var messages: MessageStream
    var streams: StreamTable
    var events = EventQueue()
    var peer: PeerIdentity?
    var statistics: SessionStatistics
    /// Why the session must end.
    var failure: SessionCloseReason?
    /// The initiator's last handshake frame, repeated until the peer has shown that it has it.
    var handshakeFrame: [UInt8] = []
    var handshakeFrameDueAt: Timestamp?
    var handshakeRepeatCount = 0
    var hasReceived = false
    var handshakeDeadline: Timestamp?
    var idleTimeout: Duration
    var idleSince: Timestamp
    var isElicitingSinceReceive = false
    var lastActivity: Timestamp
    var isPingDue = false
    var areMessagesAnnounced = false

    init(
        _ configuration: SessionConfiguration, _ result: consuming HandshakeResult, crypto: CryptoProvider, statistics: SessionStatistics,
        handshakeDeadline: Timestamp, now: Timestamp
    ) throws(CryptoFailure) {
        self.configuration = configuration
        if case .initiator = configuration.role { isInitiator = true } else { isInitiator = false }
        nodeKey = result.nodeKey
        staticKey = result.staticKey
        protection = try result.makeProtection(isInitiator: isInitiator, crypto: crypto)
        recovery = LossRecovery(configuration)
        let maximum = configuration.link.maximumFrameByteCount
        writer = RecordWriter(capacity: maximum)
        scratch = RawStorage(byteCount: maximum)
        messages = MessageStream(configuration.limits)
        streams = StreamTable(isInitiator: isInitiator, limits: configuration.limits)
        self.statistics = statistics
        self.handshakeDeadline = handshakeDeadline
        idleTimeout = configuration.timing.idleTimeout
        idleSince = now
        lastActivity = now
        _ = messages.send(PeerHello(configuration).bytes.rawSpan)
    }

    /// When something is due.
    var nextDeadline: Timestamp? {
        var deadline = idleSince + idleTimeout
        if let handshakeDeadline { deadline = min(deadline, handshakeDeadline) }
        if let due = handshakeFrameDueAt { deadline = min(deadline, due) }
        if let due = recovery.deadline { deadline = min(deadline, due) }
        if let due = acks.deadline { deadline = min(deadline, due) }
        if let interval = configuration.timing.keepAliveInterval, peer != nil, !isPingDue {
            deadline = min(deadline, lastActivity + interval)
        }
        if hasDataToSend, let due = recovery.pacingDeadline { deadline = min(deadline, due) }
        return deadline
    }

    /// Whether messages or streams wait for the window.
    var hasDataToSend: Bool { messages.isPending || streams.isPending || streams.hasControl || messages.isCreditDue || isPingDue }

    /// Runs what is due.
    mutating func deadlineReached(now: Timestamp) {
        if idleSince + idleTimeout <= now {
            fail(.timedOut, "nothing was heard for \(idleTimeout)")
        } else if let handshakeDeadline, handshakeDeadline <= now {
            fail(.timedOut, "the handshake did not complete in time")
        }
        recovery.deadlineReached(now)
        collectLost()
        if let interval = configuration.timing.keepAliveInterval, peer != nil, lastActivity + interval <= now {
            isPingDue = true
            lastActivity = now
        }
    }

    /// Notes the first reason to end.
    mutating func fail(_ code: SessionCloseReason.Code, _ text: String) {
        if failure == nil { failure = SessionCloseReason(code, text) }
    }

    /// Hands what loss recovery found out to those who sent it.
    mutating func collectLost() {
        guard !recovery.lostParts.isEmpty else { return }
        for part in recovery.lostParts {
            switch part {
            case .message(let offset, let byteCount): messages.lose(offset..<offset + UInt64(byteCount))
            case .stream(let id, let offset, let byteCount, let isEnd): streams.lost(id, offset..<offset + UInt64(byteCount), isEnd: isEnd)
            case .maximumMessageData: messages.creditLost()
            case .reset, .stopSending, .maximumData, .maximumStreamData, .maximumStreams: streams.controlLost(part)
            }
        }
        recovery.lostParts.removeAll(keepingCapacity: true)
    }

    /// The same for what arrived.
    mutating func collectAcknowledged() {
        for part in recovery.acknowledgedParts {
            switch part {
            case .message(let offset, let byteCount):
                messages.acknowledge(offset..<offset + UInt64(byteCount))
                if messages.takeUnblocked() { events.append(.messagesWritable) }
            case .stream(let id, let offset, let byteCount, let isEnd):
                if case .event(let event) = streams.acknowledged(id, offset..<offset + UInt64(byteCount), isEnd: isEnd) {
                    events.append(event)
                }
            case .reset(let id): streams.resetAcknowledged(id)
            case .stopSending, .maximumData, .maximumStreamData, .maximumMessageData, .maximumStreams: continue
            }
        }
        recovery.acknowledgedParts.removeAll(keepingCapacity: true)
        if let number = recovery.acknowledgedAck {
            acks.forget(upTo: number)
            recovery.acknowledgedAck = nil
        }
    }

    /// Counters and estimates as of now.
    var currentStatistics: SessionStatistics {
        var current = statistics
        current.smoothedRoundTrip = recovery.rtt.hasSample ? recovery.rtt.smoothedRtt : nil
        current.congestionWindowByteCount = recovery.congestion.congestionWindow
        current.inFlightByteCount = recovery.congestion.bytesInFlight
        current.lostFrameCount = recovery.lostPacketCount
        current.keyUpdateCount = protection.updateCount
        return current
    }
}
