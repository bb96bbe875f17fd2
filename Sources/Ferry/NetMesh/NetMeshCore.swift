internal import DequeModule
internal import FerryCrypto
internal import FerryStateMachines
internal import FerryWire
internal import Logging
internal import Synchronization

/// Feeds the dispatcher of the net-mesh profile and carries out its actions: no protocol knowledge, only tasks, timers and calls into
/// daemons and hooks.
///
/// The lock guards the dispatcher and tables and nothing else; no user code runs under it. Actions about one daemon are carried out one
/// after the other in their order, each peer's messages likewise. What user code may make long (snapshots, restores, hooks, key
/// functions) runs in a job of its own and reports back; a job that hangs is outlived, and what it brings too late is wiped.
final class NetMeshCore: Sendable {
    /// Where a runtime is in its life.
    enum Life: Hashable, Sendable {
        case registering
        case ready
        case shuttingDown
    }

    struct State {
        var dispatcher: NetMeshDispatcher
        var life = Life.registering
        /// Actions that wait for the one before, by daemon; present while a pump runs.
        var lanes: [OriginHash: [Queued]] = [:]
        /// What waits for the carrier, by node; present while a pump runs.
        var outgoing: [NodeID: Deque<Outgoing>] = [:]
        var jobs: [OriginHash: [UInt64: Task<Void, Never>]] = [:]
        var jobCount: UInt64 = 0
        var kinds: [String: NetMeshDaemonFactory] = [:]
        /// The kind that is expected, and the user's own key for it if there is one.
        var expectations: [OriginHash: Expectation] = [:]
        var arrivals: [OriginHash: Arrival] = [:]
        /// Daemons that have left and are not acknowledged yet.
        var departures: [OriginHash: NetMeshDaemonHost] = [:]
        var moves: [OriginHash: OrderedMove] = [:]
    }

    /// An action in a lane; a move's end is claimed by the lane or by an alarm, whichever comes first.
    struct Queued: Sendable {
        let action: NetMeshAction
        var end: (run: HookRun, alarm: UInt64)?
    }

    /// A message, or pieces of a snapshot that are cut when the carrier takes them.
    enum Outgoing: Sendable {
        case message(MigrationMessage)
        case pieces(PieceRun)
    }

    struct Expectation {
        let kind: String
        let fallbackKey: EntityKeypair?
    }

    /// What one attempt to restore a daemon here has brought so far.
    struct Arrival {
        let attempt: UInt64
        var key: EntityKeypair?
        var host: NetMeshDaemonHost?
    }

    let configuration: NetMeshConfiguration
    let registry: NetMeshDaemonRegistry
    let memberships: NetMeshMemberships
    let alarms: NetMeshAlarms
    let activity = NetMeshActivity()
    /// Signalled when a move may have come further.
    let progressed = Signal()
    let admission: NetMeshAdmission
    let state: Mutex<State>
    let timer: NetMeshTimer

    init(_ configuration: NetMeshConfiguration) {
        self.configuration = configuration
        registry = NetMeshDaemonRegistry(observer: configuration.registry)
        memberships = NetMeshMemberships(carrier: configuration.carrier)
        alarms = NetMeshAlarms(configuration.time)
        admission = NetMeshAdmission(limit: configuration.pendingDeliveryCount)
        timer = NetMeshTimer(configuration.time, activity)
        state = Mutex(
            State(dispatcher: NetMeshDispatcher(localNode: configuration.carrier.localNode, configuration: configuration.dispatcher)))
    }

    var localNode: NodeID { configuration.carrier.localNode }
    var logger: Logger { configuration.logger }
    var now: Timestamp { configuration.time.now() }

    // MARK: The dispatcher

    /// Calls the dispatcher and takes its actions over, in one step.
    @discardableResult
    func transact<Result: Sendable>(_ body: (inout NetMeshDispatcher, Timestamp) -> Result) -> Result {
        let result = consult { state, now in body(&state.dispatcher, now) }
        rearm()
        progressed.signal()
        return result
    }

