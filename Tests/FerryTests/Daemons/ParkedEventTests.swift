import FerryCrypto
import FerryTestKit
import FerryWire
import Testing

@testable import Ferry

@Suite(.timeLimit(.minutes(1))) struct ParkedEventTests {
    @Test("what comes for a copy that nobody serves beside is held, and taken in the moment it serves, once; what came before is not kept")
    func parkedUntilActivation() async throws {
        try await withHosts(2) { nodes in
            let entity = try await nodes[1].spawn(LedgerDaemon(seed: 166))
            let owner = try #require(nodes[1].core.table.host(entity.originHash))
            let keypair = try #require(await owner.keypair)
            let (migration, epoch) = (MigrationID(order: SeededRandom(seed: 166).next(), attempt: 1), Epoch(rawValue: 2))
            let snapshot = await owner.header(epoch: epoch, createdAt: 0)
            let context = nodes[0].core.daemonContext
            let copy = try #require(
                DaemonHost(standby: LedgerDaemon(seed: 166), migration: migration, snapshot: snapshot, context: context))
            let sender = nodes[1].nodeKey
            let path = LaneReplyPath(emitters: context.emitters, ownKey: nodes[0].nodeKey)
            let link = CausalLink(origin: sender.originHash, horizon: 0, sequence: 1, parent: 0)
            let event = LaneMessage(
                emitter: link.origin, daemon: entity.originHash,
                body: .event(LaneEvent(epoch: .first, previous: 0, link: link, payload: payload(1))))
            // Of the lane's former life, sent while the daemon serves elsewhere; it would take the next event's place.
            let stale = CausalLink(origin: sender.originHash, horizon: 0, sequence: 2, parent: 0)
            let early = LaneMessage(
                emitter: link.origin, daemon: entity.originHash,
                body: .event(LaneEvent(epoch: .first, previous: 0, link: stale, payload: payload(9))))
            for message in [early, event, event] {
                if message == event { _ = await copy.inspect(epoch: epoch, createdAt: 0) }
                guard case .hold = await copy.receive(message, from: sender, isNode: true, replyingTo: path) else {
                    Issue.record("a copy that does not serve has not said hold")
                    return
                }
            }
            #expect(await copy.status.processedEventCount == 0)
            #expect(await copy.activate(migration, keypair: keypair, epoch: epoch))
            #expect(await copy.status.processedEventCount == 1)
            let again = await copy.receive(event, from: sender, isNode: true, replyingTo: path)
            #expect(again == .acknowledgement(cursor: 1, epoch: epoch))
            #expect(await copy.status.processedEventCount == 1)
        }
    }
}
