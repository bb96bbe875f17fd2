/// What a daemon has observed, in full: the highest sequence of each origin, and a logical time that counts news.
///
/// A link carries only its Bloom filter, ``encoded``. Net-mesh has no bytes for the full map, so a snapshot of version 2 starts with an empty
/// one (net-mesh migration §B.6).
public struct ObservedHorizon: Hashable, Sendable {
    /// Origins above which the Bloom filter says too little, 44 % of absent origins seeming present: ask the full map instead.
    public static let bloomOriginCount = 16

    private var highest: [OriginHash: UInt64] = [:]

    /// How often something new was observed, at its maximum for ever once it gets there.
    public private(set) var logicalTime: UInt64 = 0

    /// Nothing observed.
    public init() {}

    /// Nothing observed so far, at a time that another horizon had reached.
    public init(logicalTime: UInt64) { self.logicalTime = logicalTime }

    /// The number of origins.
    public var count: Int { highest.count }

    /// Whether nothing was observed.
    public var isEmpty: Bool { highest.isEmpty }

    /// Observed origins and their highest sequences, in ascending order of origin.
    public var entries: [(origin: OriginHash, sequence: UInt64)] {
        highest.map { (origin: $0.key, sequence: $0.value) }.sorted { $0.origin < $1.origin }
    }

    /// The highest observed sequence of an origin; nil when none was, which is not 0.
    public func highestSequence(of origin: OriginHash) -> UInt64? { highest[origin] }

    /// Whether an origin's output with this sequence, or a later one, was observed.
    public func hasObserved(_ origin: OriginHash, sequence: UInt64) -> Bool { highest[origin].map { $0 >= sequence } ?? false }

    /// Takes note of an output; time advances only when it is later than all before. Sequence 0 makes an entry and no news.
    public mutating func observe(_ origin: OriginHash, sequence: UInt64) {
        let known = highest[origin, default: 0]
        highest[origin] = max(known, sequence)
        if sequence > known { advance(from: logicalTime) }
    }

    /// Joins what another has observed: the higher sequence of each origin, and a time after both.
    public mutating func merge(_ other: ObservedHorizon) {
        highest.merge(other.highest) { max($0, $1) }
        advance(from: max(logicalTime, other.logicalTime))
    }

    /// The Bloom filter over the origins: what a link carries; sequences are not in it.
    public var encoded: HorizonBloom { HorizonBloom(highest.keys) }

    /// Whether ``encoded`` tells enough about what is in it.
    public var fitsBloom: Bool { count <= Self.bloomOriginCount }

    private mutating func advance(from time: UInt64) { logicalTime = time == .max ? .max : time + 1 }
}
