import FerryCrypto
import FerrySodium
import FerryStateMachines
import FerryTestKit
import FerryWire
import Testing

/// S7 in live mode: whatever is forged, early, late or said again, at any boundary of a move, nothing that can be observed changes.
@Suite("Gates of live moves") struct LiveGateTests {
    struct Recorded {
        var message: FerryMessage
        var from: Int
        var to: Int
    }

    /// The same move whenever it is asked for, with inputs before and after the fence.
    private func makeMove() throws -> (MoveWorld, EntityID) {
        let (world, daemon) = try makeWorld(seed: 41, emitterCount: 1)
        world.emit(12, over: 300)
        return (world, daemon)
    }

    private func start(_ world: MoveWorld, _ daemon: EntityID) {
        world.order(from: 0, to: 1, by: 2, daemon: daemon, mode: .live)
    }

    /// The messages of an undisturbed move with a third node as orchestrator; one of each kind and pair, the log's batches all.
    private func record() throws -> [Recorded] {
        let (world, daemon) = try makeMove()
        var recorded: [Recorded] = []
        var kinds: Set<String> = []
        world.onSend = { message, from, to in
            guard case .migration(let message) = message, case .node(let from) = from, case .node(let to) = to else { return }
            let kind = "\(message.body.name) \(from) \(to)"
            guard kinds.insert(kind).inserted || message.body.name == "bufferedEvents" else { return }
            recorded.append(Recorded(message: message, from: from, to: to))
        }
        start(world, daemon)
        world.run(for: .seconds(3))
        for name in ["bufferedEvents 0 1", "replayComplete 1 0", "release 0 1", "prepared 1 0", "activateTarget 0 1"] {
            #expect(kinds.contains(name), "\(kinds)")
        }
        return recorded
    }

    /// Everything that can be observed of a node's moves.
    private struct Observed: Equatable {
        var moves: [MoveView]
        var deadline: Timestamp?

        init(_ node: WorldNode) {
            moves = node.dispatcher.moves
            deadline = node.dispatcher.nextDeadline
        }
    }

    /// Injects forged copies of every recorded message at every boundary of the same run.
    private func inject(_ forge: @escaping (MoveWorld, Recorded) -> (FerryMessage, PeerIdentity)?) throws {
        let recorded = try record()
        let (world, daemon) = try makeMove()
        var injected = 0
        world.beforeDelivery = { world, _ in
            for entry in recorded {
                guard let (message, peer) = forge(world, entry) else { continue }
                expectUnchanged(message, from: peer, at: world.nodes[entry.to], of: world)
                injected += 1
            }
        }
        start(world, daemon)
        world.run(for: .seconds(3))
        #expect(injected > 100)
        #expect(world.owners.map(\.index) == [1])
        #expect(world.violations.isEmpty, "\(world.trace)")
    }

    /// Answers may be given; nothing may be done.
    private func expectUnchanged(_ message: FerryMessage, from peer: PeerIdentity, at node: WorldNode, of world: MoveWorld) {
        let before = Observed(node)
        node.dispatcher.receive(message, from: peer, now: world.now, wallClock: world.wallClock)
        #expect(Observed(node) == before, "\(message.body.name) at \(before.moves.map(\.stall))")
        while let action = node.dispatcher.nextAction() {
            guard case .send = action else {
                Issue.record("\(message.body.name) led to \(action)")
                continue
            }
        }
    }

    private func foreignBoot(_ peer: PeerIdentity, _ boot: BootID) -> PeerIdentity {
        var peer = peer
        peer.bootID = boot
        return peer
    }

    @Test("a stranger changes nothing, in every state")
    func strangers() throws {
        let stranger = try NodeIdentity.generate(crypto: .sodium)
        try inject { world, entry in
            var peer = world.nodes[entry.from].peer
            peer.nodeKey = stranger.nodeKey
            return (entry.message, peer)
        }
    }

    @Test("another epoch changes nothing, in every state")
    func wrongEpoch() throws {
        try inject { world, entry in
            switch entry.message.body {
            case .plan, .planReply: return nil
            default: break
            }
            var message = entry.message
            message.header.epoch = Epoch(rawValue: message.header.epoch.rawValue + 7)
            return (message, world.nodes[entry.from].peer)
        }
    }

    @Test("another migration id changes nothing, in every state")
    func wrongMigration() throws {
        let other = MigrationID(order: SeededRandom(seed: 5).next(), attempt: 1)
        try inject { world, entry in
            var message = entry.message
            message.header.migration = other
            return (message, world.nodes[entry.from].peer)
        }
    }

