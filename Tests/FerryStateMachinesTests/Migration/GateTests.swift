import FerryCrypto
import FerrySodium
import FerryStateMachines
import FerryTestKit
import FerryWire
import Testing

/// S7: nothing changes on a message from a stranger, in a wrong role, of another id or epoch, or of a boot that takes no part.
@Suite("Gates") struct GateTests {
    struct Recorded {
        var message: FerryMessage
        var from: Int
        var to: Int
    }

    /// Every message of an undisturbed move with a third node as orchestrator.
    private func record() throws -> [Recorded] {
        let (world, daemon) = try makeWorld(seed: 11, emitterCount: 0)
        var recorded: [Recorded] = []
        world.onSend = { message, from, to in
            guard case .migration(let message) = message, case .node(let from) = from, case .node(let to) = to else { return }
            recorded.append(Recorded(message: message, from: from, to: to))
        }
        world.order(from: 0, to: 1, by: 2, daemon: daemon)
        world.run(for: .seconds(3))
        return recorded
    }

    private func isUnknown(_ action: MigrationAction) -> Bool {
        guard case .send(let answer, _, _) = action else { return false }
        guard case .unknown = answer.body else { return false }
        return true
    }

    /// Injects a forged copy of every recorded message at every boundary of the same run and compares the receiver before and after.
    private func inject(
        _ forge: @escaping (MoveWorld, Recorded) -> (FerryMessage, PeerIdentity)?, count: @escaping (MigrationCounters) -> UInt64
    ) throws {
        let recorded = try record()
        #expect(recorded.count > 12)
        let (world, daemon) = try makeWorld(seed: 11, emitterCount: 0)
        var injected: UInt64 = 0
        world.beforeDelivery = { world, _ in
            for entry in recorded {
                guard let (message, peer) = forge(world, entry) else { continue }
                let node = world.nodes[entry.to]
                let isKnown = node.dispatcher.moves.contains { $0.migration == message.header.migration }
                let before = (node.dispatcher.moves, node.dispatcher.nextDeadline, count(node.dispatcher.counters))
                node.dispatcher.receive(message, from: peer, now: world.now, wallClock: world.wallClock)
                #expect(node.dispatcher.moves == before.0, "\(message.body)")
                #expect(node.dispatcher.nextDeadline == before.1)
                if isKnown { #expect(count(node.dispatcher.counters) == before.2 + 1, "\(message.body)") }
                while let action = node.dispatcher.nextAction() {
                    #expect(isUnknown(action), "\(message.body) led to \(action)")
                }
                injected += 1
            }
        }
        world.order(from: 0, to: 1, by: 2, daemon: daemon)
        world.run(for: .seconds(3))
        #expect(injected > 100)
        #expect(world.owners.map(\.index) == [1])
    }

    @Test("a stranger changes nothing and hears nothing, in every state")
    func strangers() throws {
        let stranger = try NodeIdentity.generate(crypto: .sodium)
        try inject { world, entry in
            // A stranger's plan is no attempt of anybody else; its own would be judged by the policy.
            var peer = world.nodes[entry.from].peer
            peer.nodeKey = stranger.nodeKey
            return (entry.message, peer)
        } count: {
            $0.strangers
        }
    }

    @Test("another epoch changes nothing, in every state")
    func wrongEpoch() throws {
        try inject { world, entry in
            if case .plan = entry.message.body { return nil }
            if case .planReply = entry.message.body { return nil }
            var message = entry.message
            message.header.epoch = Epoch(rawValue: message.header.epoch.rawValue + 7)
            // A role that this node has not taken up yet knows no epoch at all.
            guard
                world.nodes[entry.to].dispatcher.moves.contains(where: {
                    $0.migration == message.header.migration && $0.totalByteCount == 0
                })
            else { return nil }
            let known = world.nodes[entry.to].dispatcher.moves.contains {
                $0.stall != "the daemon's description" && $0.stall != "the source's answer to the plan"
            }
            return known ? (message, world.nodes[entry.from].peer) : nil
        } count: {
            $0.wrongEpoch
        }
    }

    @Test("another migration id changes nothing, in every state")
    func wrongMigration() throws {
        let other = MigrationID(order: SeededRandom(seed: 5).next(), attempt: 1)
        try inject { world, entry in
            var message = entry.message
            message.header.migration = other
            return (message, world.nodes[entry.from].peer)
        } count: {
            $0.unknownMoves
        }
    }

    @Test("a participant in the wrong role changes nothing, in every state")
    func wrongRole() throws {
        try inject { world, entry in
            switch entry.message.body {
            case .release, .prepared, .cutoverNotify, .activateTarget, .snapshotReady, .refused, .takeSnapshot, .cleanupComplete:
                // The third participant says what only the sender may say.
                let impostor = 3 - entry.from - entry.to
                return (entry.message, world.nodes[impostor].peer)
            default: return nil
            }
        } count: {
            $0.wrongRole
        }
    }
}
