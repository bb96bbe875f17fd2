import FerryCrypto
import FerryStateMachines
import FerryTestKit
import FerryWire

extension WorldNode {
    /// Carries out everything that the dispatcher asks for.
    func drain() {
        while let action = dispatcher.nextAction() { perform(action) }
    }

    func later(_ name: String, _ body: @escaping (MoveWorld, WorldNode) -> Void) {
        guard !deafTo.contains(name) else { return }
        world.schedule(after: world.delay(20), .work(node: index, boot: bootCount, body))
    }

    private func perform(_ action: MigrationAction) {
        switch action {
        case .send(let message, let key, _):
            guard let target = world.index(of: key) else { return }
            world.send(.migration(message), from: .node(index), to: .node(target))
        case .describe(let migration, let daemon): describe(migration, daemon)
        case .reserve(let migration, _):
            later("reserve") { world, node in
                node.dispatcher.admitted(migration, refusal: node.refusal, now: world.now, wallClock: world.wallClock)
            }
        case .fence(let migration, let daemon, let epoch): fence(migration, daemon, epoch)
        case .stream(let migration, let daemon, let target, _): stream(migration, daemon, to: target)
        case .stopStreaming(let migration):
            for daemon in daemons.values where daemon.live?.migration == migration { daemon.live?.pump = nil }
        case .commit(let migration, let daemon, let moved):
            if daemons[daemon.originHash]?.ownership.commit(moved) != true { world.violations.append("commit of \(migration) not fenced") }
        case .resume(let migration, let daemon): resume(migration, daemon)
        case .retire(let migration, let daemon, _):
            if daemons[daemon.originHash]?.ownership.retire(migration) != true { world.violations.append("retire of \(migration)") }
            daemons[daemon.originHash]?.keypair.wipe()
            daemons[daemon.originHash]?.live = nil
        case .restore(let migration, let snapshot, let source, let stream): restore(migration, snapshot, from: source, stream)
        case .freeze(let migration, let daemon, let epoch): freeze(migration, daemon, epoch)
        case .shipLog(let migration, let daemon, let target, let header): shipLog(migration, daemon, to: target, header)
        case .logAcknowledged(let migration, let daemon, let index): logAcknowledged(migration, daemon, index)
        case .limitLog(_, let daemon, let byteCount):
            logLimits.append(byteCount)
            daemons[daemon.originHash]?.live?.log.limit(byteCount: byteCount)
        case .replay(let migration, let batch): replay(migration, batch)
        case .retried(let migration, let next): retried[migration] = next
        case .planned(let migration, let result): plans[migration] = result
        case .inspect(let migration): inspect(migration)
        case .activate(let migration, let keypair, let epoch, _): activate(migration, keypair, epoch)
        case .discard(let migration):
            standbys[migration] = nil
            discarded.insert(migration)
        case .journal(let migration, let record, _):
            later("journal") { world, node in
                node.dispatcher.journaled(migration, record: record, now: world.now, wallClock: world.wallClock)
            }
        case .phaseChanged(_, let role, let phase): phases[role, default: []].append(phase)
        case .inDoubt(_, let role, _): doubts.append(role)
        case .cancelRefused: cancelsRefused += 1
        case .ended(let migration, let role, let outcome):
            if outcomes["\(migration) \(role)"] != nil { world.violations.append("\(role) of \(migration) ended twice") }
            outcomes["\(migration) \(role)"] = outcome
            world.trace.append("\(world.now.nanoseconds / 1_000_000) ms: \(index) \(role) \(migration.hex.prefix(4)) \(outcome.brief)")
        }
    }

    private func describe(_ migration: MigrationID, _ entity: EntityID) {
        later("describe") { world, node in
            var result = Result<DaemonDescription, FailureReason>.failure(FailureReason(.daemonNotFound))
            if let daemon = node.daemons[entity.originHash], daemon.isActive, let epoch = daemon.ownership.nextEpoch {
                result = .success(
                    DaemonDescription(
                        kind: DaemonKind(name: "log", schemaVersion: 1), lineage: daemon.ownership.lineage, epoch: epoch,
                        predictedByteCount: UInt64(daemon.log.count)))
            }
            node.dispatcher.described(migration, result, now: world.now, wallClock: world.wallClock)
        }
    }

