public import FerryWire

/// One node's ownership of one daemon: who may process, up to where every lane is processed, and under which epoch.
///
/// States and transitions (system.md §3, §4):
/// ```
/// spawn ──▶ active ──fence──▶ fenced ──commit──▶ inDoubt ──retire──▶ moved
///             ▲  ▲               │                  │
///             │  └────resume─────┘ same epoch       │
///             └───────resume────────────────────────┘ epoch of the attempt plus one
/// restore ──▶ standby ──activate──▶ active
/// ```
/// In live mode `freeze` marks an active daemon as taken by a move, which goes on processing; `fence` of that move, or `thaw`, follows.
/// Freezing and fencing burn the attempt's epoch, so that no two releases ever carry one number, also if the attempt is given up.
///
/// Whoever is answered `hold` is remembered, one entry a lane and no more of them than lanes are kept: the host takes them with
/// ``takeHeld()`` whenever the daemon serves again or has gone, and answers each with ``welcome(_:by:)``, so that nobody waits for a
/// timer. Where nodes speak for several emitters they are named as their bearers: the first one of an emitter stays until another is
/// proven, and one node has no more than a quarter of the table.
///
/// Invalid input. Our bug: `processed` outside `active` or out of order stops the process. The peer's fault: an event that claims a
/// predecessor below the cursor, or one lane more than the cap, is answered `violation`; one of a higher epoch than this node has ever
/// given the daemon is answered `notHere`. Harmless: transitions of another migration
/// than the current one return false and change nothing.
public struct OwnershipMachine: ~Copyable {
    /// The daemon.
    public let daemon: EntityID
    /// Drawn when it was first spawned.
    public let lineage: LineageID
    /// Where this node stands.
    public private(set) var standing: OwnershipStanding
    /// The highest epoch that any owner or attempt has used; travels with the daemon.
    public private(set) var highestBurntEpoch: Epoch

    private let limits: OwnershipLimits
    private var cursors: [OriginHash: UInt64]
    private var attemptEpoch = Epoch.none
    /// A rule that is left out on purpose; nil but in tests.
    package var defect: SeededDefect?
    private var frozenFor: MigrationID?
    private var held = HeldLanes()

    /// A daemon that is spawned here.
    public init(spawning daemon: EntityID, lineage: LineageID, epoch: Epoch = .first, limits: OwnershipLimits = .init()) {
        self.daemon = daemon
        self.lineage = lineage
        self.limits = limits
        standing = .active(epoch)
        highestBurntEpoch = epoch
        cursors = [:]
    }

    /// A daemon that was restored from `snapshot` and waits for its activation.
    ///
    /// - Returns: nil when the snapshot has more lanes than the cap.
    public init?(standbyFor migration: MigrationID, snapshot: SnapshotHeader, limits: OwnershipLimits = .init()) {
        guard snapshot.cursors.count <= limits.laneCount else { return nil }
        daemon = snapshot.entity
        lineage = snapshot.lineage
        self.limits = limits
        standing = .standby(snapshot.epoch, migration)
        highestBurntEpoch = snapshot.epoch
        cursors = Dictionary(minimumCapacity: snapshot.cursors.count)
        for cursor in snapshot.cursors { cursors[cursor.emitter] = cursor.sequence }
    }

    /// What the standing comes to, without the details.
    package var claim: OwnershipClaim { standing.claim }

    // MARK: Lanes

    /// The epoch under which this node owns the daemon, or last did.
    public var epoch: Epoch {
        switch standing {
        case .active(let epoch), .fenced(let epoch, _), .inDoubt(let epoch, _), .standby(let epoch, _): epoch
        case .moved(let moved): moved.epoch
        }
    }

    /// The highest sequence processed on a lane; 0 when there is none.
    public func cursor(of emitter: OriginHash) -> UInt64 { cursors[emitter] ?? 0 }

    /// All cursors, sorted by emitter, as snapshots and releases state them.
    public var sortedCursors: [LaneCursor] {
        cursors.map { LaneCursor(emitter: $0.key, sequence: $0.value) }.sorted { $0.emitter < $1.emitter }
    }

