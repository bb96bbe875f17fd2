internal import FerryWire

extension SessionMachine {
    /// Whether both sides hold keys and none has closed.
    var isOpen: Bool {
        switch state {
        case .handshaking: false
        case .connected: true
        case .closing: false
        case .closed: false
        }
    }

    private var isHandshaking: Bool {
        switch state {
        case .handshaking: true
        case .connected: false
        case .closing: false
        case .closed: false
        }
    }

    /// Throws unless the application may send.
    private func requireOpen() throws(SessionError) {
        switch state {
        case .handshaking: throw SessionError(.notEstablished, "the handshake is not complete")
        case .connected:
            if peer == nil { throw SessionError(.notEstablished, "the peer's hello has not arrived") }
        case .closing: throw SessionError(.closed, "the session is closing")
        case .closed: throw SessionError(.closed, "the session is closed")
        }
    }
}

extension SessionMachine: MessageChannel {
    /// Queues a copy of a message, whole or not at all.
    ///
    /// - Throws: `.wouldBlock`, `.messageTooLarge`, `.notEstablished`, `.closed`.
    public mutating func sendMessage(_ message: RawSpan) throws(SessionError) {
        try requireOpen()
        guard message.byteCount <= maximumMessageByteCount else {
            throw SessionError(.messageTooLarge, "a message of \(message.byteCount) bytes; at most \(maximumMessageByteCount)")
        }
        guard connection?.messages.send(message) == true else { throw SessionError(.wouldBlock, "the message buffer is full") }
    }

    /// Replaces the contents of `message` with the next received message; false when none is complete.
    public mutating func receiveMessage(into message: inout [UInt8]) -> Bool {
        guard peer != nil else { return false }
        if connection?.messages.receive(into: &message) == true { return true }
        connection?.areMessagesAnnounced = false
        return false
    }

    /// The longest message in bytes that would be taken now.
    public var freeMessageByteCount: Int {
        guard isOpen else { return 0 }
        switch connection {
        case .some(let connection): return connection.peer == nil ? 0 : connection.messages.free
        case .none: return 0
        }
    }

    /// The smaller of both sides' limits, in bytes.
    public var maximumMessageByteCount: Int {
        switch connection {
        case .some(let connection): connection.messages.maximumOutgoing
        case .none: configuration.limits.maximumMessageByteCount
        }
    }
}

extension SessionMachine: BulkStreams {
    /// Opens a bulk stream towards the peer.
    ///
    /// - Throws: `.tooManyStreams`, `.notEstablished`, `.closed`.
    public mutating func openStream() throws(SessionError) -> StreamID {
        try requireOpen()
        guard let id = connection?.streams.open() ?? nil else { throw SessionError(.tooManyStreams, "no more streams may be open") }
        return id
    }

    /// Copies what the stream's bounded buffer takes, and returns how many bytes that were.
    ///
    /// - Throws: `.unknownStream`, `.streamClosed`, `.notEstablished`, `.closed`.
    public mutating func write(_ bytes: RawSpan, to stream: StreamID) throws(SessionError) -> Int {
        try requireOpen()
        return try connection?.streams.write(bytes, to: stream) ?? 0
    }

    /// Appends received bytes and returns their credit to the peer.
    ///
    /// - Throws: `.unknownStream`.
    public mutating func read(from stream: StreamID, into output: inout OutputRawSpan) throws(SessionError) -> StreamReadResult {
        guard let result = try connection?.streams.read(from: stream, into: &output) else {
            throw SessionError(.unknownStream, "no stream \(stream) of the peer")
        }
        return result
    }

    /// Ends an own stream after the bytes written so far.
    ///
    /// - Throws: `.unknownStream`, `.streamClosed`, `.notEstablished`, `.closed`.
    public mutating func finish(_ stream: StreamID) throws(SessionError) {
        try requireOpen()
        try connection?.streams.finish(stream)
    }

    /// Gives a stream up; idempotent.
    public mutating func reset(_ stream: StreamID, code: UInt64) {
        connection?.streams.reset(stream, code: code)
    }
}

extension SessionMachine: StreamAcknowledgements {
    /// From the beginning of an own stream to the first byte that the peer has not acknowledged; nil once the peer has all, and for a
    /// stream that was given up.
    public func acknowledgedByteCount(of stream: StreamID) -> UInt64? {
        switch connection {
        case .some(let connection): connection.streams.acknowledgedByteCount(of: stream)
        case .none: nil
        }
    }
}

extension SessionMachine: PeerSession {
    /// `.ferry`.
    public var profile: SessionProfile { .ferry }

    /// Who the peer is; nil until `established`.
    public var peer: PeerIdentity? {
        switch connection {
        case .some(let connection): connection.peer
        case .none: nil
        }
    }

    /// The byte count of full frames at this moment.
    public var currentFrameByteCount: Int {
        switch connection {
        case .some(let connection): connection.recovery.mtu.current
        case .none: configuration.link.safeFrameByteCount
        }
    }

    /// Counters and estimates as of now.
    public var statistics: SessionStatistics {
        switch connection {
        case .some(let connection): connection.currentStatistics
        case .none: handshakeOnlyStatistics
        }
    }

    /// Tells the peer and ends the session; the first reason stays.
    public mutating func close(_ reason: SessionCloseReason, now: Timestamp) {
        if isOpen || isHandshaking { beginClosing(reason, now: now) }
    }
}
