import FerryCrypto
import FerryStateMachines
import FerryWire

/// An emitter that delivers numbered events to one daemon.
final class WorldEmitter {
    let index: Int
    unowned let world: MoveWorld
    private(set) var lane: EmitterLane
    private(set) var plannedCount: Int

    init(index: Int, world: MoveWorld, daemon: OriginHash, owner: NodeKey?, window: Int = 64) {
        self.index = index
        self.world = world
        plannedCount = 0
        let origin = OriginHash(rawValue: 1_000 + UInt64(index))
        lane = EmitterLane(
            chain: ChainBuilder(origin: origin), daemon: daemon, belief: OwnerBelief(node: owner),
            limits: EmitterLimits(windowEventCount: window))
    }

    var emitter: OriginHash { lane.emitter }
    var nextDeadline: Timestamp? { lane.nextDeadline }
    var isDrained: Bool { lane.waitingCount == 0 }
    var failure: EmitterLaneError? { lane.failure }
    var acceptedCount: UInt64 { lane.acceptedCount }
    var belief: OwnerBelief { lane.belief }

    /// Enqueues one event when there is room.
    func emit() {
        guard lane.failure == nil else { return }
        let payload = Array("\(index):\(plannedCount + 1)".utf8)
        if (try? lane.enqueue(payload, now: world.now)) != nil { plannedCount += 1 }
        drain()
    }

    func receive(_ message: PeerMessage, from: MoveWorld.Endpoint) {
        guard case .lane(let message) = message, case .node(let node) = from else { return }
        lane.receive(message.body, from: world.nodes[node].key, crypto: world.crypto, now: world.now)
        drain()
    }

    func deadlineReached() {
        lane.deadlineReached(now: world.now)
        drain()
    }

    private func drain() {
        while let transmission = lane.nextTransmission(now: world.now) {
            switch transmission.destination {
            case .node(let key, _):
                guard let target = world.index(of: key) else { continue }
                world.send(.lane(transmission.message), from: .emitter(index), to: .node(target))
            case .everyone:
                for node in world.nodes { world.send(.lane(transmission.message), from: .emitter(index), to: .node(node.index)) }
            }
        }
    }
}
