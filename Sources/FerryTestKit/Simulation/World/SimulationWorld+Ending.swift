internal import FerryStateMachines
internal import FerryWire

// From the last fault to the end of everything.
extension SimulationWorld {
    /// Plays the seed from its beginning to its end.
    func play() {
        script()
        guard run(until: now + settings.horizon) else { return }
        heal()
        guard settle() else { return }
        checkEnd()
        guard violations.isEmpty else { return }
        checkNothingIsLeft()
    }

    /// No fault from here on; what is broken is mended.
    private func heal() {
        say("the faults stop")
        stopFaults()
        crashPlans = []
        links.heal()
        for endpoint in endpoints {
            endpoint.pausedUntil = .zero
            endpoint.wallLead = .zero
        }
        for node in nodes { node.start() }
    }

    /// L1: runs until everything has ended, at most for the published bound and what an unanswered participant takes on top.
    ///
    /// - Returns: false after a violation.
    private func settle() -> Bool {
        // An attempt in live mode, and one after it.
        let bound = settings.budgets.publishedBound(byteCount: 1 << 20, mode: .live)
        let limit = now + bound + bound + settings.budgets.promise
        while now < limit, !isAtRest {
            guard run(until: now + .milliseconds(500)) else { return false }
        }
        return true
    }

    private var isAtRest: Bool {
        for daemon in daemons {
            // A rollback waits for a fence that is still on its way.
            if let host = holder(of: daemon)?.hosts[daemon.index], !host.isActive { return false }
        }
        for node in nodes where node.dispatcher.moves.contains(where: { $0.outcome == nil }) { return false }
        for emitter in emitters {
            for lane in emitter.lanes where lane.machine.waitingCount > 0 || lane.remainingCount > 0 {
                if holder(of: lane.daemon) != nil { return false }
            }
        }
        return true
    }

    private func checkEnd() {
        for node in nodes {
            for view in node.dispatcher.moves where view.outcome == nil {
                violate("L1", "\(view.role) of \(view.migration.hex.prefix(6)) on \(node.endpoint.name) waits for \(view.stall)")
            }
        }
        for daemon in daemons {
            guard let holder = holder(of: daemon), let host = holder.hosts[daemon.index] else {
                if !daemon.mayBeLost { violate("L1", "nobody owns daemon \(daemon.index)") }
                continue
            }
            guard host.isActive else {
                violate("L1", "daemon \(daemon.index) stands still on \(holder.endpoint.name)")
                continue
            }
            checkState(host)
        }
        for emitter in emitters {
            for lane in emitter.lanes where lane.machine.waitingCount > 0 && holder(of: lane.daemon) != nil {
                violate("L1", "emitter \(emitter.index) waits for daemon \(lane.daemon.index)")
            }
        }
        checkVerdicts()
        if settings.isCalm { checkCalm() }
        if settings.isLossy { checkProgress() }
    }

    /// Without a fault every move that is possible completes, and nothing is sent in vain (S10).
    private func checkCalm() {
        var needed = 0
        for move in moves {
            if move.result == .rolledBack, !hasRival(move), !isUnmovable(move) {
                violate("L1", "a move is rolled back without a fault: \(move.migration)")
            }
            let bound = settings.budgets.publishedBound(byteCount: 1 << 20, mode: move.order.mode)
            if move.endedAt - move.orderedAt > bound { violate("L1", "a move took longer than its published bound: \(move.migration)") }
            needed += 24 << 10
        }
        for daemon in daemons {
            let byteCount = (try? daemon.twin.snapshot().count) ?? 0
            needed += byteCount * moves.count { $0.daemon == daemon.index }
        }
        needed += loggedByteCount
        if moveByteCount > needed + needed / 50 { violate("S10", "\(moveByteCount) bytes were sent for \(needed)") }
    }

    /// L3: what is lost is said again, until it has arrived.
    private func checkProgress() {
        for move in moves where move.result != .completed && !hasRival(move) && !isUnmovable(move) {
            violate("L3", "\(move.name) came to nothing under loss alone: \(move.outcome(.source)?.brief ?? "unknown")")
        }
    }

    /// Whether the daemon cannot move as it was ordered to: it has nothing to compare, or is found to differ.
    private func isUnmovable(_ move: MoveTruth) -> Bool {
        let daemon = daemons[move.daemon]
        return move.order.mode == .live && (daemon.isNoisy || daemon.determinism == .unverified)
    }

    /// Whether another move of the same daemon ran at the same time.
    private func hasRival(_ move: MoveTruth) -> Bool {
        moves.contains {
            $0 !== move && $0.daemon == move.daemon && $0.order.id != move.order.id
                && abs(($0.orderedAt - move.orderedAt).components.seconds) < (settings.isLossy ? 300 : 30)
        }
    }

    /// L2: once the orders have lapsed, no record, timer, copy or stream is left.
    private func checkNothingIsLeft() {
        for node in nodes {
            for (index, host) in node.standbys.enumerated() where host != nil {
                violate("L2", "a copy of daemon \(index) is left on \(node.endpoint.name)")
            }
            if !node.arrivals.isEmpty { violate("L2", "an arrival is left on \(node.endpoint.name)") }
            if !node.departures.isEmpty { violate("L2", "a departure is left on \(node.endpoint.name)") }
        }
        for emitter in emitters { emitter.leave { _ in true } }
        guard run(until: now + .seconds(150 + 2 * 120)) else { return }
        for node in nodes {
            node.dispatcher.forgetClosed(wallClock: node.wallClock)
            for view in node.dispatcher.moves {
                violate("L2", "\(view.role) of \(view.migration.hex.prefix(6)) is remembered on \(node.endpoint.name)")
            }
            if node.dispatcher.nextDeadline != nil { violate("L2", "a timer is left on \(node.endpoint.name)") }
        }
    }
}
