internal import FerryStateMachines
internal import FerryWire

// From the last fault to the end of everything.
extension SimulationWorld {
    /// What a move may take in messages, besides the entries of its log.
    private static let messageByteCountPerMove = 24 << 10
    /// An event and its answer.
    private static let laneMessagesPerEvent = 2
    /// Emitters that wait for a daemon, and find it again.
    private static let laneMessagesPerMove = 128

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
        // A pause that has begun lasts: what waits for its end must not be overtaken by what comes after.
        healedAt = endpoints.reduce(now) { max($0, $1.pausedUntil) }
        crashPlans = []
        links.heal()
        for endpoint in endpoints { endpoint.wallLead = .zero }
        for node in nodes { node.start() }
    }

    /// L1: runs until everything has ended, at most for the published bound and what an unanswered participant takes on top.
    ///
    /// - Returns: false after a violation.
    private func settle() -> Bool {
        // An attempt in live mode, and one after it.
        let bound = settings.budgets.publishedBound(byteCount: daemons.map(stateByteCount).max() ?? 0, mode: .live)
        let limit = healedAt + bound + bound + settings.budgets.promise
        while now < limit, !isAtRest {
            guard run(until: now + .milliseconds(500)) else { return false }
        }
        return true
    }

    private var isAtRest: Bool {
        for daemon in daemons {
            // A rollback waits for a fence or a freeze that is still on its way.
            if let host = holder(of: daemon)?.hosts[daemon.index], !host.isActive || host.isTaken { return false }
        }
        if areOutputsOnTheirWay { return false }
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
            if host.isTaken { violate("L2", "daemon \(daemon.index) is still taken by a move that is over") }
            checkState(host)
        }
        if areOutputsOnTheirWay { violate("L1", "an output to a daemon that lives is still on its way") }
        for emitter in emitters {
            for lane in emitter.lanes where holder(of: lane.daemon) != nil { checkLane(lane, of: emitter) }
        }
        for node in nodes {
            for case let host? in node.hosts where host.isStub { checkWiped(host) }
        }
        checkBounds()
        checkVerdicts()
        if settings.isCalm { checkCalm() }
        if settings.isLossy { checkProgress() }
    }

    /// L1, S2: all that was to be offered to a daemon that lives was, and was accepted, and took effect.
    private func checkLane(_ lane: SimulationEmitter.Lane, of emitter: SimulationEmitter) {
        let name = "emitter \(emitter.index)"
        checkAccepted(lane, of: emitter)
        if lane.machine.waitingCount > 0 { violate("L1", "\(name) waits for daemon \(lane.daemon.index)") }
        if lane.remainingCount > 0 { violate("L1", "\(name) has \(lane.remainingCount) events left for daemon \(lane.daemon.index)") }
        let truth = lane.daemon.lanes[emitter.index]
        let processed = truth.incarnation == lane.incarnation ? truth.ordinal : 0
        let (offered, accepted) = (lane.offeredCount, lane.machine.acceptedCount)
        guard accepted != UInt64(offered) || processed != offered else { return }
        violate("S2", "of \(offered) events of \(name) on daemon \(lane.daemon.index) \(accepted) are accepted, \(processed) processed")
    }

    /// L1: no role of a move took longer than was published, from its order or the last fault on; a target waits for its source on top.
    private func checkBounds() {
        for move in moves {
            let byteCount = stateByteCount(of: daemons[move.daemon])
            let bound = settings.budgets.publishedBound(byteCount: byteCount, mode: move.order.mode) + settings.budgets.promise
            let time = move.endedAt - max(move.orderedAt, healedAt)
            if time > bound { violate("L1", "\(move.name) ended \(time) after the last fault, beyond its bound of \(bound)") }
        }
    }

    /// Without a fault every move that is possible completes, and nothing is sent in vain (S10).
    private func checkCalm() {
        for move in moves {
            if move.transferCount > 1 { violate("S10", "\(move.name) sends its daemon's state \(move.transferCount) times") }
            if move.result != .completed, !hasRival(move), !isUnmovable(move) {
                let outcome = move.outcome(.source) ?? move.outcome(.orchestrator)
                violate("L1", "a move comes to nothing without a fault: \(move.name), \(outcome?.brief ?? "unknown")")
            }
            let byteCount = stateByteCount(of: daemons[move.daemon])
            let bound = settings.budgets.publishedBound(byteCount: byteCount, mode: move.order.mode)
            if move.endedAt - move.orderedAt > bound { violate("L1", "a move took longer than its published bound: \(move.migration)") }
        }
        let needed = Self.messageByteCountPerMove * moves.count + loggedByteCount
        if messageByteCount > needed { violate("S10", "\(messageByteCount) bytes of messages were sent for \(needed)") }
        let eventCount = emitters.reduce(Int(outputCount)) { $0 + Int($1.acceptedCount) }
        let laneMessages = Self.laneMessagesPerMove * moves.count + Self.laneMessagesPerEvent * eventCount
        if laneMessageCount > laneMessages { violate("S10", "\(laneMessageCount) messages on lanes carried \(eventCount) events") }
    }

    /// What a move of the daemon has to carry, as of now.
    private func stateByteCount(of daemon: DaemonTruth) -> UInt64 { UInt64((try? daemon.twin.snapshot().count) ?? 0) }

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

    /// Whether another move of the same daemon ran at the same time as the move's order.
    private func hasRival(_ move: MoveTruth) -> Bool {
        let begun = moves.first { $0.order.id == move.order.id }?.orderedAt ?? move.orderedAt
        return moves.contains {
            $0 !== move && $0.daemon == move.daemon && $0.order.id != move.order.id
                && $0.orderedAt <= move.endedAt && begun <= $0.endedAt
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
