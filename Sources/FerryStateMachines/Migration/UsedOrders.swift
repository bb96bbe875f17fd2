internal import FerryWire

/// The attempts and orders that may not begin here again, by a clock that is never set back.
///
/// A move that is remembered speaks for itself; this is what is left of one that is forgotten. By the wall clock its order has lapsed, and
/// nothing more would be needed if wall clocks were never set back.
struct UsedOrders {
    /// How far the wall clock may be set back without reviving an order.
    static let clockSkew = Duration.seconds(86_400)

    private struct Use {
        var until: Timestamp
        /// The slot's: of two that end at one time the older goes first.
        var ordinal: UInt64
    }

    private let limit: Int
    private var attempts: [MigrationID: Use] = [:]
    /// Orders that have moved their daemon: no further attempt of theirs begins.
    private var carriedOut: [OrderID: Use] = [:]

    /// - Parameter limit: of either kind; beyond it the one that would end first is dropped.
    init(limit: Int) { self.limit = max(1, limit) }

    var count: Int { attempts.count + carriedOut.count }

    /// When an order that was taken in now can be forgotten for good.
    static func end(of order: MoveOrder, now: Timestamp, wallClock: UInt64) -> Timestamp {
        let lifetime = order.expiresAt > wallClock ? order.expiresAt - wallClock : 0
        return now + .nanoseconds(Int64(clamping: lifetime)) + clockSkew
    }

    /// Takes over from a move that is being forgotten.
    mutating func note(_ order: MoveOrder, isCarriedOut: Bool, until: Timestamp, ordinal: UInt64) {
        let use = Use(until: until, ordinal: ordinal)
        Self.insert(use, for: order.migration, into: &attempts, limit)
        if isCarriedOut { Self.insert(use, for: order.id, into: &carriedOut, limit) }
    }

    func contains(_ order: MoveOrder) -> Bool { attempts[order.migration] != nil || carriedOut[order.id] != nil }

    /// Drops what has ended.
    mutating func forget(now: Timestamp) {
        guard count > 0 else { return }
        attempts = attempts.filter { $0.value.until > now }
        carriedOut = carriedOut.filter { $0.value.until > now }
    }

    private static func insert<Key: Hashable>(_ use: Use, for key: Key, into uses: inout [Key: Use], _ limit: Int) {
        uses[key] = use
        guard uses.count > limit else { return }
        let first = uses.min { ($0.value.until, $0.value.ordinal) < ($1.value.until, $1.value.ordinal) }
        if let first { uses[first.key] = nil }
    }
}