    @Test("a participant in the wrong role changes nothing, in every state")
    func wrongRole() throws {
        try inject { world, entry in
            switch entry.message.body {
            case .plan, .planReply, .status, .statusReply, .unknown, .abort, .progress: return nil
            default:
                // The third participant says what only the sender may say.
                return (entry.message, world.nodes[3 - entry.from - entry.to].peer)
            }
        }
    }

    @Test("another boot of a participant changes nothing, in every state in which one takes part")
    func wrongBoot() throws {
        let boot: BootID = SeededRandom(seed: 6).next()
        try inject { world, entry in
            switch entry.message.body {
            case .bufferedEvents, .release, .cutoverNotify, .activateTarget, .prepared, .activateAck:
                return (entry.message, foreignBoot(world.nodes[entry.from].peer, boot))
            // Before the order the source knows of no boot that could take part.
            case .restoreComplete where entry.to == 0, .replayComplete where entry.to == 0:
                guard world.nodes[0].phases[.source] != nil else { return nil }
                return (entry.message, foreignBoot(world.nodes[entry.from].peer, boot))
            default: return nil
            }
        }
    }

    @Test("a message that comes before what must precede it changes nothing")
    func wrongPhase() throws {
        let recorded = try record()
        let predecessors = [
            "snapshotReady": "plan", "bufferedEvents": "snapshotReady", "release": "snapshotReady", "prepared": "restoreComplete",
            "cutoverNotify": "release", "activateAck": "prepared", "activateTarget": "cutoverNotify", "restoreComplete": "takeSnapshot",
            "replayComplete": "takeSnapshot",
        ]
        let (world, daemon) = try makeMove()
        var delivered: Set<String> = []
        var injected = 0
        world.onDelivery = { _, message, _, _ in delivered.insert(message.body.name) }
        world.beforeDelivery = { world, _ in
            for entry in recorded {
                guard let predecessor = predecessors[entry.message.body.name], !delivered.contains(predecessor) else { continue }
                // A node that has no part yet, and one that hears of the end before it has begun, are other tests'.
                guard entry.to != 2 else { continue }
                expectUnchanged(entry.message, from: world.nodes[entry.from].peer, at: world.nodes[entry.to], of: world)
                injected += 1
            }
        }
        start(world, daemon)
        world.run(for: .seconds(3))
        #expect(injected > 100)
        #expect(world.owners.map(\.index) == [1])
        #expect(world.violations.isEmpty, "\(world.trace)")
    }

    @Test("a message that is said again changes nothing")
    func repeated() throws {
        let (world, daemon) = try makeMove()
        var injected = 0
        world.onDelivery = { world, message, from, to in
            guard case .node(let from) = from, case .node(let to) = to else { return }
            expectUnchanged(message, from: world.nodes[from].peer, at: world.nodes[to], of: world)
            injected += 1
        }
        start(world, daemon)
        world.run(for: .seconds(3))
        #expect(injected > 20)
        #expect(world.owners.map(\.index) == [1])
        #expect(world.violations.isEmpty, "\(world.trace)")
    }

    @Test("all that a finished move has said changes nothing any more, at any node")
    func late() throws {
        let recorded = try record()
        let (world, daemon) = try makeMove()
        start(world, daemon)
        world.run(for: .seconds(3))
        for entry in recorded {
            expectUnchanged(entry.message, from: world.nodes[entry.from].peer, at: world.nodes[entry.to], of: world)
        }
        #expect(world.owners.map(\.index) == [1])
    }

    @Test("the log of a move in stop-and-copy mode is empty: an entry changes nothing, in every state")
    func foreignLog() throws {
        let (world, daemon) = try makeWorld(seed: 42, emitterCount: 0)
        let link = CausalLink(origin: OriginHash(rawValue: 9), horizon: 0, sequence: 1, parent: 0)
        let entry = LoggedInput(event: CausalEvent(link: link, payload: [1], receivedAt: 1), outcome: 1)
        var injected = 0
        let migration = try #require(world.order(from: 0, to: 1, by: 2, daemon: daemon))
        world.beforeDelivery = { world, _ in
            let header = MessageHeader(migration: migration, epoch: Epoch(rawValue: 2))
            let message = FerryMessage(header: header, body: .bufferedEvents(BufferedEvents(firstIndex: 1, entries: [entry])))
            expectUnchanged(message, from: world.nodes[0].peer, at: world.nodes[1], of: world)
            injected += 1
        }
        world.run(for: .seconds(3))
        #expect(injected > 8)
        #expect(world.owners.map(\.index) == [1])
    }
}

extension FerryMessage.Body {
    /// The case's name.
    var name: String {
        let text = String(describing: self)
        return String(text[..<(text.firstIndex(of: "(") ?? text.endIndex)])
    }
}
