package import FerryStateMachines
package import FerryTransports
package import FerryWire
internal import Synchronization

/// A session with an authenticated peer, as the rest of the node uses it.
package final class SessionDriver: Sendable {
    /// Who the peer is.
    package let peer: PeerIdentity
    /// The other end of the link.
    package let remoteAddress: TransportAddress
    /// Whether this node dialled.
    package let isInitiator: Bool
    let core: SessionCore

    init(core: SessionCore, peer: PeerIdentity, remoteAddress: TransportAddress, isInitiator: Bool) {
        self.core = core
        self.peer = peer
        self.remoteAddress = remoteAddress
        self.isInitiator = isInitiator
    }

    /// Queues a message without waiting.
    ///
    /// - Returns: false when the bounded buffer is full, the session is closed, or the message exceeds what sessions carry. Every protocol
    ///   message is idempotent and retried, so dropping it is legal.
    package func trySend(_ message: PeerMessage) -> Bool {
        (try? core.send(message)) ?? false
    }

    /// Queues a message and those that `next` gives, without waiting and so that they share frames.
    ///
    /// - Parameter next: called under the session's lock.
    /// - Returns: the first message that was not taken, as by ``trySend(_:)``; nil when all were.
    package func trySend(_ message: PeerMessage, then next: () -> PeerMessage?) -> PeerMessage? {
        core.withSession { state, _ in
            var message = message
            while (try? state.queue(message)) ?? false {
                guard let following = next() else { return nil }
                message = following
            }
            return message
        }
    }

    /// Queues a message, waiting for room.
    ///
    /// - Throws: `FerryError` with `.sessionClosed` or `.messageTooLarge`; `CancellationError`.
    package func send(_ message: PeerMessage) async throws {
        while true {
            let ticket = core.messagesWritable.ticket
            if try core.send(message) { return }
            try await core.messagesWritable.waitOrCancel(after: ticket)
        }
    }

    /// Returns once a message that did not fit may fit, or the session is closed.
    ///
    /// - Parameter ticket: `messageRoomTicket` from before the send that failed.
    /// - Throws: `CancellationError`.
    package func waitForMessageRoom(after ticket: UInt64) async throws(CancellationError) {
        if isClosed { return }
        try await core.messagesWritable.waitOrCancel(after: ticket)
    }

    /// What `waitForMessageRoom` compares with.
    package var messageRoomTicket: UInt64 { core.messagesWritable.ticket }

    /// Opens a stream towards the peer, which learns of it with the first bytes.
    ///
    /// - Throws: `FerryError` with `.tooManyStreams` or `.sessionClosed`.
    package func openStream() async throws -> OutgoingStream {
        do throws(SessionError) {
            let id = try core.withSession { (state, _) throws(SessionError) -> StreamID in
                let id = try state.session.openStream()
                state.streams[id] = SessionCore.StreamEntry(isClaimed: true)
                return id
            }
            return OutgoingStream(core: core, id: id)
        } catch {
            throw FerryError(error)
        }
    }

    /// Claims a stream that the peer opens, waiting until it does; each stream can be claimed once.
    ///
    /// - Throws: `FerryError` with `.streamClosed` or `.sessionClosed`; `CancellationError`.
    package func incomingStream(_ id: StreamID) async throws -> IncomingStream {
        while true {
            let ticket = core.phaseChanged.ticket
            if try core.claim(id) { return IncomingStream(core: core, id: id) }
            try await core.phaseChanged.waitOrCancel(after: ticket)
        }
    }

    /// Tells the peer and ends the session; what is queued and not sent is dropped. The first reason stays.
    package func close(_ reason: SessionCloseReason) { core.close(reason) }

    /// Whether the session is over.
    package var isClosed: Bool { core.isOver.load(ordering: .relaxed) }

    /// Counters and estimates as of now.
    package var statistics: SessionStatistics { core.withSession { state, _ in state.session.statistics } }
}

extension SessionCore {
    /// Why the session ended, or nil.
    var closeReason: SessionCloseReason? { withSession { state, _ in state.closeReason } }

    /// Encodes and queues `message`; false when it does not fit now.
    func send(_ message: PeerMessage) throws(FerryError) -> Bool {
        try withSession { (state, _) throws(FerryError) -> Bool in try state.queue(message) }
    }

    fileprivate func claim(_ id: StreamID) throws(FerryError) -> Bool {
        try withSession { (state, _) throws(FerryError) -> Bool in
            if let entry = state.streams[id], !entry.isClaimed {
                state.streams[id]?.isClaimed = true
                return true
            }
            if let reason = state.closeReason { throw FerryError(.sessionClosed, reason.description) }
            if let last = state.lastIncoming, id <= last { throw FerryError(.streamClosed, "stream \(id) is gone or taken") }
            return false
        }
    }
}

extension SessionCore.State {
    /// Encodes and queues `message`; false when it does not fit now.
    fileprivate mutating func queue(_ message: PeerMessage) throws(FerryError) -> Bool {
        let byteCount: Int
        do throws(WireError) {
            byteCount = try message.measured()
        } catch {
            throw FerryError(.messageTooLarge, "the message has no encoding", cause: error)
        }
        do throws(SessionError) {
            if let reason = closeReason { throw SessionError(.closed, reason.description) }
            guard byteCount <= session.maximumMessageByteCount else {
                throw SessionError(.messageTooLarge, "a message of \(byteCount) bytes")
            }
            // A message that does not fit is offered all the same: only then does the machine say when it may.
            if self.message.byteCount < byteCount { self.message = PageBuffer(byteCount: byteCount) }
            let buffer = self.message
            var output = buffer.output()
            message.encode(into: &output)
            try session.sendMessage(buffer.bytes(in: 0..<byteCount))
            return true
        } catch {
            if error.code == .wouldBlock { return false }
            throw FerryError(error)
        }
    }
}
