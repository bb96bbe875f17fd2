public import FerryWire

/// Bounds of one daemon's ownership machine.
public struct OwnershipLimits: Hashable, Sendable {
    /// Lanes whose cursors are kept; an emitter beyond them is turned away. 1 to `WireLimits.cursorCount`: with more a daemon could not move.
    public var laneCount: Int
    /// What `hold` asks emitters to wait before they try again.
    public var holdInterval: Duration

    /// Sets the bounds.
    public init(laneCount: Int = WireLimits.cursorCount, holdInterval: Duration = .milliseconds(20)) {
        self.laneCount = laneCount
        self.holdInterval = holdInterval
    }
}

/// What the daemon's host does with one lane message.
public enum LaneVerdict: Hashable, Sendable {
    /// Process the event now, then call ``OwnershipMachine/processed(emitter:sequence:)``.
    case process
    /// Answer `welcome`.
    case welcome(cursor: UInt64, epoch: Epoch)
    /// Answer `acknowledgement`: everything up to the cursor is processed.
    case acknowledge(cursor: UInt64, epoch: Epoch)
    /// Answer `gap`: the event's predecessor is missing.
    case gap(cursor: UInt64, epoch: Epoch)
    /// Answer `hold`; keep nothing.
    case hold(migration: MigrationID, retryAfter: Duration)
    /// Answer nothing, keep nothing: the event was in flight behind one that was answered `hold`.
    case alreadyHeld
    /// Answer `moved`; keep nothing.
    case moved(Moved)
    /// Answer `notHere`: the emitter knows of a later owner than this node.
    case notHere
    /// Answer `violation`: the lane's rules are broken, or one lane more than the cap.
    case violation
}

extension LaneVerdict {
    /// The answer on the wire; nil for `process`, which is answered once the event is processed, and for `alreadyHeld`.
    public var reply: LaneMessage.Body? {
        switch self {
        case .process, .alreadyHeld: nil
        case .welcome(let cursor, let epoch): .welcome(cursor: cursor, epoch: epoch)
        case .acknowledge(let cursor, let epoch): .acknowledgement(cursor: cursor, epoch: epoch)
        case .gap(let cursor, let epoch): .gap(cursor: cursor, epoch: epoch)
        case .hold(let migration, let interval):
            .hold(migration: migration, retryAfterNanoseconds: UInt64(max(0, interval.wholeNanoseconds)))
        case .moved(let moved): .moved(moved)
        case .notHere: .notHere
        case .violation: .violation
        }
    }
}

/// What a standing comes to for everybody else.
package enum OwnershipClaim: Sendable {
    /// Is the owner.
    case owner
    /// May yet go on as the owner.
    case heir
    case nobody
}

/// Where one node stands towards one daemon.
public enum OwnershipStanding: Hashable, Sendable {
    /// Owner: processes, emits, acknowledges.
    case active(Epoch)
    /// Owner that has stopped for a move and may still resume.
    case fenced(Epoch, MigrationID)
    /// Source after the commit, before the take.
    case inDoubt(Epoch, Moved)
    /// Former owner: redirects.
    case moved(Moved)
    /// Target before its activation.
    case standby(Epoch, MigrationID)

    package var claim: OwnershipClaim {
        switch self {
        case .active: .owner
        case .fenced, .inDoubt: .heir
        case .moved, .standby: .nobody
        }
    }
}
