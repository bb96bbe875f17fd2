package import FerryStateMachines

/// A bulk stream that this side writes; one writer at a time. Dropping it unfinished resets it.
package final class OutgoingStream: Sendable {
    /// Names the stream to the peer.
    package let id: StreamID
    private let core: SessionCore

    init(core: SessionCore, id: StreamID) {
        self.core = core
        self.id = id
    }

    deinit { core.forget(id) }

    /// Copies `bytes` into the stream's bounded buffer, waiting for credit.
    ///
    /// - Throws: `FerryError` with `.streamReset`, `.streamClosed` or `.sessionClosed`; `CancellationError`, after which the stream
    ///   holds an unknown part of `bytes`.
    package func write(_ bytes: RawSpan) async throws {
        guard var (written, signal) = try core.write(bytes, to: id) else { return }
        while true {
            let ticket = signal.ticket
            guard let (more, next) = try core.write(bytes.extracting(droppingFirst: written), to: id) else { return }
            written += more
            signal = next
            if more == 0 { try await signal.waitOrCancel(after: ticket) }
        }
    }

    /// Ends the stream and returns when the peer has acknowledged every byte.
    ///
    /// - Throws: `FerryError` with `.streamReset`, `.streamClosed` or `.sessionClosed`; `CancellationError`.
    package func finish() async throws {
        do throws(SessionError) {
            try core.withSession { (state, _) throws(SessionError) in try state.session.finish(id) }
        } catch {
            if try core.isFinished(id) { return }
            throw FerryError(error)
        }
        guard let signal = core.streamSignal(id) else { return }
        while true {
            let ticket = signal.ticket
            if try core.isFinished(id) { return }
            try await signal.waitOrCancel(after: ticket)
        }
    }

    /// From the stream's beginning to the first byte that the peer has not acknowledged; nil once the peer has all, and for a stream that
    /// was given up.
    package var acknowledgedByteCount: UInt64? {
        core.withSession { state, _ in state.session.acknowledgedByteCount(of: id) }
    }

    /// Gives the stream up. Idempotent.
    package func reset(code: UInt64) { core.reset(id, code: code) }
}

/// A bulk stream that the peer writes; one reader at a time. Dropping it before its end asks the peer to stop.
package final class IncomingStream: Sendable {
    /// Names the stream to the peer.
    package let id: StreamID
    private let core: SessionCore

    init(core: SessionCore, id: StreamID) {
        self.core = core
        self.id = id
    }

    deinit { core.forget(id) }

    /// Appends at least one byte, waiting for it; the free capacity of `output` is at least one byte.
    ///
    /// - Returns: false at the end, with every byte read.
    /// - Throws: `FerryError` with `.streamReset`, `.streamClosed` or `.sessionClosed`; `CancellationError`.
    package func read(into output: inout OutputRawSpan) async throws -> Bool {
        while true {
            guard let signal = core.streamSignal(id) else { throw FerryError(.streamClosed, "stream \(id) has ended") }
            let ticket = signal.ticket
            switch try core.read(from: id, into: &output) {
            case .bytes: return true
            case .finished: return false
            case .reset(let code): throw FerryError(.streamReset, "the writer gave stream \(id) up with code \(code)")
            case .blocked: try await signal.waitOrCancel(after: ticket)
            }
        }
    }

    /// Asks the peer to stop. Idempotent.
    package func cancel(code: UInt64) { core.reset(id, code: code) }
}

extension SessionCore {
    /// Writes what fits; nil when that is everything, else how much it is, and the signal for more room.
    fileprivate func write(_ bytes: RawSpan, to id: StreamID) throws(FerryError) -> (Int, Signal)? {
        do throws(SessionError) {
            return try withSession { (state, _) throws(SessionError) -> (Int, Signal)? in
                guard let entry = state.streams[id] else { throw SessionError(.streamClosed, "stream \(id) has ended") }
                let written = try state.session.write(bytes, to: id)
                return written == bytes.byteCount ? nil : (written, entry.signal)
            }
        } catch {
            throw ending(of: id) ?? FerryError(error)
        }
    }

    fileprivate func read(from id: StreamID, into output: inout OutputRawSpan) throws(FerryError) -> StreamReadResult {
        do throws(SessionError) {
            return try withSession { (state, _) throws(SessionError) -> StreamReadResult in
                if let reason = state.closeReason { throw SessionError(.closed, reason.description) }
                let result = try state.session.read(from: id, into: &output)
                switch result {
                case .finished, .reset: state.streams[id] = nil
                case .bytes, .blocked: break
                }
                return result
            }
        } catch {
            throw ending(of: id) ?? FerryError(error)
        }
    }

    fileprivate func streamSignal(_ id: StreamID) -> Signal? { withSession { state, _ in state.streams[id]?.signal } }

    /// Whether everything is acknowledged.
    fileprivate func isFinished(_ id: StreamID) throws(FerryError) -> Bool {
        if let failure = ending(of: id) { throw failure }
        return withSession { state, _ in
            if case .finished = state.streams[id]?.end { true } else { false }
        }
    }

    /// Why the stream or its session ended before its time, if it did.
    private func ending(of id: StreamID) -> FerryError? {
        withSession { state, _ in
            switch state.streams[id]?.end {
            case .finished: return nil
            case .reset(let code): return FerryError(.streamReset, "stream \(id) was given up with code \(code)")
            case nil: return state.closeReason.map { FerryError(.sessionClosed, $0.description) }
            }
        }
    }

    fileprivate func reset(_ id: StreamID, code: UInt64) {
        withSession { state, _ in
            guard let entry = state.streams[id], entry.end == nil else { return }
            state.streams[id]?.end = .reset(code: code)
            state.session.reset(id, code: code)
        }
        streamSignal(id)?.signal()
    }

    fileprivate func forget(_ id: StreamID) {
        withSession { state, _ in
            guard let entry = state.streams.removeValue(forKey: id), entry.end == nil else { return }
            state.session.reset(id, code: 0)
        }
    }
}
