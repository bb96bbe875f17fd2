public import FerryCrypto
public import FerryWire

// Whether a move may begin here at all: the order's own terms, who gives it, and the node's policy.
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
        // A plan that was meant for an earlier boot of this node begins nothing (docs/decisions/0007-plans-name-a-boot.md); an orchestrator
        // that does not know the boot learns it with the answer.
        guard plan.boot == environment.boot else {
            counters.wrongBoot += 1
            reply(.planReply(.refused(FailureReason(.bootMismatch))), to: message, at: peer)
            return false
        }
        // A plan with the source's answer is for the target, one without is for the source; no node is both.
        let role: MoveRole = order.source == local ? .source : .target
        let existing = slots[order.migration]
        if existing?.hasMachine(role) ?? false, !environment.lacks(.migrationIDIsUsedOnce) { return true }
        do throws(FailureReason) {
            try check(order, wallClock: wallClock)
            try refuseUsed(order, now: now)
            try admit(plan, as: role)
            if role == .target { giveBackReservations(before: order, now: now) }
            try makeRoom(for: role, orderedBy: peer.nodeKey == local ? nil : peer.nodeKey, wallClock: wallClock)
        } catch {
            if error.code == .unauthorized { counters.unauthorized += 1 } else { counters.declined += 1 }
            reply(.planReply(.refused(error)), to: message, at: peer)
            return false
        }
        let slot = existing ?? insert(MoveAttempt(order: order, wallClock: wallClock))
        slot.usedUntil = UsedOrders.end(of: order, now: now, wallClock: wallClock)
        if role == .source {
            slot.lapseDeadline = now + .nanoseconds(Int64(clamping: order.expiresAt - wallClock))
            let attempt = MoveAttempt(order: order, wallClock: wallClock)
            slot.source = SourceMachine(attempt: attempt, environment: environment, now: now)
            slot.source?.start(&effects)
        } else if let offer = plan.offer {
            let attempt = MoveAttempt(order: order, epoch: offer.epoch, wallClock: wallClock)
            slot.target = TargetMachine(attempt: attempt, offer: offer, environment: environment, now: now)
            slot.target?.start(&effects)
        }
        return true
    }

    /// An orchestrator plans the next attempt when the one before has ended. Its word may be here before the source's abort: what was only
    /// set aside for the earlier attempt makes room, as if the orchestrator had withdrawn its plan.
    private mutating func giveBackReservations(before order: MoveOrder, now: Timestamp) {
        for slot in orderedSlots where slot.attempt.order.precedes(order) && slot.target?.isReserved ?? false {
            slot.target?.refuse(FailureReason(.cancelled, "the next attempt is planned"), tell: false, now: now, &effects)
        }
    }

    // MARK: Terms

    func check(_ order: MoveOrder, wallClock: UInt64) throws(FailureReason) {
        guard order.source != order.target else { throw FailureReason(.protocolViolation, "source and target are one node") }
        guard (1...order.attemptLimit).contains(order.attempt) else {
            throw FailureReason(.unauthorized, "the order covers \(order.attemptLimit) attempts, and this is number \(order.attempt)")
        }
        guard order.modes.contains(order.mode) else { throw FailureReason(.unauthorized, "the order does not allow this mode") }
        guard order.expiresAt > wallClock else { throw FailureReason(.orderExpired) }
        // Moves are remembered until their orders lapse: one that never does would be remembered for ever.
        guard order.expiresAt - wallClock <= UInt64(max(0, environment.limits.orderLifetime.wholeNanoseconds)) else {
            throw FailureReason(.noCapacity, "the order lives longer than \(environment.limits.orderLifetime)")
        }
    }

    /// An attempt begins once, and no attempt of an order that has moved its daemon: also when the wall clock was set back.
    mutating func refuseUsed(_ order: MoveOrder, now: Timestamp) throws(FailureReason) {
        guard !environment.lacks(.migrationIDIsUsedOnce) else { return }
        usedOrders.forget(now: now)
        guard usedOrders.contains(order) || slots.values.contains(where: { $0.attempt.order.id == order.id && $0.isCarriedOut })
        else { return }
        counters.reused += 1
        throw FailureReason(.orderExpired, "the order was used before")
    }

    // MARK: Authority

    private mutating func admit(_ plan: Plan, as role: MoveRole) throws(FailureReason) {
        let policy = environment.policy
        let order = plan.order
        switch role {
        case .orchestrator: return
        case .source:
            let isObeyed = order.orchestrator == environment.localKey || policy.orchestrators.admits(order.orchestrator)
            try checkAuthority(of: order, isObeyed: isObeyed, signers: policy.operators.union([order.daemon]))
        case .target:
            // A source that orders its own daemon here is judged as a source. A daemon's signature counts where the daemon lives: this
            // node knows nothing of it, and anybody can make up a key.
            let isObeyed =
                order.orchestrator == order.source || order.orchestrator == environment.localKey
                || policy.orchestrators.admits(order.orchestrator)
            try checkAuthority(of: order, isObeyed: isObeyed, signers: policy.operators)
            guard policy.sources.admits(order.source) else {
                throw FailureReason(.unauthorized, "this node takes no daemons from the source")
            }
            guard let offer = plan.offer else { throw FailureReason(.protocolViolation, "a target is asked with the source's offer") }
            guard offer.predictedByteCount <= policy.stateByteCount else {
                throw FailureReason(.noCapacity, "the state is larger than this node takes")
            }
        }
    }

    /// - Parameters:
    ///   - isObeyed: whether the orchestrator needs nobody's signature.
    ///   - signers: whose signature makes up for it.
    private mutating func checkAuthority(
        of order: MoveOrder, isObeyed: Bool, signers: Set<EntityID>
    ) throws(FailureReason) {
        guard let authorization = order.authorization else {
            guard isObeyed else { throw FailureReason(.unauthorized, "this node does not obey the orchestrator") }
            return
        }
        guard isObeyed || signers.contains(authorization.signer) else {
            throw FailureReason(.unauthorized, "this node does not obey the order's signer")
        }
        guard signers.contains(authorization.signer) else { return }
        guard authorization.isValid(for: order, crypto: environment.crypto) else {
            counters.unproven += 1
            throw FailureReason(.unauthorized, "the order's signature does not hold")
        }
    }
}

