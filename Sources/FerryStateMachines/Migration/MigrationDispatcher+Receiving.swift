internal import DequeModule
public import FerryWire

extension MigrationDispatcher {
    /// Takes in a message of an authenticated peer.
    public mutating func receive(_ message: FerryMessage, from peer: PeerIdentity, now: Timestamp, wallClock: UInt64) {
        route(message, from: peer, now: now, wallClock: wallClock)
        drainLoopback(now: now, wallClock: wallClock)
    }

    /// Messages of this node to itself, first in first out; a machine that answers itself appends and never recurses.
    mutating func drainLoopback(now: Timestamp, wallClock: UInt64) {
        let local = environment.localPeer
        while let message = effects.loopback.popFirst() { route(message, from: local, now: now, wallClock: wallClock) }
    }

    private mutating func route(_ message: FerryMessage, from peer: PeerIdentity, now: Timestamp, wallClock: UInt64) {
        if case .plan(let plan) = message.body, !join(plan, of: message, from: peer, now: now, wallClock: wallClock) { return }
        guard let slot = slots[message.header.migration] else { return answerUnknown(message, to: peer) }
        guard slot.attempt.isParticipant(peer.nodeKey) else {
            counters.strangers += 1
            return
        }
        var receivers = message.body.receivers.filter { receiver, sender in
            slot.attempt.plays(environment.localKey, receiver) && slot.attempt.plays(peer.nodeKey, sender)
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
        guard message.isOf(known) else {
            // A source that declined before it had an epoch takes no part in the attempt that the peer means: an earlier boot did, and this
            // one has been ordered anew under the same id. The peer would wait for ever for anything but the truth.
            if role == .source, known == .none, slot.source?.isClosed ?? false { return answerUnknown(message, to: peer) }
            counters.wrongEpoch += 1
            return
        }
        if case .takeSnapshot = message.body, slot.source?.isOffered ?? false, let holder = holder(of: slot.attempt.order.daemon) {
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

    // MARK: Moves that are new here

    /// Makes the machines that a plan asks for, once.
    ///
    /// - Returns: whether the plan goes on to its receivers.
    private mutating func join(
        _ plan: Plan, of message: FerryMessage, from peer: PeerIdentity, now: Timestamp, wallClock: UInt64
    ) -> Bool {
        let local = environment.localKey
        let order = plan.order
        guard order.orchestrator == peer.nodeKey, order.migration == message.header.migration,
            order.source == local || order.target == local, slots[order.migration].map({ $0.attempt.order == order }) ?? true
        else {
            counters.strangers += 1
            return false
        }
        // A plan with the source's answer is for the target, one without is for the source; no node is both.
        let role: MoveRole = order.source == local ? .source : .target
        let existing = slots[order.migration]
        if existing?.hasMachine(role) ?? false { return true }
        do throws(FailureReason) {
            try check(order, wallClock: wallClock)
            try admit(plan, from: peer, as: role)
            try makeRoom(for: role, orderedBy: peer.nodeKey == local ? nil : peer.nodeKey, wallClock: wallClock)
        } catch {
            counters.declined += 1
            reply(.planReply(.refused(error)), to: message, at: peer)
            return false
        }
        let slot = existing ?? insert(MoveAttempt(order: order))
        if role == .source {
            slot.lapseDeadline = now + .nanoseconds(Int64(clamping: order.expiresAt - wallClock))
            slot.source = SourceMachine(attempt: MoveAttempt(order: order), environment: environment, now: now)
            slot.source?.start(&effects)
        } else if let offer = plan.offer {
            slot.target = TargetMachine(
                attempt: MoveAttempt(order: order, epoch: offer.epoch), offer: offer, environment: environment, now: now)
            slot.target?.start(&effects)
        }
        return true
    }

    private func admit(_ plan: Plan, from peer: PeerIdentity, as role: MoveRole) throws(FailureReason) {
        let policy = environment.policy
        switch role {
        case .orchestrator: return
        case .source:
            guard peer.nodeKey == environment.localKey || policy.orchestrators.admits(peer.nodeKey) else {
                throw FailureReason(.unauthorized, "this node does not obey the orchestrator")
            }
        case .target:
            guard policy.sources.admits(plan.order.source) else {
                throw FailureReason(.unauthorized, "this node takes no daemons from the source")
            }
            guard let offer = plan.offer else { throw FailureReason(.protocolViolation, "a target is asked with the source's offer") }
            guard offer.predictedByteCount <= policy.stateByteCount else {
                throw FailureReason(.noCapacity, "the state is larger than this node takes")
            }
        }
    }

    // MARK: Answers without a machine

    /// A participant that has forgotten, or never heard, says so with its boot: the peer draws its conclusions from whether it is new.
    private mutating func answerUnknown(_ message: FerryMessage, to peer: PeerIdentity) {
        counters.unknownMoves += 1
        guard message.body.deservesUnknown, peer.nodeKey != environment.localKey else { return }
        reply(.unknown(environment.boot), to: message, at: peer)
    }

    private mutating func reply(_ body: FerryMessage.Body, to message: FerryMessage, at peer: PeerIdentity) {
        let answer = FerryMessage(header: message.header, body: body)
        if peer.nodeKey == environment.localKey {
            effects.loopback.append(answer)
        } else {
            effects.actions.append(.send(answer, to: peer.nodeKey, address: ""))
        }
    }
}
