public import FerryWire

/// An event-driven state machine with an identity and a chain of outputs, which can move while it serves.
///
/// A daemon is a **value**: Ferry freezes it by copying it, and goes on with the original. The copy costs nothing, but the first
/// mutation of an `Array` or `Dictionary` that is shared with it copies its whole buffer; a daemon with much state keeps it in structures
/// that share parts, such as `TreeDictionary` and ``PagedBytes``.
///
/// The same events must lead to the same state and outputs: no clock, no randomness but ``DaemonOutputs/random``, no iteration over a
/// `Dictionary` or `Set` that reaches outputs or snapshot unsorted.
public protocol Daemon: Sendable {
    /// Name and state schema version; constant.
    static var kind: DaemonKind { get }
    /// Takes in one event, in order per emitter, exactly once over the daemon's whole life.
    ///
    /// A throw counts as processed: what was mutated stays, the outputs are dropped, the error is counted and logged.
    mutating func process(_ event: CausalEvent, into outputs: inout DaemonOutputs) throws
    /// Writes the whole state; the value is a frozen copy.
    func snapshot(into writer: inout SnapshotWriter) async throws
    /// Reads what `snapshot(into:)` wrote, as it arrives.
    init(restoring reader: inout SnapshotReader) async throws
    /// The daemon's own estimate of what its snapshot takes, in bytes; 0 when it offers none.
    var predictedByteCount: UInt64 { get }
}

extension Daemon {
    /// No estimate.
    public var predictedByteCount: UInt64 { 0 }
}

/// A daemon that can tell its state in 32 bytes, so that both ends of a move compare it; a ``PagedBytes`` re-reads only written pages for it.
public protocol StateDigesting: Daemon {
    /// Equal for equal states, whatever their history, on every node.
    var stateDigest: FixedBytes32 { get }
}

/// A daemon that declares that the same events lead it to the same state and outputs on every node.
///
/// Needed for moves in live mode of daemons that neither offer a state digest nor emit anything: nothing of what they do could be compared.
public protocol Deterministic: Daemon {}

/// Tells a node that it can restore daemons of one kind.
public struct DaemonRegistration: Sendable {
    /// Kind and the newest schema version that is understood.
    public let kind: DaemonKind
    /// Schema versions that `init(restoring:)` reads.
    public let schemaVersions: ClosedRange<UInt32>
    let type: any Daemon.Type

    /// Registers a type for its own schema version.
    public init(_ type: any Daemon.Type) {
        self.init(type, schemaVersions: type.kind.schemaVersion...type.kind.schemaVersion)
    }

    /// Registers a type that reads older schema versions too.
    public init(_ type: any Daemon.Type, schemaVersions: ClosedRange<UInt32>) {
        self.type = type
        kind = type.kind
        self.schemaVersions = schemaVersions
    }

    func accepts(_ kind: DaemonKind) -> Bool { kind.name == self.kind.name && schemaVersions.contains(kind.schemaVersion) }
}
