internal import FerryWire

// The source's arms: TakeSnapshot, CutoverNotify, the relayed ActivateAck, and what follows the host's answers.
extension NetMeshDispatcher {
    /// TakeSnapshot: policy first, so that a stranger learns nothing, then phase and daemon.
    mutating func takeSnapshot(
        _ origin: OriginHash, to target: NodeID, from sender: NodeID, now: Timestamp
    ) throws(NetMeshRefusal) {
        try checkOrchestrator(sender)
        if let known = state.source.records[origin], known.orchestrator == sender, known.target == target, known.isRevocable {
            counters.repeats += 1
            guard known.stage == .transferring else { return }
            state.source.records[origin]?.touch(now)
            return sendPieces(of: known)
        }
        if let withdrawn = state.source.withdrawn[origin], withdrawn.orchestrator == sender {
            counters.declined += 1
            let age = configuration.budgets.retry.upperBound + configuration.budgets.retry.upperBound / 4
            state.source.answerWithdrawn(origin, age: age, now: now)
            return send(.migrationFailed(origin: origin, reason: withdrawn.reason), to: sender)
        }
        try checkDeparture(origin, to: target)
        beginDeparture(
            origin, orchestrator: sender, target: target, identityTransport: configuration.identityTransport,
            attempt: makeAttempt(), now: now)
    }

    /// Whether a daemon can leave for `target`.
    func checkDeparture(_ origin: OriginHash, to target: NodeID) throws(NetMeshRefusal) {
        try state.source.check(origin, limit: configuration.limits.movesPerRole)
        guard target != localNode else {
            let text = "node \(target.rawValue.prefixedHex) is the daemon's owner already"
            throw NetMeshRefusal(.sameNode, text, reason: FailureReason(.stateFailed, text))
        }
        guard state.target.records[origin] == nil, state.failing[origin] == nil else {
            throw NetMeshRefusal(.alreadyMigrating, "the daemon is arriving", reason: FailureReason(.alreadyMigrating))
        }
        guard state.hosted.contains(origin) else {
            let reason = FailureReason.notHosted(origin)
            throw NetMeshRefusal(.daemonNotFound, reason.message, reason: reason)
        }
    }

    mutating func beginDeparture(
        _ origin: OriginHash, orchestrator: NodeID, target: NodeID, identityTransport: NetMeshIdentityTransport, attempt: UInt64,
        now: Timestamp
    ) {
        let departure = NetMeshDeparture(
            origin: origin, orchestrator: orchestrator, target: target, identityTransport: identityTransport, attempt: attempt, now: now)
        // `checkDeparture` has passed, so the claim holds.
        guard (try? state.source.begin(departure, limit: configuration.limits.movesPerRole)) != nil else { return }
        act(.takeSnapshot(origin: origin, attempt: attempt))
    }

    // MARK: Snapshot and seal

    mutating func departureSnapshotTaken(_ departure: NetMeshDeparture, _ snapshot: StateSnapshot, now: Timestamp) {
        let origin = departure.origin
        guard snapshot.entity.originHash == origin else {
            return failDeparture(origin, .originMismatch(snapshot.entity.originHash, origin), now: now)
        }
        state.source.records[origin]?.startSealing(snapshot, now: now)
        if departure.identityTransport == .none || snapshot.envelope != nil { return startTransfer(origin, snapshot, now: now) }
        guard configuration.hooks.contains(.identity) else { return notSealed(origin, "no identity context", now: now) }
        state.source.records[origin]?.hookDeadline = now + configuration.budgets.hook
        act(.seal(origin: origin, attempt: departure.attempt, target: departure.target, snapshot: snapshot))
    }

    mutating func departureSealed(_ departure: NetMeshDeparture, _ sealing: NetMeshSealing, now: Timestamp) {
        let origin = departure.origin
        switch sealing {
        case .sealed(let snapshot):
            guard snapshot.envelope != nil, snapshot.entity.originHash == origin, snapshot.chainLink == departure.head else {
                return failDeparture(origin, .sealFailed("the sealed snapshot is another one"), now: now)
            }
            startTransfer(origin, snapshot, now: now)
        case .noContext: notSealed(origin, "no identity context", now: now)
        case .noTargetKey:
            notSealed(origin, "no static key known for node \(departure.target.rawValue.prefixedHex)", now: now)
        case .noKeypair: notSealed(origin, "no private key for daemon \(origin.rawValue.prefixedHex)", now: now)
        case .failed(let text): failDeparture(origin, .sealFailed(text), now: now)
        }
    }

    /// There is no key to seal with or to: no move, or a move without the key where the order allows it.
    private mutating func notSealed(_ origin: OriginHash, _ cause: String, now: Timestamp) {
        guard let departure = state.source.records[origin] else { return }
        guard departure.identityTransport == .preferred, let snapshot = departure.unsealed else {
            return failDeparture(origin, FailureReason(.identityTransportFailed, cause), now: now)
        }
        act(.keyNotSealed(origin: origin, target: departure.target, cause: cause))
        startTransfer(origin, snapshot, now: now)
    }

