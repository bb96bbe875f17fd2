import FerryStateMachines
import FerryWire
import Testing

extension NetMeshRegressionTests {
    // MARK: Inputs

    @Test("capture has bounds: at them, one past them, with the totals that would be; 7,000 bytes pass, 7,001 do not")
    func captureLimits() {
        let world = localWorld { _, configuration in
            configuration.limits.bufferedEventCount = 3
            configuration.limits.bufferedByteCount = 10_000
        }
        let node = world.nodes[0]
        node.start(from: 0, to: 1)
        NetMeshFlowTests.offerWhenFenced(0, at: 0, in: world)
        func capture(_ sequence: UInt64, _ byteCount: Int) -> NetMeshCapture {
            var result = NetMeshCapture.notMoving
            node.change { result = $0.capture(MeshSample.event(sequence, byteCount: byteCount), for: self.origin, now: $1) }
            return result
        }
        func refusal(_ result: NetMeshCapture) -> String? {
            guard case .refused(let reason) = result else { return nil }
            return reason.message
        }
        #expect(refusal(capture(1, 7_001))?.contains("7001") == true)
        #expect(capture(1, 7_000) == .captured)
        #expect(refusal(capture(2, 3_001))?.contains("10001 bytes") == true)
        #expect(capture(2, 3_000) == .captured)
        #expect(capture(3, 0) == .captured)
        #expect(refusal(capture(4, 0))?.contains("4 events") == true)
        #expect(node.dispatcher.sources(now: world.now).first?.bufferedByteCount == 10_000)
    }

    @Test("hold has the same bounds, and a held input is held once")
    func holdLimits() {
        let world = localWorld { _, configuration in
            configuration.limits.bufferedEventCount = 2
            configuration.limits.bufferedByteCount = 100
        }
        world.fate = { _, _, frame in frame.bytes.first == 8 ? .lose : .pass }
        world.nodes[0].start(from: 0, to: 1)
        world.run(for: .seconds(1))
        var target = world.nodes[1].dispatcher
        #expect(target.hold(MeshSample.event(1, byteCount: 60), for: origin, now: world.now) == .held)
        #expect(target.hold(MeshSample.event(1, byteCount: 60), for: origin, now: world.now) == .duplicate)
        guard case .refused = target.hold(MeshSample.event(2, byteCount: 41), for: origin, now: world.now) else {
            return #expect(Bool(false), "101 bytes are one too many")
        }
        #expect(target.hold(MeshSample.event(2, byteCount: 40), for: origin, now: world.now) == .held)
        guard case .refused = target.hold(MeshSample.event(3, byteCount: 0), for: origin, now: world.now) else {
            return #expect(Bool(false), "three are one too many")
        }
    }

    @Test("after the cutover inputs are sent after the daemon, until the record expires")
    func captureAfterCutoverForwards() {
        let world = remoteWorld()
        world.nodes[0].start(from: 1, to: 2)
        world.run(for: .seconds(5))
        let source = world.nodes[1]
        var result = NetMeshCapture.notMoving
        source.change { result = $0.capture(MeshSample.event(1), for: self.origin, now: $1) }
        #expect(result == .forward(to: world.nodes[2].id))
        #expect(world.trace.suffix(2).contains("1>2 BufferedEvents 1"))
        world.accepted.insert(MeshInput(MeshSample.event(1)))
        world.settle()
        source.change { result = $0.capture(MeshSample.event(2), for: self.origin, now: $1) }
        #expect(result == .notMoving)
    }

    @Test("a batch that comes after the activation is delivered to the live daemon, and moves no phase")
    func lateBatchIsDelivered() {
        let world = remoteWorld()
        world.checksOrder = false
        let tail = NetMeshFlowTests.loseTails(in: world)
        world.nodes[0].start(from: 1, to: 2)
        NetMeshFlowTests.offerWhenFenced(3, at: 1, in: world)
        world.run(for: .seconds(5))
        #expect(world.nodes[2].live[origin]?.log == [])
        world.fate = nil
        if let frame = tail.frame { world.carry(frame) }
        world.run(for: .seconds(1))
        #expect(world.nodes[2].live[origin]?.log.count == 3)
        #expect(world.nodes[2].dispatcher.targets(now: world.now).isEmpty)
        world.settle()
    }

