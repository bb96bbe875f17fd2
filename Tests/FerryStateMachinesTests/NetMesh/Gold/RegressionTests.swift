import FerryStateMachines
import FerryWire
import Testing

/// Faults that net-mesh has had and mended (net-mesh migration §H), where they concern the dispatcher and its roles.
@Suite("Net-mesh regressions")
struct NetMeshRegressionTests {
    let origin = MeshSample.origin

    func localWorld(ballast: Int = 0, configure: (Int, inout NetMeshDispatcherConfiguration) -> Void = { _, _ in }) -> MeshWorld {
        let world = MeshWorld(nodeCount: 3) { index, configuration in
            configuration.arrivals = .localOnly
            configure(index, &configuration)
        }
        world.nodes[0].spawn(MeshDaemon(entity: MeshSample.entity, ballast: ballast))
        world.nodes[1].expect(orchestrator: 0)
        return world
    }

    func remoteWorld(ballast: Int = 0) -> MeshWorld {
        NetMeshFlowTests.world(nodes: 4, source: 1, target: 2, orchestrator: 0, ballast: ballast)
    }

    func run(_ world: MeshWorld, until name: String) {
        while !world.trace.contains(where: { $0.contains(name) }), world.step(until: world.now + .seconds(30)) {}
    }

    func abort(_ world: MeshWorld, at index: Int = 0) -> Bool {
        var result = false
        world.nodes[index].change { result = $0.abort(self.origin, reason: FailureReason(.stateFailed, "cancel requested"), now: $1) }
        return result
    }

    // MARK: Failures

    @Test("MigrationFailed of a participant drops what was put together")
    func failureDropsTheAssembly() {
        let world = remoteWorld(ballast: 20_000)
        world.fate = { _, _, frame in
            guard case .snapshotReady(let piece)? = try? MigrationMessage(decoding: frame.bytes) else { return .pass }
            return piece.index == 2 && frame.to.rawValue == 102 ? .lose : .pass
        }
        let before = world.nodes[2].dispatcher.state
        world.nodes[0].start(from: 1, to: 2)
        world.run(for: .milliseconds(300))
        #expect(world.nodes[2].dispatcher.state != before)
        #expect(abort(world))
        world.run(for: .milliseconds(100))
        #expect(world.nodes[2].dispatcher.state == before)
        #expect(world.nodes[2].dispatcher.nextDeadline == nil)
        world.settle()
    }

    @Test("a snapshot at the bound moves, one byte more is answered before anything is sent")
    func oversizedSnapshotIsAnswered() {
        // 102 bytes of a snapshot without state of this world, 209 of the envelope.
        for (ballast, isMoved) in [(20_000, true), (20_001, false)] {
            let world = MeshWorld(nodeCount: 3) { _, configuration in
                configuration.limits.snapshotByteCount = 94 + 8 + 209 + 20_000
            }
            world.nodes[1].spawn(MeshDaemon(entity: MeshSample.entity, ballast: ballast))
            world.nodes[2].expect()
            world.nodes[0].start(from: 1, to: 2)
            world.run(for: .seconds(5))
            #expect(world.nodes[0].outcomes.first?.isCompleted == isMoved)
            #expect(world.trace.contains("1>0 MigrationFailed stateFailed") == !isMoved)
            #expect(world.trace.contains { $0.contains("SnapshotReady") } == isMoved)
            world.settle()
        }
    }

    @Test("a factory survives a failed restore, so that the next attempt finds it")
    func factorySurvivesAFailedRestore() {
        let world = localWorld()
        world.nodes[1].restoreFailure = FailureReason(.stateFailed, "restore failed: boom")
        world.nodes[0].start(from: 0, to: 1)
        world.run(for: .seconds(5))
        #expect(world.nodes[0].outcomes.first?.failure?.message == "restore_snapshot failed: StateFailed(\"restore failed: boom\")")
        #expect(world.nodes[1].dispatcher.factories[origin] != nil)
        world.nodes[1].restoreFailure = nil
        world.nodes[0].start(from: 0, to: 1)
        world.run(for: .seconds(5))
        #expect(world.nodes[0].outcomes.last?.isCompleted == true)
        #expect(world.nodes[1].dispatcher.factories[origin] == nil)
        world.settle()
    }

