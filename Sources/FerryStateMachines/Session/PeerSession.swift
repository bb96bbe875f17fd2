/// Turns frames and time into events, and events into frames: the half of a session that faces the link.
///
/// The pull contract: after **any** mutating call (`receive`, `deadlineReached`, and every call of the channels below), call
/// `nextEvent` until it returns nil, then `nextFrame` until it returns false, then read `nextDeadline` and wait for it, for a frame or
/// for the application, whichever comes first. A whole batch of frames may be received before polling once.
public protocol FrameMachine: ~Copyable {
    /// Takes in one frame as the link delivered it; bytes that mean nothing are counted and dropped.
    mutating func receive(_ frame: RawSpan, now: Timestamp)
    /// Appends one frame to `output`.
    ///
    /// - Returns: false when nothing may be sent now, or when `output` has less free capacity than the session's
    ///   `currentFrameByteCount`.
    mutating func nextFrame(into output: inout OutputRawSpan, now: Timestamp) -> Bool
    /// Runs what is due; early, late and repeated calls are harmless.
    mutating func deadlineReached(now: Timestamp)
    /// When `deadlineReached` wants to be called; nil when nothing is pending.
    var nextDeadline: Timestamp? { get }
    /// The oldest event not yet taken, or nil.
    mutating func nextEvent() -> SessionEvent?
}

/// One ordered, reliable channel of whole messages.
public protocol MessageChannel: ~Copyable {
    /// Queues a copy of `message`, whole or not at all.
    ///
    /// - Throws: `.wouldBlock` when the bounded buffer has too little room, `.messageTooLarge`, `.notEstablished`, `.closed`.
    mutating func sendMessage(_ message: RawSpan) throws(SessionError)
    /// Replaces the contents of `message` with the next received message.
    ///
    /// - Returns: false, with `message` untouched, when none is complete. Received messages stay readable after a close.
    mutating func receiveMessage(into message: inout [UInt8]) -> Bool
    /// The longest message in bytes that `sendMessage` would take now.
    var freeMessageByteCount: Int { get }
    /// The longest message in bytes that either side ever takes.
    var maximumMessageByteCount: Int { get }
}

/// Ordered, reliable, one-way byte streams for bulk data: whoever opens one writes it, the other side reads it.
public protocol BulkStreams: ~Copyable {
    /// Opens a stream towards the peer; the peer learns of it with the first bytes.
    ///
    /// - Throws: `.tooManyStreams`, `.notEstablished`, `.closed`.
    mutating func openStream() throws(SessionError) -> StreamID
    /// Copies as much of `bytes` as the stream's bounded buffer takes.
    ///
    /// - Returns: the number of bytes taken; when it is less than all, `streamWritable` follows once there is room.
    /// - Throws: `.unknownStream`, `.streamClosed`, `.closed`.
    mutating func write(_ bytes: RawSpan, to stream: StreamID) throws(SessionError) -> Int
    /// Appends received bytes to `output`, at most its free capacity, and returns the credit for them to the peer.
    ///
    /// - Throws: `.unknownStream`.
    mutating func read(from stream: StreamID, into output: inout OutputRawSpan) throws(SessionError) -> StreamReadResult
    /// Ends an own stream after the bytes written so far.
    ///
    /// - Throws: `.unknownStream`, `.streamClosed`, `.closed`.
    mutating func finish(_ stream: StreamID) throws(SessionError)
    /// Gives a stream up at once: an own one is reset, the peer is asked to stop sending one of its own. Idempotent.
    mutating func reset(_ stream: StreamID, code: UInt64)
}

/// How much of what was written to bulk streams the peer has.
public protocol StreamAcknowledgements: ~Copyable {
    /// From the beginning of an own stream to the first byte that the peer has not acknowledged; nil once the peer has all, and for a
    /// stream that was given up.
    func acknowledgedByteCount(of stream: StreamID) -> UInt64?
}

/// A session with one authenticated peer over one link.
public protocol PeerSession: FrameMachine, MessageChannel, BulkStreams, StreamAcknowledgements, ~Copyable {
    /// Which protocol the session speaks.
    var profile: SessionProfile { get }
    /// Who the peer is; nil until `established`.
    var peer: PeerIdentity? { get }
    /// The byte count of full frames at this moment: several in a row have exactly this size, and a shorter one ends a batch. A path
    /// MTU probe is longer and travels alone.
    var currentFrameByteCount: Int { get }
    /// Counters and estimates for progress reports.
    var statistics: SessionStatistics { get }
    /// Tells the peer and ends the session; unsent data is dropped. Idempotent: the first reason stays.
    mutating func close(_ reason: SessionCloseReason, now: Timestamp)
}
