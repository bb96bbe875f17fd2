import FerryCrypto
import FerrySodium
import FerryWire
import Testing

@testable import FerryStateMachines

@Suite("An order is used once")
struct PlanReuseTests {
    /// The move ends where it began, and its order lapses.
    private func endAndForget(_ order: MoveOrder, in cast: AuthorityCast) {
        let node = cast.source
        node.dispatcher.described(
            order.migration, .failure(FailureReason(.daemonNotFound)), now: node.now, wallClock: node.wallClock)
        _ = node.takeActions()
        node.wallClock = order.expiresAt
        node.now = node.now + .seconds(600)
        node.dispatcher.forgetClosed(wallClock: node.wallClock)
        #expect(node.dispatcher.moves.isEmpty)
    }

    @Test("a plan that is repeated does not begin anew, while the move goes on or after its end")
    func repeated() throws {
        let cast = try AuthorityCast()
        let order = try cast.order().signed(by: cast.daemon)
        #expect(cast.source.plan(order, from: cast.orchestrator.peer).begins)
        #expect(!cast.source.plan(order, from: cast.orchestrator.peer).begins)
        cast.source.dispatcher.described(
            order.migration, .failure(FailureReason(.daemonNotFound)), now: cast.source.now, wallClock: cast.source.wallClock)
        _ = cast.source.takeActions()
        #expect(!cast.source.plan(order, from: cast.orchestrator.peer).begins)
        #expect(cast.source.dispatcher.moves.count == 1)
    }

    @Test("a wall clock that is set back does not revive an order, for a day longer than the order lives")
    func clockSetBack() throws {
        let cast = try AuthorityCast()
        let node = cast.source
        let order = try cast.order().signed(by: cast.daemon)
        let (began, wallClock) = (node.now, node.wallClock)
        #expect(node.plan(order, from: cast.orchestrator.peer).begins)
        endAndForget(order, in: cast)
        #expect(node.plan(order, from: cast.orchestrator.peer).refusal == .orderExpired)

        node.wallClock = wallClock
        #expect(node.plan(order, from: cast.orchestrator.peer).refusal == .orderExpired)
        #expect(node.dispatcher.counters.reused == 1)
        let lifetime = Duration.nanoseconds(Int64(order.expiresAt - wallClock))
        node.now = began + lifetime + UsedOrders.clockSkew + .nanoseconds(-1)
        #expect(!node.plan(order, from: cast.orchestrator.peer).begins)
        #expect(node.dispatcher.counters.reused == 2)
        node.now = began + lifetime + UsedOrders.clockSkew
        #expect(node.plan(order, from: cast.orchestrator.peer).begins)
    }