    @Test("a repeated snapshot is answered again, and restored once")
    func repeatedSnapshotIsAnsweredOnce() {
        for ballast in [0, 20_000] {
            let world = localWorld(ballast: ballast)
            world.fate = { world, _, frame in
                frame.bytes.first == 2 && world.trace.filter { $0.contains("RestoreComplete") }.count < 3 ? .lose : .pass
            }
            world.nodes[0].start(from: 0, to: 1)
            world.run(for: .seconds(20))
            #expect(world.nodes[1].asked.filter { $0 == "restore" }.count == 1)
            #expect(world.nodes[0].outcomes.first?.isCompleted == true)
            world.settle()
        }
    }

    @Test("a failed replay rolls back: the source processes every captured input")
    func replayFailureRollsBack() {
        for landed in [0, 2] {
            let world = localWorld()
            world.nodes[1].replayLimit = landed
            world.nodes[0].start(from: 0, to: 1)
            NetMeshFlowTests.offerWhenFenced(5, at: 0, in: world)
            world.run(for: .seconds(5))
            #expect(world.nodes[0].outcomes.first?.failure?.message.contains("\(landed)") == true)
            #expect(world.nodes[0].live[origin]?.log.count == 5)
            #expect(world.trace.last == "1>0 MigrationFailed stateFailed" || world.trace.contains("1>0 MigrationFailed stateFailed"))
            world.settle()
        }
    }

    @Test(
        "an abort ends every record of its attempt, and the next order works, wherever it goes",
        arguments: ["TakeSnapshot", "SnapshotReady", "RestoreComplete", "BufferedEvents", "ReplayComplete"])
    func abortAllowsARetry(phase: String) {
        for isLocal in [true, false] where !(isLocal && phase == "TakeSnapshot") {
            let world = isLocal ? localWorld() : remoteWorld()
            let source = isLocal ? 0 : 1
            let target = isLocal ? 1 : 2
            world.nodes[0].start(from: source, to: target)
            run(world, until: phase)
            #expect(abort(world))
            world.run(for: .seconds(2))
            #expect(world.nodes.allSatisfy { $0.dispatcher.sources(now: world.now).isEmpty && $0.staged.isEmpty })
            world.nodes[3 - target].expect()
            world.nodes[3 - target].change { dispatcher, _ in
                dispatcher.setPolicy(orchestrators: .anyAdmitted, arrivals: .anyAdmitted)
            }
            guard world.nodes[3 - target].live.isEmpty else { continue }
            #expect(world.nodes[0].start(from: source, to: 3 - target) == nil)
            world.run(for: .seconds(5))
            #expect(world.nodes[0].outcomes.map(\.isCompleted) == [false, true])
            world.settle()
        }
    }

    @Test("stragglers of a move cancelled in the middle of its pieces do no harm, and the daemon goes elsewhere")
    func cancelledMidChunking() {
        let world = MeshWorld(nodeCount: 3)
        world.nodes[0].spawn(MeshDaemon(entity: MeshSample.entity, ballast: 50_000))
        world.nodes[1].expect()
        world.nodes[2].expect()
        world.faults.maximumDelay = 200
        world.nodes[0].start(from: 0, to: 1)
        run(world, until: "SnapshotReady 3/8")
        world.run(for: .milliseconds(50))
        #expect(abort(world))
        #expect(world.nodes[0].start(from: 0, to: 2)?.code == .alreadyMigrating)
        world.run(for: .milliseconds(40))
        #expect(world.nodes[0].start(from: 0, to: 2) == nil)
        world.run(for: .seconds(10))
        #expect(world.nodes[0].outcomes.map(\.isCompleted) == [false, true])
        world.settle()
        #expect(world.owners().map(\.id) == [world.nodes[2].id])
    }

    @Test("after the target was told to go live nothing is aborted, here or there")
    func abortAfterActivationIsRefused() {
        let world = remoteWorld()
        world.nodes[0].start(from: 1, to: 2)
        run(world, until: "ActivateTarget")
        #expect(!abort(world))
        #expect(!abort(world, at: 1))
        run(world, until: "ActivateAck")
        #expect(!abort(world, at: 2))
        let before = world.nodes[2].dispatcher.state
        world.nodes[2].receive(.migrationFailed(origin: origin, reason: FailureReason(.stateFailed, "x")), from: world.nodes[0].id)
        #expect(world.nodes[2].dispatcher.state == before)
        #expect(world.nodes[2].live[origin] != nil)
        world.settle()
        #expect(world.nodes[0].outcomes.first?.isCompleted == true)
    }

