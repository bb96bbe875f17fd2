internal import DequeModule

/// Tasks that wait until a count reaches their ordinal, in order, so that an advance touches only those that it wakes.
struct OrdinalWaiters {
    private var entries: Deque<(ordinal: UInt64, waiter: Waiter)> = []

    /// Ordinals mostly grow, so the place is near the end.
    mutating func insert(_ waiter: Waiter, at ordinal: UInt64) {
        var index = entries.count
        while index > 0, entries[index - 1].ordinal > ordinal { index -= 1 }
        entries.insert((ordinal, waiter), at: index)
    }

    /// Takes out whoever waits for `count` or less.
    mutating func take(through count: UInt64) -> [Waiter] {
        var taken: [Waiter] = []
        while let first = entries.first, first.ordinal <= count {
            taken.append(first.waiter)
            entries.removeFirst()
        }
        return taken
    }

    /// Takes out whoever waits for exactly `ordinal`.
    mutating func take(at ordinal: UInt64) -> [Waiter] {
        let taken = entries.filter { $0.ordinal == ordinal }.map(\.waiter)
        if !taken.isEmpty { entries.removeAll { $0.ordinal == ordinal } }
        return taken
    }

    /// Takes everybody out.
    mutating func takeAll() -> [Waiter] {
        defer { entries = [] }
        return entries.map(\.waiter)
    }
}
