internal import Synchronization

/// One of the daemons that a soak has at any time: when it dies with its node, another one takes its place.
final class SoakPlace: Sendable {
    /// One daemon's life.
    struct Life: Sendable {
        var daemon: SpawnedDaemon
        var emitter: RoleClient
        /// Nodes that may have the daemon, and how often each had been killed when it might first have.
        var custodians: [String: Int]
        /// Where orchestrators say that it is.
        var words = SoakWords()
        /// What its emitter knew to be accepted when it died with its node; nil while it lives.
        var acceptedAtDeath: UInt64?
    }

    private struct State: Sendable {
        var life: Life?
        var ended: [Life] = []
    }

    let index: Int
    private let state = Mutex(State())

    init(index: Int) { self.index = index }

    var life: Life? { state.withLock { $0.life } }
    /// All lives that are over, and the one that is not.
    var lives: [Life] { state.withLock { $0.ended + ($0.life.map { [$0] } ?? []) } }

    func begin(_ daemon: SpawnedDaemon, at node: SoakNode, _ emitter: RoleClient, killCount: Int) {
        state.withLock { $0.life = Life(daemon: daemon, emitter: emitter, custodians: [node.name: killCount]) }
    }

    /// The daemon may be there from now on, or still is.
    func trust(_ nodes: [SoakNode]) {
        let counts = nodes.map { ($0.name, $0.killCount) }
        state.withLock { state in
            for (name, count) in counts where state.life?.custodians[name] == nil { state.life?.custodians[name] = count }
        }
    }

    /// The daemon is here and nowhere else.
    func settle(at node: SoakNode, killCount: Int) { state.withLock { $0.life?.custodians = [node.name: killCount] } }

    /// A move has ended as its orchestrator says: the daemon is there and nowhere else.
    func believe(_ verdict: SoakWords.Verdict) {
        state.withLock { state in
            state.life?.words.believe(verdict)
            state.life?.custodians = [verdict.node: verdict.killCount]
        }
    }

    /// Nobody told how an order ended.
    func miss(_ order: SoakWords.UnheardOrder) { state.withLock { $0.life?.words.miss(order) } }

    /// Holds what was said of the daemon against where it is, once.
    func check(_ owner: SoakNode, among nodes: [SoakNode]) -> SoakWords.Finding {
        let killCounts = Dictionary(uniqueKeysWithValues: nodes.map { ($0.name, $0.killCount) })
        return state.withLock { state in
            state.life?.words.check(owner: owner.name, killCounts: killCounts, now: .now) ?? .asSaid
        }
    }

    /// Whether a node that may have had the daemon has died since.
    func mayHaveDied(among nodes: [SoakNode]) -> Bool {
        guard let life else { return false }
        return nodes.contains { node in
            life.custodians[node.name].map { node.killCount > $0 } ?? false
                || life.words.unheard.contains { $0.target == node.name && node.killCount > $0.targetKillCount }
        }
    }

    /// The daemon is gone.
    func end(accepted: UInt64) {
        state.withLock { state in
            guard var life = state.life else { return }
            life.acceptedAtDeath = accepted
            state.ended.append(life)
            state.life = nil
        }
    }
}
