import FerryCrypto
import FerryStateMachines
import FerryTestKit
import FerryWire

/// The source's side of a live move: the frozen copy, and the log since.
final class WorldLive {
    struct Pump {
        var target: Int
        var header: MessageHeader
    }

    let migration: MigrationID
    let frozen: [LogEntry]
    var log: MoveLog
    /// Set while the log is shipped.
    var pump: Pump?
    var isTicking = false

    init(migration: MigrationID, frozen: [LogEntry], log: consuming MoveLog) {
        self.migration = migration
        self.frozen = frozen
        self.log = log
    }

    var hasRoom: Bool { log.hasRoom }
}

// What a fake host does for moves in live mode.
extension WorldNode {
    func freeze(_ migration: MigrationID, _ entity: EntityID, _ epoch: Epoch) {
        var result = Result<FrozenDaemon, FailureReason>.failure(FailureReason(.daemonNotFound))
        if let daemon = daemons[entity.originHash] {
            do throws(FailureReason) {
                guard !world.faults.isUndeterministic else { throw FailureReason(.notDeterministic) }
                try daemon.ownership.freeze(migration, epoch: epoch)
                daemon.live = WorldLive(migration: migration, frozen: daemon.log, log: MoveLog(capacityByteCount: logCapacity))
                result = .success(
                    FrozenDaemon(
                        snapshot: daemon.snapshot(epoch: epoch), predictedByteCount: UInt64(daemon.log.count), determinism: .verified))
            } catch {
                result = .failure(error)
            }
        }
        later("freeze") { world, node in node.dispatcher.frozen(migration, result, now: world.now, wallClock: world.wallClock) }
    }

    func fenced(_ daemon: WorldDaemon, epoch: Epoch) -> FencedDaemon {
        let fenced = FencedDaemon(
            keypair: daemon.keypair, snapshot: daemon.snapshot(epoch: epoch), predictedByteCount: UInt64(daemon.log.count),
            stateDigest: daemon.stateDigest, lastLogIndex: daemon.live?.log.lastIndex ?? 0, inputOutputDigest: daemon.live?.log.digest,
            determinism: .verified)
        daemon.live?.log.seal()
        pump(daemon)
        return fenced
    }

    func resume(_ migration: MigrationID, _ entity: EntityID) {
        guard let daemon = daemons[entity.originHash] else { return }
        if daemon.ownership.resume(migration) == nil { _ = daemon.ownership.thaw(migration) }
        if daemon.live?.migration == migration { daemon.live = nil }
    }

    // MARK: The log

    static func outcome(of event: CausalEvent) -> UInt64 {
        var outcome = InputOutcome(link: event.link, failure: nil)
        outcome.output(event.payload)
        return outcome.hash
    }

    func log(_ event: CausalEvent, in daemon: WorldDaemon) {
        guard let live = daemon.live else { return }
        live.log.append(event, outcome: Self.outcome(of: event), now: world.now)
        pump(daemon)
        tick(daemon)
    }

    func shipLog(_ migration: MigrationID, _ entity: EntityID, to key: NodeKey, _ header: MessageHeader) {
        guard let daemon = daemons[entity.originHash], let live = daemon.live, live.migration == migration,
            let target = world.index(of: key)
        else { return }
        live.pump = WorldLive.Pump(target: target, header: header)
        live.log.rewind()
        pump(daemon)
        report(daemon)
        tick(daemon)
    }

    /// Reports while anything waits.
    private func tick(_ daemon: WorldDaemon) {
        guard let live = daemon.live, live.pump != nil, !live.isTicking else { return }
        guard isDigestPending || !live.log.status(now: world.now).isCaughtUp else { return }
        live.isTicking = true
        world.schedule(
            after: .milliseconds(20),
            .work(node: index, boot: bootCount) { world, node in
                live.isTicking = false
                guard daemon.live === live else { return }
                node.report(daemon)
                node.tick(daemon)
            })
    }

    func logAcknowledged(_ migration: MigrationID, _ entity: EntityID, _ through: UInt64) {
        guard let daemon = daemons[entity.originHash], let live = daemon.live, live.migration == migration else { return }
        _ = live.log.acknowledge(through: through, now: world.now)
        pump(daemon)
        report(daemon)
    }

    private func report(_ daemon: WorldDaemon) {
        guard let live = daemon.live, live.pump != nil else { return }
        var status = live.log.status(now: world.now)
        status.isDigestPending = isDigestPending
        dispatcher.logStatus(live.migration, status, now: world.now, wallClock: world.wallClock)
    }

    private func pump(_ daemon: WorldDaemon) {
        guard let live = daemon.live, let pump = live.pump else { return }
        while let batch = live.log.nextBatch(byteLimit: 1_024) {
            let message = FerryMessage(header: pump.header, body: .bufferedEvents(batch))
            world.send(.migration(message), from: .node(index), to: .node(pump.target))
        }
    }

    // MARK: The copy

    func replay(_ migration: MigrationID, _ batch: BufferedEvents) {
        guard !deafTo.contains("replay") else { return }
        replayedAt = max(replayedAt, world.now) + world.delay(3) + .milliseconds(Int64(world.faults.replayMilliseconds))
        world.schedule(
            after: replayedAt - world.now,
            .work(node: index, boot: bootCount) { _, node in node.replayNow(migration, batch) })
    }

    private func replayNow(_ migration: MigrationID, _ batch: BufferedEvents) {
        guard let standby = standbys[migration] else { return }
        guard let new = standby.follower.admit(batch) else {
            world.violations.append("a batch with a gap was handed over")
            return
        }
        for entry in batch.entries[new] {
            let event = entry.event
            if !standby.ownership.replayed(emitter: event.link.origin, sequence: event.link.sequence) {
                world.violations.append("S3: entry \(standby.follower.index + 1) repeats")
            }
            standby.process(LogEntry(emitter: event.link.origin, sequence: event.link.sequence, payload: event.payload))
            var outcome = Self.outcome(of: event)
            if world.faults.divergesAt == standby.follower.index + 1 { outcome ^= 1 }
            guard standby.follower.replayed(event, outcome: outcome, expected: entry.outcome) else {
                let reason = FailureReason(.releaseMismatch, "input \(standby.follower.index) does something else here")
                return dispatcher.replayDiverged(migration, reason, now: world.now, wallClock: world.wallClock)
            }
        }
        let report = ReplayComplete(logIndex: standby.follower.index, inputOutputDigest: standby.follower.digest, lag: 0)
        dispatcher.replayed(migration, report, now: world.now, wallClock: world.wallClock)
    }

    func inspect(_ migration: MigrationID) {
        later("inspect") { world, node in
            guard let standby = node.standbys[migration], let snapshot = node.snapshots[migration] else { return }
            var held = standby.snapshot(epoch: snapshot.epoch)
            if world.faults.isRestoreWrong { held.headPayload.append(0) }
            let facts = RestoredFacts(
                snapshot: held, stateDigest: standby.stateDigest, lastLogIndex: standby.follower.index,
                inputOutputDigest: standby.follower.digest)
            node.dispatcher.inspected(migration, .success(facts), now: world.now, wallClock: world.wallClock)
        }
    }
}
