internal import Ferry
internal import FerryCrypto
internal import FerryInMemory
internal import FerryStateMachines
internal import FerryTransports
internal import FerryWire
internal import Foundation
internal import Synchronization

/// A node of the demo: composes a `FerryNode` and does what the coordinator asks.
struct NodeRole: Sendable {
    var configuration: RoleConfiguration
    var network: InMemoryNetwork?
    var say: @Sendable (RoleEvent) -> Void
    private let victim = Victim()

    init(configuration: RoleConfiguration, network: InMemoryNetwork?, say: @escaping @Sendable (RoleEvent) -> Void) {
        self.configuration = configuration
        self.network = network
        self.say = say
    }

    /// Serves until `commands` ends.
    func run(_ commands: AsyncStream<String>) async throws {
        let node = try makeNode()
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await node.run() }
            group.addTask {
                try await node.waitUntilListening()
                if let endpoint = node.endpoints.first { say(.listening(endpoint: endpoint.description)) }
                await obey(commands, node)
            }
            try await group.waitForAll()
        }
    }

    private func makeNode() throws -> FerryNode {
        let crypto = configuration.crypto.provider
        let observer = RoleObserver(configuration: configuration, victim: victim, say: say)
        var composition = Composition(
            identity: try NodeIdentity(contentsOf: configuration.identityPath, crypto: crypto), crypto: crypto,
            transports: [try transport()], compressors: configuration.compression.compressors,
            daemons: [DaemonRegistration(InvertedIndex.self), DaemonRegistration(Blob.self)])
        composition.peers = .nodes(Set(configuration.allowedKeys.compactMap { NodeKey(hex: $0) }))
        composition.orchestrators = Set(configuration.orchestratorKeys.compactMap { NodeKey(hex: $0) })
        composition.knownPeers = try (configuration.knownPeers ?? []).map { try Endpoint($0) }
        if let seconds = configuration.promiseSeconds { composition.budgets.promise = .seconds(seconds) }
        composition.observers = [observer]
        composition.outputObservers = [try LoggingObserver(configuration.processedLogPath)]
        composition.journal = RoleJournal(killMoment: configuration.killMoment)
        composition.controlSocketPath = configuration.controlPath
        return try FerryNode(composition)
    }

    private func transport() throws -> any Transport {
        guard let text = configuration.listenAddress, let address = TransportAddress(text) else {
            return try TransportChoice.dialling(
                scheme: configuration.transport.rawValue, network: network, frameByteCount: configuration.frameByteCount)
        }
        return try TransportChoice.listening(on: address, network: network, frameByteCount: configuration.frameByteCount)
    }

    /// Obeys until nobody commands any more, and stops the node.
    private func obey(_ commands: AsyncStream<String>, _ node: FerryNode) async {
        await withDiscardingTaskGroup { group in
            for await line in commands {
                guard let command = RoleLine.decode(line, as: RoleCommand.self) else {
                    say(.failed(code: "command", message: "not a command: \(line)"))
                    continue
                }
                switch command {
                // Whose source has died lasts as long as its bound; what is asked meanwhile is answered.
                case .move, .outcome: group.addTask { await obey(command, node) }
                default: await obey(command, node)
                }
            }
            node.requestStop()
        }
    }

    private func obey(_ command: RoleCommand, _ node: FerryNode) async {
        do {
            try await perform(command, node)
        } catch {
            let failure = CommandFailure(describing: error)
            say(.failed(code: failure.code, message: failure.message))
        }
    }

    private func perform(_ command: RoleCommand, _ node: FerryNode) async throws {
        switch command {
        case .spawn:
            let entity = try await node.spawn(InvertedIndex(paddingByteCount: configuration.stateByteCount))
            say(.spawned(entity: entity.hex, origin: entity.originHash.rawValue))
        case .spawnBlob(let kind, let byteCount):
            let entity = try await node.spawn(Blob(try BenchData(kind), byteCount: byteCount))
            say(.spawned(entity: entity.hex, origin: entity.originHash.rawValue))
        case .move(let daemon, let from, let to):
            say(.moved(await move(daemon, from: from, to: to, node)))
        case .moveAll(let daemons, let to): await moveAll(daemons, to: to, node)
        case .victim(let processID): victim.set(processID)
        case .digest(let origin):
            let digest = try await node.stateDigest(of: OriginHash(rawValue: origin))
            say(.digest(hex: digest.digest.hex, byteCount: digest.byteCount))
        case .standing(let origin):
            let status = await node.daemons.first { $0.origin.rawValue == origin }
            say(.standing(status?.standing.rawValue ?? "absent"))
        case .outcome(let origin): say(.moved(try await outcome(of: OriginHash(rawValue: origin), node)))
        case .emit, .drain, .relay:
            say(.failed(code: "command", message: "not a node's command"))
        }
    }

    private func move(_ daemon: String, from: String?, to: String, _ node: FerryNode) async -> MoveSummary {
        do {
            guard let entity = EntityID(hex: daemon) else { throw FerryError(.daemonNotFound, "\(daemon) is no public key") }
            let handle = try await node.migrate(
                entity, from: try from.map { try Endpoint($0) }, to: try Endpoint(to), options: moveOptions)
            async let watching: Void = watch(handle)
            let report = try await handle.value
            await watching
            return MoveSummary(
                result: "completed", mode: report.mode.controlName, durationSeconds: report.duration.seconds,
                pauseMilliseconds: report.pause.milliseconds,
                stateBytes: report.stateByteCount, wireBytes: report.wireByteCount, rounds: report.rounds, epoch: report.epoch.rawValue,
                receipt: Data(report.receipt.bytes).base64EncodedString())
        } catch {
            let failure = CommandFailure(describing: error)
            let known = ["declined", "rolledBack", "inDoubt"]
            return MoveSummary(result: known.contains(failure.code) ? failure.code : "failed", message: failure.message)
        }
    }

    /// What the source knows of a move whose orchestrator has died.
    private func outcome(of daemon: OriginHash, _ node: FerryNode) async throws -> MoveSummary {
        while true {
            let departures = await node.moves.filter { $0.daemon == daemon && $0.role == .source }
            guard let newest = departures.min(by: { $0.elapsed < $1.elapsed }) else {
                return MoveSummary(result: "declined", message: "the source has heard of no move")
            }
            if let result = newest.result { return MoveSummary(result: result, message: newest.stall.isEmpty ? nil : newest.stall) }
            try await Task.sleep(for: .milliseconds(100))
        }
    }

    private var moveOptions: MoveOptions {
        switch configuration.mode {
        case .live: MoveOptions(mode: .live)
        case .stopAndCopy, nil: MoveOptions(mode: .stopAndCopy)
        }
    }

    private func moveAll(_ daemons: [String], to: String, _ node: FerryNode) async {
        let start = MonotonicClock.now
        let summaries = await withTaskGroup(of: MoveSummary.self) { group in
            for daemon in daemons { group.addTask { await move(daemon, from: nil, to: to, node) } }
            return await group.reduce(into: []) { $0.append($1) }
        }
        say(.movedAll(summaries, seconds: Double(MonotonicClock.now - start) * 1e-9))
    }

    private func watch(_ handle: MigrationHandle) async {
        for await progress in handle.progress {
            say(
                .progress(
                    phase: progress.phase.description, byteCount: progress.byteCount, totalByteCount: progress.totalByteCount))
        }
    }
}

