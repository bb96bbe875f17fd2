/// Keeps the newest snapshot of each daemon, and never goes back (net-mesh migration §C).
public struct SnapshotStore: Hashable, Sendable {
    private var snapshots: [EntityID: StateSnapshot] = [:]
    private var highWater: [EntityID: UInt64] = [:]

    /// No snapshot.
    public init() {}

    /// How many snapshots are held.
    public var count: Int { snapshots.count }

    /// How many daemons have a high-water mark, with a snapshot or without: what ``forget(_:)`` makes smaller.
    public var knownCount: Int { highWater.count }

    /// The newest snapshot of a daemon.
    public func latest(of entity: EntityID) -> StateSnapshot? { snapshots[entity] }

    /// Keeps a snapshot that is newer than all that ever came of its daemon.
    ///
    /// - Returns: false, and no change, when it is as old as one of them or older, even after ``remove(_:)``.
    public mutating func store(_ snapshot: StateSnapshot) -> Bool {
        if let known = highWater[snapshot.entity], snapshot.throughSequence <= known { return false }
        highWater[snapshot.entity] = snapshot.throughSequence
        snapshots[snapshot.entity] = snapshot
        return true
    }

    /// Drops a daemon's snapshot and still refuses older ones.
    @discardableResult
    public mutating func remove(_ entity: EntityID) -> StateSnapshot? { snapshots.removeValue(forKey: entity) }

    /// Drops all that is known of a daemon, so that any snapshot of it is the first.
    public mutating func forget(_ entity: EntityID) {
        snapshots[entity] = nil
        highWater[entity] = nil
    }
}