    private func fence(_ migration: MigrationID, _ entity: EntityID, _ epoch: Epoch) {
        var result = Result<FencedDaemon, FailureReason>.failure(FailureReason(.daemonNotFound))
        if let daemon = daemons[entity.originHash] {
            do throws(FailureReason) {
                try daemon.ownership.fence(migration, epoch: epoch)
                result = .success(fenced(daemon, epoch: epoch))
            } catch {
                result = .failure(error)
            }
        }
        later("fence") { world, node in node.dispatcher.fenced(migration, result, now: world.now, wallClock: world.wallClock) }
    }

    private func stream(_ migration: MigrationID, _ entity: EntityID, to target: NodeKey) {
        guard let other = world.index(of: target), let daemon = daemons[entity.originHash] else { return }
        let log = daemon.live?.frozen ?? daemon.log
        let targetBoot = world.nodes[other].bootCount
        let isBroken = world.chance(world.faults.streamFailurePercent)
        later("stream") { world, node in
            let stream = world.random.next() >> 8
            world.streams[stream] = (log, isBroken)
            node.dispatcher.streamOpened(migration, stream: stream, now: world.now, wallClock: world.wallClock)
            node.later("streamed") { world, node in
                guard world.nodes[other].bootCount == targetBoot, !isBroken else {
                    let reason = FailureReason(.stateFailed, "the stream broke")
                    return node.dispatcher.streamFailed(migration, reason, now: world.now, wallClock: world.wallClock)
                }
                let summary = WorldDaemon.summary(of: log)
                node.dispatcher.streamed(
                    migration, summary, wireByteCount: summary.byteCount, now: world.now, wallClock: world.wallClock)
            }
        }
    }

    private func restore(_ migration: MigrationID, _ snapshot: SnapshotHeader, from source: NodeKey, _ stream: UInt64) {
        later("restore") { world, node in
            guard !node.discarded.contains(migration) else { return }
            guard let (sent, isBroken) = world.streams[stream], !isBroken,
                let ownership = OwnershipMachine(standbyFor: migration, snapshot: snapshot)
            else {
                let reason = FailureReason(.stateFailed, "the stream broke")
                return node.dispatcher.restoreFailed(migration, reason, now: world.now, wallClock: world.wallClock)
            }
            let standby = WorldDaemon(
                keypair: EntityKeypair(publicOnly: snapshot.entity), ownership: ownership, log: sent,
                chain: ChainBuilder(head: snapshot.chainLink, headPayload: snapshot.headPayload))
            standby.hiddenCount = world.faults.isFieldDropped ? 0 : sent.count
            node.standbys[migration] = standby
            node.snapshots[migration] = snapshot
            let summary = WorldDaemon.summary(of: sent)
            node.dispatcher.restored(migration, summary, now: world.now, wallClock: world.wallClock)
        }
    }

    private func activate(_ migration: MigrationID, _ keypair: EntityKeypair, _ epoch: Epoch) {
        guard let standby = standbys[migration], standby.ownership.activate(migration, epoch: epoch) else {
            world.violations.append("activation of \(migration) without a copy")
            return
        }
        standbys[migration] = nil
        standby.keypair = keypair
        daemons[keypair.originHash] = standby
    }
}

extension MoveOutcome {
    var brief: String {
        switch self {
        case .completed: "completed"
        case .rolledBack(let reason): "rolledBack(\(reason))"
        case .rolledBackAfterCommit(let reason): "rolledBackAfterCommit(\(reason))"
        case .declined(let reason): "declined(\(reason))"
        case .letGo(let reason): "letGo(\(reason))"
        case .forgotten(let reason): "forgotten(\(reason))"
        }
    }
}
