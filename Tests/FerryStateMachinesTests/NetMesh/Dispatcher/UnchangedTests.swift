import FerryStateMachines
import FerryWire
import Testing

/// A refused message leaves a dispatcher exactly as it was, its counters excepted, and tells a stranger nothing.
///
/// The flows of all topologies are run, and before every delivery copies of the dispatchers are fed with what they must refuse.
@Suite("Net-mesh refusals change nothing")
struct NetMeshUnchangedTests {
    static let stranger = NodeID(rawValue: 0xBAD)
    static let topologies = [(0, 1, 2), (0, 0, 1), (0, 1, 0)]

    /// A flow in which every node knows its participants, and nobody else.
    static func world(_ orchestrator: Int, _ source: Int, _ target: Int) -> MeshWorld {
        let world = MeshWorld(nodeCount: 3) { _, configuration in
            configuration.orchestrators = .allowList([NodeID(rawValue: 100)])
            configuration.arrivals = .localOnly
        }
        world.nodes[source].spawn(MeshDaemon(entity: MeshSample.entity, ballast: 9_000))
        world.nodes[target].expect(orchestrator: orchestrator, source: source)
        world.nodes[orchestrator].start(from: source, to: target)
        return world
    }

    /// One message of every type about the world's daemon.
    static var everyMessage: [MigrationMessage] {
        let origin = MeshSample.origin
        let daemon = MeshDaemon(entity: MeshSample.entity)
        let snapshot = (try? daemon.snapshot(envelope: MeshSample.envelope(for: NodeID(rawValue: 102))).encoded()) ?? []
        func piece(_ bytes: [UInt8], through: UInt64 = 0, index: UInt32 = 0, of total: UInt32 = 1) -> MigrationMessage {
            .snapshotReady(
                SnapshotPiece(origin: origin, throughSequence: through, index: index, totalCount: total, bytes: bytes))
        }
        return [
            .takeSnapshot(origin: origin, target: NodeID(rawValue: 102)), .takeSnapshot(origin: origin, target: stranger),
            piece(snapshot), piece(Array(snapshot.prefix(50)), index: 0, of: 2), piece([1], index: 1, of: 2),
            piece([1], through: .max, index: 1, of: 2), piece([1], through: .max), .restoreComplete(origin: origin, restoredSequence: 0),
            .replayComplete(origin: origin, replayedSequence: 0, targetHead: .genesis(origin)),
            .cutoverNotify(origin: origin, target: NodeID(rawValue: 102)), .cutoverNotify(origin: origin, target: stranger),
            .cleanupComplete(origin: origin), .migrationFailed(origin: origin, reason: FailureReason(.stateFailed, "forged")),
            .migrationFailed(origin: origin, reason: FailureReason(.notReady)), .bufferedEvents(origin: origin, events: []),
            .bufferedEvents(origin: origin, events: [MeshSample.event(77)]), .activateTarget(origin: origin),
            .activateAck(origin: origin, replayedSequence: 0),
        ]
    }

    /// What a dispatcher sends and asks for after one message; its state must be what it was.
    static func probe(
        _ dispatcher: NetMeshDispatcher, _ bytes: [UInt8], from sender: NodeID, now: Timestamp, _ comment: String,
        sourceLocation: SourceLocation = #_sourceLocation
    ) -> [NetMeshAction] {
        var copy = dispatcher
        var code: NetMeshRefusal.Code?
        do {
            try copy.receive(bytes.rawSpan, from: sender, now: now)
        } catch {
            code = error.code
        }
        // A failure of a move that nobody knows is no error.
        #expect(code != nil || bytes.first == 6, "accepted: \(comment)", sourceLocation: sourceLocation)
        #expect(copy.counters != dispatcher.counters, "\(comment)", sourceLocation: sourceLocation)
        var actions: [NetMeshAction] = []
        while let action = copy.nextAction() { actions.append(action) }
        #expect(copy.state == dispatcher.state, "state changed: \(comment)", sourceLocation: sourceLocation)
        return actions
    }

    /// What a node without the daemon, and without any move, answers to the same bytes.
    private static func blank(_ node: MeshNode) -> NetMeshDispatcher {
        NetMeshDispatcher(localNode: node.id, configuration: node.configuration)
    }

