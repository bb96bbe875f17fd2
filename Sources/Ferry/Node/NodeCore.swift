internal import FerryChunking
internal import FerryCrypto
internal import FerryStateMachines
internal import FerryTransports
internal import FerryWire
internal import Logging
internal import Synchronization

/// The parts of a running node, wired up once; what the public face, the sessions and the operator's socket share.
final class NodeCore: Sendable {
    /// Registering → ready → shutting down → stopped; never back.
    enum Phase: Int, Sendable, Comparable {
        case registering
        case ready
        case shuttingDown
        case stopped

        static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
    }

    let composition: Composition
    let clock: NodeClock
    let bootID: BootID
    let table: DaemonTable
    let emitters: EmitterTable
    let sessions: SessionTable
    let addresses: AddressBook
    let moves: MoveInterpreter
    let orderQueue: OrderQueue
    let daemonContext: DaemonContext
    let startedAt: UInt64
    let phaseChanged = Signal()
    let answers = PendingAnswers()
    private let phaseState: PhaseState

    /// Shared with closures that must not keep the node alive.
    final class PhaseState: Sendable {
        private let phase = Mutex(Phase.registering)
        private let hasBegun = Mutex(false)
        var value: Phase { phase.withLock { $0 } }

        /// True for the first caller only.
        func begin() -> Bool {
            hasBegun.withLock { hasBegun in
                defer { hasBegun = true }
                return !hasBegun
            }
        }

        func advance(to next: Phase) {
            phase.withLock { $0 = max($0, next) }
        }
    }

    init(_ composition: Composition, kind: any SessionKind) {
        self.composition = composition
        let clock = NodeClock()
        let table = DaemonTable()
        let phase = PhaseState()
        let nodeKey = composition.identity.nodeKey
        let bootID = composition.crypto.random.next(BootID.self)
        let emitters = EmitterTable(ownKey: nodeKey, crypto: composition.crypto, clock: clock)
        let metrics = NodeMetrics()
        let context = DaemonContext(
            observers: composition.outputObservers, logger: composition.logger, metrics: metrics,
            outputLimits: OutputLimits(windowOutputCount: min(composition.limits.pendingDeliveryCount, 2_048)), emitters: emitters)
        let addresses = AddressBook()
        for peer in composition.knownPeers { addresses.learn(peer) }
        let sessions = SessionTable(
            configuration: composition.sessionConfiguration(bootID: bootID), transports: composition.transports, kind: kind,
            emitters: emitters, clock: clock)
        let surroundings = MoveSurroundings(
            nodeKey: nodeKey, table: table, sessions: sessions, addresses: addresses, journal: composition.journal,
            compressors: composition.compressors, registrations: composition.daemons, limits: composition.limits, daemonContext: context,
            observers: composition.observers, logger: composition.logger, metrics: metrics, clock: clock,
            isReady: { phase.value == .ready })
        self.clock = clock
        self.bootID = bootID
        self.table = table
        self.emitters = emitters
        self.sessions = sessions
        self.addresses = addresses
        daemonContext = context
        orderQueue = OrderQueue(moveCount: composition.limits.moveCount)
        startedAt = WallClock.nanoseconds
        phaseState = phase
        moves = MoveInterpreter(core: surroundings, environment: composition.moveEnvironment(bootID: bootID))
    }

    var nodeKey: NodeKey { composition.identity.nodeKey }
    var phase: Phase { phaseState.value }
    func begin() -> Bool { phaseState.begin() }

    func advance(to phase: Phase) {
        phaseState.advance(to: phase)
        phaseChanged.signal()
    }
}

extension Composition {
    func sessionConfiguration(bootID: BootID) -> SessionTableConfiguration {
        var ids = compressors.map(\.id)
        if !ids.contains(0) { ids.append(0) }
        var configuration = SessionTableConfiguration(
            hello: SessionHello(bootID: bootID, isDurable: journal.isDurable, compressorIDs: Array(ids.prefix(16))))
        configuration.peers = admittedPeers
        configuration.maximumSessionCount = limits.sessionCount
        for peer in knownPeers {
            guard let key = peer.nodeKey, let address = peer.address else { continue }
            configuration.addresses[key] = address
        }
        return configuration
    }

    /// Known peers are named by the operator, and so admitted.
    private var admittedPeers: PeerPolicy {
        switch peers {
        case .anyNode: .anyNode
        case .nodes(let keys): .nodes(keys.union(knownPeers.compactMap(\.nodeKey)))
        }
    }

    func moveEnvironment(bootID: BootID) -> MoveEnvironment {
        let policy = MigrationPolicy(
            orchestrators: .only(orchestrators), operators: operators, sources: sources.map { .only($0) } ?? .anyone,
            stateByteCount: limits.stateByteCount)
        return MoveEnvironment(
            identity: identity, boot: bootID, isDurable: journal.isDurable, crypto: crypto, policy: policy, budgets: budgets,
            limits: MigrationLimits(movesPerRole: limits.moveCount))
    }
}

extension NodeCore: SessionDelegate {
    func sessionEstablished(_ session: SessionDriver) async {
        composition.logger.info("a session is established", metadata: ["peer": "\(session.peer.nodeKey)"])
        for observer in composition.observers { observer.session(with: session.peer.nodeKey, isOpen: true) }
        await moves.sessionEstablished(session.peer)
    }

    func receive(_ message: consuming PeerMessage, from session: SessionDriver) async {
        switch message {
        case .migration(let message):
            await moves.receive(message, from: session)
        case .lane(let message):
            await table.receiveLane(message, from: session.peer.nodeKey, reply: LaneReplyPath(session: session))
        }
    }

    func batchReceived() { table.flushReplies() }

    func sessionClosed(_ session: SessionDriver, reason: SessionCloseReason) async {
        let peer = session.peer.nodeKey
        composition.logger.info("a session has ended", metadata: ["peer": "\(peer)", "reason": "\(reason)"])
        guard sessions.existing(peer) == nil else { return }
        for observer in composition.observers { observer.session(with: peer, isOpen: false) }
        await moves.sessionLost(peer)
    }

    func dialFailed(_ node: NodeKey, error: FerryError) async {
        composition.logger.info("a dial has failed", metadata: ["peer": "\(node)", "reason": "\(error)"])
        await moves.dialFailed(node, error)
    }
}