    /// Decides about an event; constant time, no allocation but for an emitter that is held.
    ///
    /// - Parameter bearer: who brings the event; nil where all emitters are their own.
    public mutating func admit(
        _ event: borrowing LaneEvent, from emitter: OriginHash, by bearer: LaneBearer? = nil
    ) -> LaneVerdict {
        // Whoever emits under a later epoch was told so by a later owner: what this node would process, that one may have processed.
        guard event.epoch <= latestEpoch else { return .notHere }
        let known = cursors[emitter]
        let cursor = known ?? 0
        let sequence = event.link.sequence
        switch standing {
        case .active(let epoch):
            if sequence <= cursor { return .acknowledge(cursor: cursor, epoch: epoch) }
            if event.previous > cursor, defect == .gapAnswer { return .acknowledge(cursor: sequence, epoch: epoch) }
            if event.previous > cursor, defect == .predecessor { return .process }
            if event.previous > cursor {
                return event.previous < sequence ? .gap(cursor: cursor, epoch: epoch) : .violation
            }
            guard event.previous == cursor, known != nil || hasRoomForLane else { return .violation }
            return .process
        case .fenced(let epoch, let migration):
            // Processed before the fence, so also part of what was frozen.
            if sequence <= cursor { return .acknowledge(cursor: cursor, epoch: epoch) }
            if defect == .holdWhileFenced { return .acknowledge(cursor: sequence, epoch: epoch) }
            // An emitter sends again from the cursor on once its hold is over: one answer is enough for all that was in flight.
            if event.previous > cursor, held.contains(emitter, by: bearer?.node) { return .alreadyHeld }
            return hold(emitter, bearer, migration)
        case .inDoubt(let epoch, let moved):
            return sequence <= cursor ? .acknowledge(cursor: cursor, epoch: epoch) : .moved(moved)
        case .moved(let moved):
            return defect == .movedStub ? .notHere : .moved(moved)
        case .standby(_, let migration):
            return hold(emitter, bearer, migration)
        }
    }

    /// Refuses for now an event that `admit` let through: there is no room for another input, in a move's log or among the outputs.
    ///
    /// - Returns: the hold, of migration 0 when no move has frozen the daemon.
    public mutating func holdForRoom(_ emitter: OriginHash, by bearer: LaneBearer? = nil) -> LaneVerdict {
        hold(emitter, bearer, frozenFor ?? MigrationID(rawValue: .zero))
    }

    private mutating func hold(_ emitter: OriginHash, _ bearer: LaneBearer?, _ migration: MigrationID) -> LaneVerdict {
        held.insert(emitter, by: bearer, limit: limits.laneCount)
        return .hold(migration: migration, retryAfter: limits.holdInterval)
    }

    /// The emitters that were answered `hold` since the last call, each once, in order; each is to be told ``welcome(_:by:)`` now.
    public mutating func takeHeld() -> [OriginHash] { held.take() }

    /// Whether an emitter is remembered as held, and is to be told more through this node.
    public func isHeld(_ emitter: OriginHash, by node: NodeKey) -> Bool { held.contains(emitter, by: node) }

    private var hasRoomForLane: Bool { cursors.count < limits.laneCount || defect == .laneCap }

    /// The latest epoch that an emitter can have heard of from, or through, this node.
    private var latestEpoch: Epoch {
        switch standing {
        case .active(let epoch), .fenced(let epoch, _): epoch
        case .inDoubt(_, let moved): moved.epoch
        // Neither processes nor acknowledges, so no epoch is too late for its answer.
        case .moved, .standby: Epoch(rawValue: .max)
        }
    }

    /// Decides about a `hello`.
    public mutating func welcome(_ emitter: OriginHash, by bearer: LaneBearer? = nil) -> LaneVerdict {
        switch standing {
        case .active(let epoch):
            guard let cursor = cursors[emitter] else {
                return hasRoomForLane ? .welcome(cursor: 0, epoch: epoch) : .violation
            }
            return .welcome(cursor: cursor, epoch: epoch)
        case .fenced(_, let migration), .standby(_, let migration):
            return hold(emitter, bearer, migration)
        case .inDoubt(_, let moved), .moved(let moved):
            return .moved(moved)
        }
    }

    /// Advances a lane's cursor over an event that `admit` let through and the daemon has processed, or thrown on.
    ///
    /// - Returns: the acknowledgement that may now be sent.
    @discardableResult
    public mutating func processed(emitter: OriginHash, sequence: UInt64) -> LaneVerdict {
        guard case .active(let epoch) = standing else { preconditionFailure("an event was processed while \(standing)") }
        precondition(sequence > cursor(of: emitter), "an event was processed twice")
        cursors[emitter] = sequence
        // Whoever goes on by its own timer waits for no word.
        held.remove(emitter)
        return .acknowledge(cursor: sequence, epoch: epoch)
    }

    /// Advances a lane's cursor over an event that a copy has replayed: the source's daemon has processed it, or thrown on it.
    ///
    /// - Returns: false, and nothing changes, when the event is not ahead of the cursor, or would open one lane more than the cap.
    public mutating func replayed(emitter: OriginHash, sequence: UInt64) -> Bool {
        guard case .standby = standing else { preconditionFailure("an event was replayed while \(standing)") }
        let known = cursors[emitter]
        guard sequence > known ?? 0, known != nil || cursors.count < limits.laneCount else { return false }
        cursors[emitter] = sequence
        return true
    }

    // MARK: Moves

