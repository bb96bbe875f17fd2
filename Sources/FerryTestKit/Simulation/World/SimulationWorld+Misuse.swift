internal import FerryCrypto
internal import FerryStateMachines
internal import FerryWire

/// How a message that is about to be obeyed is bent, so that it must not be.
private enum Misuse: CaseIterable {
    /// A stranger says it.
    case stranger
    /// A participant says it that may not.
    case role
    /// The right participant says it of another epoch.
    case epoch
    /// Another boot of the right participant says it.
    case boot
    /// The right participant says it, and what it is to prove does not hold.
    case proof
}

// S7: just before a participant's message arrives, in the phase that it belongs to, the same arrives as nobody may say it.
extension SimulationWorld {
    func misuse(_ message: FerryMessage, from peer: PeerIdentity, to node: SimulationNode) {
        guard isActive(.forged), random.chance(60), let move = move(message.header.migration) else { return }
        let kind = random.pick(Misuse.allCases) ?? .stranger
        var bent = message
        var sender = peer
        switch kind {
        case .stranger: sender = stranger.peer
        case .role:
            guard let other = impostor(of: message, move, at: node) else { return }
            sender = other.peer
        case .epoch:
            guard message.body.isOfOneEpoch else { return }
            bent.header.epoch = Epoch(rawValue: message.header.epoch.rawValue + UInt64(random.within(1...3)))
        case .boot:
            guard message.body.isOfOneBoot(from: sender.nodeKey, move.order) else { return }
            sender.bootID = crypto.random.next()
        case .proof:
            guard let body = message.body.withoutProof(&random) else { return }
            bent.body = body
        }
        count(.forged)
        say("misuse (\(kind)) of \(message.body.name) of \(move.name) at \(node.endpoint.name)")
        offer(bent, from: sender, to: node, as: kind)
    }

    private func offer(_ message: FerryMessage, from sender: PeerIdentity, to node: SimulationNode, as kind: Misuse) {
        let before = node.dispatcher.moves
        let counters = node.dispatcher.counters
        node.dispatcher.receive(message, from: sender, now: node.now, wallClock: node.wallClock)
        while let action = node.dispatcher.nextAction() {
            // Repetitions are answered, whoever they come from among those who take part.
            guard case .send(let answer, let receiver, _) = action, receiver == sender.nodeKey || sender.nodeKey != stranger.key else {
                return violate("S7", "a \(message.body.name) of the wrong \(kind) makes \(node.endpoint.name) act: \(action)")
            }
            if kind != .boot, case .unknown = answer.body { continue }
            guard kind == .boot || kind == .proof else {
                return violate("S7", "a \(message.body.name) of the wrong \(kind) is answered \(answer.body.name)")
            }
        }
        if node.dispatcher.moves != before { violate("S7", "a \(message.body.name) of the wrong \(kind) changes \(node.endpoint.name)") }
        if kind != .boot, kind != .proof, node.dispatcher.counters == counters {
            violate("S7", "a \(message.body.name) of the wrong \(kind) is not counted")
        }
        arm(node.endpoint, node.dispatcher.nextDeadline)
    }

    /// A participant that may not say this to the node in any of its roles.
    private func impostor(of message: FerryMessage, _ move: MoveTruth, at node: SimulationNode) -> SimulationEndpoint? {
        if case .plan = message.body { return nil }
        let order = move.order
        let roles = message.body.receivers
        let others = [order.source, order.target, order.orchestrator].filter { key in
            key != node.endpoint.key
                && !roles.contains { order.plays(node.endpoint.key, $0.receiver) && order.plays(key, $0.sender) }
        }
        return random.pick(others).flatMap { endpoint(of: $0) }
    }
}

extension MoveOrder {
    fileprivate func plays(_ node: NodeKey, _ role: MoveRole) -> Bool {
        switch role {
        case .orchestrator: orchestrator == node
        case .source: source == node
        case .target: target == node
        }
    }
}

extension FerryMessage.Body {
    /// Whether it is only ever said of an epoch that its receiver knows.
    fileprivate var isOfOneEpoch: Bool {
        switch self {
        case .snapshotReady, .bufferedEvents, .release, .cutoverNotify, .activateTarget, .prepared, .activateAck, .restoreComplete,
            .replayComplete:
            true
        default: false
        }
    }

    /// Whether it counts only from the boot that takes part.
    fileprivate func isOfOneBoot(from sender: NodeKey, _ order: MoveOrder) -> Bool {
        switch self {
        case .restoreComplete, .replayComplete, .prepared, .refused, .activateAck: sender == order.target
        case .release, .cutoverNotify, .activateTarget, .bufferedEvents: sender == order.source
        default: false
        }
    }

    /// The same, with one bit of what it proves altered; nil where nothing is proved.
    fileprivate func withoutProof(_ random: inout SimulationRandom) -> Self? {
        switch self {
        case .prepared(let hash): return .prepared(hash.altered)
        case .activateTarget(let hash): return .activateTarget(hash.altered)
        case .cutoverNotify(var commit):
            commit.release = commit.release.altered
            return .cutoverNotify(commit)
        case .activateAck(var take):
            if random.chance(500) {
                take.nodeSignature = take.nodeSignature.altered
            } else {
                take.daemonSignature = take.daemonSignature.altered
            }
            return .activateAck(take)
        case .release(var signed):
            if random.chance(500) {
                signed.nodeSignature = signed.nodeSignature.altered
            } else {
                signed.daemonSignature = signed.daemonSignature.altered
            }
            return .release(signed)
        case .takeSnapshot(var order):
            order.order.expiresAt += 1
            return .takeSnapshot(order)
        case .snapshotReady(var ready):
            ready.snapshot.epoch = Epoch(rawValue: ready.snapshot.epoch.rawValue + 1)
            return .snapshotReady(ready)
        default: return nil
        }
    }
}

extension ReleaseHash {
    fileprivate var altered: Self {
        var bytes = self.bytes
        bytes[7] ^= 1
        return Self(bytes) ?? self
    }
}

extension Signature {
    fileprivate var altered: Self {
        var bytes = rawValue.bytes
        bytes[11] ^= 4
        return FixedBytes64(bytes).map(Self.init(rawValue:)) ?? self
    }
}
