internal import FerryCrypto
internal import FerryStateMachines
internal import FerryWire

/// An emitter: the shipping lanes, and an account of every event that it offered.
final class SimulationEmitter {
    /// Bytes before a payload that tell one event from every other: incarnation and ordinal.
    static let identityByteCount = 8

    /// One lane, from one start of the emitter to the next.
    final class Lane {
        let daemon: DaemonTruth
        let incarnation: UInt32
        var machine: EmitterLane
        var offeredCount: UInt32 = 0
        var remainingCount: Int
        let interval: ClosedRange<Int>
        let windowEventCount: Int

        init(
            daemon: DaemonTruth, incarnation: UInt32, machine: consuming EmitterLane, windowEventCount: Int, remainingCount: Int,
            interval: ClosedRange<Int>
        ) {
            self.windowEventCount = windowEventCount
            self.daemon = daemon
            self.incarnation = incarnation
            self.machine = machine
            self.remainingCount = remainingCount
            self.interval = interval
        }
    }

    let index: Int
    let endpoint: SimulationEndpoint
    unowned let world: SimulationWorld
    private(set) var lanes: [Lane] = []
    private var incarnation: UInt32 = 1
    /// Events that lanes of earlier starts had seen accepted.
    private var formerlyAcceptedCount: UInt64 = 0

    init(index: Int, endpoint: SimulationEndpoint, world: SimulationWorld) {
        self.index = index
        self.endpoint = endpoint
        self.world = world
    }

    var now: Timestamp { world.clock(of: endpoint) }
    var acceptedCount: UInt64 { lanes.reduce(formerlyAcceptedCount) { $0 + $1.machine.acceptedCount } }

    func openLane(to daemon: DaemonTruth, owner: NodeKey?, count: Int? = nil) {
        // A whole window is sent again for each gap, so a small one where messages are lost.
        let window = world.isActive(.fullBuffer) ? 4 : world.settings.layer == .unordered ? 8 : 64
        let lane = Lane(
            daemon: daemon, incarnation: incarnation,
            machine: EmitterLane(
                chain: ChainBuilder(origin: endpoint.origin), daemon: daemon.origin, belief: OwnerBelief(node: owner),
                limits: EmitterLimits(windowEventCount: window, retry: .milliseconds(250) ... .seconds(2))),
            windowEventCount: window,
            remainingCount: count ?? world.settings.eventsPerLane, interval: world.random.chance(250) ? 0...20 : 5...200)
        lane.machine.defect = world.seededDefect
        lanes.append(lane)
        scheduleNext(lane)
        transmit(lane)
    }

    private func scheduleNext(_ lane: Lane) {
        let index = index
        guard lane.remainingCount > 0 else { return }
        world.after(world.random.milliseconds(lane.interval), endpoint: endpoint.index, boot: endpoint.bootCount) { world in
            world.emitters[index].emit(lane)
        }
    }

    private func emit(_ lane: Lane) {
        guard lanes.contains(where: { $0 === lane }) else { return }
        lane.remainingCount -= 1
        offer(lane)
        scheduleNext(lane)
    }

    private func offer(_ lane: Lane) {
        guard lane.machine.failure == nil else { return }
        var body = world.random.bytes(world.random.below(24))
        if !body.isEmpty, body[0] == LedgerDaemon.poison { body[0] = 0 }
        if world.isActive(.failingCallback), world.random.chance(10) { body = [LedgerDaemon.poison] }
        let payload = [UInt8](rawCapacity: Self.identityByteCount + body.count) { output in
            output.append(littleEndian: lane.incarnation)
            output.append(littleEndian: lane.offeredCount + 1)
            output.append(contentsOf: body.rawSpan)
        }
        do throws(EmitterLaneError) {
            if try lane.machine.enqueue(payload, now: now) == nil {
                if world.isActive(.fullBuffer) { world.count(.fullBuffer) }
            } else {
                lane.offeredCount += 1
            }
            if lane.machine.waitingCount > lane.windowEventCount {
                world.violate("S8", "\(endpoint.name) keeps \(lane.machine.waitingCount) events for daemon \(lane.daemon.index)")
            }
        } catch {
            world.violate("S2", "\(endpoint.name) cannot offer: \(error)")
        }
        transmit(lane)
    }

    // MARK: What comes in

    func receive(_ message: LaneMessage, from node: NodeKey) {
        guard let lane = lanes.first(where: { $0.daemon.origin == message.daemon }), message.emitter == endpoint.origin else { return }
        if world.has(.bypassEpochCheck), case .acknowledgement(let cursor, _) = message.body, let owner = lane.machine.belief.node {
            // The defect: whoever says it, it is the owner's word at the epoch that the lane believes in.
            let body = LaneMessage.Body.acknowledgement(cursor: cursor, epoch: lane.machine.belief.epoch)
            lane.machine.receive(body, from: owner, crypto: world.crypto, now: now)
        } else {
            lane.machine.receive(message.body, from: node, crypto: world.crypto, now: now)
        }
        world.checkAccepted(lane, of: self)
        transmit(lane)
    }

    func sessionChanged(with node: NodeKey) {
        for lane in lanes {
            lane.machine.sessionChanged(with: node, now: now)
            transmit(lane)
        }
    }

    func deadlineReached() {
        for lane in lanes {
            lane.machine.deadlineReached(now: now)
            transmit(lane)
        }
    }

    private func transmit(_ lane: Lane) {
        while let transmission = lane.machine.nextTransmission(now: now) {
            switch transmission.destination {
            case .node(let key, _):
                guard let node = world.endpoint(of: key) else { continue }
                world.send(.lane(transmission.message), from: endpoint, to: node)
                if world.has(.sayTwice) { world.send(.lane(transmission.message), from: endpoint, to: node) }
            case .everyone:
                if world.settings.isCalm, lane.machine.acceptedCount > 0 {
                    world.violate("L3", "\(endpoint.name) has lost track of daemon \(lane.daemon.index), and nobody has crashed")
                }
                for node in world.nodes { world.send(.lane(transmission.message), from: endpoint, to: node.endpoint) }
            }
        }
        world.arm(endpoint, lane.machine.nextDeadline)
    }

    // MARK: Life

    /// Crashes and starts anew, with what it has not offered yet; what was not accepted is gone with it.
    func restart() {
        world.say("\(endpoint.name) crashes and starts again")
        // Something is on its way more often than not.
        for lane in lanes where lane.remainingCount > 2 && world.random.chance(600) {
            for _ in 0..<2 {
                lane.remainingCount -= 1
                offer(lane)
            }
        }
        let former = lanes
        formerlyAcceptedCount = acceptedCount
        lanes = []
        incarnation += 1
        endpoint.isUp = false
        endpoint.bootCount += 1
        endpoint.armedAt = .distantFuture
        world.network.changed(endpoint)
        endpoint.boot = world.crypto.random.next()
        endpoint.isUp = true
        world.network.changed(endpoint)
        for lane in former { openLane(to: lane.daemon, owner: nil, count: lane.remainingCount) }
    }

    /// Gives up on daemons that nobody holds any more.
    func leave(_ isGone: (DaemonTruth) -> Bool) {
        for lane in lanes where isGone(lane.daemon) { formerlyAcceptedCount += lane.machine.acceptedCount }
        lanes.removeAll { isGone($0.daemon) }
    }
}
