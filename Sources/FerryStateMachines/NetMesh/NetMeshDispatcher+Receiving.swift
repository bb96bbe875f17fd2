internal import DequeModule
public import FerryWire

extension NetMeshDispatcher {
    /// Takes in the bytes of a message of an authenticated peer.
    ///
    /// - Throws: `.malformed`, and what the message's arm throws.
    public mutating func receive(_ bytes: RawSpan, from sender: NodeID, now: Timestamp) throws(NetMeshRefusal) {
        let message: MigrationMessage
        do {
            message = try MigrationMessage(decoding: bytes)
        } catch {
            let refusal = NetMeshRefusal(.malformed, error.description)
            counters.count(refusal, type: nil)
            throw refusal
        }
        try receive(message, from: sender, now: now)
    }

    /// Takes in a message of an authenticated peer.
    ///
    /// - Throws: the refusal, after it was counted and, if it has a reason, answered.
    public mutating func receive(_ message: MigrationMessage, from sender: NodeID, now: Timestamp) throws(NetMeshRefusal) {
        guard sender != localNode else {
            // What this node says to itself never leaves the dispatcher.
            let refusal = wrongPeer(sender)
            counters.count(refusal, type: message.typeByte)
            throw refusal
        }
        defer { drainLoopback(now: now) }
        try admit(message, from: sender, now: now)
    }

    private mutating func admit(_ message: MigrationMessage, from sender: NodeID, now: Timestamp) throws(NetMeshRefusal) {
        do throws(NetMeshRefusal) {
            try dispatch(message, from: sender, now: now)
        } catch {
            counters.count(error, type: message.typeByte)
            if let reason = error.reason { send(.migrationFailed(origin: message.origin, reason: reason), to: sender) }
            throw error
        }
    }

    /// Messages of this node to itself, first in first out, through the same checks; what one input may cause is bounded.
    mutating func drainLoopback(now: Timestamp) {
        var count = 0
        while let message = loopback.popFirst() {
            guard count < Self.loopLimit else {
                counters.loopOverflows += 1
                continue
            }
            count += 1
            // Counted where it is refused; nobody else waits for it.
            try? admit(message, from: localNode, now: now)
        }
    }

    private mutating func dispatch(_ message: MigrationMessage, from sender: NodeID, now: Timestamp) throws(NetMeshRefusal) {
        if state.failing[message.origin] != nil { return try receiveWhileFailing(message, from: sender) }
        switch message {
        case .takeSnapshot(let origin, let target): try takeSnapshot(origin, to: target, from: sender, now: now)
        case .snapshotReady(let piece): try snapshotReady(piece, from: sender, now: now)
        case .restoreComplete(let origin, let sequence):
            try restoreComplete(origin, through: sequence, from: sender, now: now)
        case .replayComplete(let origin, let sequence, let head):
            try replayComplete(origin, through: sequence, head: head, from: sender, now: now)
        case .cutoverNotify(let origin, let target): try cutoverNotify(origin, to: target, from: sender, now: now)
        case .cleanupComplete(let origin): try cleanupComplete(origin, from: sender, now: now)
        case .migrationFailed(let origin, let reason): try migrationFailed(origin, reason, from: sender, now: now)
        case .bufferedEvents(let origin, let events): try bufferedEvents(origin, events, from: sender, now: now)
        case .activateTarget(let origin): try activateTarget(origin, from: sender, now: now)
        case .activateAck(let origin, let sequence): try activateAck(origin, through: sequence, from: sender, now: now)
        }
    }

    /// While the failure hook runs nothing of the move counts any more; a new order may be given again later.
    private mutating func receiveWhileFailing(_ message: MigrationMessage, from sender: NodeID) throws(NetMeshRefusal) {
        switch message {
        case .migrationFailed:
            counters.repeats += 1
            state.source.acknowledgeWithdrawal(message.origin, of: sender)
        case .takeSnapshot:
            try checkOrchestrator(sender)
            throw NetMeshRefusal(.notReady, "an earlier move is being undone", reason: FailureReason(.notReady))
        case .snapshotReady(let piece) where !isParticipant(sender, in: message.origin): throw notExpected(piece, from: sender)
        default: throw NetMeshRefusal(.wrongPhase, "the move is being undone")
        }
    }

    private func isParticipant(_ node: NodeID, in origin: OriginHash) -> Bool {
        if let move = state.orchestrator.records[origin], move.isParticipant(node) { return true }
        if let departure = state.source.records[origin], departure.orchestrator == node || departure.target == node { return true }
        guard let arrival = state.target.records[origin] else { return false }
        return arrival.orchestrator == node || arrival.source == node
    }

    func checkOrchestrator(_ sender: NodeID) throws(NetMeshRefusal) {
        guard configuration.orchestrators.admits(sender, local: localNode) else {
            let reason = FailureReason.notAuthorized(sender)
            throw NetMeshRefusal(.unauthorized, reason.message, reason: reason)
        }
    }

    func unknownMove(_ origin: OriginHash) -> NetMeshRefusal {
        NetMeshRefusal(.unknownMove, "no move of daemon \(origin.rawValue.prefixedHex)")
    }

    func wrongPeer(_ sender: NodeID) -> NetMeshRefusal {
        NetMeshRefusal(.wrongPeer, "node \(sender.rawValue.prefixedHex) does not play that role")
    }
}
