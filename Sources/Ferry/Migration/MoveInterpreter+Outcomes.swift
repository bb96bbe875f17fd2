internal import FerryStateMachines
internal import FerryWire
internal import Logging
internal import Tracing

// What operators and observers hear.
extension MoveInterpreter {
    func phaseChanged(_ migration: MigrationID, _ role: MoveRole, _ phase: MigrationPhase) {
        guard let view = dispatcher.view(of: migration, as: role) else { return }
        core.logger.info(
            "a move has reached a phase", metadata: ["migration": "\(migration)", "role": "\(role)", "phase": "\(phase)"])
        for observer in core.observers { observer.move(migration, of: view.daemon.originHash, as: role, reached: phase) }
        guard role == .orchestrator, let move = orders[migration] else { return }
        move.span.addEvent(SpanEvent(name: phase.description))
        move.handle.report(
            MigrationProgress(
                migration: migration, phase: phase, byteCount: view.byteCount, totalByteCount: view.totalByteCount, bytesPerSecond: 0,
                elapsed: core.now - move.startedAt, stall: ""))
    }

    func inDoubt(_ migration: MigrationID, _ role: MoveRole, _ reason: FailureReason) {
        core.logger.warning(
            "a move is in doubt", metadata: ["migration": "\(migration)", "role": "\(role)", "reason": "\(reason)"])
        // The source's doubt is the orchestrator's too where one node is both: nobody could tell it more.
        let isOrdered = role == .source && orders[migration] != nil
        let message = role == .source ? "the move is committed and the target has not answered" : "how the move stands is not known here"
        fail(migration, isOrdered ? .orchestrator : role, FerryError(.inDoubt, "\(message): \(reason)", cause: reason))
    }

    func ended(_ migration: MigrationID, _ role: MoveRole, _ outcome: MoveOutcome) {
        core.metrics.moveEnded(role, outcome)
        core.metrics.refused(dispatcher.counters)
        core.logger.info(
            "a move has ended", metadata: ["migration": "\(migration)", "role": "\(role)", "outcome": "\(outcome.label)"])
        if role == .source {
            departures[migration] = nil
            if let move = departing[migration]?.move { orders[migration]?.longestHold = move.longestHold }
            stopShipping(migration)
        }
        if role == .orchestrator { endPlan(migration, outcome) }
        if role != .orchestrator {
            let journal = core.journal
            Task { try? await journal.close(migration) }
        }
        switch outcome {
        case .completed(let figures):
            if role == .source, let figures { history.learn(figures) }
            if role == .orchestrator {
                orders[migration]?.confirmation = Confirmation(figures: figures)
                // To a source here that has just let the daemon go the target says so unasked.
                if figures == nil || orders[migration]?.order.source != core.nodeKey { askForConfirmation(migration) }
            } else if role == .target, orders[migration]?.confirmation != nil {
                complete(migration)
            }
        case .rolledBack(let reason):
            fail(migration, role, FerryError(.rolledBack, "the move was rolled back: \(explained(reason, migration))", cause: reason))
        case .rolledBackAfterCommit(let reason):
            let text = "the move was rolled back after the commit, with the key sent: \(reason)"
            fail(migration, role, FerryError(.rolledBack, text, cause: reason))
        case .declined(let reason):
            fail(migration, role, FerryError(.declined, "the move was declined: \(explained(reason, migration))", cause: reason))
        case .letGo(let reason):
            fail(migration, role, FerryError(.failed, "the daemon was let go in doubt: \(reason)", cause: reason))
        case .forgotten(let reason):
            fail(migration, role, FerryError(.failed, "how the move ended is forgotten: \(reason)", cause: reason))
        }
    }

    /// Declines the plans that wait for a peer whom no further dial will reach.
    func dialFailed(_ node: NodeKey, _ error: FerryError) async {
        switch error.code {
        case .wrongPeer, .notAdmitted, .noTransport, .invalidEndpoint: break
        default: return
        }
        guard orders.values.contains(where: { $0.order.source == node || $0.order.target == node }) else { return }
        let reason = FailureReason(.unreachable, error.message)
        await report { $0.peerUnreachable(node, reason, now: $1, wallClock: $2) }
    }

    /// The reason, and of a peer that could not be reached also why the last dial failed.
    func explained(_ reason: FailureReason, _ migration: MigrationID) -> String {
        guard [.unreachable, .orderExpired, .phaseTimeout, .notReadyTimeout].contains(reason.code), let order = orders[migration]?.order,
            let failure = [order.source, order.target].filter({ core.sessions.existing($0) == nil })
                .compactMap({ core.sessions.lastFailure(of: $0, since: orders[migration]?.startedAt ?? .zero) }).first,
            !reason.description.contains(failure.message)
        else { return reason.description }
        return "\(reason) (\(failure.message))"
    }

    // MARK: The target's word

