internal import FerryCrypto
internal import FerryStateMachines
internal import FerryWire

// What source and target do and say of one hand-over, in the terms of docs/model, and the rules that hold whenever they do.
extension SimulationWorld {
    /// A message leaves: S5 for releases, S9 for the key.
    func leaves(_ message: FerryMessage, _ node: SimulationNode, to key: NodeKey) {
        guard let move = move(message.header.migration), let word = word(message.body, of: move, from: node.endpoint.key, to: key) else {
            return
        }
        let standing = standing(of: move, at: node)
        switch word {
        case .release:
            if move.sourceState == .streaming { move.enters(.released, standing: standing) }
            checkEpoch(of: move, epoch: message.header.epoch)
        case .cutoverNotify:
            // A source that was let go by hand says its commit again, for the target that it was let go for.
            let isInDoubt = standing == .inDoubt || move.resolution(.source) == .giveUp
            if !isInDoubt { violate("S9", "the key of \(move.name) leaves before its source is in doubt") }
            if !move.sentMessages.contains(.prepared) { violate("S9", "the key of \(move.name) leaves before the target is prepared") }
        case .prepared: if move.targetState == .restoring { move.enters(.prepared, standing: standing) }
        case .activateAck: if move.targetState == .prepared { move.enters(.took, standing: standing) }
        default: break
        }
        move.sends(word, standing: standing)
    }

    /// The model's word for what passes between source and target.
    private func word(_ body: FerryMessage.Body, of move: MoveTruth, from: NodeKey, to: NodeKey) -> ModelMessage? {
        let isDown = from == move.order.source && to == move.order.target
        guard isDown || (from == move.order.target && to == move.order.source) else { return nil }
        switch body {
        case .snapshotReady: return .snapshotReady
        case .restoreComplete: return .restoreComplete
        case .release: return .release
        case .prepared: return .prepared
        case .cutoverNotify: return .cutoverNotify
        case .activateAck: return .activateAck
        case .activateTarget: return .activateTarget
        case .refused: return .refused
        case .statusReply(let reply) where reply.standing == .abandoned && !isDown && move.targetState == .refused: return .refused
        // An orchestrator on the source's node withdraws plans as well.
        case .abort where isDown && move.sourceState == .abandoned: return .abort
        default: return nil
        }
    }

    func standing(of move: MoveTruth, at node: SimulationNode) -> ModelStanding? {
        switch node.hosts[move.daemon]?.ownership.standing {
        case .active: .active
        case .fenced: .fenced
        case .inDoubt: .inDoubt
        case .moved: .moved
        case .standby, nil: nil
        }
    }

    /// S5: no two releases of a daemon ever carry one epoch.
    private func checkEpoch(of move: MoveTruth, epoch: Epoch) {
        let truth = daemons[move.daemon]
        if let other = truth.releases.first(where: { $0.epoch == epoch }) {
            guard other.migration != move.migration else { return }
            violate("S5", "epoch \(epoch) of daemon \(truth.index) is released by \(other.migration.hex.prefix(6)) and by \(move.name)")
        }
        truth.releases.append((epoch, move.migration))
    }

    /// S7: what has lapsed does not give the daemon away.
    func records(_ entry: MoveRecord, of move: MoveTruth, at node: SimulationNode) {
        guard case .committed = entry, move.order.expiresAt <= node.wallClock else { return }
        violate("S7", "\(move.name) is committed after its order has lapsed")
    }

    /// L1: a budget is spent only by the phase that it belongs to.
    func checkBudget(of move: MoveTruth, _ outcome: MoveOutcome, at node: SimulationNode) {
        guard case .rolledBack(let reason) = outcome, reason.code == .phaseTimeout || reason.code == .unreachable,
            // The target keeps budgets of its own, and so does an orchestrator elsewhere.
            move.outcome(.target) == nil, move.order.orchestrator == node.endpoint.key, let begun = move.phaseEntries[.transfer],
            move.phaseEntries[.restore] == nil
        else { return }
        let least = min(settings.budgets.transfer, settings.budgets.stall)
        if node.now - begun < least { violate("L1", "\(move.name) is given up after \(node.now - begun) of its transfer: \(reason)") }
    }

    // MARK: What the orchestrator reports

    /// V, at once: an orchestrator says no more than is so.
    func checkVerdict(_ outcome: MoveOutcome, of move: MoveTruth) {
        guard areVerdictsChecked, !move.isRevived else { return }
        let isGone = move.hasLetGo || move.targetState == .active
        switch outcome {
        case .completed: if !isGone { violate("V", "\(move.name) is reported completed, and its source still holds the daemon") }
        case .rolledBack, .rolledBackAfterCommit, .declined:
            if isGone, !move.wasOrderForgotten {
                violate("V", "\(move.name) is reported \(outcome.brief), and the daemon has gone")
            }
        case .letGo:
            if move.resolution(.source) != .giveUp { violate("V", "\(move.name) is reported let go, and nobody has let it go") }
        case .forgotten: break
        }
    }

    /// V, at the end: what was reported is still so.
    func checkVerdicts() {
        guard areVerdictsChecked else { return }
        for move in moves where !move.isRevived && !move.wasOrderForgotten {
            guard let outcome = move.outcome(.orchestrator) else { continue }
            switch outcome {
            case .completed:
                let isForgotten = move.targetState == .targetForgotten
                if move.targetState == .active || isForgotten { continue }
                violate("V", "\(move.name) was reported completed, and the target never served")
            case .rolledBack, .rolledBackAfterCommit, .declined:
                let hasGone = move.sourceState == .done || move.targetState == .active
                if hasGone { violate("V", "\(move.name) was reported \(outcome.brief), and has given the daemon away") }
            // Whoever let go did not know whether the target owns the daemon.
            case .letGo, .forgotten: break
            }
        }
    }
}

extension MoveTruth {
    /// For a person.
    var name: String { String(migration.hex.prefix(6)) }
}
