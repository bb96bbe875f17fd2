public import FerryCrypto
public import FerryWire

/// What the host does for a move. Actions come in the order in which they take effect, and the host keeps that order per daemon: a
/// `resume` that follows a `fence` waits for the fence and undoes it. Results that come after the move has gone on are ignored.
public enum MigrationAction: Sendable {
    /// Send when possible; losing it is legal. The address is a hint (`scheme:rest`), empty when a session should exist.
    case send(FerryMessage, to: NodeKey, address: String)
    /// Source: say what the daemon is; answer with ``MigrationDispatcher/described(_:_:now:wallClock:)``.
    case describe(MigrationID, daemon: EntityID)
    /// Target: set memory and a slot aside; answer with
    /// ``MigrationDispatcher/admitted(_:refusal:memoryByteCount:now:wallClock:)``.
    case reserve(MigrationID, AdmissionRequest)
    /// Source: keep a copy of the daemon at a point in processing order and every input from there on in its move log, while it goes on
    /// (``OwnershipMachine/freeze(_:epoch:)``); answer with ``MigrationDispatcher/frozen(_:_:now:wallClock:)``. A daemon that cannot be replayed and does
    /// not declare that it can is not frozen: `.notDeterministic`.
    case freeze(MigrationID, daemon: EntityID, epoch: Epoch)
    /// Source: ship the move log to the target, each batch as a `bufferedEvents` under this header, and report with
    /// ``MigrationDispatcher/logStatus(_:_:now:wallClock:)`` at once, after every batch, and every 20 ms while anything waits. Said again:
    /// go back to the first entry that is not acknowledged (``MoveLog/rewind()``).
    case shipLog(MigrationID, daemon: EntityID, to: NodeKey, header: MessageHeader)
    /// Source: the target has replayed the log up to here (``MoveLog/acknowledge(through:now:)``); report
    /// ``MigrationDispatcher/logStatus(_:_:now:wallClock:)``.
    case logAcknowledged(MigrationID, daemon: EntityID, through: UInt64)
    /// Source: hold intake whenever more than this waits for the target's replay (``MoveLog/limit(byteCount:)``).
    case limitLog(MigrationID, daemon: EntityID, byteCount: Int)
    /// Source: stop processing, after the event in hand (``OwnershipMachine/fence(_:epoch:)``), freeze, and answer with
    /// ``MigrationDispatcher/fenced(_:_:now:wallClock:)``. In live mode the log ends here, and what is left of it is shipped without waiting.
    case fence(MigrationID, daemon: EntityID, epoch: Epoch)
    /// Source: open a bulk stream to the target, answer with ``MigrationDispatcher/streamOpened(_:stream:now:wallClock:)`` and write the frozen
    /// state; report progress and the end.
    case stream(MigrationID, daemon: EntityID, to: NodeKey, address: String)
    /// Source: give up an open or half-open bulk stream of this move, and stop shipping its log; harmless when there is neither.
    case stopStreaming(MigrationID)
    /// Source: answer `moved` from now on (``OwnershipMachine/commit(_:)``).
    case commit(MigrationID, daemon: EntityID, moved: Moved)
    /// Source: process again, or forget the frozen copy and its log (``OwnershipMachine/resume(_:)`` gives the epoch: the same before the commit, a new one after).
    case resume(MigrationID, daemon: EntityID)
    /// Source: keep the stub, wipe the key, forget the daemon (``OwnershipMachine/retire(_:)``).
    case retire(MigrationID, daemon: EntityID, moved: Moved)
    /// Target: restore from the peer's stream as it arrives, into something that processes nothing yet.
    case restore(MigrationID, snapshot: SnapshotHeader, from: NodeKey, stream: UInt64)
    /// Target: replay a batch in the copy, in order, without effects, off every other path; answer with
    /// ``MigrationDispatcher/replayed(_:_:now:wallClock:)`` or ``MigrationDispatcher/replayDiverged(_:_:now:wallClock:)``.
    case replay(MigrationID, BufferedEvents)
    /// Target: say what the copy is now, after every replay; answer with ``MigrationDispatcher/inspected(_:_:now:wallClock:)``.
    case inspect(MigrationID)
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
    /// Orchestrator: a live attempt failed for a reason that stop-and-copy mode does not have, and the order's next attempt has begun;
    /// stands in place of `ended`.
    case retried(MigrationID, as: MigrationID)
    /// Orchestrator: the plan is made; stands in place of `ended`. A plan that is refused ends as `declined`.
    case planned(MigrationID, PlanResult)
    /// The move is over for this role. The last of its actions but for idempotent answers.
    case ended(MigrationID, MoveRole, MoveOutcome)
}
