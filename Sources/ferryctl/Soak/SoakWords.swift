/// What orchestrators say of where one daemon is, held against where it is found.
struct SoakWords: Sendable {
    /// An orchestrator's word.
    struct Verdict: Sendable {
        var node: String
        /// How often that node had been killed before the move: if it has since, the daemon need not be there.
        var killCount: Int
        var words: String
    }

    /// An order of whose end nobody told: its source may obey it later than others that were given after it.
    struct UnheardOrder: Sendable {
        var source: String
        var sourceKillCount: Int
        var target: String
        var targetKillCount: Int
        var givenAt: ContinuousClock.Instant
        var words: String
    }

    enum Finding: Sendable {
        case asSaid
        /// This order may have been obeyed in between; whether it was, the owner knows.
        case overtaken(String, by: UnheardOrder)
        /// What must not be.
        case elsewhere(String)
    }

    /// From an order until no source obeys it any more, and no target that has prepared for it waits.
    static let orderBound = Duration.seconds(60)

    private var verdict: Verdict?
    private(set) var unheard: [UnheardOrder] = []

    /// A move has ended as its orchestrator says.
    mutating func believe(_ verdict: Verdict) { self.verdict = verdict }

    /// Nobody told how an order ended.
    mutating func miss(_ order: UnheardOrder) { unheard.append(order) }

    /// Holds what was said last against where the daemon is, once.
    ///
    /// - Parameter killCounts: how often every node was killed by now.
    mutating func check(owner: String, killCounts: [String: Int], now: ContinuousClock.Instant) -> Finding {
        unheard.removeAll { $0.givenAt + Self.orderBound < now }
        guard let verdict = verdict.take(), verdict.node != owner, killCounts[verdict.node] == verdict.killCount else { return .asSaid }
        let text = "\(verdict.words), and the daemon is at \(owner)"
        // Only the boot of the source that was ordered may obey.
        let order = unheard.last {
            $0.source == verdict.node && $0.sourceKillCount == verdict.killCount && $0.target == owner
        }
        return order.map { .overtaken(text, by: $0) } ?? .elsewhere(text)
    }
}