extension OrderAuthorization {
    /// Signs an order's terms.
    ///
    /// - Throws: what the provider throws; `.failed` when the terms have no canonical form.
    public init(signing order: MoveOrder, with keypair: EntityKeypair) throws(CryptoFailure) {
        guard let bytes = try? order.signedBytes() else { throw CryptoFailure(.failed, "the order has no canonical form") }
        self.init(signer: keypair.entityID, signature: try keypair.sign(bytes.rawSpan))
    }

    /// Whether the signer has signed these very terms; a provider without the scheme verifies nothing.
    func isValid(for order: MoveOrder, crypto: CryptoProvider) -> Bool {
        guard let bytes = try? order.signedBytes() else { return false }
        return (try? signer.isValid(signature, for: bytes.rawSpan, crypto: crypto)) ?? false
    }
}

extension MoveOrder {
    /// Whether this is an earlier attempt of the same order, by the same orchestrator about the same move; ids alone are anybody's choice.
    fileprivate func precedes(_ later: MoveOrder) -> Bool {
        var same = later
        same.attempt = attempt
        same.mode = mode
        return attempt < later.attempt && self == same
    }
}

extension TargetMachine {
    /// Whether room is set aside, and nothing was sent that would need it.
    fileprivate var isReserved: Bool {
        switch state {
        case .admitting, .reserved: true
        case .restoring, .restored, .comparing, .preparing, .prepared, .taking, .took, .active, .refused: false
        }
    }
}

extension MoveSlot {
    /// Whether the order has moved its daemon.
    var isCarriedOut: Bool {
        for outcome in [source?.outcome, target?.outcome, orchestrator?.outcome] {
            if case .completed = outcome { return true }
        }
        return false
    }
}
