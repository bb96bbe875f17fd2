public import FerryStateMachines
public import FerryWire
internal import Synchronization

/// Where a node records what it must not forget about a move before it acts on it.
///
/// A durable journal returns from `record` only once the record would survive a crash; then the node may say `isDurable` to its peers.
public protocol MoveJournal: Sendable {
    /// Whether records survive a crash of the process.
    var isDurable: Bool { get }
    /// Keeps a record; the act that it stands for waits until this returns. No key is in it: envelopes are sealed.
    func record(_ record: MoveRecord, of migration: MigrationID) async throws
    /// The records of a move, in order; none once it is closed.
    func records(of migration: MigrationID) async throws -> [MoveRecord]
    /// Moves that are not closed, in the order of their first records.
    func openMoves() async throws -> [MigrationID]
    /// Forgets a move: both sides have closed and its order has expired.
    func close(_ migration: MigrationID) async throws
}

/// A journal that has kept a record when it returns, without waiting for anything: no hand-over waits for a task of its own.
package protocol ImmediateMoveJournal: MoveJournal {
    /// Keeps a record, as `record(_:of:)`.
    func keep(_ record: MoveRecord, of migration: MigrationID)
}

/// Remembers moves as long as the process lives.
public final class InMemoryMoveJournal: ImmediateMoveJournal {
    private struct Move {
        var migration: MigrationID
        var records: [MoveRecord]
    }

    private let moves = Mutex<[Move]>([])

    /// Starts empty.
    public init() {}

    /// False: a crash forgets everything.
    public var isDurable: Bool { false }

    /// Keeps the record.
    public func record(_ record: MoveRecord, of migration: MigrationID) async throws { keep(record, of: migration) }

    /// Keeps the record.
    package func keep(_ record: MoveRecord, of migration: MigrationID) {
        moves.withLock { moves in
            if let index = moves.lastIndex(where: { $0.migration == migration }) {
                moves[index].records.append(record)
            } else {
                moves.append(Move(migration: migration, records: [record]))
            }
        }
    }

    /// The records of a move, in order.
    public func records(of migration: MigrationID) async throws -> [MoveRecord] {
        moves.withLock { $0.first { $0.migration == migration }?.records ?? [] }
    }

    /// Moves that are not closed.
    public func openMoves() async throws -> [MigrationID] { moves.withLock { $0.map(\.migration) } }

    /// Forgets the move.
    public func close(_ migration: MigrationID) async throws {
        moves.withLock { $0.removeAll { $0.migration == migration } }
    }
}
