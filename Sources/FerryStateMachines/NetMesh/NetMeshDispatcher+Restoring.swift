internal import FerryWire

// The target from the whole snapshot to RestoreComplete.
extension NetMeshDispatcher {
    /// The key: the envelope's if there is one and this node can open envelopes, else the factory's.
    mutating func decideIdentity(_ origin: OriginHash, now: Timestamp) {
        guard let arrival = state.target.records[origin], let snapshot = arrival.snapshot else { return }
        guard snapshot.envelope != nil, configuration.hooks.contains(.identity) else {
            return restore(origin, identity: .fallback, now: now)
        }
        state.target.records[origin]?.enter(.unsealing, now: now)
        state.target.records[origin]?.hookDeadline = now + configuration.budgets.hook
        act(.unseal(origin: origin, attempt: arrival.attempt, snapshot: snapshot))
    }

    mutating func arrivalUnsealed(_ arrival: NetMeshArrival, _ unsealing: NetMeshUnsealing, now: Timestamp) {
        let origin = arrival.origin
        switch unsealing {
        case .opened: restore(origin, identity: .envelope, now: now)
        case .nothing: failArrival(origin, .noKeyInEnvelope, now: now)
        case .failed(let text): failArrival(origin, .openFailed(text), now: now)
        case .noContext:
            guard state.factories[origin]?.hasFallbackKey ?? false else {
                return failArrival(origin, .noContextToOpen, now: now)
            }
            guard arrival.isAuthorized else { return failArrival(origin, .notAuthorized(arrival.orchestrator), now: now) }
            restore(origin, identity: .fallback, now: now)
        }
    }

    private mutating func restore(_ origin: OriginHash, identity: NetMeshIdentitySource, now: Timestamp) {
        guard let arrival = state.target.records[origin], let snapshot = arrival.snapshot else { return }
        guard snapshot.throughSequence == arrival.wireSequence else {
            let text = "seq_through \(arrival.wireSequence) does not match the snapshot's \(snapshot.throughSequence)"
            return failArrival(origin, .restoreFailed(FailureReason(.stateFailed, text)), now: now)
        }
        // The copy that this node had retired may have been resumed while the arrival was examined.
        guard !state.hosted.contains(origin), state.source.records[origin]?.stage ?? .released >= .retired else {
            return failArrival(origin, .restoreFailed(FailureReason(.stateFailed, "daemon already registered")), now: now)
        }
        if let departure = state.source.records[origin], departure.stage == .retired {
            // It comes back before the acknowledgement has: whoever holds its key, or may bring it, has had it live elsewhere.
            guard snapshot.throughSequence >= departure.head?.sequence ?? 0 else {
                let text = "the snapshot is older than the copy that this node keeps"
                return failArrival(origin, .restoreFailed(FailureReason(.stateFailed, text)), now: now)
            }
            let entry = state.factories[origin]
            releaseDeparture(origin, now: now)
            if let entry { try? state.factories.register(entry, for: origin, limit: configuration.limits.factoryCount) }
        }
        state.target.records[origin]?.enter(.restoring, now: now)
        act(.restore(origin: origin, attempt: arrival.attempt, snapshot: snapshot, identity: identity))
    }

    mutating func arrivalRestored(_ arrival: NetMeshArrival, head: CausalLink, now: Timestamp) {
        let origin = arrival.origin
        state.target.records[origin]?.setHead(head)
        guard configuration.hooks.contains(.postRestore) else { return announceRestored(origin, now: now) }
        state.target.records[origin]?.enter(.settling, now: now)
        state.target.records[origin]?.hookDeadline = now + configuration.budgets.hook
        act(.postRestore(origin: origin, attempt: arrival.attempt))
    }

    mutating func announceRestored(_ origin: OriginHash, now: Timestamp) {
        guard let arrival = state.target.records[origin] else { return }
        state.target.records[origin]?.enter(.restored, now: now)
        send(.restoreComplete(origin: origin, restoredSequence: arrival.wireSequence), to: arrival.orchestrator)
    }

    /// The move fails at this target: its orchestrator hears of it. The factory stays for another attempt.
    mutating func failArrival(_ origin: OriginHash, _ reason: FailureReason, now: Timestamp) {
        guard let arrival = state.target.records[origin] else { return }
        if arrival.orchestrator != localNode {
            let isProven = arrival.isAuthorized || arrival.stage >= .restoring
            send(.migrationFailed(origin: origin, reason: isProven ? reason : reason.forUnproven), to: arrival.orchestrator)
        } else if let move = state.orchestrator.records[origin] {
            // This node's own orchestrator undoes the target with the rest, except after the commit.
            guard move.isCommitted else { return failOrchestration(origin, reason, toldBy: localNode, now: now) }
            doubt(move, reason)
        }
        if arrival.stage < .restoring { return dropArrival(arrival) }
        beginFailing(origin, reason, role: .target, now: now)
    }

    /// Forgets an arrival; the host drops what it has built or opened.
    mutating func dropArrival(_ arrival: NetMeshArrival) {
        state.target.abort(arrival.origin)
        if arrival.stage >= .unsealing { act(.discard(origin: arrival.origin)) }
    }
}
