import FerryStateMachines
import FerryWire
import Testing

/// Moves under loss, duplication, reordering and slow hosts, while emitters go on; everything follows from the seed.
@Suite("Net-mesh simulation")
struct NetMeshSimulationTests {
    private func world(_ seed: UInt64, _ topology: Int, faults: MeshFaults) -> MeshWorld {
        let (orchestrator, source, target) = NetMeshUnchangedTests.topologies[topology]
        let world = MeshWorld(seed: seed, nodeCount: 3, faults: faults) { _, configuration in
            configuration.arrivals = .localOnly
        }
        world.nodes[source].spawn(MeshDaemon(entity: MeshSample.entity, ballast: Int(seed % 3) * 8_000))
        world.nodes[target].expect(orchestrator: orchestrator, source: source)
        world.checksOrder = false
        world.sparesTails = true
        for emitter in 1...3 as ClosedRange<UInt64> {
            world.emitters.append(
                MeshEmitter(
                    origin: emitter, count: 60, every: .milliseconds(Int64(30 + 40 * emitter)), at: Int(emitter) % 3, from: world.now))
        }
        return world
    }

    @Test("every input takes effect once, in one lineage, with one owner", arguments: 0..<3, 0..<40 as Range<UInt64>)
    func everyInputOnce(topology: Int, seed: UInt64) {
        let (orchestrator, source, target) = NetMeshUnchangedTests.topologies[topology]
        let world = world(seed, topology, faults: .harsh)
        world.run(for: .milliseconds(Int64(seed % 5) * 200))
        world.nodes[orchestrator].start(from: source, to: target)
        world.run(for: .seconds(8))
        world.settle()
    }

    @Test("links that keep order keep it for every emitter", arguments: 0..<3, 0..<20 as Range<UInt64>)
    func orderedLinks(topology: Int, seed: UInt64) {
        let (orchestrator, source, target) = NetMeshUnchangedTests.topologies[topology]
        let faults = MeshFaults(duplicationPercent: 20, maximumDelay: 60, hostDelay: 30)
        let world = world(seed, topology, faults: faults)
        world.checksOrder = true
        world.run(for: .milliseconds(Int64(seed % 5) * 200))
        world.nodes[orchestrator].start(from: source, to: target)
        world.run(for: .seconds(8))
        #expect(world.nodes[orchestrator].outcomes.first?.isCompleted == true, sourceLocation: #_sourceLocation)
        world.settle()
    }

    @Test("cancels at any moment roll back to one owner with every input", arguments: 0..<3, 0..<30 as Range<UInt64>)
    func cancels(topology: Int, seed: UInt64) {
        let (orchestrator, source, target) = NetMeshUnchangedTests.topologies[topology]
        let world = world(seed, topology, faults: MeshFaults(lossPercent: 10, duplicationPercent: 10, maximumDelay: 50, hostDelay: 30))
        world.nodes[orchestrator].start(from: source, to: target)
        world.run(for: .milliseconds(Int64(1 + seed * 13)))
        world.nodes[orchestrator].change { _ = $0.abort(MeshSample.origin, reason: FailureReason(.cancelled), now: $1) }
        world.run(for: .seconds(5))
        world.settle()
    }

    @Test("a daemon goes back and forth, and stale messages of earlier moves do no harm", arguments: 0..<12 as Range<UInt64>)
    func movesBackAndForth(seed: UInt64) {
        let world = MeshWorld(seed: seed, nodeCount: 2, faults: MeshFaults(duplicationPercent: 30, maximumDelay: 30)) { _, configuration in
            configuration.arrivals = .anyAdmitted
        }
        world.nodes[0].spawn(MeshDaemon(entity: MeshSample.entity))
        world.checksOrder = false
        world.emitters.append(MeshEmitter(origin: 5, count: 200, every: .milliseconds(40), at: 0, from: world.now))
        var isDelayed: [MeshWorld.Frame] = []
        for round in 0..<4 {
            let (from, to) = (round % 2, (round + 1) % 2)
            world.nodes[to].expect()
            #expect(world.nodes[from].start(from: from, to: to) == nil, "round \(round)")
            world.run(for: .seconds(3))
            #expect(world.nodes[from].outcomes.last?.isCompleted == true, "round \(round) \(world.trace.suffix(20))")
            // Everything that was ever said is said again.
            for frame in isDelayed { world.node(frame.to)?.receive(frame.bytes, from: frame.from) }
            isDelayed = Array(world.sent.suffix(40))
            world.run(for: .seconds(1))
            #expect(world.owners().map(\.id) == [world.nodes[to].id], "round \(round)")
        }
        world.settle()
    }

