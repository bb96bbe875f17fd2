import FerryStateMachines
import FerryWire

/// One dispatcher and a fake host that carries out what it asks for.
final class MeshNode {
    let id: NodeID
    unowned let world: MeshWorld
    let configuration: NetMeshDispatcherConfiguration
    var dispatcher: NetMeshDispatcher
    /// Daemons in this node's registry; those in `fenced` process nothing.
    var live: [OriginHash: MeshDaemon] = [:]
    var fenced: Set<OriginHash> = []
    /// Daemons that have left, kept until they are released.
    var retired: [OriginHash: MeshDaemon] = [:]
    /// Restored copies that are not live.
    var staged: [OriginHash: MeshDaemon] = [:]
    /// Length of a log when it was last checked.
    var checkedCounts: [OriginHash: Int] = [:]
    /// Daemons whose private key is here.
    var keys: Set<OriginHash> = []
    var orders = 0
    var outcomes: [NetMeshOutcome] = []
    /// Everything that the dispatcher asked for, but sends.
    var asked: [String] = []
    var refusals: [NetMeshRefusal] = []

    // How the host misbehaves.
    /// Actions that are never answered, by name.
    var deafTo: Set<String> = []
    var isReady = true
    var sealing: NetMeshSealing?
    var unsealing: NetMeshUnsealing?
    var snapshotFailure: FailureReason?
    var restoreFailure: FailureReason?
    var activationFailure: FailureReason?
    var hookFailure: FailureReason?
    /// The replay fails after that many events.
    var replayLimit: Int?
    /// Snapshots whatever the daemon is.
    var snapshotOverride: StateSnapshot?
    var restoring: (StateSnapshot) -> MeshDaemon? = { MeshDaemon(restoring: $0) }

    init(id: NodeID, configuration: NetMeshDispatcherConfiguration, world: MeshWorld) {
        self.id = id
        self.world = world
        self.configuration = configuration
        dispatcher = NetMeshDispatcher(localNode: id, configuration: configuration)
    }

    // MARK: What users do

    func spawn(_ daemon: MeshDaemon) {
        live[daemon.origin] = daemon
        keys.insert(daemon.origin)
        change { dispatcher, _ in dispatcher.daemonStarted(daemon.origin) }
    }

    func expect(_ origin: OriginHash = MeshSample.origin, fallback: Bool = false, orchestrator: Int? = nil, source: Int? = nil) {
        change { dispatcher, _ in
            do {
                try dispatcher.expect(
                    origin, kind: "log", hasFallbackKey: fallback, orchestrator: orchestrator.map { self.world.nodes[$0].id },
                    source: source.map { self.world.nodes[$0].id })
            } catch {
                self.world.violations.append("expect: \(error)")
            }
        }
    }

    @discardableResult
    func start(
        _ origin: OriginHash = MeshSample.origin, from source: Int, to target: Int, identity: NetMeshIdentityTransport = .required
    ) -> NetMeshRefusal? {
        let order = NetMeshOrder(
            origin: origin, source: world.nodes[source].id, target: .node(world.nodes[target].id), identityTransport: identity)
        return start(order)
    }

    @discardableResult
    func start(_ order: NetMeshOrder) -> NetMeshRefusal? {
        var refusal: NetMeshRefusal?
        change { dispatcher, now in
            do throws(NetMeshRefusal) {
                _ = try dispatcher.start(order, now: now)
                self.orders += 1
            } catch {
                refusal = error
            }
        }
        return refusal
    }

    /// What a host does with an input for a daemon; true when it was accepted.
    func offer(_ event: CausalEvent, for origin: OriginHash = MeshSample.origin) -> Bool {
        var capture = NetMeshCapture.notMoving
        change { capture = $0.capture(event, for: origin, now: $1) }
        switch capture {
        // Forwarded is accepted: the dispatcher sends it after the daemon, and keeps it for a rollback.
        case .captured, .forward: return true
        case .refused: return false
        case .notMoving: break
        }
        var hold = NetMeshHold.notHere
        change { hold = $0.hold(event, for: origin, now: $1) }
        let serves = live[origin] != nil && !fenced.contains(origin)
        switch hold {
        case .held, .refused: return false
        // Before the activation a held input may still be discarded with the copy.
        case .duplicate: return serves
        case .deliver, .notHere:
            guard serves else { return false }
            live[origin]?.process(event)
            return true
        }
    }

