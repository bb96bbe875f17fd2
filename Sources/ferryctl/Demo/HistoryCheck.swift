internal import FerryWire

/// Reads one daemon's history record by record, in the order of its chain, and counts what must not be there.
struct HistoryCheck: Sendable {
    private(set) var duplicatedCount = 0
    private(set) var reorderedCount = 0
    private(set) var isChainContinuous = true
    /// The newest record that was taken.
    private(set) var last: ProcessedRecord?

    /// Every emitter sequence from 1 to this one is processed; what came beyond it is in `beyond`.
    private var contiguous: UInt64 = 0
    private var beyond: Set<UInt64> = []
    private var highest: UInt64 = 0

    /// Takes the next record.
    mutating func take(_ record: ProcessedRecord) {
        checkSequence(record.emitterSequence)
        checkLink(record)
        // A repetition does not turn the chain back.
        if last.map({ record.link.sequence > $0.link.sequence }) ?? true { last = record }
    }

    /// Events processed, each counted once.
    var processedCount: Int { Int(contiguous) + beyond.count }

    /// Events that were accepted and that nobody processed.
    ///
    /// - Parameter accepted: the highest emitter sequence that was acknowledged; all below it count as accepted.
    func lostCount(accepted: UInt64) -> Int {
        guard accepted > contiguous else { return 0 }
        return Int(accepted - contiguous) - beyond.count { $0 <= accepted }
    }

    private mutating func checkSequence(_ sequence: UInt64) {
        if sequence <= contiguous || !beyond.insert(sequence).inserted {
            duplicatedCount += 1
        } else if sequence < highest {
            reorderedCount += 1
        }
        highest = max(highest, sequence)
        while beyond.remove(contiguous + 1) != nil { contiguous += 1 }
    }

    private mutating func checkLink(_ record: ProcessedRecord) {
        guard let last else {
            isChainContinuous = record.link.sequence == 1
            return
        }
        let follows =
            record.link.origin == last.link.origin && record.link.sequence == last.link.sequence + 1
            && record.link.parent == forwardHash(last.link, last.payload.rawSpan)
        if !follows { isChainContinuous = false }
    }
}
