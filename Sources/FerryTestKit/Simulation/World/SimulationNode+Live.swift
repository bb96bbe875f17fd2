internal import FerryCrypto
internal import FerryStateMachines
internal import FerryWire

/// A daemon's live move at its source: the frozen copy, and the log of all that it has processed since.
final class SimulatedLiveMove {
    let migration: MigrationID
    let state: [UInt8]
    var log: MoveLog
    /// Where the log goes, once the target has the copy.
    var route: (to: NodeKey, header: MessageHeader)?
    var isTicking = false
    var isFullReported = false

    init(migration: MigrationID, state: [UInt8], capacityByteCount: Int) {
        self.migration = migration
        self.state = state
        // A small window, so that it is full now and then.
        log = MoveLog(windowByteCount: 8 << 10, capacityByteCount: capacityByteCount)
    }
}

// Live mode: what `LiveMove` and `MoveInterpreter` do around the shipping log and follower.
extension SimulationNode {
    // MARK: Source

    func freeze(_ migration: MigrationID, _ entity: EntityID, _ epoch: Epoch) {
        world.move(migration)?.enters(.streaming)
        guard let host = ownHost(entity) else {
            return later(.zero) { node in
                node.report { $0.frozen(migration, .failure(FailureReason(.daemonNotFound)), now: $1, wallClock: $2) }
            }
        }
        change(host) { node in
            let result: Result<FrozenDaemon, FailureReason>
            do throws(FailureReason) {
                result = .success(try node.freeze(host, migration, epoch))
            } catch {
                result = .failure(error)
            }
            node.report { $0.frozen(migration, result, now: $1, wallClock: $2) }
        }
    }

    private func freeze(_ host: SimulationHost, _ migration: MigrationID, _ epoch: Epoch) throws(FailureReason) -> FrozenDaemon {
        let determinism = host.truth.determinism
        guard determinism != .unverified else { throw FailureReason(.notDeterministic, "the daemon offers nothing to compare") }
        try host.ownership.freeze(migration, epoch: epoch)
        guard let state = try? host.state() else { throw FailureReason(.stateFailed, "the snapshot threw") }
        let capacity = world.isActive(.logFull) && world.random.chance(500) ? 256 : 64 << 20
        host.live = SimulatedLiveMove(migration: migration, state: state, capacityByteCount: capacity)
        world.say("\(endpoint.name)  daemon \(host.truth.index) is frozen at \(host.truth.processedCount) events")
        return FrozenDaemon(
            snapshot: host.header(epoch: epoch, kind: world.cast.kind), predictedByteCount: UInt64(state.count), determinism: determinism)
    }

    private func live(_ migration: MigrationID, _ entity: EntityID) -> (SimulationHost, SimulatedLiveMove)? {
        guard let host = ownHost(entity), let live = host.live, live.migration == migration else { return nil }
        return (host, live)
    }

    func shipLog(_ migration: MigrationID, _ entity: EntityID, to node: NodeKey, _ header: MessageHeader) {
        guard let (host, live) = live(migration, entity) else { return }
        live.log.rewind()
        live.route = (node, header)
        pump(host)
        reportLog(live)
        tick(host, live)
    }

    /// Ships what is due.
    func pump(_ host: SimulationHost) {
        guard let live = host.live, let route = live.route else { return }
        while host.live === live, let batch = live.log.nextBatch(byteLimit: 4 << 10) {
            send(FerryMessage(header: route.header, body: .bufferedEvents(batch)), to: route.to)
        }
    }

    private func reportLog(_ live: SimulatedLiveMove) {
        let status = live.log.status(now: now)
        report { $0.logStatus(live.migration, status, now: $1, wallClock: $2) }
    }

    /// A log that nobody follows yet has no more room after it is full.
    func reportFull(_ host: SimulationHost, _ live: SimulatedLiveMove) {
        guard !live.isFullReported else { return }
        live.isFullReported = true
        later(.milliseconds(250)) { node in
            guard host.live === live, live.route == nil else { return }
            node.report { $0.logFull(live.migration, now: $1, wallClock: $2) }
        }
    }

    /// Reports every 20 ms while anything waits.
    private func tick(_ host: SimulationHost, _ live: SimulatedLiveMove) {
        guard !live.isTicking else { return }
        live.isTicking = true
        later(.milliseconds(20)) { node in
            live.isTicking = false
            guard host.live === live, live.route != nil else { return }
            node.pump(host)
            node.reportLog(live)
            node.tick(host, live)
        }
    }

    func logAcknowledged(_ migration: MigrationID, _ entity: EntityID, through index: UInt64) {
        guard let (host, live) = live(migration, entity) else { return }
        let hadRoom = live.log.hasRoom
        if !live.log.acknowledge(through: index, now: now) { world.violate("S7", "the target acknowledges what it was never sent") }
        pump(host)
        if !hadRoom, live.log.hasRoom { tellHeld(host) }
        reportLog(live)
    }