    @Test("isolated participants come back, or the move is undone", arguments: 0..<3, 0..<20 as Range<UInt64>)
    func partitions(topology: Int, seed: UInt64) {
        let (orchestrator, source, target) = NetMeshUnchangedTests.topologies[topology]
        let world = world(seed, topology, faults: MeshFaults(maximumDelay: 40, hostDelay: 20))
        world.nodes[orchestrator].start(from: source, to: target)
        world.run(for: .milliseconds(Int64(seed * 11)))
        world.isolated = [world.nodes[Int(seed) % 3].id]
        world.run(for: .seconds(seed % 2 == 0 ? 5 : 200))
        world.settle()
    }

    @Test("two orchestrators order the same daemon away: one move is done, and everybody is told", arguments: 0..<20 as Range<UInt64>)
    func competingOrders(seed: UInt64) {
        let world = MeshWorld(seed: seed, nodeCount: 4, faults: MeshFaults(duplicationPercent: 20, maximumDelay: 40, hostDelay: 20))
        world.nodes[1].spawn(MeshDaemon(entity: MeshSample.entity))
        world.nodes[2].expect()
        world.nodes[3].expect()
        world.checksOrder = false
        world.nodes[0].start(from: 1, to: 2)
        world.run(for: .milliseconds(Int64(seed * 9)))
        let second = world.nodes[3].start(from: 1, to: 3)
        #expect(second == nil)
        world.run(for: .seconds(20))
        #expect(world.nodes[0].outcomes.count == 1 && world.nodes[3].outcomes.count == 1)
        #expect(world.nodes[3].outcomes.first?.failure != nil || world.nodes[0].outcomes.first?.failure != nil)
        world.settle()
    }

    @Test("many daemons move at once", arguments: 0..<3 as Range<UInt64>)
    func manyDaemons(seed: UInt64) {
        let world = MeshWorld(seed: seed, nodeCount: 3, faults: .harsh)
        world.checksOrder = false
        let entities = (0..<5 as Range<UInt8>).map { EntityID(rawValue: FixedBytes32(label: "many", [$0])) }
        for (index, entity) in entities.enumerated() {
            let (from, to) = (index % 3, (index + 1 + index % 2) % 3)
            world.nodes[from].spawn(MeshDaemon(entity: entity, ballast: index * 900))
            world.nodes[to].expect(entity.originHash)
            #expect(world.nodes[index % 3].start(entity.originHash, from: from, to: to) == nil)
        }
        world.run(for: .seconds(10))
        world.settle(origin: entities[0].originHash)
        for entity in entities {
            let owners = world.owners(of: entity.originHash)
            #expect(owners.count == 1)
        }
    }

    @Test("strangers who say everything at every moment change no move", arguments: 0..<3)
    func strangers(topology: Int) throws {
        let (orchestrator, source, target) = NetMeshUnchangedTests.topologies[topology]
        let world = NetMeshUnchangedTests.world(orchestrator, source, target)
        let messages = try NetMeshUnchangedTests.everyMessage.map { try $0.encoded() }
        world.beforeDelivery = { world, frame in
            guard frame.to != NetMeshUnchangedTests.stranger else { return }
            for node in world.nodes {
                for bytes in messages { node.receive(bytes, from: NetMeshUnchangedTests.stranger) }
            }
        }
        world.run(for: .seconds(5))
        let calm = NetMeshUnchangedTests.world(orchestrator, source, target)
        calm.run(for: .seconds(5))
        #expect(world.trace.filter { !$0.contains("2889") } == calm.trace)
        #expect(world.nodes[orchestrator].outcomes == [.completed(replayedSequence: 0)])
        world.settle()
    }

    @Test("altered bytes of participants trap nothing and make no second owner", arguments: 0..<3, 0..<12 as Range<UInt64>)
    func alteredBytes(topology: Int, seed: UInt64) {
        let (orchestrator, source, target) = NetMeshUnchangedTests.topologies[topology]
        let world = world(seed, topology, faults: MeshFaults(maximumDelay: 30))
        world.emitters = []
        world.fate = { world, _, frame in
            guard world.chance(30) else { return .pass }
            var altered = frame
            let at = Int(world.random.next() % UInt64(frame.bytes.count))
            // Mostly in what a message says, seldom in the state that it carries.
            altered.bytes[at % min(60, frame.bytes.count)] ^= UInt8(1 << (world.random.next() % 8))
            world.node(altered.to)?.receive(altered.bytes, from: altered.from)
            return .lose
        }
        world.nodes[orchestrator].start(from: source, to: target)
        world.run(for: .seconds(400))
        #expect(!world.violations.contains { $0.contains("owners") }, "\(world.violations) \(world.trace)")
        #expect(world.nodes[orchestrator].outcomes.count >= 1)
    }
}
