internal import DequeModule
internal import FerryCrypto
internal import FerryStateMachines
internal import FerryTransports
internal import FerryWire
internal import Logging
internal import Tracing

/// Feeds the migration dispatcher and carries out its actions: no protocol knowledge, only tasks, timers and the calls into user code.
///
/// Actions are carried out one after the other in the dispatcher's order. What may take long runs in a task of its own and reports back:
/// describing and fencing (a daemon's `process` may be running), streaming, restoring (user code), journalling. A call that hangs is
/// outlived: its phase's deadline passes, the dispatcher gives the move up, and a result that comes later finds nobody.
actor MoveInterpreter {
    let core: MoveSurroundings
    let memory: ArrivalMemory
    /// Signalled whenever the dispatcher's wishes are carried out.
    nonisolated let progressed = Signal()
    var dispatcher: MigrationDispatcher
    var orders: [MigrationID: OrderedMove] = [:]
    /// The last change of a daemon's standing that was begun and may still wait for its isolation, by daemon.
    var changes: [OriginHash: StandingChange] = [:]
    var changeCount: UInt64 = 0
    var departures: [MigrationID: Departure] = [:]
    var arrivals: [MigrationID: Arrival] = [:]
    /// Sessions on which snapshots were announced: a stream's number means something there only.
    var announcements: [MigrationID: SessionDriver] = [:]
    /// Daemons here that serve while they move away.
    var departing: [MigrationID: LiveDeparture] = [:]
    var logTimer: LinkTimer?
    var history = TransferHistory()
    /// The attempts that took over from others, by the first.
    var successors: [MigrationID: MigrationID] = [:]
    var plans: [MigrationID: CheckedContinuation<Result<PlanResult, FailureReason>, Never>] = [:]
    /// Daemons that became this node's after it was asked to stop.
    var arrivedLate: [EntityID] = []
    private(set) var isDraining = false
    private var notices: Deque<Notice> = []
    /// Whoever asks from here on would wait for ever.
    private var isShutDown = false
    private var timer: LinkTimer?
    private var armed = Timestamp.distantFuture

    /// A move that this node has ordered.
    struct OrderedMove {
        let handle: MigrationHandle
        var order: MoveOrder
        let startedAt: Timestamp
        let span: any Span
        var transferStartedAt: Timestamp?
        var confirmation: Confirmation?
        /// How long intake was held while the daemon served, where this node is the source.
        var longestHold = Duration.zero
    }

    /// A move that the source has closed, until the target says that it is active: a report never comes before the daemon serves.
    struct Confirmation {
        let figures: MoveFigures?
        var attemptsLeft = 40
    }

    /// A phase that was reached, to be told once everything that was due with it is done.
    private struct Notice {
        let migration: MigrationID
        let role: MoveRole
        let phase: MigrationPhase
    }

    /// Of what streams a state: it keeps its threads busy for as long as it lasts, so they are others than those that serve events.
    static let bulkPriority = TaskPriority.utility
    /// How often running transfers report, and their watchers hear of it.
    static let progressInterval = Duration.milliseconds(250)

    init(core: MoveSurroundings, environment: MoveEnvironment) {
        self.core = core
        memory = ArrivalMemory(byteCount: core.limits.arrivingByteCount ?? PhysicalMemory.byteCount / 4 * 3)
        dispatcher = MigrationDispatcher(environment: environment)
    }

    // MARK: What comes in

    func receive(_ message: FerryMessage, from session: SessionDriver) async {
        noteAnnouncement(message, on: session)
        dispatcher.receive(message, from: session.peer, now: core.now, wallClock: WallClock.nanoseconds)
        confirm(message, from: session.peer.nodeKey)
        await drain()
    }

    /// Only the source's first announcement of a reserved arrival counts: anybody else's would bind the restore to a foreign session.
    private func noteAnnouncement(_ message: FerryMessage, on session: SessionDriver) {
        let migration = message.header.migration
        guard case .snapshotReady = message.body, announcements[migration] == nil,
            arrivals[migration]?.request.order.source == session.peer.nodeKey
        else { return }
        announcements[migration] = session
    }

    func sessionEstablished(_ peer: PeerIdentity) async {
        dispatcher.sessionEstablished(peer, now: core.now, wallClock: WallClock.nanoseconds)
        await drain()
    }

    /// Of a session that the peer has replaced meanwhile nothing is lost.
    func sessionLost(_ node: NodeKey) async {
        guard core.sessions.existing(node) == nil else { return }
        dispatcher.sessionLost(node, now: core.now, wallClock: WallClock.nanoseconds)
        await drain()
    }

    func order(_ order: MoveOrder, isNew: Bool = true) async throws(FailureReason) -> MigrationHandle {
        try checkRunning()
        let now = core.now
        let handle = MigrationHandle(migration: order.migration) { [weak self] in
            Task { await self?.cancel(order.migration) }
        }
        let span = startSpan("ferry.move", ofKind: .client)
        orders[order.migration] = OrderedMove(handle: handle, order: order, startedAt: now, span: span)
        do throws(FailureReason) {
            try dispatcher.order(order, isNew: isNew, now: now, wallClock: WallClock.nanoseconds)
        } catch {
            orders[order.migration] = nil
            span.end()
            throw error
        }
        await drain()
        return handle
    }

    /// - Throws: `.notReady` once the node has gone down.
    func checkRunning() throws(FailureReason) {
        guard !isShutDown else { throw FailureReason(.notReady, "the node shuts down") }
    }

    @discardableResult
    func cancel(_ first: MigrationID) async -> Bool {
        let migration = successors[first] ?? first
        let isKnown = dispatcher.cancel(
            migration, reason: FailureReason(.cancelled, "given up by the operator"), now: core.now, wallClock: WallClock.nanoseconds)
        await drain()
        return isKnown
    }

    /// Runs a result of an action past the dispatcher.
    func report(_ body: (inout MigrationDispatcher, Timestamp, UInt64) -> Void) async {
        body(&dispatcher, core.now, WallClock.nanoseconds)
        await drain()
    }

    // MARK: Time

    func deadlineReached() async {
        let now = core.now
        armed = .distantFuture
        reportProgress(now)
        for migration in orders.filter({ $0.value.confirmation != nil }).keys { askForConfirmation(migration) }
        dispatcher.deadlineReached(now: now, wallClock: WallClock.nanoseconds)
        await drain()
    }

    private func rearm() {
        var deadline = dispatcher.nextDeadline
        if !orders.isEmpty || !departures.isEmpty || !arrivals.isEmpty || !departing.isEmpty {
            let tick = core.now + Self.progressInterval
            deadline = min(deadline ?? tick, tick)
        }
        guard let deadline, deadline < armed else { return }
        armed = deadline
        let timer = self.timer ?? LinkTimer { [weak self] in Task { await self?.deadlineReached() } }
        self.timer = timer
        timer.arm(after: core.now, until: deadline)
    }

    private func reportProgress(_ now: Timestamp) {
        for (migration, departure) in departures {
            dispatcher.streamProgress(migration, byteCount: departure.progress.byteCount, now: now)
        }
        reportFullLogs(now)
        for (migration, arrival) in arrivals {
            dispatcher.restoreProgress(migration, byteCount: arrival.progress.byteCount, now: now)
        }
        guard !orders.isEmpty else { return }
        for migration in orders.keys {
            if let view = dispatcher.view(of: migration, as: .orchestrator) { reportProgress(of: view, now) }
        }
    }

    private func reportProgress(of view: MoveView, _ now: Timestamp) {
        guard let move = orders[view.migration] else { return }
        if view.byteCount > 0, move.transferStartedAt == nil { orders[view.migration]?.transferStartedAt = now }
        let seconds = Double((now - (move.transferStartedAt ?? now)).wholeNanoseconds) / 1e9
        move.handle.report(
            MigrationProgress(
                migration: view.migration, phase: view.phase, byteCount: view.byteCount, totalByteCount: view.totalByteCount,
                bytesPerSecond: seconds > 0 ? Double(view.byteCount) / seconds : 0, elapsed: now - move.startedAt, stall: view.stall))
    }

    // MARK: Carrying out

    /// Carries out what the dispatcher asks for; whoever comes while it runs leaves the rest to the one who is at it.
    func drain() async {
        guard !isDraining else { return }
        isDraining = true
        while let action = dispatcher.nextAction() { await perform(action) }
        deliverNotices()
        isDraining = false
        rearm()
        progressed.signal()
    }

    private func deliverNotices() {
        while let notice = notices.popFirst() { phaseChanged(notice.migration, notice.role, notice.phase) }
    }

    private func perform(_ action: MigrationAction) async {
        switch action {
        case .send(let message, let node, let address): send(message, to: node, address: address)
        case .describe(let migration, let daemon): describe(migration, daemon)
        case .reserve(let migration, let request): reserve(migration, request)
        case .fence(let migration, let daemon, let epoch): fence(migration, daemon, epoch)
        case .stream(let migration, let daemon, let node, let address): stream(migration, daemon, to: node, address: address)
        case .stopStreaming(let migration): stopStreaming(migration)
        case .commit(_, let daemon, let moved): await commit(daemon, moved)
        case .resume(let migration, let daemon): resume(migration, daemon)
        case .retire(let migration, let daemon, let moved): await retire(migration, daemon, moved)
        case .restore(let migration, let snapshot, let node, let stream): restore(migration, snapshot, from: node, stream: stream)
        case .freeze(let migration, let daemon, let epoch): freeze(migration, daemon, epoch)
        case .shipLog(let migration, _, let node, let header): shipLog(migration, to: node, header)
        case .logAcknowledged(let migration, _, let index): logAcknowledged(migration, through: index)
        case .limitLog(let migration, _, let byteCount): limitLog(migration, byteCount)
        case .replay(let migration, let batch): follow(migration, .batch(batch))
        case .retried(let migration, let next): retried(migration, as: next)
        case .planned(let migration, let plan): planned(migration, plan)
        case .inspect(let migration): follow(migration, .inspection)
        case .activate(let migration, let keypair, let epoch, _): await activate(migration, keypair, epoch)
        case .discard(let migration): discard(migration)
        case .journal(let migration, let record, let entry): journal(migration, record, entry)
        // Whoever watches runs code of his own, and nobody who waits for this node's part shall wait for that.
        case .phaseChanged(let migration, let role, let phase): notices.append(Notice(migration: migration, role: role, phase: phase))
        case .inDoubt(let migration, let role, let reason):
            deliverNotices()
            inDoubt(migration, role, reason)
        case .cancelRefused(let migration): core.logger.notice("a cancel came too late", metadata: ["migration": "\(migration)"])
        case .ended(let migration, let role, let outcome):
            deliverNotices()
            ended(migration, role, outcome)
        }
    }

    private func send(_ message: FerryMessage, to node: NodeKey, address: String) {
        let session: SessionDriver?
        if case .snapshotReady = message.body {
            // The number of a stream means something on the session that carries it, and nowhere else.
            session = departures[message.header.migration]?.session
        } else {
            session = nil
        }
        if let session {
            _ = session.trySend(.migration(message))
        } else {
            _ = core.sessions.trySend(.migration(message), to: node, at: core.addresses.address(of: node, hint: address))
        }
    }

    private func journal(_ migration: MigrationID, _ record: UInt64, _ entry: MoveRecord) {
        let journal = core.journal
        if let journal = journal as? any ImmediateMoveJournal {
            journal.keep(entry, of: migration)
            dispatcher.journaled(migration, record: record, now: core.now, wallClock: WallClock.nanoseconds)
            return
        }
        Task {
            do {
                try await journal.record(entry, of: migration)
                await report { $0.journaled(migration, record: record, now: $1, wallClock: $2) }
            } catch {
                let reason = FailureReason(.stateFailed, "the journal failed")
                await report { $0.journalFailed(migration, record: record, reason, now: $1, wallClock: $2) }
            }
        }
    }

    /// Ends everything that runs for moves; the node goes down.
    func shutDown() {
        isShutDown = true
        timer?.cancel()
        timer = nil
        armed = .zero
        for departure in departures.values { departure.task.cancel() }
        for arrival in arrivals.values { arrival.task?.cancel() }
        for departure in departing.values { departure.pump?.cancel() }
        logTimer?.cancel()
        logTimer = nil
        for plan in plans.values { plan.resume(returning: .failure(FailureReason(.notReady, "the node shuts down"))) }
        plans = [:]
        for move in orders.values {
            move.span.end()
            move.handle.end(.failure(FerryError(.shuttingDown, "the node shut down before the move ended")))
        }
        orders = [:]
    }
}
