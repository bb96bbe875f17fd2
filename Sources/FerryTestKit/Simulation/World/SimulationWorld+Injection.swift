internal import FerryCrypto
internal import FerryStateMachines
internal import FerryWire

// Messages that nobody may obey.
extension SimulationWorld {
    /// Sends something that was seen on its way once more: as a stranger, or as who said it then.
    func inject(_ kind: FaultKind) {
        if kind == .forged, random.chance(300) { return forgeLane() }
        if kind == .forged, random.chance(100) { return forgeOrder() }
        if kind == .forged, random.chance(150) { return crowdLane() }
        guard let seen = observed.pick(&random), let message = try? PeerMessage(decoding: seen.bytes.rawSpan),
            case .migration(var migration) = message
        else { return }
        let to = chance(300) ? random.below(nodes.count) : seen.to
        guard to < nodes.count, endpoints[to].isUp, endpoints[to].pausedUntil <= now else { return }
        if kind == .forged {
            if random.chance(400), let move = random.pick(moves) { migration.header.migration = move.migration }
            if random.chance(300) { migration.header.epoch = Epoch(rawValue: UInt64(random.within(0...6))) }
            count(kind)
            return forge(migration, to: nodes[to])
        }
        // Again from who said it, between the boots between which it was said: no session outlives either.
        let sender = endpoints[seen.from]
        guard sender.isUp, sender.boot == seen.fromBoot, to == seen.to, endpoints[to].boot == seen.toBoot else { return }
        let isOver = move(migration.header.migration).map { $0.outcome(.source) != nil } ?? true
        guard isOver == (kind == .stale) else { return }
        count(kind)
        say("\(kind.rawValue) \(migration.body.name) of \(migration.header.migration.hex.prefix(6)) to \(to)")
        nodes[to].receive(migration, from: sender.peer)
    }

    /// S7: a stranger's message changes nothing, and tells it no more than that the move is unknown or refused.
    private func forge(_ message: FerryMessage, to node: SimulationNode) {
        say("forged \(message.body.name) of \(message.header.migration.hex.prefix(6)) to \(node.endpoint.name)")
        let before = node.dispatcher.moves
        let counters = node.dispatcher.counters
        node.dispatcher.receive(message, from: stranger.peer, now: node.now, wallClock: node.wallClock)
        while let action = node.dispatcher.nextAction() {
            guard case .send(let answer, stranger.key, _) = action else {
                return violate("S7", "a stranger's \(message.body.name) makes \(node.endpoint.name) act: \(action)")
            }
            switch answer.body {
            case .unknown, .planReply(.refused): break
            default: return violate("S7", "a stranger is told \(answer.body.name)")
            }
        }
        if node.dispatcher.moves != before { violate("S7", "a stranger's \(message.body.name) changes \(node.endpoint.name)") }
        if node.dispatcher.counters == counters { violate("S7", "a stranger's \(message.body.name) is not counted") }
        arm(node.endpoint, node.dispatcher.nextDeadline)
    }

    /// A stranger orders a daemon to itself, or to wherever it likes, from the node that owns it.
    private func forgeOrder() {
        guard let daemon = random.pick(daemons), let owner = holder(of: daemon), owner.endpoint.isUp, owner.endpoint.pausedUntil <= now
        else { return }
        let target = chance(500) ? stranger : endpoints[(owner.endpoint.index + 1) % nodes.count]
        let order = MoveOrder(
            id: crypto.random.next(), daemon: daemon.entity, lineage: nil, source: owner.endpoint.key, target: target.key,
            targetAddress: "",
            orchestrator: stranger.key, attempt: 1, mode: .stopAndCopy,
            expiresAt: wallClock(of: owner.endpoint) + 60_000_000_000)
        count(.forged)
        let header = MessageHeader(migration: order.migration, epoch: .none)
        forge(FerryMessage(header: header, body: .plan(Plan(order: order, boot: owner.endpoint.boot, offer: nil))), to: owner)
    }

    /// S8: a stranger opens a lane of its own to a daemon that has as many as its host keeps.
    private func crowdLane() {
        let laneCount = settings.ownershipLimits.laneCount
        for daemon in daemons {
            guard let holder = holder(of: daemon), let host = holder.hosts[daemon.index], holder.endpoint.isUp,
                holder.endpoint.pausedUntil <= now, host.isActive, host.ownership.sortedCursors.count == laneCount
            else { continue }
            count(.forged)
            let link = CausalLink(origin: stranger.origin, horizon: 0, sequence: 1, parent: 0)
            let event = LaneEvent(epoch: host.ownership.epoch, previous: 0, link: link, payload: [])
            let message = LaneMessage(emitter: stranger.origin, daemon: daemon.origin, body: .event(event))
            return holder.receive(message, from: stranger)
        }
    }

    /// A stranger speaks as another emitter to an owner, or as an owner to an emitter.
    private func forgeLane() {
        let emitter = emitters[random.below(emitters.count)]
        guard let lane = random.pick(emitter.lanes), emitter.endpoint.isUp else { return }
        count(.forged)
        // Around what the lane waits for, where it would do harm.
        let sequence = UInt64(
            max(1, random.chance(600) ? Int(lane.offeredCount) - random.below(2) : random.below(Int(lane.offeredCount) + 3)))
        let epoch = lane.machine.belief.epoch
        let unsigned = Moved(
            daemon: lane.daemon.entity, epoch: Epoch(rawValue: epoch.rawValue + 1), migration: crypto.random.next(), target: stranger.key,
            targetAddress: "", daemonSignature: Signature(rawValue: crypto.random.next()))
        let bodies: [LaneMessage.Body] = [
            .acknowledgement(cursor: sequence, epoch: epoch), .acknowledgement(cursor: sequence, epoch: epoch),
            .gap(cursor: sequence, epoch: epoch),
            .welcome(cursor: sequence, epoch: epoch),
            .moved(unsigned), .violation, .notHere,
        ]
        guard let body = random.pick(bodies) else { return }
        if random.chance(700) {
            emitter.receive(LaneMessage(emitter: emitter.endpoint.origin, daemon: lane.daemon.origin, body: body), from: stranger.key)
        } else if let holder = holder(of: lane.daemon) {
            let link = CausalLink(origin: emitter.endpoint.origin, horizon: 0, sequence: sequence, parent: 0)
            let event = LaneEvent(epoch: epoch, previous: sequence - 1, link: link, payload: [UInt8](repeating: 0, count: 8))
            let message = LaneMessage(emitter: emitter.endpoint.origin, daemon: lane.daemon.origin, body: .event(event))
            holder.receive(message, from: stranger)
        }
    }
}