    /// Asks the target whether it is active; a target on this node is looked at.
    func askForConfirmation(_ migration: MigrationID) {
        guard let move = orders[migration], let confirmation = move.confirmation else { return }
        // The receipt holds without the target's word, and says nothing of whether the daemon serves: nobody waits for that for long.
        guard confirmation.attemptsLeft > 0 else {
            let text = "the source has let the daemon go, and the target has not said that it serves"
            return fail(migration, .orchestrator, FerryError(.inDoubt, text))
        }
        orders[migration]?.confirmation?.attemptsLeft -= 1
        if move.order.target == core.nodeKey {
            if dispatcher.view(of: migration, as: .target)?.outcome != nil { complete(migration) }
            return
        }
        let header = MessageHeader(migration: migration, epoch: confirmation.figures?.take.epoch ?? .none)
        let address = core.addresses.address(of: move.order.target, hint: move.order.targetAddress)
        _ = core.sessions.trySend(.migration(FerryMessage(header: header, body: .status)), to: move.order.target, at: address)
    }

    /// Takes in the target's answer.
    func confirm(_ message: FerryMessage, from node: NodeKey) {
        guard let move = orders[message.header.migration], move.confirmation != nil, move.order.target == node else { return }
        switch message.body {
        case .statusReply(let reply) where reply.standing == .done: complete(message.header.migration)
        case .unknown(let boot) where boot == move.confirmation?.figures?.take.targetBoot: complete(message.header.migration)
        case .unknown:
            let text = "the source has let the daemon go, and the target has started again since and knows nothing of it"
            fail(message.header.migration, .orchestrator, FerryError(.failed, text))
        default: break
        }
    }

    private func complete(_ migration: MigrationID) {
        guard let move = remove(migration), let confirmation = move.confirmation else { return }
        move.span.end()
        move.handle.end(Self.report(confirmation.figures, move))
    }

    private func fail(_ migration: MigrationID, _ role: MoveRole, _ error: FerryError) {
        // Of a move that this node has ordered it is told once, as the order ends: another attempt may follow this one.
        guard role == .orchestrator || dispatcher.view(of: migration, as: .orchestrator) == nil else { return }
        let daemon = dispatcher.view(of: migration, as: role)?.daemon ?? orders[migration]?.order.daemon
        if let daemon {
            for observer in core.observers { observer.daemonFailed(daemon.originHash, error: error) }
        }
        guard role == .orchestrator, let move = remove(migration) else { return }
        move.span.setStatus(SpanStatus(code: .error, message: error.code.description))
        move.span.end()
        move.handle.end(.failure(error))
    }

    private func remove(_ migration: MigrationID) -> OrderedMove? {
        successors[orders[migration]?.handle.migration ?? migration] = nil
        return orders.removeValue(forKey: migration)
    }

    private static func report(_ figures: MoveFigures?, _ move: OrderedMove) -> Result<MigrationReport, FerryError> {
        guard let figures else {
            return .failure(FerryError(.failed, "the move is complete, and the source could not report its figures any more"))
        }
        let pause = Duration.nanoseconds(Int64(clamping: figures.pauseNanoseconds))
        return .success(
            MigrationReport(
                migration: move.order.migration, daemon: move.order.daemon.originHash, source: move.order.source,
                target: move.order.target, epoch: figures.take.epoch, stateByteCount: figures.stateByteCount,
                wireByteCount: figures.wireByteCount, duration: .nanoseconds(Int64(clamping: figures.durationNanoseconds)), pause: pause,
                longestStall: max(pause, move.longestHold), predictedDuration: figures.predictedDurationNanoseconds.asPrediction,
                predictedPause: figures.predictedPauseNanoseconds.asPrediction, replayedInputCount: figures.replayedInputCount,
                rounds: Int(figures.rounds), mode: move.order.mode, determinism: figures.release.release.determinism,
                receipt: MoveReceipt(release: figures.release, take: figures.take)))
    }

    /// Every move that this node remembers, oldest first.
    var moves: [MoveStatus] {
        let now = core.now
        return dispatcher.moves(now: now).map { view in
            MoveStatus(
                migration: view.migration, daemon: view.daemon.originHash, role: view.role, source: view.source, target: view.target,
                phase: view.phase, elapsed: now - view.startedAt, ageInPhase: now - view.phaseEnteredAt, byteCount: view.byteCount,
                totalByteCount: view.totalByteCount, bytesPerSecond: view.bytesPerSecond, replayLag: view.replayLag,
                estimatedPause: view.estimatedPause, retryCount: view.retryCount, stall: view.stall, bound: view.bound,
                result: view.outcome?.label ?? (view.isInDoubt ? "inDoubt" : nil))
        }
    }

    /// Whether anything runs that a shutdown should wait for: a move, a word that a peer waits for, a report that an operator waits for.
    var isBusy: Bool { dispatcher.isBusy || !orders.isEmpty }
}