    /// As `transact`, for what changes neither a phase nor a deadline: every event asks.
    func consult<Result: Sendable>(_ body: (inout State, Timestamp) -> Result) -> Result {
        let now = now
        return state.withLock { state in
            let result = body(&state, now)
            while true {
                if let run = state.dispatcher.nextPieces() {
                    enqueue(.pieces(run), to: run.destination, in: &state)
                } else if let action = state.dispatcher.nextAction() {
                    enqueue(action, in: &state)
                } else {
                    return result
                }
            }
        }
    }

    /// A pump's task is made under the lock; it runs elsewhere.
    private func enqueue(_ action: NetMeshAction, in state: inout State) {
        if case .send(let message, let node) = action { return enqueue(.message(message), to: node, in: &state) }
        let origin = action.origin
        guard state.lanes[origin] == nil else {
            state.lanes[origin]?.append(Queued(action: action, end: alarmedEnd(action)))
            return
        }
        state.lanes[origin] = [Queued(action: action)]
        activity.begin()
        Task { await self.pumpActions(of: origin) }
    }

    /// Whoever waits for a move's end hears of it though the daemon, before it in the lane, never returns.
    private func alarmedEnd(_ action: NetMeshAction) -> (run: HookRun, alarm: UInt64)? {
        guard case .ended(let origin, let outcome) = action else { return nil }
        let run = HookRun()
        let alarm = alarms.add(after: configuration.budgets.hook) {
            if run.claim() { self.ended(origin, outcome) }
        }
        return (run, alarm)
    }

    private func enqueue(_ item: Outgoing, to node: NodeID, in state: inout State) {
        guard state.outgoing[node] != nil else {
            state.outgoing[node] = [item]
            activity.begin()
            Task { await self.pumpMessages(to: node) }
            return
        }
        if case .pieces(let run) = item {
            // Asked for again while it is still on its way out: once is enough. Of an older snapshot nothing is of use any more.
            guard state.outgoing[node]?.contains(where: { $0.repeats(run) }) != true else { return }
            state.outgoing[node]?.removeAll { $0.isReplaced(by: run) }
        }
        state.outgoing[node]?.append(item)
    }

    private func pumpMessages(to node: NodeID) async {
        while let message = state.withLock({ $0.nextMessage(to: node) }) { await send(message, to: node) }
        activity.end()
    }

    private func send(_ message: MigrationMessage, to node: NodeID) async {
        do {
            try await configuration.carrier.send(try message.encoded(), to: node)
        } catch {
            // As good as lost on the way: whoever needs it asks or sends again.
            logger.debug("a message was not sent", metadata: ["type": "\(message.typeByte)", "node": "\(node)", "error": "\(error)"])
        }
    }

    private func pumpActions(of origin: OriginHash) async {
        while true {
            let queued: Queued? = state.withLock { state in
                guard let queued = state.lanes[origin]?.first else {
                    state.lanes[origin] = nil
                    return nil
                }
                state.lanes[origin]?.removeFirst()
                return queued
            }
            guard let queued else { break }
            if let end = queued.end {
                guard end.run.claim() else { continue }
                alarms.remove(end.alarm)
            }
            await carryOut(queued.action)
        }
        activity.end()
    }

    private func carryOut(_ action: NetMeshAction) async {
        switch action {
        case .send: break
        case .takeSnapshot(let origin, let attempt): await takeSnapshot(of: origin, attempt: attempt)
        case .seal(let origin, let attempt, let target, let snapshot):
            runJob(for: origin) { await self.seal(origin, attempt: attempt, target: target, snapshot: snapshot) }
        case .keyNotSealed(let origin, let target, let cause):
            logger.warning("a daemon moves without its key", metadata: ["daemon": "\(origin)", "node": "\(target)", "cause": "\(cause)"])
        case .preCleanup(let origin, let attempt): preCleanup(origin, attempt: attempt)
        case .retire(let origin): retire(origin)
        case .release(let origin): await release(origin)
        case .resume(let origin, let captured, let wasRetired): await resume(origin, captured: captured, wasRetired: wasRetired)
        case .askReadiness(let origin, let attempt): askReadiness(origin, attempt: attempt)
        case .unseal(let origin, let attempt, let snapshot):
            await beginArrival(origin, attempt: attempt)
            runJob(for: origin) { await self.unseal(origin, attempt: attempt, snapshot: snapshot) }
        case .restore(let origin, let attempt, let snapshot, let identity):
            await beginArrival(origin, attempt: attempt)
            runJob(for: origin) { await self.restore(origin, attempt: attempt, snapshot: snapshot, identity: identity) }
        case .postRestore(let origin, let attempt): postRestore(origin, attempt: attempt)
        case .replay(let origin, let attempt, let events): await replay(origin, attempt: attempt, events: events)
        case .activate(let origin, let attempt, let held): await activate(origin, attempt: attempt, held: held)
        case .deliver(let origin, let events): await deliverLate(events, to: origin)
        case .discard(let origin): await discard(origin)
        case .failureHook(let origin, let attempt, let reason): failureHook(origin, attempt: attempt, reason: reason)
        case .ended(let origin, let outcome): ended(origin, outcome)
        }
    }