    @Test("the orchestrator itself gives an attempt once, also when its clock was set back")
    func orchestratorClockSetBack() throws {
        let cast = try AuthorityCast()
        let node = cast.orchestrator
        let order = cast.order()
        try node.dispatcher.order(order, now: node.now, wallClock: node.wallClock)
        node.dispatcher.cancel(order.migration, reason: FailureReason(.cancelled), now: node.now, wallClock: node.wallClock)
        node.dispatcher.forgetClosed(wallClock: order.expiresAt)
        #expect(node.dispatcher.moves.isEmpty)
        #expect(throws: FailureReason.self) {
            try node.dispatcher.order(order, now: node.now, wallClock: node.wallClock)
        }
        #expect(node.dispatcher.counters.reused == 1)
    }

    @Test("what is kept of used orders is bounded, and the one that ends first goes first")
    func bounded() throws {
        let cast = try AuthorityCast()
        var used = UsedOrders(limit: 2)
        let orders = (0..<3).map { _ in cast.order() }
        for (index, order) in orders.enumerated() {
            used.note(order, isCarriedOut: true, until: Timestamp(nanoseconds: 30 - Int64(index)), ordinal: UInt64(index))
        }
        #expect(used.contains(orders[0]))
        #expect(used.contains(orders[1]))
        #expect(!used.contains(orders[2]))
        #expect(used.count == 4)
        used.forget(now: Timestamp(nanoseconds: 29))
        #expect(used.contains(orders[0]))
        #expect(!used.contains(orders[1]))
        used.forget(now: Timestamp(nanoseconds: 30))
        #expect(used.count == 0)
    }

    @Test("no further attempt of an order that has moved its daemon begins")
    func carriedOut() throws {
        let cast = try AuthorityCast()
        var used = UsedOrders(limit: 2)
        let order = cast.order()
        used.note(order, isCarriedOut: false, until: .distantFuture, ordinal: 0)
        let second = try #require(order.next(mode: .stopAndCopy))
        #expect(!used.contains(second))
        used.note(order, isCarriedOut: true, until: .distantFuture, ordinal: 0)
        #expect(used.contains(second))
    }

    // MARK: Reservations

    /// What a target gives back and sets aside, in order.
    private func reservations(_ actions: [MigrationAction]) -> [String] {
        actions.compactMap { action in
            switch action {
            case .discard(let migration): "discard \(migration)"
            case .reserve(let migration, _): "reserve \(migration)"
            default: nil
            }
        }
    }

    @Test("the next attempt's plan frees what is only set aside for the one before, and has its room")
    func nextAttempt() throws {
        let cast = try AuthorityCast(targetPolicy: MigrationPolicy(orchestrators: .anyone))
        let (node, peer) = (cast.target, cast.orchestrator.peer)
        let order = cast.order()
        let next = try #require(order.next(mode: .stopAndCopy))
        #expect(reservations(node.plan(order, from: peer, offer: cast.offer)) == ["reserve \(order.migration)"])
        node.dispatcher.admitted(order.migration, refusal: nil, memoryByteCount: 1_024, now: node.now, wallClock: node.wallClock)
        _ = node.takeActions()
        let actions = node.plan(next, from: peer, offer: cast.offer)
        #expect(reservations(actions) == ["discard \(order.migration)", "reserve \(next.migration)"])
        // An earlier attempt that is planned late has no say over a later one.
        #expect(reservations(node.plan(order, from: peer, offer: cast.offer)).isEmpty)
    }

    @Test("another order's attempt under the same id frees nothing, nor does any once the state is on its way")
    func foreignAttempt() throws {
        let cast = try AuthorityCast(targetPolicy: MigrationPolicy(orchestrators: .anyone))
        let node = cast.target
        let order = cast.order()
        _ = node.plan(order, from: cast.orchestrator.peer, offer: cast.offer)
        node.dispatcher.admitted(order.migration, refusal: nil, memoryByteCount: 1_024, now: node.now, wallClock: node.wallClock)
        _ = node.takeActions()
        let next = try #require(order.next(mode: .stopAndCopy))
        var foreign = next
        foreign.orchestrator = cast.source.key
        #expect(reservations(node.plan(foreign, from: cast.source.peer, offer: cast.offer)) == ["reserve \(foreign.migration)"])

        let other = cast.order()
        _ = node.plan(other, from: cast.orchestrator.peer, offer: cast.offer)
        node.dispatcher.admitted(other.migration, refusal: nil, memoryByteCount: 1_024, now: node.now, wallClock: node.wallClock)
        let snapshot = SnapshotHeader(
            entity: cast.daemon.entityID, lineage: cast.lineage, epoch: cast.offer.epoch, kind: cast.offer.kind,
            chainLink: .genesis(cast.daemon.originHash), headPayload: [], cursors: [], outputLanes: [], bindings: [], createdAt: 0)
        let ready = SnapshotReady(order: other, snapshot: snapshot, stream: 1)
        _ = node.receive(.snapshotReady(ready), about: other.migration, epoch: cast.offer.epoch, from: cast.source.peer)
        let last = try #require(other.next(mode: .stopAndCopy))
        #expect(reservations(node.plan(last, from: cast.orchestrator.peer, offer: cast.offer)) == ["reserve \(last.migration)"])
    }

    // MARK: Boots

    @Test("a plan for another boot of a node, or for none, begins nothing there")
    func otherBoot() throws {
        let cast = try AuthorityCast()
        let order = try cast.order().signed(by: cast.daemon)
        let targetOrder = cast.order { $0.orchestrator = cast.source.key }
        for boot in [nil, CryptoProvider.sodium.random.next(BootID.self)] {
            #expect(cast.source.plan(order, from: cast.orchestrator.peer, boot: boot).refusal == .bootMismatch)
            #expect(cast.target.plan(targetOrder, from: cast.source.peer, boot: boot, offer: cast.offer).refusal == .bootMismatch)
        }
        #expect(cast.source.dispatcher.moves.isEmpty)
        #expect(cast.target.dispatcher.moves.isEmpty)
        #expect(cast.source.dispatcher.counters.wrongBoot == 2)
        #expect(cast.source.plan(order, from: cast.orchestrator.peer).begins)
        #expect(cast.target.plan(targetOrder, from: cast.source.peer, offer: cast.offer).begins)
    }

    @Test("an orchestrator names the boot of its session, and learns it from the answer where it has none")
    func learned() throws {
        let cast = try AuthorityCast()
        let node = cast.orchestrator
        let order = cast.order()
        try node.dispatcher.order(order, now: node.now, wallClock: node.wallClock)
        #expect(node.takeActions().plannedBoots == [nil])
        let mismatch = FerryMessage.Body.planReply(.refused(FailureReason(.bootMismatch)))
        #expect(node.receive(mismatch, about: order.migration, from: cast.source.peer).plannedBoots == [cast.source.boot])
        // The same boot once more is no news: the timer repeats the plan, not the answer.
        #expect(node.receive(mismatch, about: order.migration, from: cast.source.peer).isEmpty)
        // The target was not asked.
        #expect(node.receive(mismatch, about: order.migration, from: cast.target.peer).plannedBoots.allSatisfy { $0 == cast.source.boot })

        node.dispatcher.sessionEstablished(cast.source.peer, now: node.now, wallClock: node.wallClock)
        _ = node.takeActions()
        let next = cast.order()
        try node.dispatcher.order(next, now: node.now, wallClock: node.wallClock)
        #expect(node.takeActions().plannedBoots == [cast.source.boot])
        node.dispatcher.sessionLost(cast.source.key, now: node.now, wallClock: node.wallClock)
        let last = cast.order()
        try node.dispatcher.order(last, now: node.now, wallClock: node.wallClock)
        #expect(node.takeActions().plannedBoots == [nil])
    }
}
