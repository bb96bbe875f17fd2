internal import DequeModule
internal import FerryChunking
internal import Synchronization

/// How much of a state on its way out the target has; the writer is ahead of it by up to a window.
///
/// Written by the task that streams, read by the interpreter's timer. A chunk counts once the peer has acknowledged all of it, and of the
/// chunk after it as many bytes as are acknowledged: its state has at least as many, since no chunk grows on its way.
final class DepartureProgress: Sendable {
    /// Chunks told apart at most; beyond it several count as one.
    static let maximumMarkCount = 4_096

    /// The end of a chunk, in the stream and in the state.
    private struct Mark: Sendable {
        var wireByteCount: UInt64 = 0
        var stateByteCount: UInt64 = 0
    }

    private struct State: Sendable {
        /// What is written and may not be acknowledged.
        var marks: Deque<Mark> = []
        /// The end of the last chunk that is acknowledged whole.
        var taken = Mark()
        var stream: OutgoingStream?
    }

    private let state = Mutex(State())

    /// Has `stream` asked for what its peer has acknowledged.
    func follow(_ stream: OutgoingStream) { state.withLock { $0.stream = stream } }

    /// A chunk was written, up to here.
    func written(stateByteCount: UInt64, wireByteCount: UInt64) {
        let mark = Mark(wireByteCount: wireByteCount, stateByteCount: stateByteCount)
        state.withLock { state in
            if state.marks.count < Self.maximumMarkCount {
                state.marks.append(mark)
            } else {
                state.marks[state.marks.count - 1] = mark
            }
        }
    }

    /// Bytes of state that the target has.
    var byteCount: UInt64 {
        guard let stream = state.withLock(\.stream) else { return 0 }
        return byteCount(acknowledged: stream.acknowledgedByteCount)
    }

    /// - Parameter wireByteCount: how much of the stream is acknowledged; nil when it has ended, and no more is known.
    func byteCount(acknowledged wireByteCount: UInt64?) -> UInt64 {
        state.withLock { state in
            guard let wireByteCount else { return state.taken.stateByteCount }
            while let next = state.marks.first, next.wireByteCount <= wireByteCount { state.taken = state.marks.removeFirst() }
            let taken = state.taken
            let beyond = wireByteCount - min(wireByteCount, taken.wireByteCount)
            if let next = state.marks.first {
                return taken.stateByteCount + min(beyond, next.stateByteCount - taken.stateByteCount)
            }
            // A chunk that is being written, or the trailer.
            let trailer = UInt64(ChunkFormat.trailerByteCount)
            return taken.stateByteCount + (beyond > trailer ? beyond - trailer : 0)
        }
    }
}
