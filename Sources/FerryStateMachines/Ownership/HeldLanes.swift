public import FerryWire

/// Who brings what an emitter says, and where an emitter that was told to wait is told more.
public struct LaneBearer: Hashable, Sendable {
    /// The node at the other end of the session.
    public var node: NodeKey
    /// Whether the node is known to speak for the emitter, instead of only saying so.
    public var isProven: Bool

    /// Describes a bearer.
    public init(node: NodeKey, isProven: Bool) {
        self.node = node
        self.isProven = isProven
    }
}

/// The emitters that were told to wait, each once, in the order in which they were, and who bears their messages.
///
/// While nothing is checked, anybody may speak for anybody: the first bearer of an emitter stays, but for one that is proven, and no node
/// has more than its share of the table.
struct HeldLanes {
    private var order: [OriginHash] = []
    private var bearers: [OriginHash: LaneBearer?] = [:]
    private var counts: [NodeKey: Int] = [:]

    /// What one node may have of a table of `limit` emitters, so that others find room beside it.
    static func share(_ limit: Int) -> Int { max(1, limit / 4) }

    /// One more than `limit`, or than the bearer's share of it, is not remembered: it comes back by its own timer.
    ///
    /// - Parameter bearer: nil where all emitters are their own.
    mutating func insert(_ emitter: OriginHash, by bearer: LaneBearer?, limit: Int) {
        if let kept = bearers[emitter] {
            guard let bearer, bearer.isProven, kept?.isProven != true else { return }
            if kept?.node != bearer.node {
                guard hasShare(bearer, limit) else { return }
                if let kept { counts[kept.node, default: 1] -= 1 }
                counts[bearer.node, default: 0] += 1
            }
        } else {
            guard bearers.count < limit, hasShare(bearer, limit) else { return }
            order.append(emitter)
            if let bearer { counts[bearer.node, default: 0] += 1 }
        }
        bearers.updateValue(bearer, forKey: emitter)
    }

    private func hasShare(_ bearer: LaneBearer?, _ limit: Int) -> Bool {
        guard let bearer else { return true }
        return counts[bearer.node, default: 0] < Self.share(limit)
    }

    /// Whether the emitter waits, and this node is where it is told more.
    ///
    /// - Parameter node: nil where all emitters are their own.
    func contains(_ emitter: OriginHash, by node: NodeKey?) -> Bool {
        guard let bearer = bearers[emitter] else { return false }
        return bearer?.node == node
    }

    mutating func remove(_ emitter: OriginHash) {
        guard !order.isEmpty, let bearer = bearers.removeValue(forKey: emitter) else { return }
        order.removeAll { $0 == emitter }
        if let bearer { counts[bearer.node, default: 1] -= 1 }
    }

    mutating func take() -> [OriginHash] {
        guard !order.isEmpty else { return [] }
        defer {
            order = []
            bearers = [:]
            counts = [:]
        }
        return order
    }
}
