internal import FerryCrypto
internal import FerryStateMachines
internal import FerryWire

extension SimulationNode {
    /// Carries out everything that the dispatcher asks for, and sets the timer.
    func drain() {
        while let action = dispatcher.nextAction() { perform(action) }
        world.arm(endpoint, dispatcher.nextDeadline)
    }

    private func perform(_ action: MigrationAction) {
        switch action {
        case .send(let message, let node, _): send(message, to: node)
        case .describe(let migration, let daemon): describe(migration, daemon)
        case .reserve(let migration, let request): reserve(migration, request)
        case .fence(let migration, let daemon, let epoch): fence(migration, daemon, epoch)
        case .stream(let migration, let daemon, let node, _): stream(migration, daemon, to: node)
        case .stopStreaming(let migration): stopStreaming(migration)
        case .commit(let migration, let daemon, let moved): commit(migration, daemon, moved)
        case .resume(let migration, let daemon): resume(migration, daemon)
        case .retire(let migration, let daemon, _): retire(migration, daemon)
        case .restore(let migration, let snapshot, let node, let stream): restore(migration, snapshot, from: node, stream)
        case .freeze(let migration, let daemon, let epoch): freeze(migration, daemon, epoch)
        case .shipLog(let migration, let daemon, let node, let header): shipLog(migration, daemon, to: node, header)
        case .logAcknowledged(let migration, let daemon, let index): logAcknowledged(migration, daemon, through: index)
        case .limitLog(let migration, let daemon, let byteCount): limitLog(migration, daemon, byteCount)
        case .replay(let migration, let batch): replay(migration, batch)
        case .inspect(let migration): inspect(migration)
        case .retried(let migration, let next): retried(migration, as: next)
        case .planned: break
        case .activate(let migration, let keypair, let epoch, _): activate(migration, keypair, epoch)
        case .discard(let migration): discard(migration)
        case .journal(let migration, let record, let entry): journal(migration, record, entry)
        case .phaseChanged(let migration, let role, let phase):
            if role == .source { world.move(migration)?.phaseEntries[phase] = now }
            world.say("\(endpoint.name)  \(role) of \(migration.hex.prefix(6)) enters \(phase)")
        case .inDoubt(let migration, let role, let reason):
            world.move(migration)?.wasInDoubt = true
            world.say("\(endpoint.name)  \(role) of \(migration.hex.prefix(6)) is in doubt: \(reason)")
            world.reported(migration, as: role, at: self)
        case .cancelRefused(let migration): world.say("\(endpoint.name)  too late to cancel \(migration.hex.prefix(6))")
        case .ended(let migration, let role, let outcome): ended(migration, role, outcome)
        }
    }

    /// Does what an operator says of a doubt, if it is one still.
    func resolve(_ move: MoveTruth, _ resolution: MoveResolution) {
        if dispatcher.resolve(move.migration, resolution, now: now, wallClock: wallClock) {
            world.say("\(endpoint.name)  an operator says \(resolution) of \(move.name)")
            move.resolved(resolution, at: endpoint.key)
        }
        drain()
    }

    func send(_ message: FerryMessage, to node: NodeKey) {
        guard let to = world.endpoint(of: node) else { return }
        if world.has(.leakKey), case .cutoverNotify(var commit) = message.body, let move = world.move(message.header.migration) {
            commit.envelope.replaceSubrange(100..<132, with: world.daemons[move.daemon].secret)
            world.leaves(message, self, to: node)
            let leaking = FerryMessage(header: message.header, body: .cutoverNotify(commit))
            return world.send(.migration(leaking), from: endpoint, to: to)
        }
        world.leaves(message, self, to: node)
        world.send(.migration(message), from: endpoint, to: to)
    }

    private func journal(_ migration: MigrationID, _ record: UInt64, _ entry: MoveRecord) {
        if let move = world.move(migration) { world.records(entry, of: move, at: self) }
        if world.has(.activateBeforeTake), case .prepared(_, let order) = entry { activateTooEarly(migration, order) }
        let isRefused = world.strikes(.journalFailure, 60)
        later(callbackTime()) { node in
            node.report { dispatcher, now, wallClock in
                if isRefused {
                    let reason = FailureReason(.stateFailed, "the journal failed")
                    dispatcher.journalFailed(migration, record: record, reason, now: now, wallClock: wallClock)
                } else {
                    dispatcher.journaled(migration, record: record, now: now, wallClock: wallClock)
                }
            }
        }
    }

    private func ended(_ migration: MigrationID, _ role: MoveRole, _ outcome: MoveOutcome) {
        world.trace.record(world.now, 6, UInt64(endpoint.index), UInt64(role.rawValue))
        world.say("\(endpoint.name)  \(role) of \(migration.hex.prefix(6)) ended: \(outcome.brief)")
        if role == .source { departures.removeAll { $0.migration == migration } }
        guard let move = world.move(migration) else { return }
        if !move.end(role, outcome, in: endpoint.boot, at: world.now) { world.violate("S7", "\(role) of \(migration) ended twice") }
        switch (role, outcome) {
        case (.source, .completed): world.moved(move)
        case (.source, .declined): if move.sourceState == nil { move.enters(.declined) }
        case (.source, _): world.checkBudget(of: move, outcome, at: self)
        case (.orchestrator, _): world.checkVerdict(outcome, of: move)
        default: break
        }
    }
}

extension MoveOutcome {
    /// For a person.
    var brief: String {
        switch self {
        case .completed: "completed"
        case .rolledBack(let reason): "rolled back (\(reason))"
        case .rolledBackAfterCommit(let reason): "rolled back after the commit (\(reason))"
        case .declined(let reason): "declined (\(reason))"
        case .letGo(let reason): "let go (\(reason))"
        case .forgotten(let reason): "forgotten (\(reason))"
        }
    }
}
