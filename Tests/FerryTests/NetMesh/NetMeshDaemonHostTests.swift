import FerryCrypto
import FerrySodium
import FerryWire
import Synchronization
import Testing

@testable import Ferry

@Suite(.timeLimit(.minutes(1))) struct NetMeshDaemonHostTests {
    struct Plain: StatelessDaemon {
        static let kind = DaemonKind(name: "plain", schemaVersion: 1)
        init() {}
        mutating func process(_ event: CausalEvent, into outputs: inout DaemonOutputs) throws {}
    }

    struct Sensitive: HealthReporting, ControllableDaemon, StatelessDaemon {
        static let kind = DaemonKind(name: "sensitive", schemaVersion: 1)
        var signals: [DaemonControl] = []
        var health: DaemonHealth { signals.contains(.drainStart) ? .degraded("draining") : .healthy }
        var saturation: Double { signals.contains(.backpressureOn) ? 7 : 0.5 }
        init() {}
        mutating func process(_ event: CausalEvent, into outputs: inout DaemonOutputs) throws {}
        mutating func control(_ signal: DaemonControl) { signals.append(signal) }
    }

    private let context = NetMeshDaemonHost.Context(outputs: nil)

    private func keypair() throws -> EntityKeypair { try EntityKeypair.generate(crypto: .sodium) }

    private func snapshot(
        of keypair: EntityKeypair, sequence: UInt64 = 3, bindings: [UInt8] = [], headPayload: [UInt8]? = nil
    ) async throws -> StateSnapshot {
        let link = CausalLink(origin: keypair.originHash, horizon: 0, sequence: sequence, parent: sequence == 0 ? 0 : 5)
        let state = try await PlainState.bytes(of: NotebookDaemon(paddingByteCount: 9), limit: 1_000)
        return StateSnapshot(
            entity: keypair.entityID, chainLink: link, createdAt: 1, state: state, bindings: bindings, headPayload: headPayload)
    }

    private func restore(_ snapshot: StateSnapshot, _ keypair: EntityKeypair) async throws -> NetMeshDaemonHost {
        try await NetMeshDaemonHost.restoring(
            snapshot, with: NetMeshDaemonFactory(NotebookDaemon.self), keypair: keypair, context: context)
    }

    @Test("H80: a snapshot of another entity is refused")
    func otherEntity() async throws {
        let snapshot = try await snapshot(of: keypair())
        let error = await #expect(throws: FerryError.self) { _ = try await restore(snapshot, keypair()) }
        #expect(error?.code == .restoreFailed)
    }

    @Test("H81: bindings that do not decode abort the restore, with net-mesh's text")
    func malformedBindings() async throws {
        let keypair = try keypair()
        let snapshot = try await snapshot(of: keypair, bindings: [1, 0, 0, 0])
        let error = await #expect(throws: FerryError.self) { _ = try await restore(snapshot, keypair) }
        #expect(error?.message == "snapshot bindings_bytes failed to decode — tampered or corrupt snapshot")
    }

    @Test("identity, state, chain and bindings are checked in this order")
    func order() async throws {
        let snapshot = try await snapshot(of: keypair(), bindings: [1])
        let factory = NetMeshDaemonFactory(kind: "broken") { _ in throw NotebookDaemon.Refused() }
        let entity = await #expect(throws: FerryError.self) {
            _ = try await NetMeshDaemonHost.restoring(snapshot, with: factory, keypair: keypair(), context: context)
        }
        #expect(entity?.message == "snapshot entity_id does not match keypair")
        let own = try keypair()
        let other = try await self.snapshot(of: own, bindings: [1])
        await #expect(throws: NotebookDaemon.Refused.self) {
            _ = try await NetMeshDaemonHost.restoring(other, with: factory, keypair: own, context: context)
        }
    }

    @Test(
        "H82: the head payload is hashed, an empty one too; the state only where it is absent, at genesis too",
        arguments: [UInt64(0), 3])
    func headPayload(sequence: UInt64) async throws {
        let keypair = try keypair()
        for payload in [nil, [], [1, 2]] as [[UInt8]?] {
            let snapshot = try await snapshot(of: keypair, sequence: sequence, headPayload: payload)
            let host = try await restore(snapshot, keypair)
            #expect(await host.activate([]))
            guard case .processed(let outputs) = await host.deliver(event(from: 9, 1)) else {
                Issue.record("not processed")
                return
            }
            let hashed = payload ?? snapshot.state
            let parent = forwardHash(snapshot.chainLink, hashed.rawSpan)
            #expect(outputs.first?.link.parent == parent)
            #expect(outputs.first?.link.sequence == sequence + 1)
        }
    }

    @Test("H83: an input without outputs is observed and hashes nothing; the next output carries it in its horizon")
    func horizon() async throws {
        let host = NetMeshDaemonHost(spawning: NotebookDaemon(), keypair: try keypair(), context: context)
        let before = await host.head
        _ = await host.deliver(event(from: 9, 4, "quiet"))
        #expect(await host.head == before)
        #expect(await host.horizon.highestSequence(of: OriginHash(rawValue: 9)) == 4)
        _ = await host.deliver(event(from: 10, 1))
        #expect(await host.head.horizon == HorizonBloom([OriginHash(rawValue: 9), OriginHash(rawValue: 10)]).rawValue)
    }

    @Test("an event is observed before it is processed; a failed one counts as an error and leaves the chain")
    func failedEvent() async throws {
        let host = NetMeshDaemonHost(spawning: NotebookDaemon(), keypair: try keypair(), context: context)
        guard case .failed(let error) = await host.deliver(event(from: 9, 1, "refuse")) else {
            Issue.record("processed")
            return
        }
        #expect(error.code == .processFailed)
        #expect(await host.horizon.hasObserved(OriginHash(rawValue: 9), sequence: 1))
        #expect(await host.head.isGenesis)
        _ = await host.deliver(event(from: 9, 2))
        _ = await host.deliver(event(from: 9, 3, "quiet"))
        let statistics = await host.statistics
        #expect(statistics.errors == 1 && statistics.eventsProcessed == 2 && statistics.eventsEmitted == 1)
    }

    @Test("an output beyond the last sequence is an error that leaves the chain as it was")
    func overflow() async throws {
        let keypair = try keypair()
        let head = CausalLink(origin: keypair.originHash, horizon: 0, sequence: .max - 1, parent: 1)
        let host = try NetMeshDaemonHost(
            forking: NotebookDaemon(), keypair: keypair, chain: ChainBuilder(head: head, headPayload: []), context: context)
        guard case .processed = await host.deliver(event(from: 9, 1)) else {
            Issue.record("the last sequence was refused")
            return
        }
        guard case .failed(let error) = await host.deliver(event(from: 9, 2)) else {
            Issue.record("a sequence after the last")
            return
        }
        #expect(error.message == "causal sequence overflow")
        #expect(await host.head.sequence == .max)
    }

    @Test("H84: a chain of another daemon is an error, not a trap")
    func foreignChain() throws {
        let other = try keypair()
        let error = #expect(throws: FerryError.self) {
            _ = try NetMeshDaemonHost(
                forking: NotebookDaemon(), keypair: keypair(), chain: ChainBuilder(origin: other.originHash), context: context)
        }
        #expect(error?.code == .restoreFailed)
    }

    @Test("H86: a stateless daemon has no snapshot, and refuses bytes that are not its own, with their number")
    func stateless() async throws {
        let host = NetMeshDaemonHost(spawning: Plain(), keypair: try keypair(), context: context)
        #expect(await host.fence() == nil)
        // Fenced all the same, until its failed move gives it back what was captured.
        #expect(await host.standing == .fenced)
        #expect(await host.resume([]) == 0)
        #expect(await host.standing == .serving)
        let factory = NetMeshDaemonFactory(Plain.self)
        _ = try await PlainState.restore([], with: factory)
        let error = await #expect(throws: FerryError.self) {
            _ = try await PlainState.restore([UInt8](repeating: 1, count: 300_000), with: factory)
        }
        #expect(error?.message.contains("stateless daemon") == true)
        #expect(error?.message.contains("300000") == true)
    }

    @Test("a stateless daemon does not move, and serves on")
    func statelessMove() async throws {
        try await Mesh.run { mesh in
            let plain = try keypair()
            try mesh.source.runtime.spawn(Plain(), keypair: plain)
            let handle = try await mesh.source.runtime.startMigration(plain.originHash, to: mesh.target.id)
            try await mesh.network.run(handle)
            let error = await #expect(throws: FerryError.self) { try await handle.wait() }
            #expect((error?.cause as? FailureReason)?.message == "daemon is stateless or snapshot failed")
            #expect(try await mesh.source.runtime.deliver(event(from: 9, 1), to: plain.originHash) == .processed(outputs: []))
        }
    }

    @Test("a state is carried as the plain bytes that the daemon writes, up to its limit and not one past it")
    func plainState() async throws {
        let daemon = NotebookDaemon(paddingByteCount: 300_000)
        let bytes = try await PlainState.bytes(of: daemon, limit: 300_016)
        #expect(bytes.count == 300_016)
        #expect(Array(bytes.suffix(300_000)) == daemon.padding)
        let restored = try await PlainState.restore(bytes, with: NetMeshDaemonFactory(NotebookDaemon.self))
        #expect((restored as? NotebookDaemon)?.padding == daemon.padding)
        let error = await #expect(throws: FerryError.self) { _ = try await PlainState.bytes(of: daemon, limit: 300_015) }
        #expect(error?.code == .limitExceeded)
        let rest = await #expect(throws: FerryError.self) {
            _ = try await PlainState.restore(bytes + [1], with: NetMeshDaemonFactory(NotebookDaemon.self))
        }
        #expect(rest?.code == .fieldMismatch)
    }

    @Test("health, saturation and control reach the daemon, and saturation stays between 0 and 1")
    func traits() async throws {
        let host = NetMeshDaemonHost(spawning: Sensitive(), keypair: try keypair(), context: context)
        #expect(await host.status.health == .healthy)
        #expect(await host.status.saturation == 0.5)
        for signal in [DaemonControl.drainStart, .backpressureOn] { #expect(await host.control(signal)) }
        #expect(await host.status.health == .degraded("draining"))
        #expect(await host.status.saturation == 1)
        let indifferent = NetMeshDaemonHost(spawning: Plain(), keypair: try keypair(), context: context)
        #expect(await !indifferent.control(.shutdown))
        #expect(await indifferent.status.health == .healthy)
    }

    @Test("I-21: the horizon starts empty where a daemon is restored, and grows with what it sees there")
    func emptyHorizon() async throws {
        let keypair = try keypair()
        let host = try await restore(snapshot(of: keypair), keypair)
        #expect(await host.horizon.isEmpty)
        _ = await host.replay([event(from: 9, 1)])
        #expect(await host.horizon.count == 1)
    }
}

