import FerryStateMachines
import FerryWire
import Testing

/// Recordings of live net-mesh nodes, played against one of ours in the same role.
///
/// What net-mesh sent is what ours must send, but for the identity envelope, whose bytes are random.
@Suite("Net-mesh transcripts")
struct NetMeshTranscriptTests {
    /// A node that plays net-mesh's part; the peers of the recording are names only.
    func node(
        id: NodeID, hooks: NetMeshHooksPresent = .all, configure: (inout NetMeshDispatcherConfiguration) -> Void = { _ in }
    ) -> MeshWorld {
        let world = MeshWorld(nodeCount: 0)
        var configuration = NetMeshDispatcherConfiguration(hooks: hooks)
        configure(&configuration)
        world.add(id: id, configuration: configuration)
        return world
    }

    func messages(_ world: MeshWorld) throws -> [MigrationMessage] {
        try world.sent.map { try MigrationMessage(decoding: $0.bytes) }
    }

    @Test(
        "as source and orchestrator: pieces, an empty batch, ActivateTarget",
        arguments: ["local_source_single_chunk", "local_source_multi_chunk"])
    func localSource(name: String) throws {
        let recording = try NetMeshTranscript.named(name)
        let lines = try recording.lines()
        let recorded = try #require(recording.snapshot)
        let snapshot = try StateSnapshot(decoding: try #require([UInt8](hex: recorded)))
        let source = NodeID(rawValue: 7)
        let target = NodeID(rawValue: 8)
        let world = node(id: source)
        let node = world.nodes[0]
        var plain = snapshot
        plain.envelope = nil
        node.snapshotOverride = plain
        node.sealing = .sealed(snapshot)
        node.spawn(MeshDaemon(entity: snapshot.entity))
        node.start(NetMeshOrder(origin: snapshot.entity.originHash, source: source, target: .node(target)))
        world.run(for: .milliseconds(100))
        for line in lines where line.from == "target(us)" {
            node.receive(try line.message, from: target)
            world.run(for: .milliseconds(100))
        }
        #expect(world.sent.map(\.bytes) == lines.filter { $0.from != "target(us)" }.compactMap { [UInt8](hex: $0.hex) })
        #expect(world.sent.allSatisfy { $0.to == target })
        #expect(node.outcomes == [.completed(replayedSequence: 3)])
    }

    @Test("as target: RestoreComplete, its repetition, ReplayComplete, ActivateAck, its repetition")
    func target() throws {
        let recording = try NetMeshTranscript.named("wheel_as_target")
        let lines = try recording.lines()
        let source = NodeID(rawValue: 8)
        let world = node(id: NodeID(rawValue: 7))
        let node = world.nodes[0]
        node.unsealing = .opened
        guard case .snapshotReady(let piece) = try lines[0].message else { return #expect(Bool(false), "the first line is a piece") }
        let snapshot = try StateSnapshot(decoding: piece.bytes)
        node.restoring = { MeshDaemon(restoring: $0, log: []) }
        node.expect(snapshot.entity.originHash)
        var replies: [[UInt8]] = []
        func send(_ line: NetMeshTranscript.Line) throws {
            let before = world.sent.count
            node.receive(try line.message, from: source)
            world.run(for: .milliseconds(100))
            replies += world.sent[before...].map(\.bytes)
        }
        func hex(_ index: Int) -> [UInt8]? { [UInt8](hex: lines[index].hex) }
        try send(lines[0])
        try send(lines[0])
        #expect(replies == [hex(1), hex(2)])
        replies = []
        try send(lines[3])
        guard case .replayComplete(let origin, let sequence, let head) = try MigrationMessage(decoding: replies[0]) else {
            return #expect(Bool(false), "a batch is answered with ReplayComplete")
        }
        // The link's parent depends on what the daemon emits; origin and sequence are those of the recording.
        #expect(origin == snapshot.entity.originHash)
        #expect(sequence == 4)
        #expect(head.sequence == 4)
        // I-18a: net-mesh drops the input with sequence 2 and never processes the one with 9; ours processes both.
        replies = []
        try send(lines[5])
        guard case .replayComplete(_, 6, _) = try MigrationMessage(decoding: replies[0]) else {
            return #expect(Bool(false), "two more inputs, two more outputs")
        }
        replies = []
        try send(lines[7])
        try send(lines[7])
        let acknowledgement = try MigrationMessage.activateAck(origin: origin, replayedSequence: 6).encoded()
        #expect(replies == [acknowledgement, acknowledgement])
        // I-16: net-mesh loses what comes after the activation; ours delivers it, without an answer as net-mesh.
        replies = []
        try send(lines[10])
        #expect(node.live[origin]?.log.map(\.sequence) == [3, 4, 2, 9, 5])
    }

    @Test("as target: what net-mesh refuses is refused with the same bytes")
    func negatives() throws {
        let recording = try NetMeshTranscript.named("wheel_as_target")
        let negatives = try #require(recording.negative)
        #expect(negatives.count == 14)
        for negative in negatives {
            let world = node(id: NodeID(rawValue: 7)) { $0.arrivals = .anyAdmitted }
            let node = world.nodes[0]
            let text = negative.replies.first.flatMap { try? $0.message }
            guard case .snapshotReady(let piece) = try MigrationMessage(decoding: #require([UInt8](hex: negative.sent))) else { continue }
            if negative.case != "no factory registered" { node.expect(piece.origin) }
            if case .migrationFailed(_, let reason)? = text {
                if let inner = reason.message.suffix(after: "identity envelope open failed: ") { node.unsealing = .failed(inner) }
                if let inner = reason.message.suffix(after: "restore_snapshot failed: StateFailed(\"") {
                    node.unsealing = .opened
                    node.restoreFailure = FailureReason(.stateFailed, String(inner.dropLast(2)))
                }
            }
            node.receive(.snapshotReady(piece), from: NodeID(rawValue: 8))
            world.run(for: .milliseconds(100))
            // Row H28: a foreign sequence has its own reason.
            guard !negative.case.contains("seq_through") else {
                #expect(try messages(world).map(\.briefName) == ["MigrationFailed stateFailed"], "\(negative.case)")
                continue
            }
            #expect(world.sent.map(\.bytes) == negative.replies.compactMap { [UInt8](hex: $0.hex) }, "\(negative.case)")
            #expect(node.live.isEmpty && node.staged.isEmpty, "\(negative.case)")
        }
    }

    @Test("as orchestrator of two others: every message of the recording, and the acknowledgement for the source")
    func thirdParty() throws {
        let lines = try NetMeshTranscript.named("third_party_orchestrator").lines()
        let source = NodeID(rawValue: 1_234_605_616_436_508_416)
        let target = NodeID(rawValue: 1_234_605_616_436_508_417)
        let world = node(id: NodeID(rawValue: 7))
        let node = world.nodes[0]
        let origin = try lines[0].message.origin
        node.start(NetMeshOrder(origin: origin, source: source, target: .node(target)))
        for line in lines {
            switch line.from {
            case "source(us)": node.receive(try line.message, from: source)
            case "target(us)": node.receive(try line.message, from: target)
            default: break
            }
            world.run(for: .milliseconds(10))
        }
        let recorded = lines.filter { $0.from?.hasPrefix("orchestrator") ?? false }
        #expect(world.sent.map(\.bytes).dropLast() == recorded.compactMap { [UInt8](hex: $0.hex) }[...])
        let destinations = recorded.map { ($0.from ?? "").hasSuffix("source") ? source : target } + [source]
        #expect(world.sent.map(\.to) == destinations)
        #expect(try messages(world).last == .activateAck(origin: origin, replayedSequence: 2))
        #expect(node.outcomes == [.completed(replayedSequence: 2)])
    }

    @Test("a peer that may not order is refused with net-mesh's text")
    func refusedOrder() throws {
        let lines = try NetMeshTranscript.named("take_snapshot_from_peer").lines()
        let peer = NodeID(rawValue: 0x1122_3344_5566_7700)
        for isHosted in [true, false] {
            let world = node(id: NodeID(rawValue: 7))
            let key = [UInt8](hex: "03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8") ?? []
            if isHosted { world.nodes[0].spawn(MeshDaemon(entity: try #require(EntityID(key)))) }
            let before = world.nodes[0].dispatcher.state
            world.nodes[0].receive(try lines[0].message, from: peer)
            world.run(for: .seconds(1))
            #expect(world.sent.map(\.bytes) == [[UInt8](hex: lines[1].hex)])
            #expect(world.nodes[0].dispatcher.state == before)
        }
    }

    @Test("a target that fails is told to the other participant, as is a cancelled move")
    func failures() throws {
        let lines = try NetMeshTranscript.named("target_state_failed").lines()
        let (source, target) = (NodeID(rawValue: 1), NodeID(rawValue: 2))
        let world = node(id: NodeID(rawValue: 7))
        let node = world.nodes[0]
        let origin = try lines[0].message.origin
        node.start(NetMeshOrder(origin: origin, source: source, target: .node(target)))
        node.receive(try lines[1].message, from: source)
        world.run(for: .milliseconds(10))
        node.receive(try lines[3].message, from: target)
        world.run(for: .milliseconds(100))
        // Row I-13a: net-mesh tells nobody.
        let boom = FailureReason(.stateFailed, "boom")
        #expect(try messages(world).suffix(1) == [.migrationFailed(origin: origin, reason: boom)])
        #expect(world.sent.last?.to == source)
        #expect(node.outcomes == [.failed(boom)])
        #expect(node.asked == ["failureHook", "ended"])
    }
}

extension NetMeshTranscriptTests {
    @Test("a cancelled move tells the target with net-mesh's bytes")
    func cancelled() throws {
        let expected = [UInt8](hex: "06bf76198038322a780300100063616e63656c20726571756573746564")
        let lines = try NetMeshTranscript.named("third_party_orchestrator").lines()
        let (source, target) = (NodeID(rawValue: 1), NodeID(rawValue: 2))
        let world = node(id: NodeID(rawValue: 7))
        let origin = try lines[0].message.origin
        world.nodes[0].start(NetMeshOrder(origin: origin, source: source, target: .node(target)))
        world.nodes[0].receive(try lines[1].message, from: source)
        world.nodes[0].change { _ = $0.abort(origin, reason: FailureReason(.stateFailed, "cancel requested"), now: $1) }
        #expect(world.sent.suffix(2).map(\.bytes) == [expected, expected])
        #expect(world.sent.suffix(2).map(\.to) == [source, target])
    }

    @Test("a target that is not ready: the source is told, and the retry is net-mesh's bytes")
    func notReady() throws {
        let lines = try NetMeshTranscript.named("target_not_ready").lines()
        let source = NodeID(rawValue: 1)
        let target = NodeID(rawValue: 1_234_605_616_436_508_417)
        let world = node(id: NodeID(rawValue: 7))
        let node = world.nodes[0]
        let origin = try lines[0].message.origin
        let order = NetMeshOrder(origin: origin, source: source, target: .node(target))
        node.start(order)
        node.receive(try lines[1].message, from: source)
        node.receive(try lines[3].message, from: target)
        world.run(for: .milliseconds(50))
        #expect(node.outcomes == [.failed(FailureReason(.notReady))])
        // Row I-13b: net-mesh's source is never told, and answers the retry with silence.
        #expect(try messages(world).last == .migrationFailed(origin: origin, reason: FailureReason(.notReady)))
        #expect(world.sent.last?.to == source)
        node.start(order)
        #expect(world.sent.last?.bytes == [UInt8](hex: lines[4].hex))
    }

    @Test("a second ReplayComplete sends no second CutoverNotify, and a failing source is told to the target")
    func duplicateReplayComplete() throws {
        let recorded = try NetMeshTranscript.named("duplicate_replay_complete").lines()
        let lines = try NetMeshTranscript.named("third_party_orchestrator").lines()
        let source = NodeID(rawValue: 1)
        let target = NodeID(rawValue: 1_234_605_616_436_508_417)
        let world = node(id: NodeID(rawValue: 7))
        let node = world.nodes[0]
        let origin = try lines[0].message.origin
        node.start(NetMeshOrder(origin: origin, source: source, target: .node(target)))
        for index in [1, 3, 5, 5, 5] { node.receive(try lines[index].message, from: index == 1 ? source : target) }
        #expect(world.sent.filter { $0.bytes.first == 4 }.map(\.bytes) == [[UInt8](hex: recorded[0].hex)])
        node.receive(.migrationFailed(origin: origin, reason: FailureReason(.stateFailed, "boom")), from: source)
        #expect(world.sent.last?.to == target)
        #expect(world.sent.last?.bytes.first == 6)
    }

    @Test("a target that orchestrates: net-mesh's order, then the cutover that net-mesh never reaches")
    func targetOrchestrates() throws {
        let lines = try NetMeshTranscript.named("target_as_orchestrator").lines()
        let source = NodeID(rawValue: 1)
        guard case .takeSnapshot(let origin, let local) = try lines[0].message else { return #expect(Bool(false)) }
        let world = node(id: local)
        let node = world.nodes[0]
        node.unsealing = .opened
        node.restoring = { MeshDaemon(restoring: $0, log: []) }
        node.expect(origin)
        node.start(NetMeshOrder(origin: origin, source: source, target: .node(local)))
        node.receive(try lines[1].message, from: source)
        world.run(for: .milliseconds(100))
        // Row I-6: net-mesh sends RestoreComplete to the source and waits for ever.
        #expect(try messages(world) == [try lines[0].message, .cutoverNotify(origin: origin, target: local)])
        node.receive(.cleanupComplete(origin: origin), from: source)
        world.run(for: .milliseconds(100))
        #expect(node.outcomes == [.completed(replayedSequence: 2)])
        #expect(node.live[origin] != nil)
    }
}

extension String {
    fileprivate func suffix(after prefix: String) -> String? {
        hasPrefix(prefix) ? String(dropFirst(prefix.count)) : nil
    }
}