    @Test("errors of a local start leave no record, and the daemon goes on")
    func localStartLeavesNothing() {
        let prepares: [(MeshNode) -> Void] = [
            { $0.snapshotFailure = FailureReason(.stateFailed, "daemon is stateless or snapshot failed") },
            { $0.sealing = .failed("boom") },
            { $0.sealing = .noTargetKey },
            { $0.snapshotOverride = MeshDaemon(entity: MeshSample.otherEntity).snapshot() },
        ]
        for prepare in prepares {
            let world = localWorld()
            prepare(world.nodes[0])
            world.nodes[0].start(from: 0, to: 1)
            NetMeshFlowTests.offerWhenFenced(2, at: 0, in: world)
            world.run(for: .seconds(1))
            #expect(world.sent.allSatisfy { $0.bytes.first == 6 })
            #expect(world.nodes[0].outcomes.first?.failure != nil)
            #expect(world.nodes[0].live[origin]?.log.count == 2)
            world.settle()
        }
    }

    // MARK: Orders

    @Test("a second order is refused while the first is on, and one snapshot is taken")
    func secondOrderIsRefused() {
        let world = localWorld()
        #expect(world.nodes[0].start(from: 0, to: 1) == nil)
        let before = world.nodes[0].dispatcher.state
        #expect(world.nodes[0].start(from: 0, to: 1)?.code == .alreadyMigrating)
        #expect(world.nodes[0].start(from: 0, to: 2)?.reason?.code == .alreadyMigrating)
        world.nodes[0].receive(.takeSnapshot(origin: origin, target: world.nodes[2].id), from: world.nodes[1].id)
        #expect(world.nodes[0].dispatcher.state == before)
        world.run(for: .seconds(5))
        #expect(world.nodes[0].asked.filter { $0 == "takeSnapshot" }.count == 1)
        world.settle()
    }

    @Test("orders that cannot work are refused before anything changes")
    func impossibleOrders() {
        let world = localWorld()
        let node = world.nodes[0]
        let before = node.dispatcher.state
        #expect(node.start(from: 0, to: 0)?.code == .sameNode)
        #expect(node.start(from: 1, to: 1)?.code == .sameNode)
        #expect(node.start(OriginHash(rawValue: 9), from: 0, to: 1)?.code == .daemonNotFound)
        #expect(node.start(OriginHash(rawValue: 9), from: 1, to: 0)?.code == .factoryNotFound)
        #expect(node.dispatcher.state == before)
        #expect(node.asked.isEmpty && world.sent.isEmpty)
    }

    @Test("every dispatcher plays every role, with nothing to wire")
    func everyDispatcherHasAllRoles() {
        for index in 0..<3 {
            let topology = NetMeshUnchangedTests.topologies[index]
            let world = NetMeshFlowTests.world(nodes: 3, source: topology.1, target: topology.2, orchestrator: topology.0)
            world.nodes[topology.0].start(from: topology.1, to: topology.2)
            world.settle()
            #expect(world.nodes[topology.0].outcomes.first?.isCompleted == true)
        }
    }

    @Test("user code runs after the call has returned: no action is answered from inside")
    func userCodeRunsOutside() {
        let world = localWorld()
        var dispatcher = world.nodes[0].dispatcher
        let order = NetMeshOrder(origin: origin, source: world.nodes[0].id, target: .node(world.nodes[1].id))
        #expect(throws: Never.self) { try dispatcher.start(order, now: world.now) }
        var actions: [NetMeshAction] = []
        while let action = dispatcher.nextAction() { actions.append(action) }
        #expect(actions.map(\.briefName) == ["takeSnapshot"])
        // While the host snapshots, the dispatcher serves on.
        #expect(dispatcher.capture(MeshSample.event(1), for: origin, now: world.now) == .captured)
        #expect(dispatcher.orchestrations(now: world.now).first?.phase == .snapshot)
    }

