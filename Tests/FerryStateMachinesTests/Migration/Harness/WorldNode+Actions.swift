import FerryCrypto
import FerryStateMachines
import FerryTestKit
import FerryWire

extension WorldNode {
    /// Carries out everything that the dispatcher asks for.
    func drain() {
        while let action = dispatcher.nextAction() { perform(action) }
    }

    private func later(_ name: String, _ body: @escaping (MoveWorld, WorldNode) -> Void) {
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
        case .stopStreaming: break
        case .commit(let migration, let daemon, let moved):
            if daemons[daemon.originHash]?.ownership.commit(moved) != true { world.violations.append("commit of \(migration) not fenced") }
        case .resume(let migration, let daemon): daemons[daemon.originHash]?.ownership.resume(migration)
        case .retire(let migration, let daemon, _):
            if daemons[daemon.originHash]?.ownership.retire(migration) != true { world.violations.append("retire of \(migration)") }
            daemons[daemon.originHash]?.keypair.wipe()
        case .restore(let migration, let snapshot, let source, let stream): restore(migration, snapshot, from: source, stream)
        case .freeze, .shipLog, .logAcknowledged, .limitLog, .replay, .retried, .planned: break
        case .inspect(let migration):
            later("inspect") { world, node in
                guard let standby = node.standbys[migration], let snapshot = node.snapshots[migration] else { return }
                var held = standby.snapshot(epoch: snapshot.epoch)
                held.createdAt = snapshot.createdAt
                if world.faults.isRestoreWrong { held.headPayload.append(0) }
                let facts = RestoredFacts(snapshot: held, stateDigest: nil)
                node.dispatcher.inspected(migration, .success(facts), now: world.now, wallClock: world.wallClock)
            }
        case .activate(let migration, let keypair, let epoch, _): activate(migration, keypair, epoch)
        case .discard(let migration): standbys[migration] = nil
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
                result = .success(
                    FencedDaemon(
                        keypair: daemon.keypair, snapshot: daemon.snapshot(epoch: epoch), predictedByteCount: UInt64(daemon.log.count),
                        stateDigest: nil))
            } catch {
                result = .failure(error)
            }
        }
        later("fence") { world, node in node.dispatcher.fenced(migration, result, now: world.now, wallClock: world.wallClock) }
    }

    private func stream(_ migration: MigrationID, _ entity: EntityID, to target: NodeKey) {
        guard let other = world.index(of: target), let daemon = daemons[entity.originHash] else { return }
        let log = daemon.log
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
            guard let (sent, isBroken) = world.streams[stream], !isBroken,
                let ownership = OwnershipMachine(standbyFor: migration, snapshot: snapshot)
            else {
                let reason = FailureReason(.stateFailed, "the stream broke")
                return node.dispatcher.restoreFailed(migration, reason, now: world.now, wallClock: world.wallClock)
            }
            node.standbys[migration] = WorldDaemon(
                keypair: EntityKeypair(publicOnly: snapshot.entity), ownership: ownership, log: sent,
                chain: ChainBuilder(head: snapshot.chainLink, headPayload: snapshot.headPayload))
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
        case .lost(let reason): "lost(\(reason))"
        case .forgotten(let reason): "forgotten(\(reason))"
        }
    }
}
