internal import DequeModule
internal import FerryCrypto
internal import FerryStateMachines
internal import FerryWire
internal import Logging

// Daemons that serve while they move away from here.
extension MoveInterpreter {
    /// A daemon here that serves while it moves.
    struct LiveDeparture {
        let move: LiveMove
        let host: DaemonHost
        var pump: Task<Void, Never>?
        /// Whether digests are so far ahead that the daemon may be stopped.
        var isDigested = false
        var pace = DigestPace()
    }

    /// How often the dispatcher hears of a log that is being followed.
    private static let statusInterval = Duration.milliseconds(20)
    /// What one message carries of a log: large enough to be worth it, small enough to be replayed at once.
    private static let batchByteCount = 64 << 10

    func freeze(_ migration: MigrationID, _ daemon: EntityID, _ epoch: Epoch) {
        let clock = core.clock
        change(daemon) { interpreter, host in
            let result: Result<FrozenDaemon, FailureReason>
            do throws(FailureReason) {
                guard let host else { throw FailureReason(.daemonNotFound) }
                let move = try await host.freeze(migration, epoch: epoch, clock: clock)
                await interpreter.departs(move, host)
                result = .success(move.frozen)
            } catch {
                result = .failure(error)
            }
            await interpreter.report { $0.frozen(migration, result, now: $1, wallClock: $2) }
        }
    }

    /// Digests the whole state while the copy streams, so that only what is written afterwards is left for the fence.
    private func departs(_ move: LiveMove, _ host: DaemonHost) {
        departing[move.migration] = LiveDeparture(move: move, host: host)
        Task { if let copy = await host.digestible() { await DigestAhead.run(copy) } }
    }

    // MARK: The log

    /// Ships the log from the first entry that the target has not replayed.
    func shipLog(_ migration: MigrationID, to node: NodeKey, _ header: MessageHeader) {
        guard let departure = departing[migration] else { return }
        guard departure.pump == nil else { return departure.move.rewind() }
        let (move, sessions) = (departure.move, core.sessions)
        departing[migration]?.pump = Task { await pump(move, over: sessions, to: node, header) }
        digestAhead(migration)
        armLogTimer()
    }

    /// Runs until the log is over; what a lost session has taken with it is shipped again when the dispatcher says so.
    @concurrent
    private nonisolated func pump(_ move: LiveMove, over sessions: SessionTable, to node: NodeKey, _ header: MessageHeader) async {
        var pace = CorePace()
        while !Task.isCancelled {
            let ticket = move.changed.ticket
            guard let step = move.nextStep(byteLimit: Self.batchByteCount) else { return }
            guard let batch = step.batch else {
                await move.changed.wait(after: ticket)
                continue
            }
            if let session = sessions.existing(node) {
                try? await session.send(.migration(FerryMessage(header: header, body: .bufferedEvents(batch))))
            }
            pace.offerCore()
            await logChanged(move.migration, step.status)
        }
    }

    /// A log that nobody follows yet has no more room after it is full.
    func reportFullLogs(_ now: Timestamp) {
        for (migration, departure) in departing where departure.pump == nil && !departure.move.hasRoom {
            dispatcher.logFull(migration, now: now, wallClock: WallClock.nanoseconds)
        }
    }

    func stopShipping(_ migration: MigrationID) {
        guard let departure = departing.removeValue(forKey: migration) else { return }
        departure.pump?.cancel()
        if departing.isEmpty {
            logTimer?.cancel()
            logTimer = nil
        }
    }

    func logAcknowledged(_ migration: MigrationID, through index: UInt64) {
        guard let departure = departing[migration] else { return }
        if departure.move.acknowledge(through: index) { tellHeld(departure.host) }
        tellStatus(migration, departure.move.status)
    }

    func limitLog(_ migration: MigrationID, _ byteCount: Int) {
        guard let departure = departing[migration] else { return }
        if departure.move.limit(byteCount: byteCount) { tellHeld(departure.host) }
    }

    private func tellHeld(_ host: DaemonHost) {
        Task { await host.tellHeld() }
    }

    // MARK: Its status

