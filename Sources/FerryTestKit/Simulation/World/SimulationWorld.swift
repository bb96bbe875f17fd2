internal import FerryCrypto
internal import FerryStateMachines
internal import FerryWire

/// What happens at a point of virtual time.
enum WorldEvent {
    case arrival(Arrival)
    case timer(endpoint: Int, armedAt: Timestamp)
    /// Work of one boot of an endpoint; dropped when that boot is over, deferred while it is paused.
    case work(endpoint: Int, boot: Int, (SimulationWorld) -> Void)
    /// Work of nobody: the network's and the script's.
    case task((SimulationWorld) -> Void)
}

/// Nodes, emitters and strangers in one thread of virtual time; everything follows from the seed.
///
/// No dictionary is ever iterated: every collection that the world walks through is an array.
final class SimulationWorld {
    let seed: UInt64
    let settings: SimulationSettings
    let cast: SimulatedCast
    let crypto: CryptoProvider
    let defects: [Defect]
    let seededDefect: SeededDefect?
    /// Whether what orchestrators report is held against what is so.
    let areVerdictsChecked: Bool
    var random: SimulationRandom
    private(set) var now = Timestamp(nanoseconds: 1_000_000_000)
    var trace: SimulationTrace
    var endpoints: [SimulationEndpoint] = []
    var nodes: [SimulationNode] = []
    var emitters: [SimulationEmitter] = []
    var daemons: [DaemonTruth] = []
    var moves: [MoveTruth] = []
    var links: LinkConditions
    /// Late, since every network knows its world.
    private(set) var network: any SimulationNetwork = NoNetwork()
    private(set) var faults = FaultCounts()
    private(set) var violations: [SimulationViolation] = []
    /// Once false, nothing goes wrong any more.
    private(set) var isFaulty: Bool
    private(set) var stepCount = 0
    /// When the faults stopped.
    var healedAt = Timestamp.zero
    /// Bytes of messages about moves.
    var messageByteCount = 0
    /// Messages of lanes, questions and answers alike.
    var laneMessageCount = 0
    /// Bytes of inputs that were logged, and so have to be sent.
    var loggedByteCount = 0
    /// Outputs of daemons that have taken effect on others.
    var outputCount: UInt64 = 0
    /// Inputs that copies have replayed.
    var replayedCount: UInt64 = 0
    private var queue = SimulationQueue<WorldEvent>()
    private var endpointPlaces: [NodeKey: Int] = [:]
    private var daemonPlaces: [OriginHash: Int] = [:]
    private var movePlaces: [MigrationID: Int] = [:]
    var observed = ObservedMessages()
    var crashPlans: [CrashPlan] = []
    let secretScan: SecretScan

    static let wallClockOrigin: UInt64 = 1_700_000_000_000_000_000
    /// A run that needs more steps does not come to rest.
    static let maximumStepCount = 3_000_000
    /// Tables change with messages about moves, of which a step has one at the most.
    private static let stepsBetweenTableChecks = 64

    init(seed: UInt64, options: SimulationOptions, isReadable: Bool) throws {
        self.seed = seed
        var random = SimulationRandom(seed: seed)
        var settings = SimulationSettings(preset: options.preset.resolved(seed: seed), random: &random)
        settings.enable(options.focus)
        self.settings = settings
        self.random = random
        cast = options.cast
        defects = options.defects
        seededDefect = options.seededDefect
        areVerdictsChecked = options.areVerdictsChecked
        var crypto = options.crypto
        crypto.random = SeededRandom(seed: seed ^ 0x5EED_C0DE)
        crypto.secrets = WipedHeap()
        self.crypto = crypto
        trace = SimulationTrace(isReadable: isReadable)
        isFaulty = !settings.isCalm
        secretScan = SecretScan()
        links = LinkConditions(endpointCount: settings.nodeCount + settings.emitterCount + 1, byteRate: settings.byteRate)
        try populate()
        switch settings.layer {
        case .ordered: network = OrderedNetwork(world: self)
        case .unordered: network = UnorderedNetwork(world: self)
        case .sessions: network = SessionNetwork(world: self)
        }
    }

