internal import DequeModule
internal import FerryWire

/// The batches of a move log that were handed to the target's host and are not replayed yet.
///
/// Batches are handed over in order and without gaps: a batch that only repeats is not handed over, nor is one behind a gap, nor one more
/// than memory is set aside for. The source goes back to what is not acknowledged.
struct ReplayQueue {
    enum Verdict {
        case hand
        case repetition
        case gap
        case full
        case malformed
    }

    private var batches: Deque<(last: UInt64, byteCount: Int)> = []
    private var byteCount = 0
    /// The last entry that was handed over.
    private(set) var handedIndex: UInt64 = 0
    /// How far the host has replayed, and how much of what was handed over it has not.
    private(set) var status = ReplayComplete(logIndex: 0, inputOutputDigest: .zero, lag: 0)

    /// The last entry of a batch; nil when no log has such an index.
    static func lastIndex(of batch: BufferedEvents) -> UInt64? {
        guard batch.firstIndex > 0 else { return nil }
        let (last, isOver) = (batch.firstIndex - 1).addingReportingOverflow(UInt64(batch.entries.count))
        return isOver ? nil : last
    }

    /// - Parameter byteLimit: bytes that may wait for their replay; a single batch may exceed it.
    mutating func admit(_ batch: BufferedEvents, byteLimit: Int) -> Verdict {
        guard let last = Self.lastIndex(of: batch) else { return .malformed }
        guard last > handedIndex else { return .repetition }
        guard batch.firstIndex - 1 <= handedIndex else { return .gap }
        let size = batch.entries.reduce(0) { $0 + $1.event.payload.count + MoveLog.entryByteCount }
        guard batches.isEmpty || byteCount + size <= byteLimit else { return .full }
        batches.append((last, size))
        byteCount += size
        handedIndex = last
        status.lag = handedIndex - status.logIndex
        return .hand
    }

    /// - Returns: false, and nothing changes, when the report is older than the last, or about what was not handed over.
    mutating func replayed(_ report: ReplayComplete) -> Bool {
        guard report.logIndex >= status.logIndex, report.logIndex <= handedIndex else { return false }
        status = report
        status.lag = handedIndex - report.logIndex
        while let first = batches.first, first.last <= report.logIndex {
            batches.removeFirst()
            byteCount -= first.byteCount
        }
        return true
    }
}
