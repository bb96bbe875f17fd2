internal import FerryCrypto
internal import FerryStateMachines
internal import FerryWire

/// One daemon on a net-mesh node: its value, chain, horizon and ledger, and the isolation in which its events are processed.
///
/// Nothing in this actor awaits, so whatever it is asked is done whole, and its users need no lock. Snapshots are written from a copy
/// outside of it. (net-mesh migration §F.8.)
actor NetMeshDaemonHost {
    /// What all daemons of a node share.
    struct Context: Sendable {
        var outputs: (any NetMeshOutputObserver)?
    }

    /// What the daemon does with events.
    enum Standing: Hashable, Sendable {
        /// Processes them.
        case serving
        /// Its move has begun; nothing changes it any more.
        case fenced
        /// Restored, not live yet; only replays change it.
        case standby
        /// Not here any more; the key is wiped.
        case gone
    }

    /// What became of an event.
    enum Verdict: Sendable {
        case processed([CausalEvent])
        case failed(FerryError)
        case notServing(Standing)
    }

    nonisolated let entity: EntityID
    nonisolated let origin: OriginHash
    nonisolated let kind: String
    /// The attempt that brought it here; 0 for one that was spawned. Tells two lives of one daemon on this node apart.
    nonisolated let generation: UInt64
    /// Signalled when the standing changes.
    nonisolated let changed = Signal()
    private let context: Context

    private(set) var standing: Standing
    private var daemon: (any Daemon)?
    fileprivate var keypair: EntityKeypair?
    private var chain: ChainBuilder
    private(set) var horizon = ObservedHorizon()
    private(set) var ledger: SubscriptionLedger
    private(set) var statistics = NetMeshDaemonStatistics()
    private var outputs: DaemonOutputs
    /// Outputs of replayed inputs, until the daemon goes live.
    private var unpublished: [CausalEvent] = []

    private init(
        _ daemon: any Daemon, keypair: EntityKeypair, chain: ChainBuilder, ledger: SubscriptionLedger, standing: Standing,
        generation: UInt64 = 0, context: Context
    ) {
        self.generation = generation
        entity = keypair.entityID
        origin = keypair.originHash
        kind = type(of: daemon).kind.name
        self.daemon = daemon
        self.keypair = keypair
        self.chain = chain
        self.ledger = ledger
        self.standing = standing
        self.context = context
        // Draws depend on the daemon and its inputs alone, so a replay repeats them.
        let lineage = LineageID(rawValue: FixedBytes16(copying: keypair.entityID.rawValue.bytes.rawSpan) ?? .zero)
        outputs = DaemonOutputs(lineage: lineage, link: chain.head)
    }

    /// A daemon that begins its life here: genesis chain, empty horizon.
    init(spawning daemon: any Daemon, keypair: EntityKeypair, context: Context) {
        self.init(
            daemon, keypair: keypair, chain: ChainBuilder(origin: keypair.originHash), ledger: SubscriptionLedger(), standing: .serving,
            context: context)
    }

    /// A daemon that continues a chain which is its own.
    ///
    /// - Throws: `.restoreFailed` for the chain of another daemon.
    init(forking daemon: any Daemon, keypair: EntityKeypair, chain: ChainBuilder, context: Context) throws(FerryError) {
        guard chain.origin == keypair.originHash else {
            throw FerryError(.restoreFailed, "the chain is of \(chain.origin), the keypair of \(keypair.originHash)")
        }
        self.init(daemon, keypair: keypair, chain: chain, ledger: SubscriptionLedger(), standing: .serving, context: context)
    }

    /// Restores a daemon that waits for its activation: identity, state, chain, bindings, in this order; the horizon starts empty.
    ///
    /// - Throws: `.restoreFailed`; what the daemon throws.
    @concurrent
    static func restoring(
        _ snapshot: StateSnapshot, with factory: NetMeshDaemonFactory, keypair: EntityKeypair, generation: UInt64 = 0, context: Context
    ) async throws -> NetMeshDaemonHost {
        guard snapshot.entity == keypair.entityID else {
            throw FerryError(.restoreFailed, "snapshot entity_id does not match keypair")
        }
        let daemon = try await PlainState.restore(snapshot.state, with: factory)
        // Net-mesh's rule: without the head payload, which is not on its wire, the state is hashed in its place, at genesis too.
        let chain = ChainBuilder(head: snapshot.chainLink, headPayload: snapshot.headPayload ?? snapshot.state)
        guard let ledger = try? SubscriptionLedger(decoding: snapshot.bindings) else {
            throw FerryError(.restoreFailed, "snapshot bindings_bytes failed to decode — tampered or corrupt snapshot")
        }
        return NetMeshDaemonHost(
            daemon, keypair: keypair, chain: chain, ledger: ledger, standing: .standby, generation: generation, context: context)
    }

    // MARK: Events

    /// Processes one event of a daemon that serves, and publishes its outputs.
    func deliver(_ event: CausalEvent, registeredIn registry: NetMeshDaemonRegistry? = nil) -> Verdict {
        guard standing == .serving else { return .notServing(standing) }
        if let registry, !registry.isCurrent(self) { return .failed(NetMeshDaemonRegistry.stale(origin)) }
        return processAndPublish(event)
    }

    private func processAndPublish(_ event: CausalEvent) -> Verdict {
        do throws(FerryError) {
            let emitted = try process(event)
            publish(emitted)
            return .processed(emitted)
        } catch {
            return .failed(error)
        }
    }

    /// Observes, processes, and appends all outputs to the chain or none.
    private func process(_ event: CausalEvent) throws(FerryError) -> [CausalEvent] {
        horizon.observe(event.link.origin, sequence: event.link.sequence)
        outputs.reopen(link: event.link)
        do {
            try daemon?.process(event, into: &outputs)
        } catch {
            statistics.errors += 1
            throw FerryError(.processFailed, "the daemon refused an event: \(type(of: error))", cause: error)
        }
        if let failure = outputs.failure ?? undeliverable {
            statistics.errors += 1
            throw failure
        }
        statistics.eventsProcessed += 1
        return outputs.emitted.isEmpty ? [] : try append(outputs.emitted, at: event.receivedAt)
    }

    private var undeliverable: FerryError? {
        !outputs.hasDeliveries ? nil : FerryError(.processFailed, "a net-mesh daemon emits outputs and delivers nothing")
    }

    private func append(_ payloads: [[UInt8]], at time: UInt64) throws(FerryError) -> [CausalEvent] {
        guard UInt64(payloads.count) <= .max - chain.head.sequence else {
            statistics.errors += 1
            throw FerryError(.processFailed, "causal sequence overflow")
        }
        let bits = horizon.encoded.rawValue
        var events: [CausalEvent] = []
        events.reserveCapacity(payloads.count)
        for payload in payloads {
            guard let link = chain.next(payload: payload, horizon: bits) else { break }
            events.append(CausalEvent(link: link, payload: payload, receivedAt: time))
        }
        statistics.eventsEmitted += UInt64(events.count)
        return events
    }

    private func publish(_ events: [CausalEvent]) {
        guard let observer = context.outputs else { return }
        for event in events { observer.daemon(origin, emitted: event) }
    }

    // MARK: Moves

    /// A daemon's frozen copy and what its snapshot says beside the state.
    struct Frozen: Sendable {
        let daemon: any Daemon
        let keypair: EntityKeypair
        let chain: ChainBuilder
        let bindings: [UInt8]
    }

    /// Stops processing and copies; the event in hand has ended, since it ran in the same isolation.
    ///
    /// - Returns: nil for a daemon that has no snapshot or does not serve.
    func fence() -> Frozen? {
        guard standing == .serving || standing == .fenced else { return nil }
        // Without a snapshot too: what is captured until its move has failed is given back to a fenced daemon.
        stand(.fenced)
        return frozen()
    }

    /// A copy of the daemon's value, which shares its storage with the original; nil for a stateless one.
    func frozen() -> Frozen? {
        guard let daemon, let keypair, !(daemon is any StatelessDaemon) else { return nil }
        let bindings = ledger.isEmpty ? [] : (try? ledger.encoded()) ?? []
        return Frozen(daemon: daemon, keypair: keypair, chain: chain, bindings: bindings)
    }

    /// Counts a snapshot that was written.
    func countSnapshot() { statistics.snapshotsTaken += 1 }

    /// Processes what was captured during a move that was given up, in order, and serves on.
    ///
    /// - Returns: how many of the events failed.
    func resume(_ captured: [CausalEvent]) -> Int {
        guard standing == .fenced else { return 0 }
        let failedCount = captured.count { event in
            guard case .failed = processAndPublish(event) else { return false }
            return true
        }
        stand(.serving)
        return failedCount
    }

    /// Processes inputs of the source on the copy that is not live; a failed one counts as landed, as at the source.
    func replay(_ events: [CausalEvent]) -> CausalLink {
        for event in events {
            if let emitted = try? process(event) { unpublished += emitted }
        }
        return chain.head
    }

    /// Goes live: publishes what replays emitted, processes what waited, and serves.
    func activate(_ held: [CausalEvent]) -> Bool {
        guard standing == .standby else { return standing == .serving }
        publish(unpublished)
        unpublished = []
        for event in held { _ = processAndPublish(event) }
        stand(.serving)
        return true
    }

    /// Gives key and state up.
    ///
    /// - Parameter keepsKey: true for a key that the host's user registered and that another attempt needs.
    func release(keepsKey: Bool = false) {
        if !keepsKey { keypair?.wipe() }
        keypair = nil
        unpublished = []
        if let daemon = daemon.take() { DaemonRelease.release(daemon) }
        stand(.gone)
    }

    private func stand(_ new: Standing) {
        guard standing != new else { return }
        standing = new
        changed.signal()
    }

    // MARK: Ledger

    /// Records a subscription, in place of one to the same channel; false once the daemon's move has begun.
    func record(_ entry: SubscriptionLedger.Entry) -> Bool {
        guard standing == .serving else { return false }
        ledger.record(entry)
        return true
    }

    /// Forgets a subscription; harmless when there is none.
    func forget(publisher: UInt64, channel: ChannelName) -> Bool {
        guard standing == .serving else { return false }
        ledger.forget(publisher: publisher, channel: channel)
        return true
    }
}

extension NetMeshDaemonHost {
    /// The last link of the chain.
    var head: CausalLink { chain.head }

    /// Lets the daemon heed its host; false when it does not care.
    func control(_ signal: DaemonControl) -> Bool {
        guard standing == .serving, var controllable = daemon as? any ControllableDaemon else { return false }
        controllable.control(signal)
        daemon = controllable
        return true
    }

    /// Whether this very keypair is the daemon's.
    func holds(_ other: EntityKeypair) -> Bool { keypair === other }

    /// What an operator sees.
    var status: NetMeshDaemonStatus {
        let reporting = daemon as? any HealthReporting
        return NetMeshDaemonStatus(
            origin: origin, entity: entity, kind: kind, isServing: standing == .serving, head: chain.head, statistics: statistics,
            subscriptions: ledger.entries, health: reporting?.health ?? .healthy, saturation: min(max(reporting?.saturation ?? 0, 0), 1))
    }

    /// The names that a node must advertise to host the daemon.
    var requiredCapabilities: Set<String> { (daemon as? any CapabilityDeclaring)?.requiredCapabilities ?? [] }
}
