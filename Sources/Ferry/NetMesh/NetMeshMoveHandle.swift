internal import FerryStateMachines
public import FerryWire
internal import Synchronization

/// A move that this node has ordered: watch it, await it, give it up.
public final class NetMeshMoveHandle: Sendable {
    /// The daemon.
    public let origin: OriginHash

    private struct State {
        var result: Result<Void, FerryError>?
        var waiters: [UInt64: CheckedContinuation<Result<Void, FerryError>, Never>] = [:]
        /// Answers to waiters that have not begun to wait.
        var early: [UInt64: FerryError] = [:]
        var lastWaiter: UInt64 = 0
    }

    private let state = Mutex(State())
    private let core: NetMeshCore

    init(origin: OriginHash, core: NetMeshCore) {
        self.origin = origin
        self.core = core
    }

    /// The phase that the move is in; nil between two attempts and once it has ended.
    public var phase: MigrationPhase? { hasEnded ? nil : core.phase(of: self) }

    /// Whether the move has ended.
    public var hasEnded: Bool { state.withLock { $0.result != nil } }

    /// Returns once the target has acknowledged that the daemon is live there; any number of tasks may wait, and all hear the same.
    ///
    /// - Throws: `.rolledBack` when the move failed and the daemon serves on where it was, `.inDoubt` when the activation was never
    ///   acknowledged, each with the `FailureReason` as its cause; `.shuttingDown`.
    public func wait() async throws(FerryError) {
        let waiter = makeWaiter()
        try await result(for: waiter).get()
    }

    /// Waits as ``wait()``, and gives the move up when it takes longer than `timeout`.
    ///
    /// - Throws: the same, with "migration timed out in phase X" for a move that was given up; `.timedOut` when it can no longer be, since its
    ///   activation is under way: wait again for its end.
    public func wait(timeout: Duration) async throws(FerryError) {
        let waiter = makeWaiter()
        let alarm = core.alarms.add(after: timeout) { [core] in
            if !core.giveUp(self, reason: core.timeoutReason(self)) {
                self.answer(waiter, FerryError(.timedOut, "the move's activation is under way; it ends by itself"))
            }
        }
        core.rearm()
        let result = await result(for: waiter)
        core.alarms.remove(alarm)
        state.withLock { $0.early[waiter] = nil }
        try result.get()
    }

    /// Gives the move up; source, target and every waiter hear "cancel requested".
    ///
    /// - Returns: false when the move has ended, or its activation is under way and it cannot be given up any more.
    @discardableResult
    public func cancel() -> Bool { core.giveUp(self, reason: FailureReason(.stateFailed, "cancel requested")) }

    /// Ends the move; only the first call counts.
    func end(_ result: Result<Void, FerryError>) {
        let waiters = state.withLock { state in
            guard state.result == nil else { return [CheckedContinuation<Result<Void, FerryError>, Never>]() }
            state.result = result
            defer { state.waiters = [:] }
            return Array(state.waiters.values)
        }
        for waiter in waiters { waiter.resume(returning: result) }
    }

    private func makeWaiter() -> UInt64 {
        state.withLock { state in
            state.lastWaiter += 1
            return state.lastWaiter
        }
    }

    private func result(for waiter: UInt64) async -> Result<Void, FerryError> {
        await withCheckedContinuation { continuation in
            let result: Result<Void, FerryError>? = state.withLock { state in
                if let error = state.early.removeValue(forKey: waiter) { return .failure(error) }
                if state.result == nil { state.waiters[waiter] = continuation }
                return state.result
            }
            if let result { continuation.resume(returning: result) }
        }
    }

    private func answer(_ waiter: UInt64, _ error: FerryError) {
        let continuation = state.withLock { state in
            let continuation = state.waiters.removeValue(forKey: waiter)
            if continuation == nil { state.early[waiter] = error }
            return continuation
        }
        continuation?.resume(returning: .failure(error))
    }
}