    private func populate() throws {
        for index in 0..<settings.nodeCount { try addEndpoint("node \(index)") }
        for index in 0..<settings.emitterCount { try addEndpoint("emitter \(index)") }
        try addEndpoint("stranger")
        nodes = endpoints.prefix(settings.nodeCount).map { SimulationNode(endpoint: $0, world: self) }
        emitters = (0..<settings.emitterCount).map {
            SimulationEmitter(index: $0, endpoint: endpoints[settings.nodeCount + $0], world: self)
        }
        for index in 0..<settings.daemonCount { try spawn(on: nodes[index % nodes.count]) }
    }

    private func addEndpoint(_ name: String) throws {
        let endpoint = SimulationEndpoint(
            index: endpoints.count, name: name, identity: try .generate(crypto: crypto), boot: crypto.random.next())
        endpoints.append(endpoint)
        endpointPlaces[endpoint.key] = endpoint.index
    }

    /// The one that plays no part in any move.
    var stranger: SimulationEndpoint { endpoints[endpoints.count - 1] }

    /// Begins a daemon's life on a node, and lanes to it.
    @discardableResult
    func spawn(on node: SimulationNode) throws -> DaemonTruth {
        let secret = random.bytes(32)
        let keypair = try EntityKeypair(seed: SecretBytes(copying: secret.rawSpan, allocator: crypto.secrets), crypto: crypto)
        secretScan.add(secret)
        let seed = random.next()
        // Of every kind some differ from run to run and do not know it.
        let drawn: Determinism = random.chance(700) ? .verified : random.chance(700) ? .outputsOnly : .unverified
        let truth = DaemonTruth(
            index: daemons.count, keypair: keypair, secret: secret, lineage: crypto.random.next(), twin: cast.spawn(seed),
            emitterCount: settings.emitterCount,
            determinism: cast.isAlwaysDigested ? .verified : drawn, isNoisy: random.chance(150))
        daemons.append(truth)
        daemonPlaces[truth.origin] = truth.index
        for node in nodes { node.makeRoom(for: daemons.count) }
        node.host(SimulationHost(spawning: cast.spawn(seed), keypair: keypair, truth: truth, in: self))
        for emitter in emitters where emitter.index == truth.index % emitters.count || random.chance(600) {
            emitter.openLane(to: truth, owner: random.chance(700) ? node.endpoint.key : nil)
        }
        return truth
    }

    // MARK: Looking up

    func endpoint(of key: NodeKey) -> SimulationEndpoint? { endpointPlaces[key].map { endpoints[$0] } }
    func daemon(_ origin: OriginHash) -> DaemonTruth? { daemonPlaces[origin].map { daemons[$0] } }
    func move(_ migration: MigrationID) -> MoveTruth? { movePlaces[migration].map { moves[$0] } }

    func add(_ move: MoveTruth) {
        movePlaces[move.migration] = moves.count
        moves.append(move)
    }

    /// The node that holds the daemon, stubs and copies excepted.
    func holder(of daemon: DaemonTruth) -> SimulationNode? {
        nodes.first { $0.hosts[daemon.index].map { !$0.isStub } ?? false }
    }

    // MARK: Chance

    func chance(_ permille: Int) -> Bool { isFaulty && random.chance(permille) }
    func isActive(_ kind: FaultKind) -> Bool { isFaulty && settings.isEnabled(kind) }
    func count(_ kind: FaultKind) { faults.count(kind) }

    /// Whether a fault of this kind happens here; counts it when it does.
    func strikes(_ kind: FaultKind, _ permille: Int) -> Bool {
        guard isActive(kind), random.chance(permille) else { return false }
        count(kind)
        return true
    }

    func stopFaults() { isFaulty = false }

    func has(_ defect: Defect) -> Bool { defects.contains(defect) }

    // MARK: Time

