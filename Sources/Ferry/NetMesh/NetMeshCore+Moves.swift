internal import FerryStateMachines
internal import FerryWire
internal import Logging
internal import Synchronization

/// A move that this node has ordered, over all its attempts.
struct OrderedMove: Sendable {
    let handle: NetMeshMoveHandle
    let order: NetMeshOrder
    let startedAt: Timestamp
    var retry: NotReadyRetry
    /// How the move looked when it began, which is what it looks like between two attempts.
    var firstView: NetMeshOrchestrationView?
    var pausedAt: Timestamp?
    /// When the next attempt begins; nil while one is under way.
    var retryAt: Timestamp?
    /// Why somebody gave the move up: no attempt follows.
    var givenUp: FailureReason?
}

extension NetMeshCore.State {
    /// Daemons whose next attempt is due, by origin.
    func dueRetries(_ now: Timestamp) -> [OriginHash] {
        moves.filter { ($0.value.retryAt ?? .distantFuture) <= now }.keys.sorted()
    }

    /// The moves that this node has ordered, each over all its attempts and the pauses between them, by origin.
    func movesInFlight(_ now: Timestamp) -> [NetMeshOrchestrationView] {
        var views = dispatcher.orchestrations(now: now)
        for move in moves.values where move.retryAt != nil {
            guard var view = move.firstView, dispatcher.phase(of: view.origin) == nil else { continue }
            view.ageInPhase = now - (move.pausedAt ?? now)
            views.append(view)
        }
        for index in views.indices {
            guard let move = moves[views[index].origin] else { continue }
            views[index].elapsed = now - move.startedAt
            views[index].retryCount += Int(move.retry.attempts)
        }
        return views.sorted { $0.origin < $1.origin }
    }
}

extension NetMeshCore {
    /// Orders a move.
    ///
    /// - Throws: `.daemonMoving`, `.daemonNotFound`, `.noTargetAvailable`, `.declined`, `.limitExceeded`, `.notReady`, `.shuttingDown`.
    func start(_ order: NetMeshOrder, retryNotReady: Duration?) throws(FerryError) -> NetMeshMoveHandle {
        try requireReady()
        let handle = NetMeshMoveHandle(origin: order.origin, core: self)
        let now = now
        let move = OrderedMove(
            handle: handle, order: order, startedAt: now, retry: NotReadyRetry(budget: retryNotReady, startedAt: now))
        let isFirst = state.withLock { state in
            guard state.moves[order.origin] == nil else { return false }
            state.moves[order.origin] = move
            return true
        }
        guard isFirst else { throw FerryError(.daemonMoving, "daemon \(order.origin) is already migrating") }
        if let refusal = attempt(order) {
            state.withLock { $0.moves[order.origin] = nil }
            throw Self.error(refusal)
        }
        state.withLock { state in
            let view = state.dispatcher.orchestrations(now: now).first { $0.origin == order.origin }
            state.moves[order.origin]?.firstView = view
        }
        return handle
    }

    private func attempt(_ order: NetMeshOrder) -> NetMeshRefusal? {
        transact { dispatcher, now -> NetMeshRefusal? in
            do throws(NetMeshRefusal) {
                _ = try dispatcher.start(order, now: now)
                return nil
            } catch {
                return error
            }
        }
    }

    /// Begins the next attempt of a move whose target was not ready.
    func retry(_ origin: OriginHash) {
        let order: NetMeshOrder? = state.withLock { state in
            guard state.moves[origin]?.retryAt != nil else { return nil }
            state.moves[origin]?.retryAt = nil
            return state.moves[origin]?.order
        }
        guard let order, let refusal = attempt(order) else { return }
        end(origin, .failure(Self.error(refusal)))
    }

    /// An attempt is over: another one follows only after NotReady, within the budget.
    func ended(_ origin: OriginHash, _ outcome: NetMeshOutcome) {
        switch outcome {
        case .completed: end(origin, .success(()))
        case .inDoubt(let reason):
            logger.error("a move is in doubt", metadata: ["daemon": "\(origin)", "reason": "\(reason)"])
            end(origin, .failure(FerryError(.inDoubt, reason.netMeshDescription, cause: reason)))
        case .failed(let reason):
            if let reason = finalReason(origin, reason) {
                end(origin, .failure(FerryError(.rolledBack, reason.netMeshDescription, cause: reason)))
            } else {
                rearm()
            }
        }
    }

    /// Why the move has failed for good; nil when it is tried again.
    private func finalReason(_ origin: OriginHash, _ reason: FailureReason) -> FailureReason? {
        let now = now
        return state.withLock { state in
            guard var move = state.moves[origin], reason.isRetriable else { return reason }
            if let givenUp = move.givenUp { return givenUp }
            guard move.retry.isEnabled else { return reason }
            let next = move.retry.next(now: now)
            move.retryAt = next
            move.pausedAt = now
            state.moves[origin] = move
            return next == nil ? FailureReason(.notReadyTimeout, attempts: move.retry.attempts) : nil
        }
    }

    private func end(_ origin: OriginHash, _ result: Result<Void, FerryError>) {
        let move = state.withLock { $0.moves.removeValue(forKey: origin) }
        move?.handle.end(result)
    }

    /// Gives a move up; false when it has ended or is too far.
    func giveUp(_ handle: NetMeshMoveHandle, reason: FailureReason) -> Bool {
        let origin = handle.origin
        let standing: (isKnown: Bool, isPausing: Bool) = state.withLock { state in
            guard let move = state.moves[origin], move.handle === handle else { return (false, false) }
            state.moves[origin]?.givenUp = reason
            return (true, move.retryAt != nil)
        }
        guard standing.isKnown else { return false }
        if standing.isPausing {
            end(origin, .failure(FerryError(.rolledBack, reason.netMeshDescription, cause: reason)))
            return true
        }
        let isStopped = transact { dispatcher, now in
            if dispatcher.abort(origin, reason: reason, now: now) { return true }
            // Without a record, or while it is being undone, the end is on its way to the handle already.
            return dispatcher.phase(of: origin) != .complete
        }
        if !isStopped { state.withLock { $0.moves[origin]?.givenUp = nil } }
        return isStopped
    }

    /// What is told when a wait is over before its move.
    func timeoutReason(_ handle: NetMeshMoveHandle) -> FailureReason {
        FailureReason(.stateFailed, "migration timed out in phase \(phase(of: handle).map { "\($0)" } ?? "none")")
    }

    func phase(of handle: NetMeshMoveHandle) -> MigrationPhase? {
        state.withLock { state in
            state.moves[handle.origin]?.handle === handle ? state.dispatcher.phase(of: handle.origin) : nil
        }
    }

    static func error(_ refusal: NetMeshRefusal) -> FerryError {
        let code: FerryError.Code =
            switch refusal.code {
            case .alreadyMigrating: .daemonMoving
            case .daemonNotFound: .daemonNotFound
            case .noTargetAvailable: .noTargetAvailable
            case .factoryExists: .factoryExists
            case .capacity: .limitExceeded
            case .notReady: .notReady
            default: .declined
            }
        return FerryError(code, refusal.message, cause: refusal.reason ?? refusal)
    }
}