    /// The epoch that the next attempt would burn; nil once the numbers are used up.
    public var nextEpoch: Epoch? { highestBurntEpoch.advanced(by: 1) }

    /// The attempt that holds the daemon.
    public var activeMigration: MigrationID? {
        switch standing {
        case .fenced(_, let migration), .standby(_, let migration): migration
        case .inDoubt(_, let moved): moved.migration
        case .active: frozenFor
        case .moved: nil
        }
    }

    /// Takes an active daemon for a move, which it goes on serving through, and burns the attempt's epoch; harmless when repeated.
    ///
    /// - Throws: as ``fence(_:epoch:)``.
    public mutating func freeze(_ migration: MigrationID, epoch attempt: Epoch) throws(FailureReason) {
        switch standing {
        case .active:
            guard frozenFor == nil else {
                if frozenFor == migration, attempt == attemptEpoch { return }
                throw FailureReason(.alreadyMigrating)
            }
            try burn(attempt)
            frozenFor = migration
        case .fenced, .inDoubt, .standby:
            throw FailureReason(.alreadyMigrating)
        case .moved:
            throw FailureReason(.daemonNotFound, "the daemon has moved")
        }
    }

    /// Gives up what ``freeze(_:epoch:)`` began, before the fence.
    ///
    /// - Returns: false, and nothing changes, unless the daemon is frozen for that very migration and serves.
    public mutating func thaw(_ migration: MigrationID) -> Bool {
        guard case .active = standing, frozenFor == migration else { return false }
        frozenFor = nil
        return true
    }

    private mutating func burn(_ attempt: Epoch) throws(FailureReason) {
        guard attempt > highestBurntEpoch || defect == .epochAtFence else {
            throw FailureReason(.protocolViolation, "epoch \(attempt) is burnt, the next is above \(highestBurntEpoch)")
        }
        if defect != .burntEpoch { highestBurntEpoch = attempt }
        attemptEpoch = attempt
    }

    /// Stops processing for a move and burns its epoch; harmless when repeated for the same move.
    ///
    /// - Throws: `.daemonNotFound` when this node is not the owner, `.alreadyMigrating` when another attempt holds the daemon,
    ///   `.protocolViolation` when the epoch is burnt already.
    public mutating func fence(_ migration: MigrationID, epoch attempt: Epoch) throws(FailureReason) {
        switch standing {
        case .active(let epoch):
            if let frozenFor {
                guard frozenFor == migration, attempt == attemptEpoch else { throw FailureReason(.alreadyMigrating) }
            } else {
                try burn(attempt)
            }
            frozenFor = nil
            standing = .fenced(epoch, migration)
        case .fenced(_, migration) where attempt == attemptEpoch:
            return
        case .fenced(let epoch, _) where defect == .oneAttempt:
            standing = .fenced(epoch, migration)
        case .fenced, .inDoubt, .standby:
            throw FailureReason(.alreadyMigrating)
        case .moved:
            throw FailureReason(.daemonNotFound, "the daemon has moved")
        }
    }

    /// Enters doubt: from here on only a take or a proof that there never will be one decides.
    ///
    /// - Returns: false, and nothing changes, unless fenced for that very migration and epoch.
    public mutating func commit(_ moved: Moved) -> Bool {
        guard case .fenced(let epoch, moved.migration) = standing, moved.epoch == attemptEpoch else { return false }
        standing = .inDoubt(epoch, moved)
        return true
    }

    /// Goes on as the owner, before the commit under the same epoch, after it under the one above the attempt's.
    ///
    /// - Returns: the epoch now owned, or nil, with nothing changed, when another migration or none holds the daemon.
    @discardableResult
    public mutating func resume(_ migration: MigrationID) -> Epoch? {
        switch standing {
        case .fenced(let epoch, migration):
            standing = .active(epoch)
            return epoch
        case .inDoubt(_, let moved) where moved.migration == migration:
            guard let next = defect == .epochAfterCommit ? epoch : moved.epoch.advanced(by: 1) else { return nil }
            highestBurntEpoch = max(highestBurntEpoch, next)
            standing = .active(next)
            return next
        case .active, .fenced, .inDoubt, .moved, .standby:
            return nil
        }
    }

    /// Becomes the stub that redirects.
    ///
    /// - Returns: false, and nothing changes, unless in doubt about that very migration.
    public mutating func retire(_ migration: MigrationID) -> Bool {
        guard case .inDoubt(_, let moved) = standing, moved.migration == migration else { return false }
        standing = .moved(moved)
        cursors = [:]
        return true
    }

    /// Becomes the owner under the migration's epoch.
    ///
    /// - Returns: false, and nothing changes, unless restored for that very migration and epoch.
    public mutating func activate(_ migration: MigrationID, epoch: Epoch) -> Bool {
        guard case .standby(epoch, migration) = standing else { return false }
        standing = .active(epoch)
        return true
    }
}
