public import FerryWire

/// What a daemon has done on this node since it was spawned or restored here.
public struct NetMeshDaemonStatistics: Hashable, Sendable {
    /// Events that were processed without an error.
    public internal(set) var eventsProcessed: UInt64 = 0
    /// Outputs.
    public internal(set) var eventsEmitted: UInt64 = 0
    /// Events that `process` refused, or whose outputs had no place.
    public internal(set) var errors: UInt64 = 0
    /// Snapshots that were written.
    public internal(set) var snapshotsTaken: UInt64 = 0
}

/// One daemon of a net-mesh node, as an operator sees it.
public struct NetMeshDaemonStatus: Hashable, Sendable {
    /// The daemon's name on the wire.
    public let origin: OriginHash
    /// Its public key.
    public let entity: EntityID
    /// The name of its kind.
    public let kind: String
    /// Whether it processes events; not during its move.
    public let isServing: Bool
    /// The last link of its chain.
    public let head: CausalLink
    /// What it has done here.
    public let statistics: NetMeshDaemonStatistics
    /// Its subscriptions, by publisher, then channel.
    public let subscriptions: [SubscriptionLedger.Entry]
    /// As it says itself; `healthy` when it says nothing.
    public let health: DaemonHealth
    /// As it says itself, from 0 to 1.
    public let saturation: Double
}