/// Tells the coordinator of phases, and dies where the demo says so.
private struct RoleObserver: NodeObserver {
    var configuration: RoleConfiguration
    var victim: Victim
    var say: @Sendable (RoleEvent) -> Void

    func move(_ migration: MigrationID, of daemon: OriginHash, as role: MoveRole, reached phase: MigrationPhase) {
        say(.phase(phase.description))
        if (role, phase) == (.source, .snapshot) || (role, phase) == (.target, .complete) { victim.kill() }
        // The process that is to die has one of the two roles that hold the daemon; it may have ordered the move as well.
        guard role != .orchestrator, let moment = configuration.killMoment, moment != .commit else { return }
        if moment.phase == phase { KillSwitch.fire() }
    }
}

/// Writes down every output and every fence, inside of the daemon's isolation.
private struct LoggingObserver: OutputObserver {
    var outputs: ProcessedLog
    var fences: FenceLog

    init(_ path: String) throws {
        outputs = try ProcessedLog(creating: path)
        fences = try FenceLog(beside: path)
    }

    func daemon(_ daemon: OriginHash, epoch: Epoch, emitted output: CausalEvent) { outputs.append(output, epoch: epoch) }

    func daemon(_ daemon: OriginHash, epoch: Epoch, fencedFor migration: MigrationID) { fences.append() }
}

/// A journal in memory that dies at the commit: the source with its commit recorded, the target with its take recorded.
private struct RoleJournal: ImmediateMoveJournal {
    let base = InMemoryMoveJournal()
    var killMoment: DemoKill.Moment?

    var isDurable: Bool { base.isDurable }

    func record(_ record: MoveRecord, of migration: MigrationID) async throws { keep(record, of: migration) }

    func keep(_ record: MoveRecord, of migration: MigrationID) {
        base.keep(record, of: migration)
        guard killMoment == .commit else { return }
        switch record {
        case .committed, .took: KillSwitch.fire()
        default: break
        }
    }

    func records(of migration: MigrationID) async throws -> [MoveRecord] { try await base.records(of: migration) }

    func openMoves() async throws -> [MigrationID] { try await base.openMoves() }

    func close(_ migration: MigrationID) async throws { try await base.close(migration) }
}

/// Another role's process, which dies when the source begins or the target is active.
private final class Victim: Sendable {
    private let processID = Atomic<Int32>(0)

    func set(_ processID: Int32) { self.processID.store(processID, ordering: .relaxed) }

    func kill() {
        let processID = processID.exchange(0, ordering: .relaxed)
        if processID > 0 { Foundation.kill(processID, SIGKILL) }
    }
}

/// The sudden death of a process, as `--kill` asks for.
enum KillSwitch {
    static func fire() { kill(getpid(), SIGKILL) }
}
