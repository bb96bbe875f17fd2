internal import FerryWire

// Whether a move may begin here at all: the order's own terms, and the node's policy.
extension MigrationDispatcher {
    /// Makes the machines that a plan asks for, once.
    ///
    /// - Returns: whether the plan goes on to its receivers.
    mutating func join(
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
        if existing?.hasMachine(role) ?? false, !environment.lacks(.migrationIDIsUsedOnce) { return true }
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

    func check(_ order: MoveOrder, wallClock: UInt64) throws(FailureReason) {
        guard order.source != order.target else { throw FailureReason(.protocolViolation, "source and target are one node") }
        guard order.allows(attempt: order.attempt, mode: order.mode) else {
            throw FailureReason(.unauthorized, "the order allows \(order.attemptLimit) attempts, and not every mode")
        }
        guard order.mode == .stopAndCopy else { throw FailureReason(.modeNotSupported, "this node moves in stop-and-copy mode") }
        guard order.expiresAt > wallClock else { throw FailureReason(.orderExpired) }
        // Moves are remembered until their orders lapse: one that never does would be remembered for ever.
        guard order.expiresAt - wallClock <= UInt64(max(0, environment.limits.orderLifetime.wholeNanoseconds)) else {
            throw FailureReason(.noCapacity, "the order lives longer than \(environment.limits.orderLifetime)")
        }
    }
}