    @Test("a stranger's message of any type, at any moment of any flow", arguments: 0..<3)
    func strangers(topology: Int) throws {
        let (orchestrator, source, target) = Self.topologies[topology]
        let world = Self.world(orchestrator, source, target)
        let messages = try Self.everyMessage.map { ($0.briefName, try $0.encoded()) }
        var moments = 0
        world.beforeDelivery = { world, _ in
            moments += 1
            for node in world.nodes {
                for (name, bytes) in messages {
                    let comment = "\(name) at \(node.id), moment \(moments)"
                    let actions = Self.probe(node.dispatcher, bytes, from: Self.stranger, now: world.now, comment)
                    // The same answer whether or not the daemon, or a move of it, is here; and only to the stranger.
                    let nothing = Self.probe(Self.blank(node), bytes, from: Self.stranger, now: world.now, "blank, " + comment)
                    #expect(actions == nothing, "disclosed: \(comment)")
                }
            }
        }
        world.run(for: .seconds(10))
        #expect(moments > 5)
        #expect(world.nodes[orchestrator].outcomes == [.completed(replayedSequence: 0)])
        world.settle()
    }

    /// Who may say what to whom; nodes as roles.
    private static func mayPlay(_ message: MigrationMessage, _ roles: (Int, Int, Int), from: Int, to: Int) -> Bool {
        let (orchestrator, source, target) = roles
        return switch message {
        case .takeSnapshot: from == orchestrator && to == source
        case .snapshotReady: (from == source && to == orchestrator) || (from == orchestrator && to == target)
        case .restoreComplete, .replayComplete: from == target && to == orchestrator
        case .cutoverNotify: from == orchestrator && to == source
        case .cleanupComplete: from == source && to == orchestrator
        case .migrationFailed: from == orchestrator || to == orchestrator
        // A source sends its last inputs both ways.
        case .bufferedEvents: from == source || (from == orchestrator && to == target)
        case .activateTarget: from == orchestrator && to == target
        case .activateAck: (from == target && to == orchestrator) || (from == orchestrator && to == source)
        }
    }

    @Test("a participant's message that is another participant's to send", arguments: 0..<3)
    func wrongSenders(topology: Int) throws {
        let roles = Self.topologies[topology]
        let world = Self.world(roles.0, roles.1, roles.2)
        let messages = try Self.everyMessage.map { ($0, try $0.encoded()) }
        var probes = 0
        world.beforeDelivery = { world, _ in
            for (to, node) in world.nodes.enumerated() {
                for (from, sender) in world.nodes.enumerated() where from != to {
                    for (message, bytes) in messages where !Self.mayPlay(message, roles, from: from, to: to) {
                        // Once the daemon has arrived, the orchestrator may order it away from there.
                        if message.typeByte == 0, from == 0, node.live[MeshSample.origin] != nil { continue }
                        probes += 1
                        let comment = "\(message.briefName) \(from)>\(to)"
                        let actions = Self.probe(node.dispatcher, bytes, from: sender.id, now: world.now, comment)
                        for action in actions {
                            guard case .send(.migrationFailed, let peer) = action, peer == sender.id else {
                                #expect(Bool(false), "\(comment) made the node do \(action)")
                                continue
                            }
                        }
                    }
                }
            }
        }
        world.run(for: .seconds(10))
        #expect(probes > 300)
        #expect(world.nodes[roles.0].outcomes.count == 1)
        world.settle()
    }