    func push(at time: Timestamp, _ event: WorldEvent) { queue.push(at: max(time, now), event) }
    func push(after delay: Duration, _ event: WorldEvent) { queue.push(at: now + delay, event) }

    /// Work of nobody.
    func after(_ delay: Duration, _ body: @escaping (SimulationWorld) -> Void) { push(after: delay, .task(body)) }

    /// Work of one boot of an endpoint.
    func after(_ delay: Duration, endpoint: Int, boot: Int, _ body: @escaping (SimulationWorld) -> Void) {
        push(after: delay, .work(endpoint: endpoint, boot: boot, body))
    }

    func wallClock(of endpoint: SimulationEndpoint) -> UInt64 {
        Self.wallClockOrigin &+ UInt64(bitPattern: (now.nanoseconds + endpoint.wallLead.wholeNanoseconds))
    }

    func clock(of endpoint: SimulationEndpoint) -> Timestamp { now + endpoint.clockLead }

    /// Sets an endpoint's timer, if it has to come earlier than it is set.
    func arm(_ endpoint: SimulationEndpoint, _ deadline: Timestamp?) {
        guard let deadline, endpoint.isUp else { return }
        let time = max(deadline - endpoint.clockLead, now)
        guard time < endpoint.armedAt else { return }
        endpoint.armedAt = time
        queue.push(at: time, .timer(endpoint: endpoint.index, armedAt: time))
    }

    /// Runs everything until `limit`, or until the first violation.
    ///
    /// - Returns: whether the limit was reached.
    @discardableResult
    func run(until limit: Timestamp) -> Bool {
        while violations.isEmpty, let time = queue.firstTime, time <= limit, let (at, event) = queue.popFirst() {
            now = max(now, at)
            stepCount += 1
            if stepCount > Self.maximumStepCount { violate("L1", "the world does not come to rest") }
            run(event)
            check()
            if stepCount.isMultiple(of: Self.stepsBetweenTableChecks) { checkTables() }
        }
        guard violations.isEmpty else { return false }
        now = max(now, limit)
        return true
    }

    private func run(_ event: WorldEvent) {
        switch event {
        case .arrival(let arrival):
            if isDeferred(arrival.to, event) { return }
            network.arrive(arrival)
        case .timer(let index, let armedAt):
            let endpoint = endpoints[index]
            guard endpoint.armedAt == armedAt else { return }
            if isDeferred(index, event) { return }
            endpoint.armedAt = .distantFuture
            trace.record(now, 2, UInt64(index), 0)
            if index < nodes.count {
                nodes[index].deadlineReached()
            } else if index - nodes.count < emitters.count {
                emitters[index - nodes.count].deadlineReached()
            }
        case .work(let index, let boot, let body):
            guard endpoints[index].bootCount == boot else { return }
            if isDeferred(index, event) { return }
            trace.record(now, 3, UInt64(index), 0)
            body(self)
        case .task(let body): body(self)
        }
    }

    /// A paused process finds what has happened when it goes on.
    private func isDeferred(_ index: Int, _ event: WorldEvent) -> Bool {
        guard endpoints[index].pausedUntil > now else { return false }
        queue.push(at: endpoints[index].pausedUntil, event)
        return true
    }

    // MARK: Findings

    func violate(_ invariant: String, _ text: @autoclosure () -> String) {
        guard violations.count < 8 else { return }
        let violation = SimulationViolation(invariant: invariant, text: text(), milliseconds: now.nanoseconds / 1_000_000)
        violations.append(violation)
        say("VIOLATION \(violation)")
    }

    func say(_ line: @autoclosure () -> String) { trace.say(now, line()) }
}

/// Carries nothing; stands in until the world is complete.
private final class NoNetwork: SimulationNetwork {
    func send(_ bytes: [UInt8], from: SimulationEndpoint, to: SimulationEndpoint) {}
    func begin(_ transfer: SimulationTransfer) {}
    func cancel(_ transfer: SimulationTransfer) {}
    func changed(_ endpoint: SimulationEndpoint) {}
    func arrive(_ arrival: Arrival) {}
}
