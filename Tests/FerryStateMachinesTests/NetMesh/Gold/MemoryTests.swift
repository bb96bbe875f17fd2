import FerryStateMachines
import FerryWire
import Testing

/// What a peer can make a node keep, and for how long: net-mesh migration §I-23.
@Suite("Net-mesh memory")
struct NetMeshMemoryTests {
    private func origin(_ number: Int) -> OriginHash { OriginHash(rawValue: UInt64(1_000 + number)) }

    private func piece(_ origin: OriginHash, index: UInt32 = 1, of total: UInt32 = 3, byteCount: Int = 7_000) -> MigrationMessage {
        .snapshotReady(
            SnapshotPiece(
                origin: origin, throughSequence: 1, index: index, totalCount: total,
                bytes: [UInt8](repeating: 7, count: byteCount)))
    }

    private func node(
        _ limits: NetMeshLimits = NetMeshLimits(), arrivals: NetMeshPolicy = .anyAdmitted
    ) -> (MeshWorld, MeshNode) {
        let world = MeshWorld(nodeCount: 3) { _, configuration in
            configuration.limits = limits
            configuration.arrivals = arrivals
        }
        return (world, world.nodes[1])
    }

    private func expectNoRecords(_ node: MeshNode, _ before: NetMeshState, sourceLocation: SourceLocation = #_sourceLocation) {
        #expect(node.dispatcher.nextDeadline == nil, sourceLocation: sourceLocation)
        #expect(node.dispatcher.state == before, sourceLocation: sourceLocation)
    }

    @Test("nothing is stored for a daemon that this node cannot build, and the sender is told at once")
    func nothingIsStoredForUnknownDaemons() {
        let (world, node) = node()
        let before = node.dispatcher.state
        for number in 0..<500 { node.receive(piece(origin(number), index: 0), from: world.nodes[0].id) }
        expectNoRecords(node, before)
        #expect(Set(world.trace) == ["1>0 MigrationFailed factoryNotFound"])
    }

    @Test("nothing is stored of a sender that no policy and no expectation names")
    func nothingIsStoredOfStrangers() {
        let (world, node) = node(arrivals: .localOnly)
        node.expect(orchestrator: 0, source: 2)
        let before = node.dispatcher.state
        node.receive(piece(MeshSample.origin), from: NodeID(rawValue: 0xBAD))
        node.receive(piece(MeshSample.origin), from: world.nodes[2].id)
        expectNoRecords(node, before)
    }

    @Test("one bound holds over all daemons and senders: at it, and one piece past it")
    func totalOverAllOrigins() {
        var limits = NetMeshLimits()
        // What keeping a piece costs is counted with its bytes.
        limits.assemblyByteCount = 4 * 7_080
        let (world, node) = node(limits)
        for number in 0..<6 { node.expect(origin(number)) }
        for number in 0..<4 { node.receive(piece(origin(number)), from: world.nodes[number % 2 * 2].id) }
        #expect(node.refusals.isEmpty)
        let before = node.dispatcher.state
        node.receive(piece(origin(4)), from: world.nodes[0].id)
        #expect(node.refusals.map(\.code) == [.capacity])
        #expect(node.dispatcher.state == before)
        // A repetition of what is held costs nothing.
        node.receive(piece(origin(0)), from: world.nodes[0].id)
        #expect(node.refusals.count == 1)
    }

    @Test("one snapshot has a bound of its own, and so have one sender and the number of assemblies")
    func boundsOfAssemblies() {
        var limits = NetMeshLimits()
        limits.snapshotByteCount = 14_000
        limits.assembliesPerSender = 2
        limits.assemblyCount = 3
        let (world, node) = node(limits)
        for number in 0..<6 { node.expect(origin(number)) }
        let (first, second) = (world.nodes[0].id, world.nodes[2].id)
        node.receive(piece(origin(0), index: 1, of: 4), from: first)
        node.receive(piece(origin(0), index: 2, of: 4), from: first)
        #expect(node.refusals.isEmpty)
        node.receive(piece(origin(0), index: 3, of: 4, byteCount: 1), from: first)
        #expect(node.refusals.map(\.code) == [.capacity])
        node.receive(piece(origin(1)), from: first)
        #expect(node.refusals.count == 1)
        node.receive(piece(origin(2)), from: first)
        #expect(node.refusals.count == 2)
        node.receive(piece(origin(3)), from: second)
        #expect(node.refusals.count == 2)
        node.receive(piece(origin(4)), from: second)
        #expect(node.refusals.count == 3)
    }

