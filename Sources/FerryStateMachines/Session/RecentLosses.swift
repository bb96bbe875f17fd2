internal import DequeModule

/// Packets that were declared lost a short while ago. One that arrives all the same was late, not lost: the path reorders, and from then
/// on is given as many packets (RFC 9002 §6.1.1) and as much time (RFC 8985 §6.2) as the latest of them took.
struct RecentLosses: Sendable {
    /// Losses remembered at most: as far back as a receiver tells a late packet from a repeated one.
    static let maximumCount = Int(ReplayWindow.packetCount)
    /// kPacketThreshold.
    static let initialPacketThreshold: UInt64 = 3
    /// Real losses in a row, without a late packet, after which a path counts as one that keeps order (RFC 8985 §6.2 step 4).
    static let orderlyCount = 16

    private struct Loss: Sendable {
        var number: UInt64
        var sentAt: Timestamp
        var declaredAt: Timestamp
    }

    /// By number.
    private var losses: Deque<Loss> = []
    private var realCount = 0
    /// How many numbers behind the largest acknowledged one a packet counts as lost.
    private(set) var packetThreshold = RecentLosses.initialPacketThreshold
    /// The time that the latest of the late packets took to be acknowledged.
    private(set) var lateness: Duration = .zero

    /// Whether nothing is remembered: each packet that was declared lost is known to have arrived, or to be gone.
    var isEmpty: Bool { losses.isEmpty }

    /// A packet is declared lost; the numbers of successive calls rise.
    ///
    /// - Returns: whether an older one had to be forgotten.
    mutating func add(_ number: UInt64, sentAt: Timestamp, now: Timestamp) -> Bool {
        losses.append(Loss(number: number, sentAt: sentAt, declaredAt: now))
        guard losses.count > Self.maximumCount else { return false }
        losses.removeFirst()
        return true
    }

    /// The peer has these packets, and `largest` is the largest that it has.
    ///
    /// - Returns: whether one of them had been declared lost.
    mutating func arrived(_ numbers: ClosedRange<UInt64>, largest: UInt64, now: Timestamp) -> Bool {
        guard let oldest = losses.first, numbers.upperBound >= oldest.number else { return false }
        let begin = index(of: numbers.lowerBound)
        var end = begin
        while end < losses.count, losses[end].number <= numbers.upperBound {
            packetThreshold = max(packetThreshold, largest - min(largest, losses[end].number) + 1)
            lateness = max(lateness, now - losses[end].sentAt)
            end += 1
        }
        guard end > begin else { return false }
        losses.removeSubrange(begin..<end)
        realCount = 0
        return true
    }

    /// What was declared lost before `deadline`, and has not arrived, was lost.
    ///
    /// - Returns: whether there is such a packet.
    mutating func expire(before deadline: Timestamp) -> Bool {
        guard let oldest = losses.first, oldest.declaredAt < deadline else { return false }
        while let first = losses.first, first.declaredAt < deadline { losses.removeFirst() }
        realCount += 1
        if realCount >= Self.orderlyCount {
            packetThreshold = RecentLosses.initialPacketThreshold
            lateness = .zero
        }
        return true
    }

    /// The place of the first loss that is not below `number`.
    private func index(of number: UInt64) -> Int {
        var low = 0
        var high = losses.count
        while low < high {
            let middle = (low + high) / 2
            if losses[middle].number < number { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