    private func logChanged(_ migration: MigrationID, _ status: MoveLogStatus) async {
        tellStatus(migration, status)
        await drain()
    }

    /// Before the digests are ahead, the daemon must not be stopped.
    private func tellStatus(_ migration: MigrationID, _ logged: MoveLogStatus) {
        guard let departure = departing[migration] else { return }
        var status = logged
        status.isDigestPending = !departure.isDigested
        dispatcher.logStatus(migration, status, now: core.now, wallClock: WallClock.nanoseconds)
    }

    /// Digests what was written since the last time.
    private func digestAhead(_ migration: MigrationID) {
        guard let departure = departing[migration], departure.pace.isDue(core.now) else { return }
        departing[migration]?.pace.begins()
        Task {
            let start = core.now
            if let copy = await departure.host.digestible() { await DigestAhead.run(copy) }
            await digested(migration, since: start)
        }
    }

    private func digested(_ migration: MigrationID, since start: Timestamp) async {
        guard let departure = departing[migration] else { return }
        let now = core.now
        // The daemon serves meanwhile, and what a digest shares is copied at its next write.
        departing[migration]?.pace.took(now - start, until: now, rest: 9)
        departing[migration]?.isDigested = true
        tellStatus(migration, departure.move.status)
        await drain()
    }

    /// Refuses to stop a daemon whose own digest, which everybody waits for at either end, takes more than the order allows a pause.
    func checkPause(of migration: MigrationID, digest: Duration) throws(FailureReason) {
        guard digest > DigestAhead.shortDigest, let allowance = dispatcher.pauseAllowance(of: migration), digest * 2 > allowance else {
            return
        }
        throw FailureReason(
            .notConverging,
            "a state digest takes \(digest.wholeNanoseconds / 1_000_000) ms, two of them are part of the pause, "
                + "and the order leaves \(max(.zero, allowance).wholeNanoseconds / 1_000_000) ms for them")
    }

    private func armLogTimer() {
        let timer = logTimer ?? LinkTimer { [weak self] in Task { await self?.logTimerFired() } }
        logTimer = timer
        timer.arm(after: core.now, until: core.now + Self.statusInterval)
    }

    private func logTimerFired() async {
        guard logTimer != nil else { return }
        for (migration, departure) in departing where departure.pump != nil {
            tellStatus(migration, departure.move.status)
            digestAhead(migration)
        }
        armLogTimer()
        await drain()
    }
}

// Copies here that follow a daemon which still serves elsewhere.
extension MoveInterpreter {
    /// What a copy does next.
    enum FollowingStep: Sendable {
        case batch(BufferedEvents)
        case inspection
    }

    /// Queues a step behind those before it; one task runs for as long as there are any.
    func follow(_ migration: MigrationID, _ step: FollowingStep) {
        guard let arrival = arrivals[migration], let host = arrival.host, let snapshot = arrival.snapshot else { return }
        arrivals[migration]?.steps.append(step)
        guard !arrival.isFollowing else { return }
        arrivals[migration]?.isFollowing = true
        Task { await follow(migration, host, snapshot) }
    }

    private func follow(_ migration: MigrationID, _ host: DaemonHost, _ snapshot: SnapshotHeader) async {
        while let step = arrivals[migration]?.steps.popFirst() {
            switch step {
            case .batch(let batch): await replay(batch, migration, host)
            case .inspection:
                core.table.awaitHandOver(host)
                let facts = await host.inspect(epoch: snapshot.epoch, createdAt: snapshot.createdAt)
                await report { $0.inspected(migration, .success(facts), now: $1, wallClock: $2) }
            }
        }
        arrivals[migration]?.isFollowing = false
    }

    private func replay(_ batch: BufferedEvents, _ migration: MigrationID, _ host: DaemonHost) async {
        do throws(FailureReason) {
            let status = try await host.replay(batch, clock: core.clock)
            await report { $0.replayed(migration, status, now: $1, wallClock: $2) }
        } catch {
            core.logger.warning("a copy cannot follow its daemon", metadata: ["migration": "\(migration)", "reason": "\(error)"])
            await report { $0.replayDiverged(migration, error, now: $1, wallClock: $2) }
        }
    }
}
