public import FerryCrypto
public import FerryWire

/// What the host does for a move. Actions come in the order in which they take effect, and the host keeps that order per daemon: a
/// `resume` that follows a `fence` waits for the fence and undoes it. Results that come after the move has gone on are ignored.
public enum MigrationAction: Sendable {
    /// Send when possible; losing it is legal. The address is a hint (`scheme:rest`), empty when a session should exist.
    case send(FerryMessage, to: NodeKey, address: String)
    /// Source: say what the daemon is; answer with ``MigrationDispatcher/described(_:_:now:)``.
    case describe(MigrationID, daemon: EntityID)
    /// Target: set memory and a slot aside; answer with ``MigrationDispatcher/admitted(_:refusal:now:)``.
    case reserve(MigrationID, AdmissionRequest)
    /// Source: stop processing, after the event in hand (``OwnershipMachine/fence(_:epoch:)``), freeze, and answer with
    /// ``MigrationDispatcher/fenced(_:_:now:)``.
    case fence(MigrationID, daemon: EntityID, epoch: Epoch)
    /// Source: open a bulk stream to the target, answer with ``MigrationDispatcher/streamOpened(_:stream:now:)`` and write the frozen
    /// state; report progress and the end.
    case stream(MigrationID, daemon: EntityID, to: NodeKey, address: String)
    /// Source: give up an open or half-open bulk stream of this move; harmless when there is none.
    case stopStreaming(MigrationID)
    /// Source: answer `moved` from now on (``OwnershipMachine/commit(_:)``).
    case commit(MigrationID, daemon: EntityID, moved: Moved)
    /// Source: process again (``OwnershipMachine/resume(_:)`` gives the epoch: the same before the commit, a new one after).
    case resume(MigrationID, daemon: EntityID)
    /// Source: keep the stub, wipe the key, forget the daemon (``OwnershipMachine/retire(_:)``).
    case retire(MigrationID, daemon: EntityID, moved: Moved)
    /// Target: restore from the peer's stream as it arrives, into something that processes nothing yet.
    case restore(MigrationID, snapshot: SnapshotHeader, from: NodeKey, stream: UInt64)
    /// Target: the restored daemon is the owner from now on.
    case activate(MigrationID, keypair: EntityKeypair, epoch: Epoch, lineage: LineageID)
    /// Target: drop the reservation, the stream and whatever is restored for this move.
    case discard(MigrationID)
    /// Put a record on disk and answer with ``MigrationDispatcher/journaled(_:record:now:wallClock:)``; without a journal answer at once.
    case journal(MigrationID, record: UInt64, MoveRecord)
    /// For observers.
    case phaseChanged(MigrationID, MoveRole, MigrationPhase)
    /// The commit or the take is unanswered for longer than its budget; the machines go on asking.
    case inDoubt(MigrationID, MoveRole, FailureReason)
    /// A cancel came too late: the move is committed.
    case cancelRefused(MigrationID)
    /// The move is over for this role. The last of its actions but for idempotent answers.
    case ended(MigrationID, MoveRole, MoveOutcome)
}
