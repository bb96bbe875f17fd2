internal import DequeModule
public import FerryWire

extension MigrationDispatcher {
    /// Takes in a message of an authenticated peer.
    public mutating func receive(_ message: FerryMessage, from peer: PeerIdentity, now: Timestamp, wallClock: UInt64) {
        route(message, from: peer, now: now, wallClock: wallClock)
        drainLoopback(now: now, wallClock: wallClock)
    }

    /// Messages of this node to itself, first in first out, and attempts that follow others; a machine that answers itself appends and never
    /// recurses.
    mutating func drainLoopback(now: Timestamp, wallClock: UInt64) {
        let local = environment.localPeer
        while true {
            if let message = effects.loopback.popFirst() {
                route(message, from: local, now: now, wallClock: wallClock)
            } else if let successor = effects.successors.popFirst() {
                begin(successor, now: now, wallClock: wallClock)
            } else {
                return
            }
        }
    }

    private mutating func route(_ message: FerryMessage, from peer: PeerIdentity, now: Timestamp, wallClock: UInt64) {
        if case .plan(let plan) = message.body {
            if plan.order.orchestrator == peer.nodeKey, let refusal = closingRefusal(of: plan) {
                counters.declined += 1
                return reply(.planReply(.refused(refusal)), to: message, at: peer)
            }
            guard join(plan, of: message, from: peer, now: now, wallClock: wallClock) else { return }
        }
        guard let slot = slots[message.header.migration] else { return answerUnknown(message, to: peer) }
        guard slot.attempt.isParticipant(peer.nodeKey) || environment.lacks(.senderCheck) else {
            counters.strangers += 1
            return
        }
        var receivers = message.body.receivers.filter { receiver, sender in
            slot.attempt.plays(environment.localKey, receiver) && (slot.attempt.plays(peer.nodeKey, sender) || lacksRole(peer, slot))
        }
        // A reply does not say which role gives it: of two on one node the one that holds the daemon answers, never its orchestrator.
        if case .status = message.body, receivers.count > 1 { receivers.removeAll { $0.receiver == .orchestrator } }
        guard !receivers.isEmpty else {
            counters.wrongRole += 1
            return
        }
        var visited: [MoveRole] = []
        for (receiver, _) in receivers where !visited.contains(receiver) {
            visited.append(receiver)
            deliver(message, to: receiver, of: slot, from: peer, now: now, wallClock: wallClock)
        }
    }

    /// For tests that leave the checks out.
    private func lacksRole(_ peer: PeerIdentity, _ slot: MoveSlot) -> Bool {
        environment.lacks(slot.attempt.isParticipant(peer.nodeKey) ? .roleCheck : .senderCheck)
    }

    private mutating func deliver(
        _ message: FerryMessage, to role: MoveRole, of slot: MoveSlot, from peer: PeerIdentity, now: Timestamp, wallClock: UInt64
    ) {
        let known: Epoch?
        switch role {
        case .orchestrator: known = slot.orchestrator?.epoch
        case .source: known = slot.source?.epoch
        case .target: known = slot.target?.epoch
        }
        guard let known else { return answerUnknown(message, to: peer) }
        guard message.isOf(known) || environment.lacks(.epochCheck) else {
            // A source that declined before it had an epoch takes no part in the attempt that the peer means: an earlier boot did, and this
            // one has been ordered anew under the same id. The peer would wait for ever for anything but the truth.
            if role == .source, known == .none, slot.source?.isClosed ?? false { return answerUnknown(message, to: peer) }
            counters.wrongEpoch += 1
            return
        }
        if case .takeSnapshot = message.body, slot.source?.isOffered ?? false, let holder = holder(of: slot.attempt.order.daemon),
            !environment.lacks(.oneAttempt)
        {
            return reply(.busy(holder), to: message, at: peer)
        }
        let verdict: MessageVerdict?
        switch role {
        case .orchestrator: verdict = slot.orchestrator?.receive(message, from: peer, now: now, &effects)
        case .source: verdict = slot.source?.receive(message.body, from: peer, now: now, wallClock: wallClock, &effects)
        case .target: verdict = slot.target?.receive(message.body, from: peer, now: now, &effects)
        }
        switch verdict {
        case .taken: break
        case .wrongPhase: counters.wrongPhase += 1
        case .wrongBoot: counters.wrongBoot += 1
        case .unproven: counters.unproven += 1
        case nil: break
        }
    }

    /// The attempt that holds a daemon of this node.
    private func holder(of daemon: EntityID) -> MigrationID? {
        slots.first { $0.value.attempt.order.daemon == daemon && ($0.value.source?.holdsDaemon ?? false) }?.key
    }

    // MARK: Answers without a machine

    /// A participant that has forgotten, or never heard, says so with its boot: the peer draws its conclusions from whether it is new.
    private mutating func answerUnknown(_ message: FerryMessage, to peer: PeerIdentity) {
        counters.unknownMoves += 1
        guard message.body.deservesUnknown, peer.nodeKey != environment.localKey else { return }
        reply(.unknown(environment.boot), to: message, at: peer)
    }

    mutating func reply(_ body: FerryMessage.Body, to message: FerryMessage, at peer: PeerIdentity) {
        let answer = FerryMessage(header: message.header, body: body)
        if peer.nodeKey == environment.localKey {
            effects.loopback.append(answer)
        } else {
            effects.actions.append(.send(answer, to: peer.nodeKey, address: ""))
        }
    }
}
