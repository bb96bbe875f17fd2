import FerryStateMachines
import FerryWire
import Testing

/// The message flows of net-mesh migration §G.3, message by message, in all three topologies.
///
/// Nodes are numbered in the order orchestrator, source, target where they differ.
@Suite("Net-mesh flows")
struct NetMeshFlowTests {
    /// A world whose links keep order, with the daemon on node `source` and an expectation on node `target`.
    static func world(nodes: Int, source: Int, target: Int, orchestrator: Int, ballast: Int = 0) -> MeshWorld {
        let world = MeshWorld(nodeCount: nodes) { _, configuration in
            configuration.arrivals = .localOnly
        }
        world.nodes[source].spawn(MeshDaemon(entity: MeshSample.entity, ballast: ballast))
        world.nodes[target].expect(orchestrator: orchestrator, source: source)
        return world
    }

    /// Offers `count` events at a node once the daemon there is fenced.
    static func offerWhenFenced(_ count: UInt64, at index: Int, in world: MeshWorld, byteCount: Int = 4) {
        while !world.nodes[index].fenced.contains(MeshSample.origin), world.step(until: .distantFuture) {}
        guard count > 0 else { return }
        for sequence in 1...count {
            let event = MeshSample.event(sequence, byteCount: byteCount)
            #expect(world.nodes[index].offer(event))
            world.accepted.insert(MeshInput(event))
        }
    }

    /// The newest frame of inputs that node 1 has sent and the network has lost.
    final class LostTail {
        fileprivate(set) var frame: MeshWorld.Frame?
    }

    /// From now on loses the inputs that node 1 sends, and keeps the newest.
    static func loseTails(in world: MeshWorld) -> LostTail {
        let tail = LostTail()
        world.fate = { _, _, frame in
            guard frame.bytes.first == 7, frame.from.rawValue == 101 else { return .pass }
            tail.frame = frame
            return .lose
        }
        return tail
    }

    private func pieces(_ ballast: Int) -> Int { (ballast + 102 + 209) / 7_000 + 1 }

    private func snapshots(_ from: Int, _ to: Int, ballast: Int) -> [String] {
        (1...pieces(ballast)).map { "\(from)>\(to) SnapshotReady \($0)/\(pieces(ballast))" }
    }

