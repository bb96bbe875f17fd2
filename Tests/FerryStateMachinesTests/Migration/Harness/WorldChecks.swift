import FerryCrypto
import FerryStateMachines
import FerryWire

extension MoveWorld {
    /// The daemon that the world is about.
    var owners: [WorldNode] { nodes.filter { $0.daemons.values.contains(where: \.isActive) } }

    func takeEffect(_ entry: LogEntry) {
        let name = "\(entry.emitter) \(entry.sequence)"
        effects[name, default: 0] += 1
        if effects[name, default: 0] > 1 { violations.append("S3: \(name) processed twice") }
    }

    /// S1 to S4 and S6, after every step.
    func check() {
        var activeCount = 0
        for node in nodes {
            for daemon in node.daemons.values where !daemon.isStub {
                if daemon.log.count != daemon.checkedCount { checkLog(daemon) }
                guard daemon.isActive else { continue }
                activeCount += 1
                if !isLost { checkAccepted(daemon) }
            }
        }
        if activeCount > 1 { violations.append("S1: \(activeCount) owners") }
    }

    private func checkAccepted(_ daemon: WorldDaemon) {
        for emitter in emitters {
            let cursor = daemon.ownership.cursor(of: emitter.emitter)
            let said = accepted[emitter.emitter] ?? 0
            if cursor < said { violations.append("S2: owner is at \(cursor), \(said) was accepted") }
        }
    }

    /// Order per emitter, and a state that is exactly what the cursors say.
    private func checkLog(_ daemon: WorldDaemon) {
        daemon.checkedCount = daemon.log.count
        var last: [OriginHash: UInt64] = [:]
        for entry in daemon.log {
            if let before = last[entry.emitter], before >= entry.sequence { violations.append("S4: order of \(entry.emitter)") }
            last[entry.emitter] = entry.sequence
        }
        for cursor in daemon.ownership.sortedCursors where last[cursor.emitter] != cursor.sequence {
            violations.append("S6: cursor \(cursor.sequence) over \(last[cursor.emitter] ?? 0)")
        }
        if daemon.chain.head.sequence != UInt64(daemon.log.count) { violations.append("S5: the chain has another length than the log") }
    }

    /// After the faults have stopped: every move ends, every event arrives, nothing is left behind.
    func healAndCheckLiveness() {
        faults = .none
        run(for: .seconds(240))
        guard violations.isEmpty else { return }
        for node in nodes {
            for view in node.dispatcher.moves where view.outcome == nil {
                violations.append("L1: \(view.role) on \(node.index) waits for \(view.stall)")
            }
            if !node.standbys.isEmpty { violations.append("L2: a copy is left on \(node.index)") }
        }
        if owners.isEmpty, !isLost { violations.append("L1: nobody owns the daemon") }
        if !owners.isEmpty, !isLost {
            for emitter in emitters where !emitter.isDrained {
                violations.append("L1: \(emitter.emitter) waits, \(emitter.failure?.description ?? "without failure")")
            }
        }
        // Emitters whose daemon is lost would ask for it for ever.
        emitters = []
        run(for: .seconds(700))
        for node in nodes {
            node.dispatcher.forgetClosed(wallClock: wallClock)
            if !node.dispatcher.moves.isEmpty { violations.append("L2: \(node.dispatcher.moves.count) moves remembered on \(node.index)") }
            if node.dispatcher.nextDeadline != nil { violations.append("L2: a timer is left on \(node.index)") }
        }
    }

    /// Orders a move; nothing happens when the orchestrator declines at once.
    @discardableResult
    func order(
        from source: Int, to target: Int, by orchestrator: Int, daemon: EntityID, attempt: UInt8 = 1, mode: MoveMode = .stopAndCopy,
        attemptLimit: UInt8? = nil, modes: MoveModes? = nil, pauseBudget: Duration = .milliseconds(50), isPlanOnly: Bool = false
    ) -> MigrationID? {
        let order = MoveOrder(
            id: random.next(), daemon: daemon, lineage: nil, source: nodes[source].key, target: nodes[target].key,
            targetAddress: "memory:\(target)", orchestrator: nodes[orchestrator].key, modes: modes, attemptLimit: attemptLimit,
            pauseBudgetNanoseconds: UInt64(pauseBudget.wholeNanoseconds), attempt: attempt, mode: mode,
            expiresAt: wallClock + 600_000_000_000)
        let node = nodes[orchestrator]
        let migration =
            isPlanOnly
            ? try? node.dispatcher.plan(order, now: now, wallClock: wallClock)
            : try? node.dispatcher.order(order, now: now, wallClock: wallClock)
        nodes[orchestrator].drain()
        return migration
    }
}