    func limitLog(_ migration: MigrationID, _ entity: EntityID, _ byteCount: Int) {
        live(migration, entity)?.1.log.limit(byteCount: byteCount)
    }

    /// An input that was processed while a move follows.
    func log(_ event: CausalEvent, _ outcome: UInt64, of host: SimulationHost) {
        guard let live = host.live else { return }
        live.log.append(event, outcome: outcome, now: now)
        world.loggedByteCount += event.payload.count + 96
        pump(host)
    }

    /// Everybody who was made to wait hears at once how things stand.
    func tellHeld(_ host: SimulationHost) {
        let held = host.ownership.takeHeld()
        guard !held.isEmpty else { return }
        let paths = host.heldPaths
        host.heldPaths = [:]
        for origin in held {
            guard let path = paths[origin], let body = host.ownership.welcome(origin).reply else { continue }
            if case .hold = body { host.heldPaths[origin] = path }
            reply(LaneMessage(emitter: origin, daemon: host.truth.origin, body: body), to: world.endpoints[path])
        }
    }

    // MARK: Target

    /// Replays come in order, each once the one before is done.
    func replay(_ migration: MigrationID, _ batch: BufferedEvents) {
        guard let arrival = arrival(migration) else { return }
        let time = world.strikes(.slowReplay, 200) ? world.random.milliseconds(200...3_000) : callbackTime()
        let done = max(arrival.replayedAt, world.now + time)
        arrival.replayedAt = done
        let index = endpoint.index
        world.push(at: done, .work(endpoint: index, boot: endpoint.bootCount) { $0.nodes[index].replayNow(migration, batch) })
    }

    private func replayNow(_ migration: MigrationID, _ batch: BufferedEvents) {
        guard let arrival = arrival(migration), let host = arrival.host, host.isStandby else { return }
        for position in arrival.follower.admit(batch) ?? 0..<0 {
            let input = batch.entries[position]
            world.replayedCount += 1
            if replayHostInput(input.event, on: host) {
                _ = arrival.follower.replayed(input.event, outcome: input.outcome, expected: input.outcome)
                continue
            }
            var outcome = world.replay(input.event, on: host)
            var expected = input.outcome
            if world.strikes(.divergentReplay, 200) {
                outcome ^= 1
                // Half of them are found out by what the release says of all inputs, and by nothing before.
                if world.random.chance(500) { (expected, host.noise) = (outcome, host.noise ^ 1) }
            }
            if host.ownership.replayed(emitter: input.event.link.origin, sequence: input.event.link.sequence),
                arrival.follower.replayed(input.event, outcome: outcome, expected: expected)
            {
                continue
            }
            let reason = FailureReason(.releaseMismatch, "input \(batch.firstIndex + UInt64(position)) of the log")
            return report { $0.replayDiverged(migration, reason, now: $1, wallClock: $2) }
        }
        let status = ReplayComplete(logIndex: arrival.follower.index, inputOutputDigest: arrival.follower.digest, lag: 0)
        report { $0.replayed(migration, status, now: $1, wallClock: $2) }
    }

    func inspect(_ migration: MigrationID) {
        later(callbackTime()) { node in
            guard let arrival = node.arrival(migration), let host = arrival.host, let snapshot = arrival.snapshot else { return }
            arrival.isFollowing = false
            let facts = node.facts(of: host, snapshot, arrival.follower)
            node.report { $0.inspected(migration, .success(facts), now: $1, wallClock: $2) }
        }
    }

    /// What the copy holds, taken from the copy.
    private func facts(of host: SimulationHost, _ snapshot: SnapshotHeader, _ follower: LogFollower) -> RestoredFacts {
        if host.wrong == .state, world.has(.skipComparison) { host.noise ^= 1 }
        defer { if host.wrong == .state, world.has(.skipComparison) { host.noise ^= 1 } }
        return RestoredFacts(
            snapshot: host.header(epoch: snapshot.epoch, kind: world.cast.kind), stateDigest: host.stateDigest,
            lastLogIndex: follower.index, inputOutputDigest: follower.digest)
    }

    // MARK: Orchestrator

    /// A live attempt gave way to one in stop-and-copy mode.
    func retried(_ migration: MigrationID, as next: MigrationID) {
        guard let move = world.move(migration), let order = move.order.next(mode: .stopAndCopy), order.migration == next else {
            return world.violate("S7", "\(migration) is tried again as something else")
        }
        world.say("\(endpoint.name)  \(move.name) is tried again as \(next.hex.prefix(6))")
        // An orchestrator that has crashed comes to the same attempt again.
        if world.move(next) == nil { world.add(MoveTruth(order: order, daemon: move.daemon, at: world.now)) }
    }
}
