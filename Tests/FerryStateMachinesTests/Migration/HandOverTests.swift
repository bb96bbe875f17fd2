import FerryCrypto
import FerryStateMachines
import FerryTestKit
import FerryWire
import Testing

/// Who orchestrates: the source, the target, or a third node.
enum Topology: Int, CaseIterable {
    case sourceOrders = 0
    case targetOrders = 1
    case thirdOrders = 2
}

/// A world with one daemon on node 0.
func makeWorld(seed: UInt64, faults: Faults = .none, emitterCount: Int = 2, budgets: PhaseBudgets = .init()) throws -> (MoveWorld, EntityID)
{
    let world = try MoveWorld(seed: seed, nodeCount: 3, faults: faults, budgets: budgets)
    let keypair = try EntityKeypair.generate(crypto: world.crypto)
    world.nodes[0].spawn(keypair, lineage: world.random.next())
    for index in 0..<emitterCount {
        world.emitters.append(
            WorldEmitter(index: index, world: world, daemon: keypair.originHash, owner: index == 0 ? world.nodes[0].key : nil))
    }
    return (world, keypair.entityID)
}

extension MoveWorld {
    /// Spreads events of every emitter over the given time.
    func emit(_ count: Int, over milliseconds: Int64) {
        for emitter in emitters {
            for index in 0..<count {
                schedule(after: .milliseconds(milliseconds * Int64(index) / Int64(count)), .script { _ in emitter.emit() })
            }
        }
    }

    /// Emits one event after the other, of every emitter.
    func emit(every interval: Duration, until end: Timestamp) {
        guard now < end else { return }
        for emitter in emitters { emitter.emit() }
        schedule(after: interval, .script { $0.emit(every: interval, until: end) })
    }

    func outcome(_ migration: MigrationID?, _ role: MoveRole, on node: Int) -> MoveOutcome? {
        migration.flatMap { nodes[node].outcomes["\($0) \(role)"] }
    }
}

@Suite("Hand-over") struct HandOverTests {
    @Test("without faults every topology completes, loses nothing and leaves nothing behind", arguments: Topology.allCases)
    func completes(topology: Topology) throws {
        let (world, daemon) = try makeWorld(seed: 1)
        world.emit(50, over: 500)
        world.run(for: .milliseconds(50))
        let migration = world.order(from: 0, to: 1, by: topology.rawValue, daemon: daemon)
        world.run(for: .seconds(5))
        guard case .completed(let figures?) = world.outcome(migration, .orchestrator, on: topology.rawValue) else {
            Issue.record("\(world.trace) \(world.violations)")
            return
        }
        #expect(figures.take.epoch == Epoch(rawValue: 2))
        #expect(world.owners.map(\.index) == [1])
        #expect(world.emitters.allSatisfy { $0.acceptedCount == 50 && $0.belief.node == world.nodes[1].key })
        world.healAndCheckLiveness()
        #expect(world.violations.isEmpty, "\(world.trace)")
    }

    @Test("under loss, duplication, reordering and delay all invariants hold", arguments: Topology.allCases)
    func survivesNetwork(topology: Topology) throws {
        for seed in 0..<10 {
            let (world, daemon) = try makeWorld(seed: UInt64(seed), faults: .harsh)
            world.emit(20, over: 3_000)
            world.order(from: 0, to: 1, by: topology.rawValue, daemon: daemon)
            world.run(for: .seconds(5))
            world.healAndCheckLiveness()
            #expect(world.violations.isEmpty, "seed \(seed): \(world.trace)")
        }
    }

    @Test("a crash of any node at any message boundary never makes two owners or leaves anything behind", arguments: Topology.allCases)
    func survivesCrashes(topology: Topology) throws {
        let (calm, daemon) = try makeWorld(seed: 7)
        calm.emit(5, over: 200)
        calm.order(from: 0, to: 1, by: topology.rawValue, daemon: daemon)
        calm.run(for: .seconds(5))
        #expect(calm.deliveredCount > 8)
        for boundary in 0..<calm.deliveredCount {
            for victim in 0..<3 {
                let (world, daemon) = try makeWorld(seed: 7)
                world.emit(5, over: 200)
                world.beforeDelivery = { world, count in
                    if count == boundary { world.nodes[victim].crash() }
                }
                world.order(from: 0, to: 1, by: topology.rawValue, daemon: daemon)
                world.run(for: .seconds(5))
                world.healAndCheckLiveness()
                #expect(world.violations.isEmpty, "boundary \(boundary), node \(victim): \(world.trace)")
            }
        }
    }

    @Test("crashes on top of a hostile network", arguments: Topology.allCases)
    func survivesChaos(topology: Topology) throws {
        for seed in 1_000..<1_010 {
            let (world, daemon) = try makeWorld(seed: UInt64(seed), faults: .harsh)
            world.emit(10, over: 3_000)
            let boundary = Int(world.random.next() % 40)
            let victim = Int(world.random.next() % 3)
            world.beforeDelivery = { world, count in
                if count == boundary { world.nodes[victim].crash() }
            }
            world.order(from: 0, to: 1, by: topology.rawValue, daemon: daemon)
            world.run(for: .seconds(8))
            world.healAndCheckLiveness()
            #expect(world.violations.isEmpty, "seed \(seed): \(world.trace)")
        }
    }

    @Test("ping-pong and competing orders over a hostile network")
    func survivesPingPong() throws {
        for seed in 2_000..<2_010 {
            let (world, daemon) = try makeWorld(seed: UInt64(seed), faults: .harsh)
            world.emit(20, over: 20_000)
            for round in 0..<8 {
                world.schedule(
                    after: .milliseconds(Int64(round) * 2_500),
                    .script { world in
                        let source = world.owners.first?.index ?? 0
                        let target = (source + 1 + Int(world.random.next() % 2)) % 3
                        world.order(from: source, to: target, by: Int(world.random.next() % 3), daemon: daemon)
                        world.order(from: source, to: 3 - source - target, by: Int(world.random.next() % 3), daemon: daemon)
                    })
            }
            world.run(for: .seconds(25))
            world.healAndCheckLiveness()
            #expect(world.violations.isEmpty, "seed \(seed): \(world.trace)")
        }
    }
}
