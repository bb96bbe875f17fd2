/// How a daemon moves.
public enum MoveMode: UInt8, Sendable, CaseIterable {
    /// The daemon serves while its frozen copy streams out.
    case live = 1
    /// The daemon is fenced first, then streamed.
    case stopAndCopy = 2
}

/// A set of modes.
public struct MoveModes: OptionSet, Hashable, Sendable {
    /// One bit a mode; others are refused on the wire.
    public var rawValue: UInt8
    /// Wraps the bits.
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// ``MoveMode/live``.
    public static let live = MoveModes(rawValue: 1)
    /// ``MoveMode/stopAndCopy``.
    public static let stopAndCopy = MoveModes(rawValue: 2)
    /// Both: an order that may fall back.
    public static let all: MoveModes = [.live, .stopAndCopy]

    /// The set of one mode.
    public init(_ mode: MoveMode) {
        switch mode {
        case .live: self = .live
        case .stopAndCopy: self = .stopAndCopy
        }
    }

    /// Whether the mode is one of these.
    public func contains(_ mode: MoveMode) -> Bool { contains(MoveModes(mode)) }
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
///
/// The terms are fixed when the order is written, and signed where it is not local; ``attempt`` and ``mode`` say which of the attempts that
/// they allow is meant.
public struct MoveOrder: Hashable, Sendable {
    /// What an order allows in pause unless it says otherwise, in nanoseconds: 50 ms.
    public static let defaultPauseBudgetNanoseconds: UInt64 = 50_000_000

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
    /// The modes that attempts may use; at least one.
    public var modes: MoveModes
    /// How many attempts the order covers, from 1.
    public var attemptLimit: UInt8
    /// How long the daemon may stand still in live mode; a source that cannot keep it declines before the pause.
    public var pauseBudgetNanoseconds: UInt64
    /// When the order lapses: unix nanoseconds; checked when it arrives and again at the commit.
    public var expiresAt: UInt64
    /// Which attempt of the order this is, from 1.
    public var attempt: UInt8
    /// How this attempt moves the daemon.
    public var mode: MoveMode
    /// Who answers for the terms, where that is not the source node itself.
    public var authorization: OrderAuthorization?

    /// Writes an order.
    ///
    /// - Parameters:
    ///   - modes: nil allows `mode` alone.
    ///   - attemptLimit: nil makes `attempt` the last one.
    public init(
        id: OrderID, daemon: EntityID, lineage: LineageID?, source: NodeKey, target: NodeKey, targetAddress: String, orchestrator: NodeKey,
        modes: MoveModes? = nil, attemptLimit: UInt8? = nil, pauseBudgetNanoseconds: UInt64 = Self.defaultPauseBudgetNanoseconds,
        attempt: UInt8 = 1, mode: MoveMode, expiresAt: UInt64, authorization: OrderAuthorization? = nil
    ) {
        self.id = id
        self.daemon = daemon
        self.lineage = lineage
        self.source = source
        self.target = target
        self.targetAddress = targetAddress
        self.orchestrator = orchestrator
        self.modes = modes ?? MoveModes(mode)
        self.attemptLimit = attemptLimit ?? attempt
        self.pauseBudgetNanoseconds = pauseBudgetNanoseconds
        self.expiresAt = expiresAt
        self.attempt = attempt
        self.mode = mode
        self.authorization = authorization
    }

    /// The id of this attempt.
    public var migration: MigrationID { MigrationID(order: id, attempt: attempt) }

    /// Whether the terms cover an attempt of that number in that mode.
    public func allows(attempt: UInt8, mode: MoveMode) -> Bool { (1...max(1, attemptLimit)).contains(attempt) && modes.contains(mode) }

    /// The same order's next attempt; nil when the terms allow no further one, or not in that mode.
    public func next(mode: MoveMode) -> MoveOrder? {
        guard attempt < .max, allows(attempt: attempt + 1, mode: mode) else { return nil }
        var next = self
        next.attempt += 1
        next.mode = mode
        return next
    }
}

/// A signature over an order's terms: the order is as good as its signer's own word, wherever it is said.
public struct OrderAuthorization: Hashable, Sendable {
    /// The ed25519 key that signed: the daemon's own, or an operator's.
    public var signer: EntityID
    /// Over ``MoveOrder/signedBytes()``.
    public var signature: Signature

    /// Joins key and signature, which is not verified here.
    public init(signer: EntityID, signature: Signature) {
        self.signer = signer
        self.signature = signature
    }
}
