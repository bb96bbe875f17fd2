internal import FerryWire

/// The emitters that were told to wait, each once, in the order in which they were.
struct HeldLanes {
    private var order: [OriginHash] = []
    private var members: Set<OriginHash> = []

    /// One more than `limit` is not remembered: it comes back by its own timer.
    mutating func insert(_ emitter: OriginHash, limit: Int) {
        guard members.count < limit, members.insert(emitter).inserted else { return }
        order.append(emitter)
    }

    mutating func take() -> [OriginHash] {
        guard !order.isEmpty else { return [] }
        defer {
            order = []
            members = []
        }
        return order
    }
}
