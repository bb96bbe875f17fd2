internal import FerryStateMachines

/// Puts a noncopyable session behind a reference, so that one driver serves every kind of session.
final class SessionBox<Session: PeerSession & ~Copyable>: PeerSession {
    private var session: Session

    init(_ session: consuming Session) { self.session = session }

    func receive(_ frame: RawSpan, now: Timestamp) { session.receive(frame, now: now) }

    func nextFrame(into output: inout OutputRawSpan, now: Timestamp) -> Bool { session.nextFrame(into: &output, now: now) }

    func deadlineReached(now: Timestamp) { session.deadlineReached(now: now) }

    var nextDeadline: Timestamp? { session.nextDeadline }

    func nextEvent() -> SessionEvent? { session.nextEvent() }

    func sendMessage(_ message: RawSpan) throws(SessionError) { try session.sendMessage(message) }

    func receiveMessage(into message: inout [UInt8]) -> Bool { session.receiveMessage(into: &message) }

    var freeMessageByteCount: Int { session.freeMessageByteCount }

    var maximumMessageByteCount: Int { session.maximumMessageByteCount }

    func openStream() throws(SessionError) -> StreamID { try session.openStream() }

    func write(_ bytes: RawSpan, to stream: StreamID) throws(SessionError) -> Int { try session.write(bytes, to: stream) }

    func read(from stream: StreamID, into output: inout OutputRawSpan) throws(SessionError) -> StreamReadResult {
        try session.read(from: stream, into: &output)
    }

    func finish(_ stream: StreamID) throws(SessionError) { try session.finish(stream) }

    func reset(_ stream: StreamID, code: UInt64) { session.reset(stream, code: code) }

    func acknowledgedByteCount(of stream: StreamID) -> UInt64? { session.acknowledgedByteCount(of: stream) }

    var profile: SessionProfile { session.profile }

    var peer: PeerIdentity? { session.peer }

    var currentFrameByteCount: Int { session.currentFrameByteCount }

    var statistics: SessionStatistics { session.statistics }

    func close(_ reason: SessionCloseReason, now: Timestamp) { session.close(reason, now: now) }
}
