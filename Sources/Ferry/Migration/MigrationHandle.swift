public import FerryWire
internal import Synchronization

/// A move under way: watch it, await it, give it up.
public final class MigrationHandle: Sendable {
    /// The first attempt; a later one that takes over has another id.
    public let migration: MigrationID
    /// A report at every change of phase and at most a few a second besides; the newest wins when the reader is slow. Ends with the move.
    /// One reader.
    public let progress: AsyncStream<MigrationProgress>

    private enum State {
        case running([CheckedContinuation<Result<MigrationReport, FerryError>, Never>])
        case ended(Result<MigrationReport, FerryError>)
    }

    private let state = Mutex(State.running([]))
    private let continuation: AsyncStream<MigrationProgress>.Continuation
    private let requestCancel: @Sendable () -> Void

    init(migration: MigrationID, requestCancel: @escaping @Sendable () -> Void) {
        self.migration = migration
        self.requestCancel = requestCancel
        (progress, continuation) = AsyncStream.makeStream(of: MigrationProgress.self, bufferingPolicy: .bufferingNewest(1))
    }

    /// The report, once the move has ended; waiting may be cancelled only by ``cancel()``.
    ///
    /// - Throws: `.declined`, `.rolledBack`, `.inDoubt`, `.failed`, each with the `FailureReason` as its cause.
    public var value: MigrationReport {
        get async throws(FerryError) {
            let result = await withCheckedContinuation { continuation in
                let ended: Result<MigrationReport, FerryError>? = state.withLock { state in
                    switch state {
                    case .running(let waiting):
                        state = .running(waiting + [continuation])
                        return nil
                    case .ended(let result):
                        return result
                    }
                }
                if let ended { continuation.resume(returning: ended) }
            }
            return try result.get()
        }
    }

    /// Asks for the move to be given up; before the commit it rolls back, after it nothing changes and `value` tells how it ended.
    public func cancel() { requestCancel() }

    /// Reports progress.
    func report(_ progress: MigrationProgress) { continuation.yield(progress) }

    /// Ends the move; only the first call counts.
    func end(_ result: Result<MigrationReport, FerryError>) {
        let waiting: [CheckedContinuation<Result<MigrationReport, FerryError>, Never>] = state.withLock { state in
            guard case .running(let waiting) = state else { return [] }
            state = .ended(result)
            return waiting
        }
        continuation.finish()
        for waiter in waiting { waiter.resume(returning: result) }
    }
}
