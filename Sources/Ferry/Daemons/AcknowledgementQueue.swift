internal import FerryWire
internal import Synchronization

/// Acknowledgements that wait for the end of a batch: later ones of the same lane replace each other, since only the newest counts.
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

    func append(_ answer: LaneMessage, to path: LaneReplyPath) {
        pending.withLock { $0[Lane(emitter: answer.emitter, daemon: answer.daemon)] = Pending(answer: answer, path: path) }
    }

    /// Sends what waits; each lane's answers go to its own emitter, so their order does not matter.
    func flush() {
        let batch = pending.withLock { pending in
            defer { pending.removeAll(keepingCapacity: true) }
            return pending
        }
        for pending in batch.values { pending.path.trySend(pending.answer) }
    }
}