    @Test("the right participant's message, too early", arguments: 0..<3)
    func wrongPhases(topology: Int) throws {
        let roles = Self.topologies[topology]
        let (orchestrator, source, target) = roles
        func id(_ index: Int) -> NodeID { NodeID(rawValue: UInt64(100 + index)) }
        let (o, s, t) = (id(orchestrator), id(source), id(target))
        let origin = MeshSample.origin
        // What must not be said before the message of that name was delivered; sender, receiver, message.
        let early: [(NodeID, NodeID, MigrationMessage, String)] = [
            (o, s, .cutoverNotify(origin: origin, target: t), "SnapshotReady"),
            (t, o, .restoreComplete(origin: origin, restoredSequence: 0), "SnapshotReady"),
            (t, o, .replayComplete(origin: origin, replayedSequence: 0, targetHead: .genesis(origin)), "BufferedEvents"),
            (s, o, .cleanupComplete(origin: origin), "CutoverNotify"),
            (o, t, .activateTarget(origin: origin), "RestoreComplete"),
            (o, t, .bufferedEvents(origin: origin, events: [MeshSample.event(9)]), "SnapshotReady"),
            (t, o, .activateAck(origin: origin, replayedSequence: 0), "ActivateTarget"),
            (o, s, .activateAck(origin: origin, replayedSequence: 0), "CleanupComplete"),
        ]
        let world = Self.world(orchestrator, source, target)
        var probes = 0
        world.beforeDelivery = { world, _ in
            for (from, to, message, after) in early where from != to {
                // A loop inside one node is not seen as a message: count what the node was asked instead.
                let hasCome = world.trace.contains { $0.contains(after) } || (from == to)
                guard !hasCome, let node = world.node(to), let bytes = try? message.encoded() else { continue }
                probes += 1
                let comment = "\(message.briefName) before \(after)"
                let actions = Self.probe(node.dispatcher, bytes, from: from, now: world.now, comment)
                for action in actions {
                    guard case .send(.migrationFailed, let peer) = action, peer == from else {
                        #expect(Bool(false), "\(comment) made the node do \(action)")
                        continue
                    }
                }
            }
        }
        world.run(for: .seconds(10))
        #expect(probes > 0)
        #expect(world.nodes[orchestrator].outcomes == [.completed(replayedSequence: 0)])
    }

    @Test("bytes that are no message, from anybody, at any moment", arguments: 0..<3)
    func malformed(topology: Int) throws {
        let roles = Self.topologies[topology]
        let world = Self.world(roles.0, roles.1, roles.2)
        var inputs: [[UInt8]] = [[], [10], [255] + [UInt8](repeating: 0, count: 60)]
        for message in Self.everyMessage {
            let bytes = try message.encoded()
            inputs.append(Array(bytes.dropLast()))
            inputs.append(Array(bytes.prefix(8)))
        }
        inputs = inputs.filter { (try? MigrationMessage(decoding: $0)) == nil }
        world.beforeDelivery = { world, _ in
            for node in world.nodes {
                for sender in world.nodes.map(\.id) + [Self.stranger] where sender != node.id {
                    for bytes in inputs {
                        let before = node.dispatcher.counters.malformed
                        var copy = node.dispatcher
                        #expect(throws: NetMeshRefusal.self) { try copy.receive(bytes.rawSpan, from: sender, now: world.now) }
                        #expect(copy.state == node.dispatcher.state)
                        #expect(copy.counters.malformed == before + 1)
                        #expect(copy.nextAction() == nil)
                    }
                }
            }
        }
        world.run(for: .seconds(10))
        #expect(world.nodes[roles.0].outcomes == [.completed(replayedSequence: 0)])
    }

    @Test("any message without a move, but for orders and arrivals that are allowed")
    func messagesWithoutAMove() throws {
        let world = MeshWorld(nodeCount: 2) { _, configuration in configuration.arrivals = .localOnly }
        let node = world.nodes[1]
        node.spawn(MeshDaemon(entity: MeshSample.entity))
        for message in Self.everyMessage {
            if case .takeSnapshot = message { continue }
            if case .migrationFailed = message { continue }
            let actions = Self.probe(node.dispatcher, try message.encoded(), from: world.nodes[0].id, now: world.now, message.briefName)
            #expect(actions.allSatisfy { if case .send(.migrationFailed, _) = $0 { true } else { false } })
        }
    }

    @Test("a failure of a move that nobody knows is no error, fires no hook and keeps nothing")
    func lateFailure() throws {
        let world = MeshWorld(nodeCount: 2)
        let node = world.nodes[1]
        node.spawn(MeshDaemon(entity: MeshSample.entity))
        let before = node.dispatcher.state
        for number in 0..<1_000 as Range<UInt64> {
            let origin = number == 0 ? MeshSample.origin : OriginHash(rawValue: number)
            node.receive(.migrationFailed(origin: origin, reason: FailureReason(.stateFailed, "late")), from: Self.stranger)
        }
        #expect(node.refusals.isEmpty)
        #expect(node.dispatcher.state == before)
        #expect(node.asked.isEmpty)
        #expect(world.sent.isEmpty)
        #expect(node.dispatcher.nextDeadline == nil)
    }
}
