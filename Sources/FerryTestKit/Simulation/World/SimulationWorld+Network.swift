internal import FerryStateMachines
internal import FerryWire

// What the network reports, and what goes to it.
extension SimulationWorld {
    /// How long a message takes when no fault delays it.
    func undelayed(_ arrival: Arrival) -> Duration {
        random.milliseconds(links.latency) + links.duration(arrival.bytes.count, arrival.from, arrival.to, at: now)
    }

    /// Sends a message; endpoints speak to others only, never to themselves.
    func send(_ message: PeerMessage, from: SimulationEndpoint, to: SimulationEndpoint) {
        guard from !== to else { return }
        let bytes: [UInt8]
        do {
            bytes = try message.encoded()
        } catch {
            return violate("S8", "a message has no encoding: \(error)")
        }
        send(bytes, message, from: from, to: to)
    }

    private func send(_ bytes: [UInt8], _ message: PeerMessage, from: SimulationEndpoint, to: SimulationEndpoint) {
        if case .migration(let migration) = message {
            if strikes(.fullBuffer, 4) { return }
            messageByteCount += bytes.count
            if settings.layer != .sessions { scan(bytes) }
            if settings.isEnabled(.replayed) || settings.isEnabled(.stale) || settings.isEnabled(.forged) {
                observed.add(bytes, from: from, to: to)
            }
            say("\(from.name) → \(to.name)  \(migration.body.name)  \(migration.header.migration.hex.prefix(6))/\(migration.header.epoch)")
        }
        if case .lane = message { laneMessageCount += 1 }
        network.send(bytes, from: from, to: to)
    }

    /// S9: no secret in the clear, wherever bytes leave.
    func scan(_ bytes: [UInt8]) {
        if secretScan.finds(in: bytes) { violate("S9", "a daemon's key is on the wire") }
    }

    /// A whole message has arrived on a session of `peer`.
    func receive(_ bytes: [UInt8], from peer: PeerIdentity, at sender: Int, to: SimulationEndpoint) {
        trace.record(now, 1, UInt64(sender) << 16 | UInt64(to.index), xxh3(bytes.rawSpan))
        let message: PeerMessage
        do {
            message = try PeerMessage(decoding: bytes.rawSpan)
        } catch {
            return violate("S8", "a peer's message does not decode: \(error)")
        }
        switch message {
        case .migration(let migration):
            guard to.index < nodes.count else { return }
            let plan = crashPlan(for: migration.header.migration)
            if plan?.isBefore ?? false { return carryOut(plan) }
            misuse(migration, from: peer, to: nodes[to.index])
            nodes[to.index].receive(migration, from: peer)
            carryOut(plan)
        case .lane(let lane):
            if to.index < nodes.count {
                nodes[to.index].receive(lane, from: endpoints[sender])
            } else if to.index - nodes.count < emitters.count {
                emitters[to.index - nodes.count].receive(lane, from: peer.nodeKey)
            }
        }
    }

    /// Either end hears of it in its own turn.
    func announceSession(of one: SimulationEndpoint, with other: SimulationEndpoint) {
        for (end, peer) in [(one, other.peer), (other, one.peer)] {
            after(.zero, endpoint: end.index, boot: end.bootCount) { $0.sessionEstablished(at: end, with: peer) }
        }
    }

    func announceLoss(at endpoint: SimulationEndpoint, of peer: SimulationEndpoint) {
        after(.zero, endpoint: endpoint.index, boot: endpoint.bootCount) { $0.sessionLost(at: endpoint, with: peer) }
    }

    func sessionEstablished(at endpoint: SimulationEndpoint, with peer: PeerIdentity) {
        trace.record(now, 4, UInt64(endpoint.index), 0)
        if endpoint.index < nodes.count {
            nodes[endpoint.index].sessionEstablished(peer)
        } else if endpoint.index - nodes.count < emitters.count {
            emitters[endpoint.index - nodes.count].sessionChanged(with: peer.nodeKey)
        }
    }

    func sessionLost(at endpoint: SimulationEndpoint, with peer: SimulationEndpoint) {
        trace.record(now, 5, UInt64(endpoint.index), UInt64(peer.index))
        say("\(endpoint.name) loses its session with \(peer.name)")
        if endpoint.index < nodes.count {
            nodes[endpoint.index].sessionLost(peer.key)
        } else if endpoint.index - nodes.count < emitters.count {
            emitters[endpoint.index - nodes.count].sessionChanged(with: peer.key)
        }
    }

    // MARK: Transfers; both ends take part with the boot in which the stream was opened

    func begin(_ transfer: SimulationTransfer) {
        move(transfer.migration)?.transferCount += 1
        if settings.layer != .sessions { scan(transfer.bytes) }
        network.begin(transfer)
    }

    private func atSource(_ transfer: SimulationTransfer, _ body: @escaping (SimulationNode) -> Void) {
        let endpoint = endpoints[transfer.from]
        guard endpoint.isUp, endpoint.bootCount == transfer.fromBoot else { return }
        after(.zero, endpoint: transfer.from, boot: transfer.fromBoot) { body($0.nodes[transfer.from]) }
    }

    private func atTarget(_ transfer: SimulationTransfer, _ body: @escaping (SimulationNode) -> Void) {
        after(.zero, endpoint: transfer.to, boot: transfer.toBoot) { body($0.nodes[transfer.to]) }
    }

    func transferOpened(_ transfer: SimulationTransfer) {
        for node in nodes where node.endpoint.index == transfer.to { node.incoming.append(transfer) }
        atSource(transfer) { $0.streamOpened(transfer) }
    }

    func transferAdvanced(_ transfer: SimulationTransfer) {
        atTarget(transfer) { $0.stateArrived(transfer) }
        atSource(transfer) { $0.streamAdvanced(transfer) }
    }

    func transferAcknowledged(_ transfer: SimulationTransfer) { atSource(transfer) { $0.streamAcknowledged(transfer) } }
    func transferFailed(_ transfer: SimulationTransfer) { atSource(transfer) { $0.streamFailed(transfer) } }
    func transferBroken(_ transfer: SimulationTransfer) { atTarget(transfer) { $0.arrivalBroke(transfer) } }
}

extension FerryMessage.Body {
    /// For a person.
    var name: String {
        let text = String(describing: self)
        return String(text.prefix { $0 != "(" })
    }
}
