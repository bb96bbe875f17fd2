/// Appends outputs to one daemon's chain, from a genesis link or from the head that a snapshot or Release carried.
public struct ChainBuilder: Hashable, Sendable {
    /// The last link.
    public private(set) var head: CausalLink
    /// The payload of the last output; empty after a genesis link.
    public private(set) var headPayload: [UInt8]

    /// Continues after `head`, whose payload was `headPayload`.
    public init(head: CausalLink, headPayload: [UInt8]) {
        self.head = head
        self.headPayload = headPayload
    }

    /// Starts a chain: the first output gets sequence 1 and the hash of the genesis link without payload as its parent.
    public init(origin: OriginHash) {
        self.init(head: .genesis(origin), headPayload: [])
    }

    /// The daemon that emits the chain.
    public var origin: OriginHash { head.origin }

    /// ``forwardHash(_:_:)`` of the head: the parent of the next link, and what a Release states.
    public var headHash: UInt64 { forwardHash(head, headPayload.rawSpan) }

    /// Appends an output and makes it the head; nil, and no change, when the sequence would overflow.
    public mutating func next(payload: [UInt8], horizon: UInt64) -> CausalLink? {
        guard let link = head.next(payload: headPayload.rawSpan, horizon: horizon) else { return nil }
        head = link
        headPayload = payload
        return link
    }
}

extension CausalLink {
    /// Checks that `successor` follows this link, whose payload was `payload`: origin, then sequence, then parent. The horizon is not checked.
    ///
    /// - Throws: `.originMismatch`, `.sequenceGap`, `.parentHashMismatch`.
    public func validateSuccessor(_ successor: CausalLink, payload: RawSpan) throws(WireError) {
        guard successor.origin == origin else {
            throw WireError(.originMismatch, "origin \(successor.origin) follows \(origin)")
        }
        // After the last sequence nothing follows, not even the last sequence again.
        guard sequence < .max, successor.sequence == sequence + 1 else {
            throw WireError(.sequenceGap, "sequence \(successor.sequence) follows \(sequence)")
        }
        guard successor.parent == forwardHash(self, payload) else {
            throw WireError(.parentHashMismatch, "parent of sequence \(successor.sequence) is not the hash of its predecessor")
        }
    }
}
