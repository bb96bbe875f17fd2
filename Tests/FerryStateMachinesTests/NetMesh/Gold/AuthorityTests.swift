import FerryStateMachines
import FerryWire
import Testing

/// Who may do what: net-mesh migration §I-3 to §I-9, §I-15, each as the attack that works on net-mesh.
@Suite("Net-mesh authority")
struct NetMeshAuthorityTests {
    let origin = MeshSample.origin
    let stranger = NodeID(rawValue: 0xBAD)

    /// Runs until a message of that name is about to be delivered.
    private func run(_ world: MeshWorld, until name: String, sourceLocation: SourceLocation = #_sourceLocation) {
        var isThere = false
        world.beforeDelivery = { _, frame in
            if let message = try? MigrationMessage(decoding: frame.bytes), message.briefName.hasPrefix(name) { isThere = true }
        }
        while !isThere, world.step(until: world.now + .seconds(30)) {}
        world.beforeDelivery = nil
        #expect(isThere, sourceLocation: sourceLocation)
    }

    private func thirdParty() -> MeshWorld {
        let world = NetMeshFlowTests.world(nodes: 4, source: 1, target: 2, orchestrator: 0)
        world.nodes[0].start(from: 1, to: 2)
        return world
    }

    private func complete(_ world: MeshWorld, sourceLocation: SourceLocation = #_sourceLocation) {
        world.settle(sourceLocation: sourceLocation)
        #expect(world.nodes[0].outcomes.count == 1, sourceLocation: sourceLocation)
        #expect(world.nodes[0].outcomes.first?.isCompleted == true, sourceLocation: sourceLocation)
    }

    @Test("a forged CutoverNotify leaves the daemon alone, in every phase")
    func forgedCutover() {
        for phase in ["SnapshotReady", "RestoreComplete", "BufferedEvents", "ReplayComplete"] {
            let world = NetMeshFlowTests.world(nodes: 3, source: 0, target: 1, orchestrator: 0)
            world.nodes[0].start(from: 0, to: 1)
            run(world, until: phase)
            let before = world.nodes[0].dispatcher.state
            for sender in [stranger, world.nodes[1].id, world.nodes[2].id] {
                world.nodes[0].receive(.cutoverNotify(origin: origin, target: world.nodes[1].id), from: sender)
            }
            #expect(world.nodes[0].dispatcher.state == before)
            #expect(world.nodes[0].live[origin] != nil)
            #expect(!world.trace.contains { $0.contains("ActivateTarget") })
            complete(world)
        }
    }