    private mutating func startTransfer(_ origin: OriginHash, _ snapshot: StateSnapshot, now: Timestamp) {
        let bytes: [UInt8]
        do {
            bytes = try snapshot.encoded()
        } catch {
            return failDeparture(origin, FailureReason(.stateFailed, "snapshot serialization failed: \(error)"), now: now)
        }
        guard bytes.count <= configuration.limits.snapshotByteCount else {
            return failDeparture(origin, .snapshotTooLarge(bytes.count, limit: configuration.limits.snapshotByteCount), now: now)
        }
        state.source.records[origin]?.startTransfer(bytes, head: snapshot.chainLink, now: now)
        guard let departure = state.source.records[origin] else { return }
        sendPieces(of: departure)
        if departure.orchestrator == localNode { localSnapshotSent(departure, now: now) }
    }

    /// All pieces, first to last: to the target if this node orchestrates, else to the orchestrator, which passes them on.
    mutating func sendPieces(of departure: NetMeshDeparture) {
        let destination = departure.orchestrator == localNode ? departure.target : departure.orchestrator
        let throughSequence = departure.head?.sequence ?? 0
        let run = PieceRun(
            origin: departure.origin, throughSequence: throughSequence, bytes: departure.snapshot, destination: destination)
        if let run { outbox.append(.pieces(run)) }
    }

    // MARK: Cutover

    /// CutoverNotify: only of the recorded orchestrator, only for the recorded target, only once the snapshot is out.
    mutating func cutoverNotify(
        _ origin: OriginHash, to target: NodeID, from sender: NodeID, now: Timestamp
    ) throws(NetMeshRefusal) {
        guard let departure = state.source.records[origin] else { throw unknownMove(origin) }
        guard departure.orchestrator == sender, departure.target == target else { throw wrongPeer(sender) }
        if departure.isCutOver {
            counters.repeats += 1
            guard departure.stage >= .retired else { return }
            sendTail(departure.tail, of: departure)
            return send(.cleanupComplete(origin: origin), to: sender)
        }
        guard departure.stage == .transferring else {
            throw NetMeshRefusal(.wrongPhase, "cutover of a source that is \(departure.stage)")
        }
        let tail = try state.source.records[origin]?.cutOver(now: now) ?? []
        sendTail(tail, of: departure)
        if !tail.isEmpty { state.source.records[origin]?.startTail(now, first: configuration.budgets.retry.lowerBound) }
        guard configuration.hooks.contains(.preCleanup) else { return finishCleanup(origin, now: now) }
        state.source.records[origin]?.hookDeadline = now + configuration.budgets.hook
        act(.preCleanup(origin: origin, attempt: departure.attempt))
    }

    /// How often a tail is sent again: over the default intervals of 0.5, 1, 2 and 4 s.
    static let tailRepeatLimit = 4

    mutating func sendTail(_ tail: [CausalEvent], of departure: NetMeshDeparture) {
        for batch in NetMeshBatches.cut(tail) { sendLate(batch, of: departure.origin) }
    }

    /// To the target, and to an orchestrator that is neither: a target that does not know this source takes inputs of nobody else. The target
    /// processes each input once.
    mutating func sendLate(_ events: [CausalEvent], of origin: OriginHash) {
        guard let (orchestrator, target) = state.source.records[origin].map({ ($0.orchestrator, $0.target) }) else { return }
        let message = MigrationMessage.bufferedEvents(origin: origin, events: events)
        send(message, to: target)
        if orchestrator != localNode, orchestrator != target { send(message, to: orchestrator) }
    }

    /// After the pre-cleanup hook, whatever became of it.
    mutating func finishCleanup(_ origin: OriginHash, now: Timestamp) {
        guard let departure = state.source.records[origin], departure.stage == .cleaning else { return }
        try? state.source.records[origin]?.retire(now: now)
        state.hosted.remove(origin)
        act(.retire(origin: origin))
        if departure.orchestrator != localNode {
            state.source.records[origin]?.retry.start(now, first: configuration.budgets.retry.lowerBound)
        }
        send(.cleanupComplete(origin: origin), to: departure.orchestrator)
    }

    /// The target is live: nothing of the daemon stays here but its new address.
    mutating func releaseDeparture(_ origin: OriginHash, now: Timestamp) {
        guard let departure = state.source.records[origin], departure.isRevocable else { return }
        state.source.release(origin, limit: configuration.limits.rememberedMoveCount, now: now)
        state.factories.remove(origin)
        act(.release(origin: origin))
    }

    /// ActivateAck that a remote orchestrator passes on.
    mutating func activationRelayed(
        _ departure: NetMeshDeparture, through sequence: UInt64, from sender: NodeID, now: Timestamp
    ) throws(NetMeshRefusal) {
        guard departure.orchestrator == sender else { throw wrongPeer(sender) }
        switch departure.stage {
        case .retired where sequence >= departure.head?.sequence ?? 0: releaseDeparture(departure.origin, now: now)
        case .released: counters.repeats += 1
        default: throw NetMeshRefusal(.wrongPhase, "acknowledgement for a source that is \(departure.stage)")
        }
    }

    /// The move fails at this source: its orchestrator hears of it.
    mutating func failDeparture(_ origin: OriginHash, _ reason: FailureReason, now: Timestamp) {
        guard let departure = state.source.records[origin] else { return }
        guard departure.orchestrator != localNode else { return failOrchestration(origin, reason, toldBy: nil, now: now) }
        send(.migrationFailed(origin: origin, reason: reason), to: departure.orchestrator)
        // For as long as the orchestrator holds on to the attempt, by the budgets that this node would give it.
        state.source.withdraw(departure, reason, limits: configuration.limits, age: configuration.budgets.totalBound, now: now)
        beginFailing(origin, reason, role: .source, now: now)
    }
}