    @Test("an assembly expires by time alone: just before its age, and at it")
    func assembliesExpireWithoutTraffic() throws {
        let (world, node) = node()
        node.expect()
        let before = node.dispatcher.state
        node.receive(piece(MeshSample.origin), from: world.nodes[0].id)
        let deadline = try #require(node.dispatcher.nextDeadline)
        #expect(deadline == world.now + .seconds(300))
        var copy = node.dispatcher
        let held = copy.state
        copy.deadlineReached(now: deadline - .nanoseconds(1))
        #expect(copy.state == held)
        copy.deadlineReached(now: deadline)
        #expect(copy.state == before)
        #expect(copy.nextDeadline == nil)
    }

    @Test("what one sender does to its assembly leaves another's alone")
    func sendersDoNotTouchEachOther() {
        let (world, node) = node()
        node.expect()
        let target = NetMeshFlowTests.world(nodes: 3, source: 0, target: 1, orchestrator: 0, ballast: 20_000)
        target.nodes[0].start(from: 0, to: 1)
        target.beforeDelivery = { target, frame in
            guard frame.bytes.first == 1 else { return }
            target.nodes[1].receive(self.piece(MeshSample.origin, index: 0, of: 3), from: target.nodes[2].id)
            target.nodes[1].receive(
                .migrationFailed(origin: MeshSample.origin, reason: FailureReason(.stateFailed, "x")), from: target.nodes[2].id)
            target.nodes[1].change { $0.peerLost(target.nodes[2].id, now: $1) }
        }
        target.settle()
        #expect(target.nodes[0].outcomes.first?.isCompleted == true)
        node.receive(piece(MeshSample.origin), from: world.nodes[0].id)
        let held = node.dispatcher.state
        node.receive(piece(MeshSample.origin), from: world.nodes[2].id)
        node.change { $0.peerLost(world.nodes[2].id, now: $1) }
        #expect(node.dispatcher.state == held)
    }

    @Test("a completed move is forgotten in time")
    func completedEntriesExpire() {
        let world = NetMeshFlowTests.world(nodes: 2, source: 0, target: 1, orchestrator: 0)
        let blank = NetMeshDispatcher(localNode: world.nodes[1].id, configuration: world.nodes[1].configuration)
        world.nodes[0].start(from: 0, to: 1)
        world.run(for: .seconds(5))
        #expect(world.nodes[1].dispatcher.nextDeadline != nil)
        world.settle()
        var hosting = blank
        hosting.daemonStarted(MeshSample.origin)
        #expect(world.nodes[1].dispatcher.restingState == hosting.restingState)
        var left = NetMeshDispatcher(localNode: world.nodes[0].id, configuration: world.nodes[0].configuration)
        left.daemonStarted(MeshSample.origin)
        left.daemonStopped(MeshSample.origin, now: world.now)
        #expect(world.nodes[0].dispatcher.restingState == left.restingState)
    }

    @Test("every record of every role ends by time when all others fall silent", arguments: 0..<3, 1..<9)
    func recordsExpire(topology: Int, deliveries: Int) {
        let (orchestrator, source, target) = NetMeshUnchangedTests.topologies[topology]
        let world = NetMeshFlowTests.world(nodes: 3, source: source, target: target, orchestrator: orchestrator)
        var count = 0
        world.fate = { _, _, _ in
            count += 1
            return count > deliveries ? .lose : .pass
        }
        world.nodes[orchestrator].start(from: source, to: target)
        world.run(for: .seconds(4_000))
        for node in world.nodes where !(world.nodes[orchestrator].outcomes.first?.isInDoubt ?? false) {
            #expect(node.dispatcher.nextDeadline == nil)
            #expect(node.dispatcher.orchestrations(now: world.now).isEmpty)
            #expect(node.dispatcher.sources(now: world.now).isEmpty)
            #expect(node.dispatcher.targets(now: world.now).isEmpty)
        }
        #expect(world.nodes[orchestrator].outcomes.count == 1)
        #expect(world.owners().count <= 1)
        #expect(world.violations.isEmpty)
    }

    @Test("the number of moves in each role has a bound")
    func movesPerRole() {
        var limits = NetMeshLimits()
        limits.movesPerRole = 2
        let world = MeshWorld(nodeCount: 3) { _, configuration in configuration.limits = limits }
        for number in 0..<3 {
            let order = NetMeshOrder(origin: origin(number), source: world.nodes[1].id, target: .node(world.nodes[2].id))
            let refusal = world.nodes[0].start(order)
            #expect((refusal?.code == .capacity) == (number == 2))
        }
    }
}