    // MARK: The host

    func receive(_ bytes: [UInt8], from sender: NodeID) {
        change { dispatcher, now in
            do throws(NetMeshRefusal) {
                try dispatcher.receive(bytes.rawSpan, from: sender, now: now)
            } catch {
                self.refusals.append(error)
            }
        }
    }

    func receive(_ message: MigrationMessage, from sender: NodeID) {
        do {
            receive(try message.encoded(), from: sender)
        } catch {
            world.violations.append("\(message.briefName) has no encoding: \(error)")
        }
    }

    /// Calls the dispatcher, then carries out everything that it asks for.
    func change(_ body: (inout NetMeshDispatcher, Timestamp) -> Void) {
        body(&dispatcher, world.now)
        while let action = dispatcher.nextAction() {
            if case .send(let message, let peer) = action {
                world.send(message, from: id, to: peer)
            } else {
                asked.append(action.briefName)
                if !deafTo.contains(action.briefName) { perform(action) }
            }
        }
    }

    private func answer(_ body: @escaping (inout NetMeshDispatcher, Timestamp) -> Void) {
        world.schedule(after: world.delay(world.faults.hostDelay), .work { _ in self.change(body) })
    }

    private func perform(_ action: NetMeshAction) {
        switch action {
        case .send, .keyNotSealed: break
        case .takeSnapshot(let origin, let attempt): takeSnapshot(origin, attempt)
        case .seal(let origin, let attempt, let target, let snapshot): seal(origin, attempt, target, snapshot)
        case .preCleanup(let origin, let attempt): finish(.preCleanup, origin, attempt)
        case .postRestore(let origin, let attempt): finish(.postRestore, origin, attempt)
        case .failureHook(let origin, let attempt, _): finish(.failure, origin, attempt)
        case .retire(let origin):
            retired[origin] = live.removeValue(forKey: origin)
            if retired[origin] == nil { world.violations.append("retired a daemon that is not here") }
        case .release(let origin):
            retired[origin] = nil
            fenced.remove(origin)
            keys.remove(origin)
        case .resume(let origin, let captured, _): resume(origin, captured)
        case .askReadiness(let origin, let attempt):
            answer { $0.readinessAnswered(origin, attempt: attempt, self.isReady, now: $1) }
        case .unseal(let origin, let attempt, let snapshot): unseal(origin, attempt, snapshot)
        case .restore(let origin, let attempt, let snapshot, let identity): restore(origin, attempt, snapshot, identity)
        case .replay(let origin, let attempt, let events): replay(origin, attempt, events)
        case .activate(let origin, let attempt, let held): activate(origin, attempt, held)
        case .deliver(let origin, let events):
            guard live[origin] != nil, !fenced.contains(origin) else {
                world.violations.append("a late tail for a daemon that is not live")
                return
            }
            for event in events { live[origin]?.process(event) }
        case .discard(let origin):
            staged[origin] = nil
            keys.remove(origin)
        case .ended(_, let outcome):
            if outcomes.last?.isInDoubt ?? false { outcomes.removeLast() }
            outcomes.append(outcome)
        }
    }

    private func takeSnapshot(_ origin: OriginHash, _ attempt: UInt64) {
        guard let daemon = live[origin] else {
            return answer { $0.snapshotTaken(origin, attempt: attempt, .failure(FailureReason(.daemonNotFound)), now: $1) }
        }
        fenced.insert(origin)
        let result: Result<StateSnapshot, FailureReason> =
            snapshotFailure.map { .failure($0) } ?? .success(snapshotOverride ?? daemon.snapshot())
        answer { $0.snapshotTaken(origin, attempt: attempt, result, now: $1) }
    }

