import FerryCrypto
import FerrySodium
import FerryStateMachines
import FerryTransports
import FerryWire
import Testing

@testable import Ferry

extension MoveInterpreter {
    /// Knows nothing of any move, as after a new start.
    fileprivate func forgetEverything() {
        var environment = dispatcher.environment
        environment.boot = CryptoProvider.sodium.random.next()
        dispatcher = MigrationDispatcher(environment: environment)
    }
}

/// A move is complete when its target says that it serves.
@Suite(.timeLimit(.minutes(2))) struct ConfirmationTests {
    @Test("a move whose target has started again before it served is not reported as complete")
    func forgetfulTarget() async throws {
        let journal = PausedJournal { if case .taken = $0 { true } else { false } }
        try await withHosts(3, configure: { index, composition in if index == 0 { composition.journal = journal } }) { nodes in
            let entity = try await nodes[0].spawn(LedgerDaemon(seed: 9_106))
            let handle = try await nodes[2].migrate(entity, from: nodes[0].endpoint, to: nodes[1].endpoint)
            await eventually { journal.isHolding }
            await nodes[1].core.moves.forgetEverything()
            journal.open()
            let error = await #expect(throws: FerryError.self) { try await handle.value }
            #expect(error?.code == .failed)
            #expect(error?.message.contains("started again") == true)
        }
    }

    @Test("a peer that could not be dialled is named, however the move ends", arguments: [FailureReason.Code.orderExpired, .phaseTimeout])
    func dialFailureIsTold(code: FailureReason.Code) async throws {
        try await withHosts(2) { nodes in
            let entity = try await nodes[0].spawn(LedgerDaemon(seed: 9_107))
            let stranger = try NodeIdentity.generate(crypto: .sodium).nodeKey
            let absent = Endpoint(address: TransportAddress(scheme: "memory", rest: "absent"), nodeKey: stranger)
            let handle = try await nodes[0].migrate(entity, to: absent)
            await eventually { nodes[0].core.sessions.lastFailure(of: stranger, since: .zero) != nil }
            let cause = try #require(nodes[0].core.sessions.lastFailure(of: stranger, since: .zero)).message
            let text = await nodes[0].core.moves.explained(FailureReason(code), handle.migration)
            #expect(text.contains(cause))
            handle.cancel()
        }
    }
}
