internal import FerryWire

/// An own bulk stream: bytes towards the peer.
struct SendStream: ~Copyable {
    /// What is known of the stream's end.
    enum End: Sendable {
        case open, due, sent, acknowledged
    }

    let id: StreamID
    var buffer: SendBuffer
    var end = End.open
    var isFinishing = false
    /// Set once the stream was given up.
    var resetCode: UInt64?
    var isResetDue = false
    /// Whether the application waits for room.
    var isBlocked = false

    init(id: StreamID, capacity: Int, credit: UInt64) {
        self.id = id
        buffer = SendBuffer(capacity: capacity, credit: credit)
    }

    /// What may be sent now.
    func next(newByteCount: Int) -> SendBuffer.Part? {
        guard resetCode == nil else { return nil }
        if let part = buffer.next(newByteCount: newByteCount) { return part }
        return end == .due && buffer.unsent == buffer.end ? SendBuffer.Part(offset: buffer.end, byteCount: 0, isRepeated: true) : nil
    }

    /// Gives the stream up.
    mutating func reset(_ code: UInt64) {
        guard resetCode == nil else { return }
        finalByteCount = buffer.unsent
        resetCode = code
        isResetDue = true
        isBlocked = false
        buffer.discard()
    }

    /// How many bytes were ever sent, when the stream was reset.
    private(set) var finalByteCount: UInt64 = 0

    /// Whether the peer has everything.
    var isComplete: Bool { resetCode == nil && isFinishing && end == .acknowledged && buffer.isAcknowledged }
}

/// A peer's bulk stream: bytes towards the application.
struct ReceiveStream: ~Copyable {
    let id: StreamID
    var buffer: ReceiveBuffer
    /// Known once the end has arrived.
    var finalByteCount: UInt64?
    var resetCode: UInt64?
    var isCreditDue = false
    /// Whether `streamReadable` was told and `read` has not come up empty since.
    var isAnnounced = false
    /// The code with which the application gave the stream up.
    var stopCode: UInt64?
    var isStopDue = false

    init(id: StreamID, window: Int) {
        self.id = id
        buffer = ReceiveBuffer(window: window)
    }

    /// Whether every byte up to the end was read.
    var isDrained: Bool { finalByteCount == buffer.base }
}
