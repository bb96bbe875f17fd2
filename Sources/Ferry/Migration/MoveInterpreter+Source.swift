internal import CoreMetrics
internal import FerryChunking
internal import FerryCrypto
internal import FerryStateMachines
internal import FerryTransports
internal import FerryWire
internal import Logging

// The source's actions.
extension MoveInterpreter {
    /// A state on its way out.
    struct Departure {
        let task: Task<Void, Never>
        let progress: DepartureProgress
        /// Once it is open.
        var session: SessionDriver?
        var stream: OutgoingStream?
    }

    /// A change of a daemon's standing that waits for the daemon's isolation.
    struct StandingChange {
        let number: UInt64
        let task: Task<Void, Never>
    }

    func describe(_ migration: MigrationID, _ daemon: EntityID) {
        let host = core.table.host(daemon.originHash)
        let isReady = core.isReady()
        let history = history
        Task {
            let result: Result<DaemonDescription, FailureReason>
            do throws(FailureReason) {
                guard isReady else { throw FailureReason(.notReady) }
                guard let host else { throw FailureReason(.daemonNotFound) }
                result = .success(history.predict(try await host.describe()))
            } catch {
                result = .failure(error)
            }
            await report { $0.described(migration, result, now: $1, wallClock: $2) }
        }
    }

    func fence(_ migration: MigrationID, _ daemon: EntityID, _ epoch: Epoch) {
        let clock = core.clock
        let isServing = departing[migration] != nil
        change(daemon) { interpreter, host in
            let result: Result<FencedDaemon, FailureReason>
            do throws(FailureReason) {
                guard let host else { throw FailureReason(.daemonNotFound) }
                let digest = isServing ? await DigestAhead.approach(host, clock: clock) : .zero
                try await interpreter.checkPause(of: migration, digest: digest)
                var daemon = try await host.fence(migration, epoch: epoch)
                daemon.digest = digest
                result = .success(daemon)
            } catch {
                result = .failure(error)
            }
            await interpreter.report { $0.fenced(migration, result, now: $1, wallClock: $2) }
        }
    }

    /// Undoes a fence, after it: also one that still waits for `process` to return.
    func resume(_ migration: MigrationID, _ daemon: EntityID) {
        let observers = core.observers
        change(daemon) { interpreter, host in
            // A freeze that had to wait has begun what was given up meanwhile.
            await interpreter.stopShipping(migration)
            guard let host, let epoch = await host.resume(migration) else { return }
            for observer in observers { observer.daemonActivated(host.origin, epoch: epoch, stateByteCount: 0) }
        }
    }

    func commit(_ daemon: EntityID, _ moved: Moved) async {
        if await core.table.host(daemon.originHash)?.commit(moved) == true { return }
        core.logger.error(
            "a daemon that is not fenced for the move was to be committed: two owners are possible",
            metadata: ["migration": "\(moved.migration)", "daemon": "\(daemon.originHash)", "epoch": "\(moved.epoch)"])
        core.metrics.defects.increment()
    }

    func retire(_ migration: MigrationID, _ daemon: EntityID, _ moved: Moved) async {
        guard let host = core.table.host(daemon.originHash), await host.retire(migration) else { return }
        core.table.retire(host.origin)
        for observer in core.observers { observer.daemonDeparted(host.origin, epoch: moved.epoch) }
    }

    /// Changes of one daemon's standing, in order, without keeping anybody else waiting.
    func change(
        _ daemon: EntityID, _ body: @escaping @Sendable (MoveInterpreter, DaemonHost?) async -> Void
    ) {
        let origin = daemon.originHash
        let host = core.table.host(origin)
        let before = changes[origin]
        changeCount += 1
        let number = changeCount
        let task = Task {
            await before?.task.value
            await body(self, host)
            if changes[origin]?.number == number { changes[origin] = nil }
        }
        changes[origin] = StandingChange(number: number, task: task)
    }

    // MARK: Streaming

    func stream(_ migration: MigrationID, _ daemon: EntityID, to node: NodeKey, address: String) {
        let progress = DepartureProgress()
        let host = core.table.host(daemon.originHash)
        let place = core.addresses.address(of: node, hint: address)
        let task = Task(priority: Self.bulkPriority) {
            do {
                guard let host, let frozen = await host.copy(for: migration) else {
                    throw FerryError(.daemonNotFound, "the daemon is not here")
                }
                let (session, stream) = try await openStream(migration, to: node, at: place)
                try await CorePace.$isBackground.withValue(departing[migration] != nil) {
                    try await write(frozen, to: stream, for: session.peer, migration, progress)
                }
            } catch {
                let reason = Self.reason(error, "the snapshot")
                await report { $0.streamFailed(migration, reason, now: $1, wallClock: $2) }
            }
        }
        departures[migration] = Departure(task: task, progress: progress)
    }

    private func openStream(
        _ migration: MigrationID, to node: NodeKey, at address: TransportAddress?
    ) async throws -> (SessionDriver, OutgoingStream) {
        let session = try await core.sessions.session(to: node, at: address)
        let stream = try await session.openStream()
        guard departures[migration] != nil else { throw CancellationError() }
        departures[migration]?.session = session
        departures[migration]?.stream = stream
        departures[migration]?.progress.follow(stream)
        await report { $0.streamOpened(migration, stream: stream.id.rawValue, now: $1, wallClock: $2) }
        return (session, stream)
    }

    /// Runs outside of this actor and of the daemon's: the snapshot is user code, and compression takes its time.
    @concurrent
    private nonisolated func write(
        _ copy: FrozenCopy, to stream: OutgoingStream, for peer: PeerIdentity, _ migration: MigrationID, _ progress: DepartureProgress
    ) async throws {
        // Otherwise it would go on, until it first waits, on the thread that has served this actor.
        await Task.yield()
        var writer = try SnapshotWriter(
            into: stream, compressor: core.compressor(for: peer), level: nil, chunkByteCount: core.limits.chunkByteCount
        ) { stateByteCount, wireByteCount in
            progress.written(stateByteCount: UInt64(stateByteCount), wireByteCount: wireByteCount)
        }
        // Taken, so that what only the copy still holds is freed here, away from everybody who serves events.
        guard let frozen = copy.take() else { throw CancellationError() }
        try await frozen.snapshot(into: &writer)
        let trailer = try await writer.finish()
        let wireByteCount = writer.wireByteCount
        try await stream.finish()
        let state = StateSummary(
            chunkCount: UInt64(trailer.chunkCount), byteCount: UInt64(trailer.stateByteCount), digest: trailer.digest)
        await streamed(migration, state, wireByteCount: wireByteCount)
    }

    private func streamed(_ migration: MigrationID, _ state: StateSummary, wireByteCount: UInt64) async {
        departures[migration] = nil
        await report { $0.streamed(migration, state, wireByteCount: wireByteCount, now: $1, wallClock: $2) }
    }

    func stopStreaming(_ migration: MigrationID) {
        stopShipping(migration)
        guard let departure = departures.removeValue(forKey: migration) else { return }
        departure.stream?.reset(code: 0)
        departure.task.cancel()
    }

    /// What peers and operators are told: kinds of failure, never what user code put into its error.
    static func reason(_ error: any Error, _ what: String) -> FailureReason {
        switch error {
        case let reason as FailureReason: reason
        case let error as FerryError: FailureReason(.stateFailed, "\(what) failed: \(error)")
        case is CancellationError: FailureReason(.cancelled, "\(what) was given up")
        default: FailureReason(.stateFailed, "\(what) threw \(type(of: error))")
        }
    }
}
