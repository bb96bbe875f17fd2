internal import DequeModule
internal import FerryChunking
internal import FerryCrypto
internal import FerryStateMachines
internal import FerryWire
internal import Logging

// The target's actions.
extension MoveInterpreter {
    /// A daemon on its way in.
    struct Arrival {
        let request: AdmissionRequest
        /// As it was announced, once it is restored.
        var snapshot: SnapshotHeader?
        let reservation: ArrivalReservation
        let progress = TransferProgress()
        var task: Task<Void, Never>?
        var stream: IncomingStream?
        var host: DaemonHost?
        /// What the copy shall do next, in order.
        var steps: Deque<FollowingStep> = []
        var isFollowing = false
    }

    func reserve(_ migration: MigrationID, _ request: AdmissionRequest) {
        var refusal = self.refusal(of: request)
        if refusal == nil {
            if let reservation = memory.reserve(offer: request.offer.predictedByteCount) {
                arrivals[migration] = Arrival(request: request, reservation: reservation)
            } else {
                refusal = FailureReason(.noCapacity, "the states on their way in leave no room for another")
            }
        }
        let byteCount = arrivals[migration]?.reservation.byteCount ?? 0
        dispatcher.admitted(migration, refusal: refusal, memoryByteCount: byteCount, now: core.now, wallClock: WallClock.nanoseconds)
    }

    private func refusal(of request: AdmissionRequest) -> FailureReason? {
        let kind = request.offer.kind
        guard core.isReady() else { return FailureReason(.notReady) }
        guard let registration = core.registrations.first(where: { $0.kind.name == kind.name }) else {
            return FailureReason(.factoryNotFound, "this node cannot restore \(kind.name)")
        }
        guard registration.accepts(kind) else {
            return FailureReason(.schemaMismatch, "this node restores \(kind.name) of schema \(registration.schemaVersions)")
        }
        guard request.offer.predictedByteCount <= core.limits.stateByteCount else {
            return FailureReason(.noCapacity, "a state of \(request.offer.predictedByteCount) bytes is more than this node takes")
        }
        let arriving = arrivals.values.count { $0.host == nil }
        guard core.table.count + arriving < core.limits.daemonCount, arrivals.count < core.limits.moveCount else {
            return FailureReason(.noCapacity, "this node has no free slot")
        }
        guard !core.table.owns(request.order.daemon.originHash) else {
            return FailureReason(.alreadyMigrating, "the daemon is here already")
        }
        return nil
    }

    func restore(_ migration: MigrationID, _ snapshot: SnapshotHeader, from node: NodeKey, stream: UInt64) {
        guard let arrival = arrivals[migration], arrival.task == nil else { return }
        let session = announcements[migration] ?? core.sessions.existing(node)
        let (progress, reservation) = (arrival.progress, arrival.reservation)
        let limit = min(core.limits.stateByteCount, memory.longestState(offer: arrival.request.offer.predictedByteCount))
        arrivals[migration]?.task = Task(priority: Self.bulkPriority) {
            do {
                guard let session else { throw FailureReason(.unreachable, "the session with the source is gone") }
                let incoming = try await session.incomingStream(StreamID(rawValue: stream))
                guard arrivals[migration] != nil else { throw CancellationError() }
                arrivals[migration]?.stream = incoming
                await report { $0.restoreBegan(migration, now: $1, wallClock: $2) }
                let isLive = arrival.request.order.mode == .live
                let (daemon, trailer) = try await CorePace.$isBackground.withValue(isLive) {
                    try await read(snapshot, from: incoming, limit, reservation, progress)
                }
                await restored(migration, daemon, snapshot, trailer)
            } catch {
                let reason = Self.reason(error, "the restore")
                await report { $0.restoreFailed(migration, reason, now: $1, wallClock: $2) }
            }
        }
    }

    /// Runs outside of this actor: the restore is user code.
    @concurrent
    private nonisolated func read(
        _ snapshot: SnapshotHeader, from stream: IncomingStream, _ limit: UInt64, _ reservation: ArrivalReservation,
        _ progress: TransferProgress
    ) async throws -> (any Daemon, ChunkTrailer) {
        guard let registration = core.registrations.first(where: { $0.accepts(snapshot.kind) }) else {
            throw FailureReason(.factoryNotFound)
        }
        // Otherwise it would go on, until it first waits, on the thread that has served this actor.
        await Task.yield()
        var reader = SnapshotReader(
            from: stream, compressors: core.compressors, maximumStateByteCount: Int(clamping: limit)
        ) { stateByteCount, _ in
            progress.byteCount = UInt64(stateByteCount)
            // The reader has no way to be told; the stream's end reaches it with the next chunk.
            if !reservation.cover(UInt64(stateByteCount)) { stream.cancel(code: 0) }
        }
        let daemon = try await registration.type.init(restoring: &reader)
        let trailer = try await reader.finish()
        if let digestible = daemon as? any StateDigesting { await DigestAhead.run(digestible, isAwaited: !CorePace.isBackground) }
        return (daemon, trailer)
    }

    private func restored(
        _ migration: MigrationID, _ daemon: any Daemon, _ snapshot: SnapshotHeader, _ trailer: ChunkTrailer
    ) async {
        guard arrivals[migration] != nil else { return DaemonRelease.release(daemon) }
        guard let host = DaemonHost(standby: daemon, migration: migration, snapshot: snapshot, context: core.daemonContext) else {
            let reason = FailureReason(.noCapacity, "the daemon has \(snapshot.cursors.count) lanes, more than this node keeps")
            await report { $0.restoreFailed(migration, reason, now: $1, wallClock: $2) }
            return
        }
        guard core.table.standBy(host, isFollowing: arrivals[migration]?.request.order.mode == .live) else {
            await host.release()
            let reason = FailureReason(.alreadyMigrating, "the daemon is here already")
            return await report { $0.restoreFailed(migration, reason, now: $1, wallClock: $2) }
        }
        arrivals[migration]?.host = host
        arrivals[migration]?.snapshot = snapshot
        let state = StateSummary(
            chunkCount: UInt64(trailer.chunkCount), byteCount: UInt64(trailer.stateByteCount), digest: trailer.digest)
        await report { $0.restored(migration, state, now: $1, wallClock: $2) }
    }

    func activate(_ migration: MigrationID, _ keypair: EntityKeypair, _ epoch: Epoch) async {
        guard let arrival = arrivals[migration], let host = arrival.host, await host.activate(migration, keypair: keypair, epoch: epoch)
        else {
            core.logger.error("a daemon that is not restored was to be activated", metadata: ["migration": "\(migration)"])
            return
        }
        arrivals[migration] = nil
        announcements[migration] = nil
        core.table.activate(host)
        if !core.isReady() { arrivedLate.append(host.entity) }
        for observer in core.observers {
            observer.daemonActivated(host.origin, epoch: epoch, stateByteCount: arrival.progress.byteCount)
        }
    }

    func discard(_ migration: MigrationID) {
        announcements[migration] = nil
        guard let arrival = arrivals.removeValue(forKey: migration) else { return }
        arrival.stream?.cancel(code: 0)
        arrival.task?.cancel()
        guard let host = arrival.host else { return }
        core.table.standDown(host)
        Task { await host.release() }
    }
}
