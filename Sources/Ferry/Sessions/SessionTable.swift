internal import FerryStateMachines
package import FerryTransports
package import FerryWire
internal import Synchronization

/// All sessions of a node, by peer: listens, dials, and runs every session in one structured scope.
package final class SessionTable: Sendable {
    /// What `run` has to start.
    enum Start: Sendable {
        case dial(Dial)
        case accepted(any TransportLink)
    }

    enum Phase: Sendable {
        case idle
        case running
        case ended
    }

    struct State {
        var phase = Phase.idle
        var failure: TransportError?
        var listenAddresses: [TransportAddress] = []
        /// Established sessions, the oldest first.
        var sessions: [NodeKey: [SessionDriver]] = [:]
        /// Links of any age, half-open ones included.
        var linkCount = 0
        /// Links that were turned away since the cap on `linkCount` was reached.
        var refusedLinkCount = 0
        var dials: [NodeKey: Dial] = [:]
        var backoff: [NodeKey: Backoff] = [:]
        var starts: [Start] = []

        func newestSession(_ key: NodeKey) -> SessionDriver? { sessions[key]?.last { !$0.isClosed } }
    }

    let configuration: SessionTableConfiguration
    let transports: [any Transport]
    let kind: any SessionKind
    /// Hears the lane answers that arrive on any session.
    package let emitters: EmitterTable
    let clock: NodeClock
    let state = Mutex(State())
    /// Raised when `run` has something to start, or must end.
    let work = Signal()
    private let phaseChanged = Signal()

    /// Makes a table that does nothing until `run`.
    ///
    /// - Parameters:
    ///   - transports: at most one a scheme; each is listened on where it has an own address.
    ///   - kind: which session protocol is spoken.
    ///   - emitters: hears the lane answers that arrive on any session.
    package init(
        configuration: SessionTableConfiguration, transports: [any Transport], kind: any SessionKind, emitters: EmitterTable,
        clock: NodeClock
    ) {
        self.configuration = configuration
        self.transports = transports
        self.kind = kind
        self.emitters = emitters
        self.clock = clock
    }

    /// The newest established session with `key`.
    package func existing(_ key: NodeKey) -> SessionDriver? {
        state.withLock { $0.newestSession(key) }
    }

    /// The newest established session with every peer, by key.
    package var established: [SessionDriver] {
        state.withLock { state in state.sessions.keys.compactMap { state.newestSession($0) } }
            .sorted { $0.peer.nodeKey.hex < $1.peer.nodeKey.hex }
    }

    /// The bound addresses; empty until every listener is bound.
    package var listenAddresses: [TransportAddress] { state.withLock { $0.listenAddresses } }

    /// Returns once every listener is bound.
    ///
    /// - Throws: `FerryError` with `.shuttingDown`; `CancellationError`.
    package func waitUntilListening() async throws {
        while true {
            let ticket = phaseChanged.ticket
            switch state.withLock({ $0.phase }) {
            case .running: return
            case .ended: throw FerryError(.shuttingDown, "the node has shut down")
            case .idle: try await phaseChanged.waitOrCancel(after: ticket)
            }
        }
    }

    /// Listens, dials and runs sessions until the task is cancelled; then closes everything and returns when all of it has ended.
    ///
    /// - Throws: `TransportError` when a listener cannot be bound or fails.
    package func run(delegate: any SessionDelegate, owner: any LaneOwner) async throws {
        let listeners = try await bind()
        state.withLock { state in
            state.listenAddresses = listeners.map(\.localAddress)
            state.phase = .running
        }
        phaseChanged.signal()
        await withDiscardingTaskGroup { group in
            for listener in listeners { group.addTask { await self.accept(from: listener) } }
            group.addTask { await self.emitters.run(sessions: self, owner: owner) }
            while !Task.isCancelled, state.withLock({ $0.failure == nil }) {
                let ticket = work.ticket
                for start in takeStarts() { group.addTask { await self.perform(start, delegate: delegate) } }
                await work.wait(after: ticket)
            }
            group.cancelAll()
        }
        for listener in listeners { await listener.close() }
        try await end()
    }

    private func takeStarts() -> [Start] {
        state.withLock { state in
            var starts: [Start] = []
            swap(&starts, &state.starts)
            return starts
        }
    }

    private func perform(_ start: Start, delegate: any SessionDelegate) async {
        switch start {
        case .dial(let dial): await perform(dial, delegate: delegate)
        case .accepted(let link): await serve(link, dial: nil, delegate: delegate)
        }
        state.withLock { $0.linkCount -= 1 }
    }

    /// Refuses new work, and ends what was queued and never started.
    private func end() async throws {
        let (starts, failure) = state.withLock { state in
            state.phase = .ended
            var starts: [Start] = []
            swap(&starts, &state.starts)
            return (starts, state.failure)
        }
        phaseChanged.signal()
        for start in starts {
            switch start {
            case .dial(let dial): finish(dial, .failure(FerryError(.shuttingDown, "the node shuts down")))
            case .accepted(let link): await link.close()
            }
        }
        if let failure { throw failure }
    }
}
