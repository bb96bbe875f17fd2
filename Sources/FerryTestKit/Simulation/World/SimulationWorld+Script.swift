internal import FerryCrypto
internal import FerryStateMachines
internal import FerryWire

/// A crash at one message of one move.
struct CrashPlan {
    let migration: MigrationID
    let node: Int
    let kind: FaultKind
    let isBefore: Bool
    /// Messages about the move that still arrive before it.
    var countdown: Int
}

// What happens to a world, drawn before it begins.
extension SimulationWorld {
    /// Spreads orders and faults over the time until the horizon.
    func script() {
        for _ in 0..<settings.moveCount { at { $0.orderSomewhere() } }
        for _ in 0..<2 { at { $0.planSomewhere() } }
        for kind in FaultKind.allCases where settings.isEnabled(kind) {
            for _ in 0..<Self.frequency(of: kind) {
                let delay = random.milliseconds(200...Int(settings.horizon.components.seconds) * 1_000)
                after(delay) { if $0.isFaulty { $0.strike(kind) } }
            }
        }
    }

    private func at(_ body: @escaping (SimulationWorld) -> Void) {
        let latest = Int(settings.horizon.components.seconds) * 1_000
        push(after: random.milliseconds(100...latest), .task(body))
    }

    private static func frequency(of kind: FaultKind) -> Int {
        switch kind {
        case .partition, .oneWayPartition, .slowLink, .linkClose, .clockPause, .clockJump, .wallClockJump: 4
        case .emitterRestart: 2
        case .duplicateOrder, .competingOrder: 3
        case .manyAtOnce: 1
        case .forged, .replayed, .stale: 40
        default: 0
        }
    }

    private func strike(_ kind: FaultKind) {
        switch kind {
        case .partition: partition(isOneWay: false)
        case .oneWayPartition: partition(isOneWay: true)
        case .slowLink: slowLink()
        case .linkClose: closeLink()
        case .clockPause, .clockJump, .wallClockJump: disturbClock(kind)
        case .emitterRestart:
            count(kind)
            emitters[random.below(emitters.count)].restart()
        case .duplicateOrder: repeatOrder()
        case .competingOrder:
            guard let daemon = random.pick(daemons) else { return }
            count(kind)
            for _ in 0..<2 { order(daemon) }
        case .manyAtOnce:
            count(kind)
            for daemon in daemons { order(daemon) }
        case .forged, .replayed, .stale: inject(kind)
        default: break
        }
    }

    // MARK: Orders

    private func orderSomewhere() {
        guard let daemon = random.pick(daemons.filter { holder(of: $0) != nil }) ?? daemons.first else { return }
        order(daemon)
    }

    /// Orders a daemon from where it is, or from where it is not, to anywhere else, by any of the three.
    func order(_ daemon: DaemonTruth, to destination: Int? = nil) {
        let actual = holder(of: daemon)?.endpoint.index
        let source = !settings.isLossy && chance(30) ? random.below(nodes.count) : actual ?? random.below(nodes.count)
        var target = destination ?? random.below(nodes.count)
        if target == source { target = (source + 1) % nodes.count }
        let orchestrator = random.pick([source, target, random.below(nodes.count)]) ?? source
        guard endpoints[orchestrator].isUp else { return }
        let isShort = strikes(.orderExpiry, 150)
        let isLive = random.chance(600)
        let life = isShort ? random.milliseconds(5...400) : .seconds(120)
        let order = MoveOrder(
            id: crypto.random.next(), daemon: daemon.entity, lineage: chance(500) ? daemon.lineage : nil, source: endpoints[source].key,
            target: endpoints[target].key, targetAddress: "simulated:\(target)", orchestrator: endpoints[orchestrator].key,
            modes: isLive ? (random.chance(800) ? .all : .live) : .stopAndCopy, attemptLimit: 2, attempt: 1,
            mode: isLive ? .live : .stopAndCopy, expiresAt: wallClock(of: endpoints[orchestrator]) + UInt64(life.wholeNanoseconds))
        let move = MoveTruth(order: order, daemon: daemon.index, at: now)
        add(move)
        planCrash(of: move, roles: [source, target, orchestrator])
        planCancel(of: move)
        say("order \(order.migration.hex.prefix(6)): daemon \(daemon.index) from \(source) to \(target) by \(orchestrator)")
        do throws(FailureReason) {
            try nodes[orchestrator].order(order)
        } catch {
            _ = move.end(.orchestrator, .declined(error), in: endpoints[orchestrator].boot, at: now)
        }
    }

    /// Asks what a move would be like: nobody moves, and what both sides set aside is given back.
    private func planSomewhere() {
        // A plan occupies the daemon; where nothing but loss may stop an order it would.
        guard !settings.isLossy, let daemon = random.pick(daemons), let holder = holder(of: daemon), holder.endpoint.isUp else { return }
        let source = holder.endpoint.index
        let target = (source + random.within(1...nodes.count - 1)) % nodes.count
        let order = MoveOrder(
            id: crypto.random.next(), daemon: daemon.entity, lineage: nil, source: holder.endpoint.key, target: endpoints[target].key,
            targetAddress: "simulated:\(target)", orchestrator: holder.endpoint.key, modes: .all, attemptLimit: 1, attempt: 1, mode: .live,
            expiresAt: wallClock(of: holder.endpoint) + 60_000_000_000)
        say("plan \(order.migration.hex.prefix(6)): daemon \(daemon.index) from \(source) to \(target)")
        holder.plan(order)
    }

