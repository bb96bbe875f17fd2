import Ferry
import FerryStateMachines
import FerryWire
import Synchronization

/// A journal whose disk hangs before some records, until it is let go.
final class PausedJournal: MoveJournal {
    private struct Waiting {
        var isOpen = false
        var continuations: [CheckedContinuation<Void, Never>] = []
    }

    private let isHeld: @Sendable (MoveRecord) -> Bool
    private let waiting = Mutex(Waiting())

    init(before isHeld: @escaping @Sendable (MoveRecord) -> Bool) { self.isHeld = isHeld }

    var isDurable: Bool { false }
    var isHolding: Bool { waiting.withLock { !$0.continuations.isEmpty } }
    func records(of migration: MigrationID) async throws -> [MoveRecord] { [] }
    func openMoves() async throws -> [MigrationID] { [] }
    func close(_ migration: MigrationID) async throws {}

    func record(_ record: MoveRecord, of migration: MigrationID) async throws {
        guard isHeld(record) else { return }
        await withCheckedContinuation { continuation in
            let isOpen = waiting.withLock { waiting in
                if !waiting.isOpen { waiting.continuations.append(continuation) }
                return waiting.isOpen
            }
            if isOpen { continuation.resume() }
        }
    }

    func open() {
        let continuations = waiting.withLock { waiting in
            waiting.isOpen = true
            defer { waiting.continuations = [] }
            return waiting.continuations
        }
        for continuation in continuations { continuation.resume() }
    }
}
