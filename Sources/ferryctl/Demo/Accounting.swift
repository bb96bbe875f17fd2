internal import FerryWire

/// What the nodes' logs prove about a run: nothing lost, nothing twice, nothing out of order, one unbroken chain.
struct Accounting: Sendable {
    private let check: HistoryCheck
    let lost: Int
    /// The merged history, in the order of the daemon's chain.
    let history: [ProcessedRecord]

    /// Merges the nodes' logs.
    ///
    /// - Parameters:
    ///   - logs: one per node, each in the order in which the node wrote it.
    ///   - accepted: the highest emitter sequence that was acknowledged; all below it count as accepted.
    init(logs: [[ProcessedRecord]], accepted: UInt64) {
        history = logs.joined().sorted { ($0.link.sequence, $0.processedAt) < ($1.link.sequence, $1.processedAt) }
        var check = HistoryCheck()
        for record in history { check.take(record) }
        self.check = check
        lost = check.lostCount(accepted: accepted)
    }

    var processed: Int { check.processedCount }
    var duplicated: Int { check.duplicatedCount }
    var reordered: Int { check.reorderedCount }
    var isChainContinuous: Bool { check.isChainContinuous }

    /// The longest time without a processed event that has a part between two moments, in nanoseconds.
    func longestStall(from start: UInt64, to end: UInt64) -> UInt64 {
        var inside: [UInt64] = []
        var before: UInt64?
        var after: UInt64?
        for moment in history.lazy.map(\.processedAt) {
            if moment <= start {
                before = max(before ?? moment, moment)
            } else if moment >= end {
                after = min(after ?? moment, moment)
            } else {
                inside.append(moment)
            }
        }
        let moments = [before ?? start] + inside.sorted() + [after ?? end]
        return zip(moments, moments.dropFirst()).map { $1 - $0 }.max() ?? 0
    }

    /// From the old owner's last fence to the first event that the new one processed, in nanoseconds, for the move ordered at `order`.
    static func pause(from fences: [UInt64], to new: [ProcessedRecord], after order: UInt64) -> UInt64? {
        guard let first = new.first(where: { $0.processedAt > order })?.processedAt,
            let fence = fences.last(where: { $0 > order && $0 < first })
        else { return nil }
        return first - fence
    }

    /// Processed events between two moments, per second.
    func rate(from start: UInt64, to end: UInt64) -> Double {
        guard end > start else { return 0 }
        let count = history.count { $0.processedAt > start && $0.processedAt <= end }
        return Double(count) / (Double(end - start) * 1e-9)
    }
}