    @Test("ActivateTarget is acknowledged as often as its orchestrator asks, and activates once")
    func activateIsIdempotent() {
        let world = remoteWorld()
        world.fate = { world, _, frame in
            frame.bytes.first == 9 && world.trace.filter { $0 == "2>0 ActivateAck" }.count < 4 ? .lose : .pass
        }
        world.nodes[0].start(from: 1, to: 2)
        world.run(for: .seconds(30))
        #expect(world.nodes[2].asked.filter { $0 == "activate" }.count == 1)
        #expect(world.nodes[0].outcomes == [.completed(replayedSequence: 0)])
        world.settle()
    }

    @Test("a daemon that comes back is a new arrival: the remembered one answers nothing for it")
    func returningDaemon() {
        let world = MeshWorld(nodeCount: 2)
        world.nodes[0].spawn(MeshDaemon(entity: MeshSample.entity))
        for round in 0..<4 {
            let (from, to) = (round % 2, 1 - round % 2)
            world.nodes[to].expect()
            // Until the new arrival is restored, the earlier completion acknowledges nothing of it.
            world.nodes[to].deafTo = ["restore"]
            #expect(world.nodes[from].start(from: from, to: to) == nil)
            world.run(for: .milliseconds(200))
            let acknowledgements = world.trace.filter { $0.contains("ActivateAck") }.count
            world.nodes[to].receive(.activateTarget(origin: origin), from: world.nodes[from].id)
            #expect(world.trace.filter { $0.contains("ActivateAck") }.count == acknowledgements)
            #expect(abort(world, at: from))
            world.run(for: .seconds(1))
            world.nodes[to].deafTo = []
            #expect(world.nodes[from].start(from: from, to: to) == nil)
            world.run(for: .seconds(3))
            #expect(world.nodes[from].outcomes.last?.isCompleted == true)
        }
        world.settle()
    }

    // MARK: Views and bounds

    @Test("a repeated piece, RestoreComplete, ReplayComplete or CleanupComplete moves nothing back and says nothing twice")
    func phasesNeverGoBack() {
        let world = remoteWorld(ballast: 9_000)
        world.fate = { _, _, _ in .twice }
        world.nodes[0].start(from: 1, to: 2)
        NetMeshFlowTests.offerWhenFenced(2, at: 1, in: world)
        var last = (MigrationPhase.snapshot, SuperpositionPhase.localized)
        while world.nodes[0].outcomes.isEmpty, world.step(until: world.now + .seconds(30)) {
            guard let view = world.nodes[0].dispatcher.orchestrations(now: world.now).first else { continue }
            #expect(view.phase >= last.0 && view.superposition >= last.1)
            last = (view.phase, view.superposition)
        }
        // Each was sent twice by the network, and said once by the node.
        for name in ["CutoverNotify", "ActivateTarget", "BufferedEvents 0"] {
            #expect(world.trace.filter { $0.hasPrefix("0>") && $0.hasSuffix(name) }.count == 1, "\(name)")
        }
        world.settle()
    }

