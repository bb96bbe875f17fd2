/// A sorted list of disjoint, non-adjacent ranges of 64-bit numbers: what arrived, was acknowledged or must be sent again.
struct RangeSet64: Sendable {
    /// The ranges, ascending.
    private(set) var ranges: [Range<UInt64>] = []

    /// Whether nothing is in it.
    var isEmpty: Bool { ranges.isEmpty }
    /// How many ranges it holds.
    var count: Int { ranges.count }
    /// The lowest range.
    var first: Range<UInt64>? { ranges.first }
    /// The highest range.
    var last: Range<UInt64>? { ranges.last }

    /// The number of the first range that ends at or above `value`.
    private func index(endingAtOrAbove value: UInt64) -> Int {
        if let last = ranges.last, last.upperBound < value { return ranges.count }
        var low = 0
        var high = ranges.count
        while low < high {
            let middle = (low + high) / 2
            if ranges[middle].upperBound < value { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// Whether inserting `range` would make one range more.
    func wouldSplit(_ range: Range<UInt64>) -> Bool {
        let index = index(endingAtOrAbove: range.lowerBound)
        return index == ranges.count || ranges[index].lowerBound > range.upperBound
    }

    /// Whether `value` is in it.
    func contains(_ value: UInt64) -> Bool {
        let index = index(endingAtOrAbove: value + 1)
        return index < ranges.count && ranges[index].lowerBound <= value
    }

    /// Adds a range, joining what touches.
    mutating func insert(_ range: Range<UInt64>) {
        guard !range.isEmpty else { return }
        let index = index(endingAtOrAbove: range.lowerBound)
        guard index < ranges.count, ranges[index].lowerBound <= range.upperBound else {
            ranges.insert(range, at: index)
            return
        }
        var end = index
        var upper = range.upperBound
        while end < ranges.count, ranges[end].lowerBound <= range.upperBound {
            upper = max(upper, ranges[end].upperBound)
            end += 1
        }
        ranges[index] = min(ranges[index].lowerBound, range.lowerBound)..<upper
        if end > index + 1 { ranges.removeSubrange(index + 1..<end) }
    }

    /// Takes a range out.
    mutating func remove(_ range: Range<UInt64>) {
        guard !range.isEmpty else { return }
        var index = index(endingAtOrAbove: range.lowerBound + 1)
        while index < ranges.count, ranges[index].lowerBound < range.upperBound {
            let current = ranges[index]
            let left = current.lowerBound..<max(current.lowerBound, range.lowerBound)
            let right = min(current.upperBound, range.upperBound)..<current.upperBound
            if !left.isEmpty, !right.isEmpty {
                ranges[index] = left
                ranges.insert(right, at: index + 1)
                return
            }
            if left.isEmpty, right.isEmpty {
                ranges.remove(at: index)
            } else {
                ranges[index] = left.isEmpty ? right : left
                index += 1
            }
        }
    }

    /// Takes out everything below `bound`.
    mutating func removeAll(below bound: UInt64) {
        guard let first = ranges.first, first.lowerBound < bound else { return }
        remove(0..<bound)
    }

    /// Takes out the lowest range.
    mutating func removeFirst() { ranges.removeFirst() }

    /// Takes everything out and keeps the memory.
    mutating func removeAll() { ranges.removeAll(keepingCapacity: true) }
}