    @Test("a forged ReplayComplete sends no CutoverNotify")
    func forgedReplayComplete() throws {
        let lines = try NetMeshTranscript.named("forged_replay_complete").lines()
        let world = thirdParty()
        run(world, until: "TakeSnapshot")
        guard case .replayComplete(_, let sequence, let head) = try lines[1].message else { return #expect(Bool(false)) }
        for sender in [stranger, world.nodes[1].id, world.nodes[2].id] {
            world.nodes[0].receive(.replayComplete(origin: origin, replayedSequence: sequence, targetHead: head), from: sender)
        }
        #expect(!world.trace.contains { $0.contains("CutoverNotify") })
        #expect(world.nodes[0].refusals.map(\.code) == [.wrongPeer, .wrongPeer, .wrongPhase])
        complete(world)
    }

    @Test("a forged ActivateAck ends nothing, and releases nothing at the source")
    func forgedActivateAck() {
        let world = thirdParty()
        run(world, until: "ActivateTarget")
        for sender in [stranger, world.nodes[1].id, world.nodes[3].id] {
            world.nodes[0].receive(.activateAck(origin: origin, replayedSequence: 0), from: sender)
        }
        for sender in [stranger, world.nodes[2].id, world.nodes[3].id] {
            world.nodes[1].receive(.activateAck(origin: origin, replayedSequence: 0), from: sender)
        }
        #expect(world.nodes[0].outcomes.isEmpty)
        #expect(world.nodes[1].retired[origin] != nil)
        #expect(world.nodes[1].keys.contains(origin))
        complete(world)
    }

    @Test("forged BufferedEvents inject no input, before and after the activation")
    func forgedBufferedEvents() {
        let world = thirdParty()
        for phase in ["RestoreComplete", "ReplayComplete", "ActivateTarget", "ActivateAck"] {
            run(world, until: phase)
            for sender in [stranger, world.nodes[3].id] {
                world.nodes[2].receive(.bufferedEvents(origin: origin, events: [MeshSample.event(666)]), from: sender)
            }
        }
        complete(world)
        world.nodes[2].receive(.bufferedEvents(origin: origin, events: [MeshSample.event(666)]), from: stranger)
        world.run(for: .seconds(1))
        #expect(world.nodes[2].live[origin]?.log == [])
    }

    @Test("a CutoverNotify that names another target sends nobody the inputs, even from the orchestrator")
    func cutoverNamesAnotherTarget() {
        let world = thirdParty()
        NetMeshFlowTests.offerWhenFenced(2, at: 1, in: world)
        run(world, until: "CutoverNotify")
        let before = world.trace.count
        world.nodes[1].receive(.cutoverNotify(origin: origin, target: stranger), from: world.nodes[0].id)
        #expect(world.sent.dropFirst(before).allSatisfy { $0.to != stranger })
        complete(world)
        #expect(world.nodes[2].live[origin]?.log.count == 2)
    }

    @Test("CutoverNotify for a daemon at rest runs no hook and changes nothing")
    func cutoverForADaemonAtRest() {
        let world = MeshWorld(nodeCount: 2)
        let node = world.nodes[0]
        node.spawn(MeshDaemon(entity: MeshSample.entity))
        let before = node.dispatcher.state
        for sender in [stranger, world.nodes[1].id] {
            node.receive(.cutoverNotify(origin: origin, target: world.nodes[1].id), from: sender)
        }
        world.run(for: .seconds(1))
        #expect(node.asked.isEmpty)
        #expect(node.live[origin] != nil)
        #expect(node.dispatcher.state == before)
    }

    @Test("whoever comes first is not the orchestrator for that, and the bound one completes")
    func firstSenderIsNoOrchestrator() {
        for isBound in [true, false] {
            let world = MeshWorld(nodeCount: 3) { _, configuration in configuration.arrivals = .localOnly }
            world.nodes[0].spawn(MeshDaemon(entity: MeshSample.entity))
            world.nodes[1].expect(fallback: true, orchestrator: isBound ? 0 : nil)
            let forged = MeshDaemon(entity: MeshSample.entity, ballast: 777).snapshot()
            sendWhole(forged, from: world.nodes[2].id, to: world.nodes[1])
            // An envelope that this node cannot open proves nothing.
            var sealed = forged
            sealed.envelope = MeshSample.envelope(for: world.nodes[2].id)
            sendWhole(sealed, from: world.nodes[2].id, to: world.nodes[1])
            world.run(for: .seconds(1))
            #expect(world.nodes[1].staged.isEmpty)
            #expect(!world.trace.contains { $0.contains("RestoreComplete") })
            world.nodes[1].receive(.activateTarget(origin: origin), from: world.nodes[2].id)
            world.nodes[0].start(from: 0, to: 1)
            world.run(for: .seconds(5))
            complete(world)
            #expect(world.nodes[1].live[origin]?.ballast == 0)
        }
    }

    private func sendWhole(_ snapshot: StateSnapshot, from sender: NodeID, to node: MeshNode) {
        let bytes = (try? snapshot.encoded()) ?? []
        node.receive(
            .snapshotReady(
                SnapshotPiece(
                    origin: snapshot.chainLink.origin, throughSequence: snapshot.throughSequence, index: 0, totalCount: 1, bytes: bytes)),
            from: sender)
    }

    @Test("invented state without an envelope neither gets in nor locks the source out")
    func injectedStateLocksNobodyOut() throws {
        let lines = try NetMeshTranscript.named("tofu_state_injection").lines()
        let world = MeshWorld(nodeCount: 2) { _, configuration in configuration.arrivals = .localOnly }
        guard case .snapshotReady(let piece) = try lines[0].message else { return #expect(Bool(false)) }
        let node = world.nodes[1]
        node.expect(piece.origin, fallback: true)
        node.receive(.snapshotReady(piece), from: stranger)
        world.run(for: .seconds(1))
        #expect(node.asked == [])
        #expect(node.staged.isEmpty)
        #expect(node.dispatcher.targets(now: world.now).isEmpty)
    }

    @Test("a stranger's piece of the highest sequence blocks nobody")
    func sequencePoison() {
        for hasExpectation in [true, false] {
            let world = NetMeshFlowTests.world(nodes: 3, source: 0, target: 1, orchestrator: 0, ballast: 20_000)
            if !hasExpectation {
                world.nodes[1].change { dispatcher, _ in dispatcher.forgetExpectation(MeshSample.origin) }
                world.nodes[1].expect()
            }
            let poison = SnapshotPiece(origin: origin, throughSequence: .max, index: 0, totalCount: 2, bytes: [1])
            for sender in [stranger, world.nodes[2].id] { world.nodes[1].receive(.snapshotReady(poison), from: sender) }
            world.nodes[0].start(from: 0, to: 1)
            run(world, until: "SnapshotReady 2/3")
            for sender in [stranger, world.nodes[2].id] { world.nodes[1].receive(.snapshotReady(poison), from: sender) }
            complete(world)
        }
    }

    @Test("a piece that differs begins another generation: what is restored is of one attempt")
    func generationsDoNotMix() throws {
        let world = MeshWorld(nodeCount: 2)
        let node = world.nodes[1]
        node.expect()
        let sender = world.nodes[0].id
        func pieces(_ ballast: UInt8) throws -> [SnapshotPiece] {
            var snapshot = MeshDaemon(entity: MeshSample.entity).snapshot(envelope: MeshSample.envelope(for: node.id))
            snapshot.state = [UInt8](repeating: 0, count: 8) + [UInt8](repeating: ballast, count: 15_000)
            let bytes = try snapshot.encoded()
            return stride(from: 0, to: bytes.count, by: 7_000).enumerated().map { index, start in
                SnapshotPiece(
                    origin: origin, throughSequence: 0, index: UInt32(index), totalCount: 3,
                    bytes: Array(bytes[start..<min(start + 7_000, bytes.count)]))
            }
        }
        var restored: [UInt8] = []
        node.restoring = { snapshot in
            restored = snapshot.state
            return MeshDaemon(restoring: snapshot)
        }
        let (a, b) = (try pieces(0xAA), try pieces(0xBB))
        // Two pieces of the first attempt, then the second attempt from its start.
        for piece in [a[0], a[1], b[0], b[1], b[2]] { node.receive(.snapshotReady(piece), from: sender) }
        world.run(for: .seconds(1))
        #expect(node.asked.contains("restore"))
        #expect(Set(restored.dropFirst(8)) == [0xBB])
    }

    @Test("pieces of two senders never make one snapshot")
    func sendersDoNotMix() throws {
        let world = MeshWorld(nodeCount: 3)
        let node = world.nodes[1]
        node.expect()
        let snapshot = MeshDaemon(entity: MeshSample.entity, ballast: 9_000).snapshot(envelope: MeshSample.envelope(for: node.id))
        let bytes = try snapshot.encoded()
        for (index, sender) in [(0, 0), (1, 2)] {
            node.receive(
                .snapshotReady(
                    SnapshotPiece(
                        origin: origin, throughSequence: 0, index: UInt32(index), totalCount: 2,
                        bytes: index == 0 ? Array(bytes.prefix(7_000)) : Array(bytes.dropFirst(7_000)))), from: world.nodes[sender].id)
        }
        world.run(for: .seconds(1))
        #expect(node.asked.isEmpty)
    }

    @Test("a peer that may not order learns nothing: the same bytes, moving, at rest or absent")
    func strangersLearnNothing() throws {
        var replies: Set<[[UInt8]]> = []
        for situation in 0..<3 {
            let world = MeshWorld(nodeCount: 2) { _, configuration in configuration.orchestrators = .localOnly }
            let node = world.nodes[0]
            if situation > 0 { node.spawn(MeshDaemon(entity: MeshSample.entity)) }
            if situation > 1 {
                node.start(from: 0, to: 1)
                run(world, until: "SnapshotReady")
            }
            let sentBefore = world.sent.count
            let state = node.dispatcher.state
            let asked = node.asked
            node.receive(.takeSnapshot(origin: origin, target: stranger), from: stranger)
            #expect(node.dispatcher.state == state)
            #expect(node.asked == asked)
            replies.insert(world.sent[sentBefore...].map(\.bytes))
        }
        #expect(replies.count == 1)
        let only = try #require(replies.first)
        #expect(only.count == 1)
        guard case .migrationFailed(_, let reason) = try MigrationMessage(decoding: #require(only.first)) else {
            return #expect(Bool(false), "refused with MigrationFailed")
        }
        #expect(reason.message == "migration refused: node 0xbad is not an authorized orchestrator for this node")
    }

    @Test("policies: local only, a list, an empty list, any admitted peer; at once when changed")
    func policies() {
        for (policy, isAllowed): (NetMeshPolicy, Bool) in [
            (.localOnly, false), (.allowList([]), false), (.allowList([NodeID(rawValue: 100)]), true),
            (.allowList([NodeID(rawValue: 9)]), false), (.anyAdmitted, true),
        ] {
            let world = MeshWorld(nodeCount: 3) { _, configuration in configuration.orchestrators = .localOnly }
            world.nodes[1].change { dispatcher, _ in dispatcher.setPolicy(orchestrators: policy, arrivals: .localOnly) }
            world.nodes[1].spawn(MeshDaemon(entity: MeshSample.entity))
            world.nodes[2].expect(orchestrator: 0, source: 1)
            world.nodes[0].start(from: 1, to: 2)
            world.run(for: .seconds(5))
            #expect(world.nodes[0].outcomes.first?.isCompleted == isAllowed)
            #expect(world.nodes[1].asked.contains("takeSnapshot") == isAllowed)
            world.settle()
        }
    }

    @Test("a daemon that has left is not revived on its old node")
    func resurrection() {
        let world = thirdParty()
        complete(world)
        let old = world.nodes[1]
        sendWhole(MeshDaemon(entity: MeshSample.entity, ballast: 5).snapshot(), from: world.nodes[3].id, to: old)
        world.run(for: .seconds(1))
        #expect(world.trace.last == "1>3 MigrationFailed factoryNotFound")
        old.receive(.activateTarget(origin: origin), from: world.nodes[3].id)
        world.run(for: .seconds(1))
        #expect(old.live.isEmpty && old.staged.isEmpty && old.keys.isEmpty)
        #expect(world.owners().map(\.id) == [world.nodes[2].id])
    }

    @Test("restored and replayed is not live: inputs wait for the activation")
    func notLiveBeforeActivation() {
        let world = thirdParty()
        var moments = 0
        world.beforeDelivery = { world, frame in
            let target = world.nodes[2]
            guard target.staged[MeshSample.origin] != nil else { return }
            moments += 1
            #expect(target.live[MeshSample.origin] == nil)
            #expect(target.dispatcher.targets(now: world.now).count == 1)
            var copy = target.dispatcher
            #expect(copy.hold(MeshSample.event(40), for: MeshSample.origin, now: world.now) == .held)
        }
        complete(world)
        #expect(moments >= 6)
    }

    @Test("a stale SnapshotReady after the completion is refused, and ActivateTarget is still acknowledged")
    func staleSnapshotAfterCompletion() {
        let world = thirdParty()
        world.run(for: .seconds(5))
        #expect(world.nodes[0].outcomes.first?.isCompleted == true)
        let pieces = world.sent.filter { $0.to == world.nodes[2].id && $0.bytes.first == 1 }
        for piece in pieces { world.nodes[2].receive(piece.bytes, from: piece.from) }
        world.nodes[2].receive(.activateTarget(origin: origin), from: world.nodes[0].id)
        #expect(world.trace.last == "2>0 ActivateAck")
        #expect(world.nodes[2].live[origin] != nil && world.nodes[2].staged.isEmpty)
        // Not for anybody else.
        let count = world.sent.count
        world.nodes[2].receive(.activateTarget(origin: origin), from: world.nodes[3].id)
        #expect(world.sent.count == count || world.trace.last == "2>3 MigrationFailed stateFailed")
        complete(world)
    }
}
