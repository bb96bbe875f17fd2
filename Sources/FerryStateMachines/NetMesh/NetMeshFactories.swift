public import FerryWire

/// What this node can build when a daemon arrives: one entry a daemon, kept through failed arrivals. (net-mesh migration §F.6.)
public struct NetMeshFactories: Hashable, Sendable {
    /// What is known of one daemon.
    public struct Entry: Hashable, Sendable {
        /// The kind that the host builds.
        public var kind: String
        /// Whether the host has a keypair for it, for snapshots without an envelope.
        public var hasFallbackKey: Bool
        /// The only node that may bring it; nil while nobody is bound.
        public var orchestrator: NodeID?
        /// The only node, besides the orchestrator, that may send inputs after it.
        public var source: NodeID?
    }

    private var entries: [OriginHash: Entry] = [:]

    /// How many daemons may arrive.
    public var count: Int { entries.count }

    /// What is known of a daemon.
    public subscript(_ origin: OriginHash) -> Entry? { entries[origin] }

    /// Adds an entry; an incumbent is not touched.
    ///
    /// - Throws: `.factoryExists`, `.capacity`.
    mutating func register(_ entry: Entry, for origin: OriginHash, limit: Int) throws(NetMeshRefusal) {
        guard entries[origin] == nil else {
            throw NetMeshRefusal(.factoryExists, "factory for origin_hash \(origin.rawValue.prefixedHex) already registered")
        }
        guard entries.count < limit else { throw NetMeshRefusal(.capacity, "\(limit) factories are registered") }
        entries[origin] = entry
    }

    /// Binds the orchestrator, once; the same one again is harmless.
    ///
    /// - Returns: false without an entry, or when another node is bound.
    mutating func bind(_ origin: OriginHash, to orchestrator: NodeID) -> Bool {
        guard let entry = entries[origin], entry.orchestrator ?? orchestrator == orchestrator else { return false }
        entries[origin]?.orchestrator = orchestrator
        return true
    }

    /// Removes an entry; harmless without one.
    mutating func remove(_ origin: OriginHash) { entries[origin] = nil }
}

extension UInt64 {
    /// `0x` and lower-case digits without leading zeros, as net-mesh writes numbers in texts.
    var prefixedHex: String { "0x" + String(self, radix: 16) }
}
