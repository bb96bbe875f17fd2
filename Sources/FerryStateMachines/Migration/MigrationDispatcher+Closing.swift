public import FerryWire

// A node that goes down: what it takes part in no more, and what it waits for.
extension MigrationDispatcher {
    /// Gives up every daemon on its way here that has not taken, and admits no other from now on: nobody would be left to be its owner.
    ///
    /// A take that is signed stands, and its daemon is the host's to move on. Repetitions are harmless.
    ///
    /// - Parameter reason: what sources and orchestrators hear; `.notReady` has orchestrators ask again.
    public mutating func refuseArrivals(_ reason: FailureReason, now: Timestamp, wallClock: UInt64) {
        arrivalRefusal = reason
        for slot in orderedSlots where slot.target?.canRefuse ?? false {
            slot.target?.refuse(reason, now: now, &effects)
        }
        drainLoopback(now: now, wallClock: wallClock)
    }

    /// Begins nothing that another node orders, from now on; this node's own orders about its own daemons may still follow each other.
    public mutating func refuseForeignOrders(_ reason: FailureReason) { foreignRefusal = reason }

    /// Why a plan comes too late for this node; nil for one that may begin, or has begun.
    func closingRefusal(of plan: Plan) -> FailureReason? {
        let order = plan.order
        guard arrivalRefusal != nil || foreignRefusal != nil, !(slots[order.migration]?.hasParticipant ?? false) else { return nil }
        if order.target == environment.localKey, let arrivalRefusal { return arrivalRefusal }
        return order.orchestrator == environment.localKey ? nil : foreignRefusal
    }

    /// Whether anything here is not over, or is over and a peer with a session waits for its word.
    public var isBusy: Bool {
        slots.values.contains { slot in
            guard !slot.isAtRest else { return false }
            return slot.orchestrator?.isActive ?? false || slot.source?.isAwaited ?? false || slot.target?.isAwaited ?? false
        }
    }

    /// Daemons that have taken here and whose source has not acknowledged it: nobody serves them.
    public var unacknowledgedTakes: [EntityID] {
        orderedSlots.filter { $0.target?.hasTaken ?? false }.map(\.attempt.order.daemon)
    }
}

extension MoveSlot {
    /// Whether the node plays a part in the attempt, beside ordering it.
    fileprivate var hasParticipant: Bool { hasMachine(.source) || hasMachine(.target) }
}

extension SourceMachine {
    /// Whether the move is not over, or the target has not heard how it ended and could.
    fileprivate var isAwaited: Bool {
        guard !isActive else { return true }
        switch state {
        case .done, .abandoned: return !isTargetClosed && isTargetConnected
        default: return false
        }
    }
}

extension TargetMachine {
    /// Whether it can still promise never to take.
    fileprivate var canRefuse: Bool {
        switch state {
        case .admitting, .reserved, .restoring, .restored, .comparing, .preparing, .prepared: true
        case .taking, .took, .active, .refused: false
        }
    }

    fileprivate var hasTaken: Bool {
        switch state {
        case .taking, .took: true
        default: false
        }
    }

    /// Whether the move is not over, or the source has not heard a refusal that it waits for and could.
    fileprivate var isAwaited: Bool {
        guard !isActive else { return true }
        guard case .refused = state else { return false }
        return !isSourceClosed && isSourceConnected && retry.deadline != nil
    }
}
