public import FerryWire

// The host's answers to actions. One for an attempt or stage that is over is counted and ignored.
extension NetMeshDispatcher {
    /// The answer to `takeSnapshot`; a failure's text says why (a stateless daemon: "daemon is stateless or snapshot failed").
    public mutating func snapshotTaken(
        _ origin: OriginHash, attempt: UInt64, _ result: Result<StateSnapshot, FailureReason>, now: Timestamp
    ) {
        guard let departure = departure(origin, attempt, .snapshotting) else { return }
        switch result {
        case .success(let snapshot): departureSnapshotTaken(departure, snapshot, now: now)
        case .failure(let reason): failDeparture(origin, reason, now: now)
        }
        drainLoopback(now: now)
    }

    /// The answer to `seal`.
    public mutating func sealed(_ origin: OriginHash, attempt: UInt64, _ result: NetMeshSealing, now: Timestamp) {
        guard let departure = departure(origin, attempt, .sealing) else { return }
        departureSealed(departure, result, now: now)
        drainLoopback(now: now)
    }

    /// The answer to `askReadiness`.
    public mutating func readinessAnswered(_ origin: OriginHash, attempt: UInt64, _ isReady: Bool, now: Timestamp) {
        guard arrival(origin, attempt, .deciding) != nil else { return }
        if isReady {
            decideIdentity(origin, now: now)
        } else {
            failArrival(origin, FailureReason(.notReady), now: now)
        }
        drainLoopback(now: now)
    }

    /// The answer to `unseal`; a failure's text is net-mesh's, such as "identity envelope: attestation signature invalid".
    public mutating func unsealed(_ origin: OriginHash, attempt: UInt64, _ result: NetMeshUnsealing, now: Timestamp) {
        guard let arrival = arrival(origin, attempt, .unsealing) else { return }
        arrivalUnsealed(arrival, result, now: now)
        drainLoopback(now: now)
    }

    /// The answer to `restore`: the head of the restored chain, or why not, such as "restore failed: bad state".
    public mutating func restored(
        _ origin: OriginHash, attempt: UInt64, _ result: Result<CausalLink, FailureReason>, now: Timestamp
    ) {
        guard let arrival = arrival(origin, attempt, .restoring) else { return }
        switch result {
        case .success(let head): arrivalRestored(arrival, head: head, now: now)
        case .failure(let reason): failArrival(origin, .restoreFailed(reason), now: now)
        }
        drainLoopback(now: now)
    }

    /// The answer to `replay`.
    public mutating func replayed(_ origin: OriginHash, attempt: UInt64, _ result: NetMeshReplay, now: Timestamp) {
        guard arrival(origin, attempt, .replaying)?.isReplaying ?? false else { return }
        arrivalReplayed(origin, result, now: now)
        drainLoopback(now: now)
    }

    /// The answer to `activate`: live, or not and why.
    public mutating func activated(_ origin: OriginHash, attempt: UInt64, failure: FailureReason?, now: Timestamp) {
        guard let arrival = arrival(origin, attempt, .activating) else { return }
        if let failure {
            failArrival(origin, failure, now: now)
        } else {
            arrivalActivated(arrival, now: now)
        }
        drainLoopback(now: now)
    }

    /// A hook has ended. Only the post-restore hook's failure counts: it ends the move.
    public mutating func hookFinished(
        _ origin: OriginHash, attempt: UInt64, _ hook: NetMeshHook, failure: FailureReason? = nil, now: Timestamp
    ) {
        switch hook {
        case .preCleanup:
            guard departure(origin, attempt, .cleaning) != nil else { return }
            finishCleanup(origin, now: now)
        case .postRestore:
            guard arrival(origin, attempt, .settling) != nil else { return }
            if let failure { failArrival(origin, failure, now: now) } else { announceRestored(origin, now: now) }
        case .failure:
            guard state.failing[origin]?.attempt == attempt else {
                counters.lateAnswers += 1
                return
            }
            undo(origin, now: now)
        }
        drainLoopback(now: now)
    }

    private mutating func departure(_ origin: OriginHash, _ attempt: UInt64, _ stage: NetMeshSourceStage) -> NetMeshDeparture? {
        guard state.failing[origin] == nil, let departure = state.source.records[origin], departure.attempt == attempt,
            departure.stage == stage
        else {
            counters.lateAnswers += 1
            return nil
        }
        return departure
    }

    private mutating func arrival(_ origin: OriginHash, _ attempt: UInt64, _ stage: NetMeshArrival.Stage) -> NetMeshArrival? {
        guard state.failing[origin] == nil, let arrival = state.target.records[origin], arrival.attempt == attempt,
            arrival.stage == stage
        else {
            counters.lateAnswers += 1
            return nil
        }
        return arrival
    }
}
