/// Who said to own what, and when: no answer that was asked for later may name an earlier owner.
struct OwnerWatch: Sendable {
    /// An owner that was seen.
    struct Sighting: Hashable, Sendable {
        var epoch: UInt64
        var node: String
        /// When the answer was there.
        var seenAt: UInt64
    }

    private var newest: [UInt64: Sighting] = [:]

    /// The newest owner that was seen.
    func owner(of origin: UInt64) -> Sighting? { newest[origin] }

    /// Takes in that a node called itself the owner.
    ///
    /// - Parameters:
    ///   - node: its name and boot.
    ///   - askedAt: before the question was sent; the answer is of that moment or later.
    ///   - seenAt: after the answer was there.
    /// - Returns: what must not be, in words.
    mutating func see(_ origin: UInt64, at node: String, epoch: UInt64, askedAt: UInt64, seenAt: UInt64) -> String? {
        guard let known = newest[origin] else {
            newest[origin] = Sighting(epoch: epoch, node: node, seenAt: seenAt)
            return nil
        }
        if epoch == known.epoch, node != known.node {
            return "daemon \(origin) is active at \(known.node) and at \(node) in the same epoch \(epoch)"
        }
        if epoch < known.epoch {
            // Asked before the newer owner had answered, it may have been right when it spoke.
            guard askedAt > known.seenAt else { return nil }
            return "daemon \(origin) is active at \(node) in epoch \(epoch), after \(known.node) was in epoch \(known.epoch)"
        }
        newest[origin] = Sighting(epoch: epoch, node: node, seenAt: epoch == known.epoch ? known.seenAt : seenAt)
        return nil
    }
}