    private func repeatOrder() {
        guard let move = random.pick(moves), let node = endpoint(of: move.order.orchestrator), node.isUp else { return }
        count(.duplicateOrder)
        // Known already, or forgotten in a crash: then the others know it.
        try? nodes[node.index].order(move.order, isNew: false)
    }

    /// Gives a move up while it goes on, from any of its roles.
    private func planCancel(of move: MoveTruth) {
        guard isActive(.cancel), random.chance(150) else { return }
        let keys = [move.order.source, move.order.target, move.order.orchestrator]
        guard let key = random.pick(keys), let endpoint = endpoint(of: key) else { return }
        after(random.milliseconds(1...400)) { world in
            guard world.isFaulty, endpoint.isUp, move.outcome(.source) == nil else { return }
            if world.nodes[endpoint.index].dispatcher.moves.contains(where: { $0.migration == move.migration }) { world.count(.cancel) }
            world.say("\(endpoint.name) cancels \(move.migration.hex.prefix(6))")
            world.nodes[endpoint.index].cancel(move.migration)
        }
    }

    /// The source says that the daemon has gone.
    func moved(_ move: MoveTruth) {
        guard isActive(.pingPong), random.chance(300), let back = endpoint(of: move.order.source) else { return }
        let daemon = daemons[move.daemon]
        after(random.milliseconds(0...40)) { world in
            guard world.isFaulty else { return }
            world.count(.pingPong)
            world.order(daemon, to: back.index)
        }
    }

    // MARK: Crashes

    private func planCrash(of move: MoveTruth, roles: [Int]) {
        let kinds: [FaultKind] = [.sourceCrash, .targetCrash, .orchestratorCrash]
        for (kind, node) in zip(kinds, roles) where isActive(kind) && random.chance(120) {
            crashPlans.append(
                CrashPlan(
                    migration: move.migration, node: node, kind: kind, isBefore: random.chance(500), countdown: random.within(1...24)))
            return
        }
    }

    /// The crash that belongs to this message, if one does.
    func crashPlan(for migration: MigrationID) -> CrashPlan? {
        guard isFaulty, let index = crashPlans.firstIndex(where: { $0.migration == migration }) else { return nil }
        crashPlans[index].countdown -= 1
        return crashPlans[index].countdown == 0 ? crashPlans.remove(at: index) : nil
    }

    func carryOut(_ plan: CrashPlan?) {
        guard let plan, endpoints[plan.node].isUp else { return }
        count(plan.kind)
        nodes[plan.node].crash(for: random.milliseconds(20...4_000))
    }

    // MARK: Links and clocks

    private func partition(isOneWay: Bool) {
        let until = now + random.milliseconds(100...9_000)
        count(isOneWay ? .oneWayPartition : .partition)
        // One endpoint against another, or against everybody.
        let one = random.below(endpoints.count)
        let others = chance(400) ? Array(endpoints.indices) : [(one + random.within(1...endpoints.count - 1)) % endpoints.count]
        for other in others where other != one {
            links.block(one, other, until: until)
            if !isOneWay { links.block(other, one, until: until) }
            if until - now > OrderedNetwork.idleTimeout { loseLater(one, other) }
        }
        say("\(endpoints[one].name) cannot reach \(others.count == 1 ? endpoints[others[0]].name : "anybody")")
    }

    /// A session does not outlive a longer silence.
    private func loseLater(_ one: Int, _ other: Int) {
        after(OrderedNetwork.idleTimeout) { world in
            guard world.links.isBlocked(one, other, at: world.now) || world.links.isBlocked(other, one, at: world.now) else { return }
            (world.network as? OrderedNetwork)?.close(one, other, notice: 0...1_000)
        }
    }

    private func slowLink() {
        let (one, other) = (random.below(nodes.count), random.below(nodes.count))
        guard one != other else { return }
        count(.slowLink)
        links.slow(one, other, until: now + random.milliseconds(500...8_000))
    }

    private func closeLink() {
        let (one, other) = (random.below(nodes.count), random.below(endpoints.count))
        guard one != other else { return }
        switch network {
        case let network as OrderedNetwork:
            if network.close(one, other, notice: chance(300) ? 500...6_000 : 0...60) { count(.linkClose) }
        case let network as SessionNetwork:
            if network.cut(one, other) { count(.linkClose) }
        default: break
        }
    }

    private func disturbClock(_ kind: FaultKind) {
        let endpoint = endpoints[random.below(nodes.count + emitters.count)]
        guard endpoint.isUp else { return }
        count(kind)
        say("\(endpoint.name): \(kind.rawValue)")
        switch kind {
        case .clockPause: endpoint.pausedUntil = max(endpoint.pausedUntil, now + random.milliseconds(50...7_000))
        case .clockJump:
            endpoint.clockLead += random.milliseconds(100...20_000)
            // Timers that were set by the clock before are due earlier.
            endpoint.armedAt = .distantFuture
            arm(endpoint, clock(of: endpoint))
        default: endpoint.wallLead = random.milliseconds(0...200_000) - .seconds(100)
        }
    }
}
