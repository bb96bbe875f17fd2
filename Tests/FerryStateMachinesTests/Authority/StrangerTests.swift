import FerryCrypto
import FerrySodium
import FerryWire
import Testing

@testable import FerryStateMachines

@Suite("A stranger with a session")
struct StrangerTests {
    /// What can be said in a few bytes, one of each kind.
    private func bodies(_ order: MoveOrder, boot: BootID) -> [FerryMessage.Body] {
        let reason = FailureReason(.cancelled)
        let hash = ReleaseHash(rawValue: .zero)
        return [
            .plan(Plan(order: order, boot: boot, offer: nil)), .takeSnapshot(TakeSnapshot(order: order, targetBoot: boot)),
            .planReply(.refused(reason)), .restoreComplete(StateSummary(chunkCount: 0, byteCount: 0, digest: .zero)),
            .replayComplete(ReplayComplete(logIndex: 0, inputOutputDigest: .zero, lag: 0)), .prepared(hash), .refused(reason),
            .activateTarget(hash), .migrationFailed(reason), .abort(reason), .tooLate, .busy(order.migration), .status,
            .statusReply(StatusReply(standing: .abandoned, boot: boot, reason: reason)), .unknown(boot),
        ]
    }

    @Test("neither steers, stops nor observes a move, at any participant")
    func nothing() throws {
        let cast = try AuthorityCast()
        let stranger = try AuthorityNode()
        let signed = try cast.order().signed(by: cast.daemon)
        let own = cast.order { $0.orchestrator = cast.source.key }
        #expect(cast.source.plan(signed, from: cast.orchestrator.peer).begins)
        #expect(cast.target.plan(own, from: cast.source.peer, offer: cast.offer).begins)
        try cast.orchestrator.dispatcher.order(signed, now: cast.orchestrator.now, wallClock: cast.orchestrator.wallClock)
        _ = cast.orchestrator.takeActions()

        for (node, order) in [(cast.source, signed), (cast.target, own), (cast.orchestrator, signed)] {
            let before = node.dispatcher.moves
            let deadline = node.dispatcher.nextDeadline
            let sent = bodies(order, boot: node.boot)
            for body in sent {
                for epoch in [Epoch.none, cast.offer.epoch] {
                    #expect(node.receive(body, about: order.migration, epoch: epoch, from: stranger.peer).isEmpty)
                }
            }
            #expect(node.dispatcher.moves == before)
            #expect(node.dispatcher.nextDeadline == deadline)
            #expect(node.dispatcher.counters.strangers == UInt64(2 * sent.count))
        }
    }

    @Test("starts nothing in its own name, at a source or a target")
    func starts() throws {
        let cast = try AuthorityCast()
        let stranger = try AuthorityNode()
        let order = cast.order { $0.orchestrator = stranger.key }
        #expect(cast.source.plan(order, from: stranger.peer).refusal == .unauthorized)
        #expect(cast.target.plan(order, from: stranger.peer, offer: cast.offer).refusal == .unauthorized)
        #expect(cast.source.dispatcher.moves.isEmpty)
        #expect(cast.target.dispatcher.moves.isEmpty)
    }
}
