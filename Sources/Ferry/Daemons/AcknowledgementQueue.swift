internal import FerryWire
internal import Synchronization

/// Acknowledgements on their way: while one batch is sent, later ones of the same lane replace each other, since only the newest counts.
final class AcknowledgementQueue: Sendable {
    private struct Lane: Hashable {
        var emitter: OriginHash
        var daemon: OriginHash
    }

    private struct Pending {
        var answer: LaneMessage
        var path: LaneReplyPath
    }

    private let pending = Mutex<[Lane: Pending]>([:])
    private let changed = Signal()

    func append(_ answer: LaneMessage, to path: LaneReplyPath) {
        let isFirst = pending.withLock { pending in
            pending[Lane(emitter: answer.emitter, daemon: answer.daemon)] = Pending(answer: answer, path: path)
            return pending.count == 1
        }
        if isFirst { changed.signal() }
    }

    /// Sends until the task is cancelled.
    func run() async {
        while !Task.isCancelled {
            let ticket = changed.ticket
            if !flush() { await changed.wait(after: ticket) }
        }
        _ = flush()
    }

    /// Each lane's answers go to its own emitter, so their order does not matter.
    private func flush() -> Bool {
        let batch = pending.withLock { pending in
            defer { pending.removeAll(keepingCapacity: true) }
            return pending
        }
        for pending in batch.values { pending.path.trySend(pending.answer) }
        return !batch.isEmpty
    }
}