    // MARK: Snapshots

    @Test("the orchestrator checks the head of the first piece before it forwards any byte")
    func headOfTheFirstPiece() throws {
        let good = try MeshDaemon(entity: MeshSample.entity, ballast: 9_000).snapshot().encoded()
        let other = try MeshDaemon(entity: MeshSample.otherEntity, ballast: 9_000).snapshot().encoded()
        var badMagic = good
        badMagic[0] = 0x58
        var badVersion = good
        badVersion[4] = 3
        for bytes in [other, badMagic, badVersion, Array(good.prefix(36))] {
            let world = remoteWorld()
            world.nodes[1].deafTo = ["takeSnapshot"]
            world.nodes[0].start(from: 1, to: 2)
            let piece = SnapshotPiece(origin: origin, throughSequence: 0, index: 0, totalCount: 2, bytes: Array(bytes.prefix(7_000)))
            world.nodes[0].receive(.snapshotReady(piece), from: world.nodes[1].id)
            world.run(for: .milliseconds(100))
            #expect(!world.trace.contains { $0.contains("SnapshotReady") })
            #expect(world.trace.contains("0>1 MigrationFailed stateFailed"))
        }
    }

    @Test("the sequence of the message must be the snapshot's, at orchestrator and target")
    func sequenceOnTheWireIsTheSnapshots() throws {
        let bytes = try MeshDaemon(entity: MeshSample.entity).snapshot(envelope: MeshSample.envelope(for: NodeID(rawValue: 102))).encoded()
        let piece = SnapshotPiece(origin: origin, throughSequence: 1, index: 0, totalCount: 1, bytes: bytes)
        let world = remoteWorld()
        world.nodes[1].deafTo = ["takeSnapshot"]
        world.nodes[0].start(from: 1, to: 2)
        world.nodes[0].receive(.snapshotReady(piece), from: world.nodes[1].id)
        #expect(!world.trace.contains { $0.contains("SnapshotReady") })
        world.nodes[2].receive(.snapshotReady(piece), from: world.nodes[0].id)
        world.run(for: .milliseconds(100))
        #expect(!world.nodes[2].asked.contains("restore"))
        #expect(world.nodes[2].staged.isEmpty)
    }

    @Test("a snapshot of another entity goes nowhere")
    func snapshotOfAnotherEntity() throws {
        let bytes = try MeshDaemon(entity: MeshSample.otherEntity).snapshot(envelope: MeshSample.envelope(for: NodeID(rawValue: 102)))
            .encoded()
        let piece = SnapshotPiece(origin: origin, throughSequence: 0, index: 0, totalCount: 1, bytes: bytes)
        let world = remoteWorld()
        world.nodes[2].receive(.snapshotReady(piece), from: world.nodes[0].id)
        world.run(for: .milliseconds(100))
        #expect(world.nodes[2].asked.isEmpty)
        #expect(world.trace == ["2>0 MigrationFailed stateFailed"])
        // And at the source, whose host is wrong.
        world.nodes[1].snapshotOverride = MeshDaemon(entity: MeshSample.otherEntity).snapshot()
        world.nodes[0].start(from: 1, to: 2)
        world.run(for: .seconds(2))
        #expect(!world.trace.contains { $0.contains("SnapshotReady") })
        world.settle()
    }

    @Test("an orchestrator of two others keeps no byte of state and no input")
    func orchestratorKeepsNoBytes() {
        let world = remoteWorld(ballast: 60_000)
        world.nodes[0].start(from: 1, to: 2)
        var largest = 0
        world.beforeDelivery = { world, _ in
            largest = max(largest, "\(world.nodes[0].dispatcher.state)".utf8.count)
        }
        world.run(for: .seconds(5))
        #expect(largest > 0 && largest < 6_000)
        #expect(world.nodes[0].outcomes.first?.isCompleted == true)
        let view = remoteWorld()
        view.nodes[0].start(from: 1, to: 2)
        NetMeshFlowTests.offerWhenFenced(3, at: 1, in: view)
        #expect(view.nodes[0].dispatcher.orchestrations(now: view.now).first?.bufferedEventCount == 0)
        #expect(view.nodes[1].dispatcher.sources(now: view.now).first?.bufferedEventCount == 3)
    }
}