    @Test("the operators' views are real: bytes, retries, progress, ages")
    func viewsAreReal() throws {
        let world = remoteWorld(ballast: 9_000)
        var lost = 0
        world.fate = { _, _, frame in
            guard frame.bytes.first == 4, lost < 2 else { return .pass }
            lost += 1
            return .lose
        }
        let start = world.now
        world.nodes[0].start(from: 1, to: 2)
        var progress: [Int] = []
        while world.nodes[0].outcomes.isEmpty, world.step(until: world.now + .seconds(30)) {
            guard let view = world.nodes[0].dispatcher.orchestrations(now: world.now).first else { continue }
            if progress.last != view.progressPercent { progress.append(view.progressPercent) }
            #expect(view.elapsed == world.now - start)
            #expect(view.ageInPhase <= view.elapsed)
            if view.phase == .cutover, view.ageInPhase > .seconds(1) { #expect(view.retryCount >= 1) }
            if view.phase == .replay { #expect(view.snapshotByteCount == 94 + 8 + 9_000 + 209) }
        }
        #expect(progress == progress.sorted() && progress.first == 10 && progress.last == 100)
        #expect(Set(progress).isSubset(of: [10, 30, 50, 70, 90, 100]))
        world.settle()
    }

    @Test("elapsed times saturate, and time that stands still or jumps does no harm")
    func elapsedSaturates() {
        let world = localWorld()
        world.nodes[0].start(from: 0, to: 1)
        let far = Timestamp.distantFuture
        let view = world.nodes[0].dispatcher.orchestrations(now: far).first
        #expect(view.map { $0.elapsed > .seconds(290 * 365 * 86_400) } == true)
        var copy = world.nodes[0].dispatcher
        copy.deadlineReached(now: world.now)
        #expect(copy.state == world.nodes[0].dispatcher.state)
        copy.deadlineReached(now: far)
        while copy.nextAction() != nil {}
        copy.deadlineReached(now: far)
        #expect(copy.orchestrations(now: far).count <= 1)
    }

    @Test("a proof between the heads is that of the vector, and heads at 0 and 1 prove from 0")
    func continuityProof() throws {
        let origin = OriginHash(rawValue: 43_690)
        let low = CausalLink(origin: origin, horizon: 0, sequence: 100, parent: 100_000)
        let high = CausalLink(origin: origin, horizon: 0, sequence: 110, parent: 110_000)
        let proof = try #require(SuperpositionProbe.proof(source: low, target: high))
        #expect(try proof.encoded() == [UInt8](hex: "aaaa00000000000063000000000000006d00000000000000a086010000000000b0ad010000000000"))
        let first = CausalLink(origin: origin, horizon: 0, sequence: 1, parent: 7)
        let young = try #require(SuperpositionProbe.proof(source: .genesis(origin), target: first))
        #expect(young.fromSequence == 0 && young.toSequence == 0)
    }

    @Test("a target that catches up while the state still spreads is ready to collapse")
    func earlyCatchUp() {
        #expect(SuperpositionProbe.earlyCatchUp == .readyToCollapse)
    }

    @Test("a node answers itself at most 32 times an input")
    func loopCap() {
        // The longest loop of an honest move is the target's own: RestoreComplete to ActivateAck, six messages.
        let world = NetMeshFlowTests.world(nodes: 2, source: 1, target: 0, orchestrator: 0)
        world.nodes[0].start(from: 1, to: 0)
        world.run(for: .seconds(5))
        #expect(world.nodes.allSatisfy { $0.dispatcher.counters.loopOverflows == 0 })
        world.settle()
        // Thirty-three moves that one lost session ends at once tell this node itself nothing that would loop on.
        let many = MeshWorld(nodeCount: 2)
        for number in 0..<40 as Range<UInt64> {
            let origin = OriginHash(rawValue: 500 + number)
            many.nodes[0].expect(origin)
            _ = many.nodes[0].start(NetMeshOrder(origin: origin, source: many.nodes[1].id, target: .node(many.nodes[0].id)))
        }
        many.nodes[0].change { $0.peerLost(many.nodes[1].id, now: $1) }
        many.run(for: .seconds(10))
        #expect(many.nodes[0].outcomes.count == 40)
        #expect(many.nodes[0].dispatcher.orchestrations(now: many.now).isEmpty)
    }

    @Test("several messages of one frame are handled in their order, and a bad one spoils no other")
    func severalMessagesOfAFrame() throws {
        let world = remoteWorld()
        world.nodes[0].start(from: 1, to: 2)
        run(world, until: "BufferedEvents")
        // What a frame of three would bring, one call each: rubbish, a stranger's type, and an honest repetition.
        let count = world.nodes[0].refusals.count
        world.nodes[0].receive([99], from: world.nodes[2].id)
        world.nodes[0].receive(.takeSnapshot(origin: OriginHash(rawValue: 4), target: world.nodes[2].id), from: world.nodes[2].id)
        world.nodes[0].receive(.restoreComplete(origin: origin, restoredSequence: 0), from: world.nodes[2].id)
        #expect(world.nodes[0].refusals.count == count + 2)
        world.settle()
        #expect(world.nodes[0].outcomes.first?.isCompleted == true)
    }
}