@Suite(.timeLimit(.minutes(1))) struct NetMeshDaemonRegistryTests {
    private func host(_ keypair: EntityKeypair) -> NetMeshDaemonHost {
        NetMeshDaemonHost(spawning: NotebookDaemon(), keypair: keypair, context: NetMeshDaemonHost.Context(outputs: nil))
    }

    /// Notes what happens, and asks the registry in turn.
    private final class Watcher: NetMeshRegistryObserver {
        let log = Journal<String>()
        let registry = Mutex<NetMeshDaemonRegistry?>(nil)

        func registered(_ daemon: OriginHash) { note("+", daemon) }
        func unregistered(_ daemon: OriginHash) { note("-", daemon) }

        private func note(_ sign: String, _ daemon: OriginHash) {
            let registry = registry.withLock { $0 }
            log.append("\(sign)\(registry?.host(daemon) != nil)")
        }
    }

    @Test("a second daemon with one key is refused and the incumbent kept; H94: it still moves")
    func duplicate() async throws {
        try await Mesh.run { mesh in
            let error = #expect(throws: FerryError.self) {
                try mesh.source.runtime.spawn(NotebookDaemon(), keypair: mesh.keypair)
            }
            #expect(error?.code == .daemonExists)
            try await mesh.source.runtime.deliver(event(from: 9, 1), to: mesh.origin)
            let handle = try await mesh.source.runtime.startMigration(mesh.origin, to: mesh.target.id)
            try await mesh.network.run(handle)
            try await handle.wait()
            #expect(try await mesh.target.runtime.notes(mesh.origin).count == 1)
        }
    }

    @Test("H88: whoever waits for a host that was replaced or removed meanwhile hears that it is stale, and changes nothing")
    func stale() async throws {
        let keypair = try EntityKeypair.generate(crypto: .sodium)
        let registry = NetMeshDaemonRegistry()
        let (old, new) = (host(keypair), host(keypair))
        try registry.register(old)
        #expect(registry.replace(new) === old)
        guard case .failed(let error) = await old.deliver(event(from: 9, 1), registeredIn: registry) else {
            Issue.record("an orphan was written to")
            return
        }
        #expect(error.code == .stale)
        #expect(await old.statistics.eventsProcessed == 0)
        guard case .processed = await new.deliver(event(from: 9, 1), registeredIn: registry) else {
            Issue.record("the new one refused")
            return
        }
        #expect(!registry.remove(old))
        try registry.unregister(new.origin)
        guard case .failed = await new.deliver(event(from: 9, 2), registeredIn: registry) else {
            Issue.record("a removed one was written to")
            return
        }
        let missing = #expect(throws: FerryError.self) { try registry.unregister(new.origin) }
        #expect(missing?.code == .daemonNotFound)
    }

    @Test("H87, H90, H91: observers run under no lock, may ask the registry, and hear of a replacement as one gone and one come")
    func observer() throws {
        let watcher = Watcher()
        let registry = NetMeshDaemonRegistry(observer: watcher)
        watcher.registry.withLock { $0 = registry }
        let keypair = try EntityKeypair.generate(crypto: .sodium)
        try registry.register(host(keypair))
        _ = registry.replace(host(keypair))
        try registry.unregister(keypair.originHash)
        #expect(watcher.log.all == ["+true", "-true", "+true", "-false"])
    }

    @Test("H89: a daemon is replaced while the old one is busy, without waiting for it")
    func replaceBusy() async throws {
        let keypair = try EntityKeypair.generate(crypto: .sodium)
        let registry = NetMeshDaemonRegistry()
        let entered = Journal<Bool>()
        let release = Mutex(false)
        let busy = NetMeshDaemonHost(
            spawning: NotebookDaemon(), keypair: keypair,
            context: NetMeshDaemonHost.Context(outputs: Blocker(entered: entered) { release.withLock { $0 } }))
        try registry.register(busy)
        let work = Task.detached { await busy.deliver(event(from: 9, 1), registeredIn: registry) }
        await until { !entered.all.isEmpty }
        let new = host(keypair)
        #expect(registry.replace(new) === busy)
        #expect(registry.isCurrent(new))
        release.withLock { $0 = true }
        _ = await work.value
    }

    /// Keeps a daemon busy until it may go on.
    private struct Blocker: NetMeshOutputObserver {
        let entered: Journal<Bool>
        let mayGo: @Sendable () -> Bool

        init(entered: Journal<Bool>, _ mayGo: @escaping @Sendable () -> Bool) {
            self.entered = entered
            self.mayGo = mayGo
        }

        func daemon(_ daemon: OriginHash, emitted output: CausalEvent) {
            entered.append(true)
            while !mayGo() {}
        }
    }

    @Test("deliveries beyond what a daemon's queue holds wait, and beyond a second such number are refused")
    func admission() async throws {
        let admission = NetMeshAdmission(limit: 2)
        let origin = OriginHash(rawValue: 1)
        for _ in 0..<2 { try await admission.enter(origin) }
        let order = Journal<Int>()
        let waiting = (0..<2).map { index in
            Task {
                try await admission.enter(origin)
                order.append(index)
            }
        }
        while true {
            do {
                // Full once both wait; before that this would wait itself, so it is asked only then.
                guard admission.waitingCount(origin) == 2 else {
                    await Task.yield()
                    continue
                }
                try await admission.enter(origin)
                Issue.record("admitted past the limit")
                return
            } catch {
                #expect(error.code == .busy)
                break
            }
        }
        #expect(order.all.isEmpty)
        for _ in 0..<2 { admission.leave(origin) }
        for task in waiting { try await task.value }
        #expect(order.all.sorted() == [0, 1])
        for _ in 0..<2 { admission.leave(origin) }
        try await admission.enter(origin)
    }
}
