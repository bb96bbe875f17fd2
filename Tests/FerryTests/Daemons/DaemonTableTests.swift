import FerryCrypto
import FerrySodium
import FerryWire
import Testing

@testable import Ferry

@Suite(.timeLimit(.minutes(1))) struct DaemonTableTests {
    @Test("a node that speaks as another emitter is told so, and the other's cursor stays")
    func forgedEmitter() async throws {
        try await withHosts(2) { nodes in
            let entity = try await nodes[0].spawn(LedgerDaemon(seed: 300))
            let victim = try nodes[0].emitter(to: entity.originHash)
            try await victim.deliver(payload(1))
            let forged = LaneMessage(
                emitter: victim.origin, daemon: entity.originHash,
                body: .event(
                    LaneEvent(
                        epoch: .first, previous: 1,
                        link: CausalLink(origin: victim.origin, horizon: 0, sequence: 100, parent: 0), payload: payload(9))))
            let session = try await nodes[1].core.sessions.session(to: nodes[0].nodeKey)
            try await session.send(.lane(forged))
            try await victim.deliver(payload(2))
            await eventually { nodes[0].core.sessions.existing(nodes[1].nodeKey) != nil }
            try await nodes[1].deliver(payload(3), to: entity.originHash, at: nodes[0].endpoint)
            #expect(await nodes[0].daemons.map(\.processedEventCount) == [3])
        }
    }

}