    // MARK: Jobs

    /// Runs what may take long; ``cancelJobs(for:)`` outlives it.
    func runJob(for origin: OriginHash, _ body: @escaping @Sendable () async -> Void) {
        activity.begin()
        state.withLock { state in
            state.jobCount += 1
            let id = state.jobCount
            state.jobs[origin, default: [:]][id] = Task {
                await body()
                self.jobEnded(id, for: origin)
            }
        }
    }

    private func jobEnded(_ id: UInt64, for origin: OriginHash) {
        state.withLock { state in
            state.jobs[origin]?[id] = nil
            if state.jobs[origin]?.isEmpty == true { state.jobs[origin] = nil }
        }
        activity.end()
    }

    /// Cancels whatever runs for the daemon; it ends when it heeds that, and its results find nobody.
    func cancelJobs(for origin: OriginHash) {
        let jobs = state.withLock { $0.jobs.removeValue(forKey: origin) }
        for job in jobs?.values ?? [:].values { job.cancel() }
    }

    /// Runs a hook for at most its budget, then reports; a hook that takes longer is cancelled and forgotten.
    func runHook(
        _ body: @escaping @Sendable () async throws -> Void, _ report: @escaping @Sendable (_ failure: (any Error)?) -> Void
    ) {
        activity.begin()
        let run = HookRun()
        let alarm = alarms.add(after: configuration.budgets.hook) {
            guard run.claim() else { return }
            run.cancel()
            report(FerryError(.timedOut, "the hook took longer than \(self.configuration.budgets.hook)"))
            self.activity.end()
        }
        run.start {
            var failure: (any Error)?
            do { try await body() } catch { failure = error }
            guard run.claim() else { return }
            self.alarms.remove(alarm)
            report(failure)
            self.activity.end()
        }
        rearm()
    }

    // MARK: Time

    /// Arms the timer for whatever is due first.
    func rearm() {
        let deadline = state.withLock { state in
            let retries = state.moves.values.compactMap(\.retryAt).min()
            return [state.dispatcher.nextDeadline, retries].compactMap { $0 }.min()
        }
        timer.arm([deadline, alarms.nextDeadline].compactMap { $0 }.min()) { [weak self] in self?.tick() }
    }

    /// Does what is due; harmless when nothing is.
    func tick() {
        let now = now
        alarms.ring(now: now)
        for origin in state.withLock({ $0.dueRetries(now) }) { retry(origin) }
        transact { dispatcher, now in dispatcher.deadlineReached(now: now) }
    }

    /// No timer fires any more.
    func stopTimer() { timer.stop() }
}

extension NetMeshCore.Outgoing {
    fileprivate func repeats(_ run: PieceRun) -> Bool {
        guard case .pieces(let other) = self else { return false }
        return other.isOfSameSnapshot(as: run)
    }

    fileprivate func isReplaced(by run: PieceRun) -> Bool {
        guard case .pieces(let other) = self else { return false }
        return other.origin == run.origin
    }
}

extension NetMeshCore.State {
    /// Cuts the next piece, or takes the next message; nil ends the pump.
    fileprivate mutating func nextMessage(to node: NodeID) -> MigrationMessage? {
        switch outgoing[node]?.first {
        case nil:
            outgoing[node] = nil
            return nil
        case .message(let message)?:
            outgoing[node]?.removeFirst()
            return message
        case .pieces(var run)?:
            let message = run.next()
            if run.isFinished { outgoing[node]?.removeFirst() } else { outgoing[node]?[0] = .pieces(run) }
            return message
        }
    }
}
