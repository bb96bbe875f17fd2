/// How a daemon moves.
public enum MoveMode: UInt8, Sendable, CaseIterable {
    /// The daemon serves while its frozen copy streams out.
    case live = 1
    /// The daemon is fenced first, then streamed.
    case stopAndCopy = 2
}

/// Names a daemon type and the version of its state's schema.
public struct DaemonKind: Hashable, Sendable, CustomStringConvertible {
    /// 1 to 255 bytes of UTF-8.
    public var name: String
    /// Raised by the daemon's author whenever its snapshot fields change.
    public var schemaVersion: UInt32

    /// Names a kind.
    public init(name: String, schemaVersion: UInt32) {
        self.name = name
        self.schemaVersion = schemaVersion
    }

    /// `name/version`.
    public var description: String { "\(name)/\(schemaVersion)" }
}

/// Who shall move where: the authority behind every message of its attempts.
public struct MoveOrder: Hashable, Sendable {
    /// Random; the migration id is derived from it and the attempt.
    public var id: OrderID
    /// The daemon's public key.
    public var daemon: EntityID
    /// The daemon's lineage, where the orchestrator knows it; a source refuses another one.
    public var lineage: LineageID?
    /// The node that owns the daemon.
    public var source: NodeKey
    /// The node that shall own it.
    public var target: NodeKey
    /// Where the source reaches the target (`scheme:rest`, no key); empty when a session exists already.
    public var targetAddress: String
    /// The node that gives the order and hears of its outcome.
    public var orchestrator: NodeKey
    /// Which attempt of the order this is, from 1.
    public var attempt: UInt8
    /// The allowed mode.
    public var mode: MoveMode
    /// When the order lapses: unix nanoseconds; checked when it arrives and again at the commit.
    public var expiresAt: UInt64

    /// Writes an order.
    public init(
        id: OrderID, daemon: EntityID, lineage: LineageID?, source: NodeKey, target: NodeKey, targetAddress: String, orchestrator: NodeKey,
        attempt: UInt8, mode: MoveMode, expiresAt: UInt64
    ) {
        self.id = id
        self.daemon = daemon
        self.lineage = lineage
        self.source = source
        self.target = target
        self.targetAddress = targetAddress
        self.orchestrator = orchestrator
        self.attempt = attempt
        self.mode = mode
        self.expiresAt = expiresAt
    }

    /// The id of this attempt.
    public var migration: MigrationID { MigrationID(order: id, attempt: attempt) }
}
