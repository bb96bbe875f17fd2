package import FerryCrypto
package import FerryStateMachines
package import FerryWire
internal import Synchronization

/// All emitters of a node, by lane; routes owners' answers to them and runs what they wait for.
package final class EmitterTable: Sendable {
    /// What emitters send through, while the table runs.
    struct Route: Sendable {
        let sessions: SessionTable
        let owner: any LaneOwner
        let replies: LaneReplyPath

        /// Gives a message to the own node's daemons.
        func deliverHere(_ message: LaneMessage, from ownKey: NodeKey) async {
            await owner.receiveLane(message, from: ownKey, reply: replies)
            owner.flushReplies()
        }
    }

    private struct Lane: Hashable {
        let emitter: OriginHash
        let daemon: OriginHash
    }

    private struct State {
        var isEnded = false
        var route: Route?
        var emitters: [Lane: EventEmitter] = [:]
        var starts: [EventEmitter] = []
        /// Hosts of the daemons that send to other daemons.
        var daemons: [OriginHash: DaemonHost] = [:]
        var daemonStarts: [DaemonHost] = []
    }

    /// The own node's key: answers of local daemons come from it.
    package let ownKey: NodeKey
    let crypto: CryptoProvider
    let clock: NodeClock
    private let limits: EmitterLimits
    private let maximumEmitterCount: Int
    private let state = Mutex(State())
    private let work = Signal()

    /// Makes a table whose emitters buffer events until the node runs.
    ///
    /// - Parameter maximumEmitterCount: lanes at once; at least 1.
    package init(
        ownKey: NodeKey, crypto: CryptoProvider, clock: NodeClock, limits: EmitterLimits = EmitterLimits(),
        maximumEmitterCount: Int = 65_536
    ) {
        self.ownKey = ownKey
        self.crypto = crypto
        self.clock = clock
        self.limits = limits
        self.maximumEmitterCount = maximumEmitterCount
    }

    /// The emitter of the lane from the origin of `chain` to `daemon`; made when there is none.
    ///
    /// - Parameters:
    ///   - chain: the emitter's own chain, used when the emitter is made; it goes on above what the daemon has processed.
    ///   - belief: who is asked first; nobody named asks every known peer and the own node.
    /// - Throws: `.shuttingDown`, `.limitExceeded`.
    package func emitter(
        from chain: ChainBuilder, to daemon: OriginHash, belief: OwnerBelief = OwnerBelief(node: nil)
    ) throws(FerryError) -> EventEmitter {
        let lane = Lane(emitter: chain.origin, daemon: daemon)
        let emitter = try state.withLock { (state: inout State) throws(FerryError) -> EventEmitter in
            if let emitter = state.emitters[lane] { return emitter }
            guard !state.isEnded else { throw FerryError(.shuttingDown, "the node has shut down") }
            guard state.emitters.count < maximumEmitterCount else {
                throw FerryError(.limitExceeded, "the node has \(state.emitters.count) emitters, as many as it may")
            }
            let emitter = EventEmitter(chain: chain, daemon: daemon, belief: belief, limits: limits, table: self)
            state.emitters[lane] = emitter
            state.starts.append(emitter)
            return emitter
        }
        work.signal()
        return emitter
    }

    /// Takes in an owner's answer; answers on lanes without an emitter are dropped.
    package func receive(_ answer: LaneMessage, from node: NodeKey) {
        let lane = Lane(emitter: answer.emitter, daemon: answer.daemon)
        let (emitter, host) = state.withLock { ($0.emitters[lane], $0.daemons[answer.emitter]) }
        if let emitter { emitter.receive(answer.body, from: node) } else { host?.carrier.receive(answer, from: node) }
    }

    /// Has every emitter that waits for `node` send again: a session with it was established or lost.
    func sessionChanged(with node: NodeKey) {
        let (emitters, hosts) = state.withLock { (Array($0.emitters.values), Array($0.daemons.values)) }
        for emitter in emitters { emitter.sessionChanged(with: node) }
        for host in hosts { host.carrier.sessionChanged(with: node) }
    }

    /// Takes answers for a daemon's outputs, and carries what its host cannot send at once; false once the node has shut down.
    func carry(_ host: DaemonHost) -> Bool {
        let isTaken = state.withLock { state in
            guard !state.isEnded else { return false }
            state.daemons[host.origin] = host
            state.daemonStarts.append(host)
            return true
        }
        if isTaken { work.signal() }
        return isTaken
    }

    /// The daemon has gone.
    func stopCarrying(_ host: DaemonHost) {
        state.withLock { state in
            if state.daemons[host.origin] === host { state.daemons[host.origin] = nil }
        }
    }

    /// What emitters send through; nil while the node does not run.
    var route: Route? { state.withLock { $0.route } }

    func remove(_ emitter: EventEmitter) {
        state.withLock { state in
            let lane = Lane(emitter: emitter.origin, daemon: emitter.daemon)
            if state.emitters[lane] === emitter { state.emitters[lane] = nil }
        }
    }

    /// Carries every emitter's events until the task is cancelled; then fails what still waits.
    func run(sessions: SessionTable, owner: any LaneOwner) async {
        state.withLock { state in
            state.route = Route(sessions: sessions, owner: owner, replies: LaneReplyPath(emitters: self, ownKey: ownKey))
        }
        await withDiscardingTaskGroup { group in
            while !Task.isCancelled {
                let ticket = work.ticket
                for emitter in takeStarts() { group.addTask { await emitter.run() } }
                if let route { for host in takeDaemonStarts() { group.addTask { await host.carryOutputs(route) } } }
                await work.wait(after: ticket)
            }
            group.cancelAll()
        }
        let emitters = state.withLock { state in
            state.isEnded = true
            state.route = nil
            state.starts = []
            let emitters = Array(state.emitters.values)
            state.emitters = [:]
            state.daemons = [:]
            state.daemonStarts = []
            return emitters
        }
        for emitter in emitters { emitter.end(FerryError(.shuttingDown, "the node shuts down")) }
    }

    private func takeDaemonStarts() -> [DaemonHost] {
        state.withLock { state in
            var starts: [DaemonHost] = []
            swap(&starts, &state.daemonStarts)
            return starts
        }
    }

    private func takeStarts() -> [EventEmitter] {
        state.withLock { state in
            var starts: [EventEmitter] = []
            swap(&starts, &state.starts)
            return starts
        }
    }
}
