internal import FerryWire

/// What the nodes' logs prove about a run: nothing lost, nothing twice, nothing out of order, one unbroken chain.
struct Accounting: Sendable {
    private(set) var processed = 0
    private(set) var lost = 0
    private(set) var duplicated = 0
    private(set) var reordered = 0
    private(set) var isChainContinuous = true
    /// The merged history, in the order of the daemon's chain.
    let history: [ProcessedRecord]

    /// Merges the nodes' logs.
    ///
    /// - Parameters:
    ///   - logs: one per node, each in the order in which the node wrote it.
    ///   - accepted: the highest emitter sequence that was acknowledged; all below it count as accepted.
    init(logs: [[ProcessedRecord]], accepted: UInt64) {
        history = logs.joined().sorted { ($0.link.sequence, $0.processedAt) < ($1.link.sequence, $1.processedAt) }
        countEvents(accepted: accepted)
        checkChain()
    }

    private mutating func countEvents(accepted: UInt64) {
        var seen = Set<UInt64>()
        var highest: UInt64 = 0
        for record in history {
            let sequence = record.emitterSequence
            if !seen.insert(sequence).inserted {
                duplicated += 1
            } else if sequence < highest {
                reordered += 1
            }
            highest = max(highest, sequence)
        }
        processed = seen.count
        lost = Int(accepted) - seen.count { $0 >= 1 && $0 <= accepted }
    }

    private mutating func checkChain() {
        guard let first = history.first else { return }
        isChainContinuous = first.link.sequence == 1
        for (previous, next) in zip(history, history.dropFirst()) {
            let follows =
                next.link.origin == previous.link.origin && next.link.sequence == previous.link.sequence + 1
                && next.link.parent == forwardHash(previous.link, previous.payload.rawSpan)
            if !follows { isChainContinuous = false }
        }
    }

    /// The longest time without a processed event between two moments, in nanoseconds.
    func longestStall(from start: UInt64, to end: UInt64) -> UInt64 {
        let inside = history.lazy.map(\.processedAt).filter { $0 > start && $0 < end }.sorted()
        var longest: UInt64 = 0
        var last = start
        for moment in inside + [end] {
            longest = max(longest, moment - last)
            last = moment
        }
        return longest
    }

    /// The time between the last event that the old owner processed and the first that the new one did, for the move ordered at `order`.
    static func pause(from old: [ProcessedRecord], to new: [ProcessedRecord], around order: UInt64) -> UInt64? {
        guard let first = new.first(where: { $0.processedAt > order }),
            let last = old.last(where: { $0.processedAt < first.processedAt })
        else { return nil }
        return first.processedAt - last.processedAt
    }

    /// Processed events between two moments, per second.
    func rate(from start: UInt64, to end: UInt64) -> Double {
        guard end > start else { return 0 }
        let count = history.count { $0.processedAt > start && $0.processedAt <= end }
        return Double(count) / (Double(end - start) * 1e-9)
    }
}