    @Test("a third node moves a daemon", arguments: [0, 20_000], [0, 3] as [UInt64])
    func thirdParty(ballast: Int, inputs: UInt64) {
        let world = Self.world(nodes: 3, source: 1, target: 2, orchestrator: 0, ballast: ballast)
        world.nodes[0].start(from: 1, to: 2)
        Self.offerWhenFenced(inputs, at: 1, in: world)
        // Before the source sends its tail again, as it does whether or not it was heard.
        world.run(for: .milliseconds(400))
        // Pieces that come and pieces that are forwarded alternate, and the tail's own ReplayComplete comes when it likes.
        let passedOn = "0>2 BufferedEvents \(inputs)"
        let others = world.trace.filter {
            !$0.contains("SnapshotReady") && !$0.contains("ReplayComplete") && (inputs == 0 || $0 != passedOn)
        }
        #expect(
            others == ["0>1 TakeSnapshot", "2>0 RestoreComplete", "0>2 BufferedEvents 0", "0>1 CutoverNotify"]
                + (inputs > 0 ? ["1>2 BufferedEvents \(inputs)", "1>0 BufferedEvents \(inputs)"] : []) + [
                    "1>0 CleanupComplete", "0>2 ActivateTarget", "2>0 ActivateAck", "0>1 ActivateAck",
                ])
        if inputs > 0 {
            // The tail goes by the orchestrator too, in front of ActivateTarget: the target may not know the source.
            let order = world.trace.filter { $0 == passedOn || $0 == "0>2 ActivateTarget" }
            #expect(order == [passedOn, "0>2 ActivateTarget"])
        }
        #expect(world.trace.filter { $0.hasPrefix("1>0 Snap") } == snapshots(1, 0, ballast: ballast))
        #expect(world.trace.filter { $0.hasPrefix("0>2 Snap") } == snapshots(0, 2, ballast: ballast))
        #expect(world.trace.filter { $0 == "2>0 ReplayComplete" }.count == (inputs > 0 ? 3 : 1))
        #expect(world.nodes[0].outcomes == [.completed(replayedSequence: inputs)])
        #expect(world.nodes[0].asked == ["ended"], "an orchestrator hosts nothing")
        world.settle()
        #expect(world.owners().map(\.id) == [world.nodes[2].id])
    }

    @Test("a source moves its own daemon", arguments: [0, 20_000], [0, 3] as [UInt64])
    func localSource(ballast: Int, inputs: UInt64) {
        let world = Self.world(nodes: 2, source: 0, target: 1, orchestrator: 0, ballast: ballast)
        world.nodes[0].start(from: 0, to: 1)
        Self.offerWhenFenced(inputs, at: 0, in: world)
        world.run(for: .seconds(5))
        #expect(
            world.trace == snapshots(0, 1, ballast: ballast) + [
                "1>0 RestoreComplete", "0>1 BufferedEvents \(inputs)", "1>0 ReplayComplete", "0>1 ActivateTarget", "1>0 ActivateAck",
            ])
        #expect(world.nodes[0].outcomes == [.completed(replayedSequence: inputs)])
        world.settle()
        #expect(world.owners().map(\.id) == [world.nodes[1].id])
    }

    @Test("a target fetches a daemon", arguments: [0, 20_000], [0, 3] as [UInt64])
    func targetOrchestrates(ballast: Int, inputs: UInt64) {
        let world = Self.world(nodes: 2, source: 1, target: 0, orchestrator: 0, ballast: ballast)
        world.nodes[0].start(from: 1, to: 0)
        Self.offerWhenFenced(inputs, at: 1, in: world)
        // Before the source sends its tail again, as it does whether or not it was heard.
        world.run(for: .milliseconds(400))
        #expect(
            world.trace == ["0>1 TakeSnapshot"] + snapshots(1, 0, ballast: ballast) + ["0>1 CutoverNotify"]
                + (inputs > 0 ? ["1>0 BufferedEvents \(inputs)"] : []) + ["1>0 CleanupComplete", "0>1 ActivateAck"])
        #expect(world.nodes[0].outcomes == [.completed(replayedSequence: inputs)])
        world.settle()
        #expect(world.owners().map(\.id) == [world.nodes[0].id])
    }

    @Test("a batch fits one packet, and the next one waits for its ReplayComplete")
    func batchesFitOnePacket() {
        let world = Self.world(nodes: 2, source: 0, target: 1, orchestrator: 0)
        world.nodes[0].start(from: 0, to: 1)
        // Five of these do not fit 8,104 bytes, four do.
        Self.offerWhenFenced(11, at: 0, in: world, byteCount: 1_950)
        world.run(for: .seconds(5))
        let batches = world.trace.filter { $0.contains("BufferedEvents") || $0.contains("ReplayComplete") }
        #expect(
            batches == [
                "0>1 BufferedEvents 4", "1>0 ReplayComplete", "0>1 BufferedEvents 4", "1>0 ReplayComplete", "0>1 BufferedEvents 3",
                "1>0 ReplayComplete",
            ])
        world.settle()
    }

    @Test("an event of 7,000 bytes travels alone, and inputs that come between batches travel with the next one")
    func lateInputsJoinTheNextBatch() {
        let world = Self.world(nodes: 2, source: 0, target: 1, orchestrator: 0)
        world.beforeDelivery = { world, frame in
            guard let message = try? MigrationMessage(decoding: frame.bytes), case .replayComplete = message else { return }
            guard world.accepted.count < 4 else { return }
            let event = MeshSample.event(UInt64(world.accepted.count + 1), byteCount: 10)
            #expect(world.nodes[0].offer(event))
            world.accepted.insert(MeshInput(event))
        }
        world.nodes[0].start(from: 0, to: 1)
        Self.offerWhenFenced(2, at: 0, in: world, byteCount: 7_000)
        world.run(for: .seconds(5))
        #expect(
            world.trace.filter { $0.contains("BufferedEvents") } == [
                "0>1 BufferedEvents 1", "0>1 BufferedEvents 2", "0>1 BufferedEvents 1",
            ])
        world.settle()
    }

    @Test("copy and key stay at the source until the acknowledgement, and no longer")
    func sourceReleasesAfterTheAcknowledgement() {
        for source in [0, 1] {
            let world = Self.world(nodes: 3, source: source, target: 2, orchestrator: 0)
            world.nodes[0].start(from: source, to: 2)
            var stages: [String] = []
            world.beforeDelivery = { world, frame in
                guard let message = try? MigrationMessage(decoding: frame.bytes) else { return }
                let node = world.nodes[source]
                switch message {
                case .activateTarget, .activateAck:
                    stages.append("\(node.live.count) \(node.retired.count) \(node.keys.count)")
                default: break
                }
            }
            world.run(for: .seconds(5))
            #expect(Set(stages) == ["0 1 1"])
            #expect(world.nodes[source].retired.isEmpty)
            #expect(world.nodes[source].keys.isEmpty)
            #expect(world.nodes[source].asked.suffix(2).contains("release"))
            world.settle()
        }
    }

    @Test("superposition goes forward only and resolves, at a remote orchestrator too")
    func superpositionResolves() throws {
        for source in [0, 1] {
            let world = Self.world(nodes: 3, source: source, target: 2, orchestrator: 0)
            world.nodes[0].start(from: source, to: 2)
            var phases: [SuperpositionPhase] = []
            var proofs: Set<ContinuityProof?> = []
            while world.step(until: world.now + .seconds(5)) {
                guard let view = world.nodes[0].dispatcher.orchestrations(now: world.now).first else { continue }
                if phases.last != view.superposition { phases.append(view.superposition) }
                if view.phase >= .cutover { proofs.insert(view.continuityProof) }
            }
            #expect(phases == phases.sorted())
            #expect(phases.last == .resolved)
            #expect(!proofs.contains(nil))
        }
    }
}
