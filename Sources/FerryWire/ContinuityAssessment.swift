/// What a log of outputs, with or without the snapshot before it, says about a chain.
public enum Continuity: Hashable, Sendable {
    /// No output and no snapshot.
    case empty
    /// Every output follows its predecessor, and the first one follows genesis or the snapshot.
    case continuous(through: UInt64)
    /// An output is missing after this sequence.
    case gap(after: UInt64)
    /// The output with this sequence does not hash onto its predecessor: two chains share an origin.
    case forked(at: UInt64)
    /// Nothing vouches for the first output.
    case unverifiable
}

/// The end of a chain that a snapshot vouches for.
public struct ChainAnchor: Hashable, Sendable {
    /// The last link.
    public var link: CausalLink
    /// The payload of that link's output, which is what the next parent covers; nil when unknown, which is not empty.
    public var headPayload: [UInt8]?

    /// Joins link and payload.
    public init(link: CausalLink, headPayload: [UInt8]?) {
        self.link = link
        self.headPayload = headPayload
    }
}

/// Judges whether `log`, in ascending order, is one unbroken chain that starts at genesis or right after `anchor`.
public func assessContinuity(of log: [CausalEvent], after anchor: ChainAnchor? = nil) -> Continuity {
    guard let first = log.first else { return anchor.map { .continuous(through: $0.link.sequence) } ?? .empty }
    switch judgeFirst(first.link, after: anchor) {
    case .continuous: break
    case let verdict: return verdict
    }
    var previous = first
    for event in log.dropFirst() {
        do {
            try previous.link.validateSuccessor(event.link, payload: previous.payload.rawSpan)
        } catch {
            return error.code == .sequenceGap ? .gap(after: previous.link.sequence) : .forked(at: event.link.sequence)
        }
        previous = event
    }
    return .continuous(through: previous.link.sequence)
}

private func judgeFirst(_ first: CausalLink, after anchor: ChainAnchor?) -> Continuity {
    // Nothing precedes the first output of a chain, so a payload there is forged.
    if let anchor, anchor.link.sequence == 0, anchor.headPayload?.isEmpty == false { return .unverifiable }
    if first.sequence == 1 {
        // A log from the very beginning needs no snapshot, wherever the one at hand stands.
        let verdict = judge(first, after: .genesis(first.origin), payload: [])
        guard let anchor, anchor.link.sequence == 0, verdict != .continuous(through: 1) else { return verdict }
        return judge(first, after: anchor.link, payload: [])
    }
    guard let anchor, let payload = anchor.headPayload else { return .unverifiable }
    return judge(first, after: anchor.link, payload: payload)
}

private func judge(_ first: CausalLink, after previous: CausalLink, payload: [UInt8]) -> Continuity {
    do {
        try previous.validateSuccessor(first, payload: payload.rawSpan)
        return .continuous(through: first.sequence)
    } catch {
        return error.code == .sequenceGap ? .unverifiable : .forked(at: first.sequence)
    }
}