    private func seal(_ origin: OriginHash, _ attempt: UInt64, _ target: NodeID, _ snapshot: StateSnapshot) {
        var whole = snapshot
        whole.envelope = MeshSample.envelope(for: target)
        let result = sealing ?? .sealed(whole)
        answer { $0.sealed(origin, attempt: attempt, result, now: $1) }
    }

    private func finish(_ hook: NetMeshHook, _ origin: OriginHash, _ attempt: UInt64) {
        let failure = hookFailure
        answer { $0.hookFinished(origin, attempt: attempt, hook, failure: failure, now: $1) }
    }

    private func resume(_ origin: OriginHash, _ captured: [CausalEvent]) {
        if let daemon = retired.removeValue(forKey: origin) { live[origin] = daemon }
        fenced.remove(origin)
        if live[origin] == nil { world.violations.append("resumed a daemon that is not here") }
        for event in captured { live[origin]?.process(event) }
    }

    private func unseal(_ origin: OriginHash, _ attempt: UInt64, _ snapshot: StateSnapshot) {
        let mine = snapshot.envelope == MeshSample.envelope(for: id)
        let result = unsealing ?? (mine ? .opened : .failed("identity envelope: seal_open failed"))
        answer { $0.unsealed(origin, attempt: attempt, result, now: $1) }
    }

    private func restore(_ origin: OriginHash, _ attempt: UInt64, _ snapshot: StateSnapshot, _ identity: NetMeshIdentitySource) {
        asked.append("identity \(identity)")
        if live[origin] != nil { world.violations.append("restored over a live daemon") }
        guard restoreFailure == nil, let daemon = restoring(snapshot) else {
            let reason = restoreFailure ?? FailureReason(.stateFailed, "restore failed: not a log")
            return answer { $0.restored(origin, attempt: attempt, .failure(reason), now: $1) }
        }
        staged[origin] = daemon
        keys.insert(origin)
        answer { $0.restored(origin, attempt: attempt, .success(daemon.chain.head), now: $1) }
    }

    private func replay(_ origin: OriginHash, _ attempt: UInt64, _ events: [CausalEvent]) {
        let landed = replayLimit.map { min($0, events.count) } ?? events.count
        for event in events.prefix(landed) { staged[origin]?.process(event) }
        guard landed == events.count, let head = staged[origin]?.chain.head else {
            let reason = FailureReason(.stateFailed, "the daemon is gone")
            return answer { $0.replayed(origin, attempt: attempt, .failed(landedCount: landed, reason: reason), now: $1) }
        }
        answer { $0.replayed(origin, attempt: attempt, .replayed(head: head), now: $1) }
    }

    private func activate(_ origin: OriginHash, _ attempt: UInt64, _ held: [CausalEvent]) {
        if let activationFailure {
            return answer { $0.activated(origin, attempt: attempt, failure: activationFailure, now: $1) }
        }
        guard var daemon = staged.removeValue(forKey: origin) else {
            world.violations.append("activated a daemon that was never restored")
            return
        }
        for event in held { daemon.process(event) }
        live[origin] = daemon
        answer { $0.activated(origin, attempt: attempt, failure: nil, now: $1) }
    }
}

extension NetMeshOutcome {
    var isInDoubt: Bool {
        if case .inDoubt = self { true } else { false }
    }

    var isCompleted: Bool {
        if case .completed = self { true } else { false }
    }

    var failure: FailureReason? {
        if case .failed(let reason) = self { reason } else { nil }
    }
}

extension NetMeshAction {
    var briefName: String {
        switch self {
        case .send: "send"
        case .takeSnapshot: "takeSnapshot"
        case .seal: "seal"
        case .keyNotSealed: "keyNotSealed"
        case .preCleanup: "preCleanup"
        case .retire: "retire"
        case .release: "release"
        case .resume: "resume"
        case .askReadiness: "askReadiness"
        case .unseal: "unseal"
        case .restore: "restore"
        case .postRestore: "postRestore"
        case .replay: "replay"
        case .activate: "activate"
        case .deliver: "deliver"
        case .discard: "discard"
        case .failureHook: "failureHook"
        case .ended: "ended"
        }
    }
}
