internal import Synchronization

/// One of the daemons that a soak has at any time: when it dies with its node, another one takes its place.
final class SoakPlace: Sendable {
    /// One daemon's life.
    struct Life: Sendable {
        var daemon: SpawnedDaemon
        var emitter: RoleClient
        /// Nodes that may have the daemon, and how often each had been killed when it might first have.
        var custodians: [String: Int]
        /// Where the last move's orchestrator says that it is.
        var verdict: Verdict?
        /// Orders of whose end nobody told: their sources may obey them later than others that were given after them.
        var unheard: [UnheardOrder] = []
        /// What its emitter knew to be accepted when it died with its node; nil while it lives.
        var acceptedAtDeath: UInt64?
    }

    /// An orchestrator's word.
    struct Verdict: Sendable {
        var node: String
        /// How often that node had been killed before the move: if it has since, the daemon need not be there.
        var killCount: Int
        var words: String
    }

    /// An order whose orchestrator could not tell how it ended.
    struct UnheardOrder: Sendable {
        var target: String
        var givenAt: ContinuousClock.Instant
        var words: String
    }

    /// What was said of a daemon, and where it is.
    enum Finding: Hashable, Sendable {
        case asSaid
        /// Another order, whose end nobody had told, may have been obeyed in between.
        case overtaken(String)
        /// What must not be.
        case elsewhere(String)
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
    func believe(_ verdict: Verdict) {
        state.withLock { state in
            state.life?.verdict = verdict
            state.life?.custodians = [verdict.node: verdict.killCount]
        }
    }

    /// Nobody told how an order ended.
    func missWord(of order: UnheardOrder) { state.withLock { $0.life?.unheard.append(order) } }

    /// Holds what was said of the daemon against where it is, once.
    ///
    /// - Parameter since: orders that were given earlier are over in any case.
    func check(_ owner: SoakNode, among nodes: [SoakNode], since: ContinuousClock.Instant) -> Finding {
        state.withLock { state in
            state.life?.unheard.removeAll { $0.givenAt < since }
            guard let verdict = state.life?.verdict.take(), verdict.node != owner.name,
                nodes.contains(where: { $0.name == verdict.node && $0.killCount == verdict.killCount })
            else { return .asSaid }
            let text = "\(verdict.words), and the daemon is at \(owner.name)"
            guard let order = state.life?.unheard.last(where: { $0.target == owner.name }) else { return .elsewhere(text) }
            return .overtaken("\(text): nobody told how \(order.words) ended")
        }
    }

    /// Whether a node that may have had the daemon has died since.
    func mayHaveDied(among nodes: [SoakNode]) -> Bool {
        let custodians = life?.custodians ?? [:]
        return nodes.contains { node in custodians[node.name].map { node.killCount > $0 } ?? false }
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
