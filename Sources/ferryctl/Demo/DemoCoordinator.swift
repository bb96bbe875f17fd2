internal import Ferry
internal import FerryChunking
internal import FerryCrypto
internal import FerryInMemory
internal import FerryWire
internal import Foundation

/// Runs the demo: starts the roles, orders the moves, and compares what came out with what went in.
final class DemoCoordinator: Sendable {
    /// How long the daemon is fed before the first and after the last move.
    static let lead = Duration.seconds(2)
    /// How long it is fed between two moves.
    static let rest = Duration.milliseconds(250)

    let options: DemoOptions
    let folder: DemoFolder
    let progress: DemoProgress
    private let network = InMemoryNetwork()
    private let lines: InputLines
    private let parts: StartedParts

    init(_ options: DemoOptions, input: [UInt8], parts: StartedParts) throws {
        self.options = options
        self.parts = parts
        folder = try DemoFolder()
        lines = try InputLines(text: input, name: options.input ?? "the repository's text")
        progress = DemoProgress(options)
        let path = folder.path("lines")
        guard FileManager.default.createFile(atPath: path, contents: Data(input)) else {
            throw CommandFailure(code: "file", message: "cannot write \(path)")
        }
    }

    func run() async throws -> DemoReport {
        defer {
            progress.clear()
            folder.remove()
        }
        let cast = try await startNodes()
        var report: DemoReport
        do {
            report = try await play(cast)
        } catch {
            for client in cast.all { await client.finish() }
            throw error
        }
        for client in cast.all {
            await client.finish()
            if client.role.wasStuck { report.fail("\(client.name) did not end when it was asked to") }
        }
        return try await account(report, cast)
    }

    // MARK: Roles

    private func startNodes() async throws -> DemoCast {
        var configurations = ["a", "b"].map { RoleConfiguration(kind: .node, name: $0, folder: folder, options: options) }
        if options.topology == .thirdNode {
            configurations.append(RoleConfiguration(kind: .node, name: "orchestrator", folder: folder, options: options))
        }
        configurations.append(RoleConfiguration(kind: .emitter, name: "emitter", folder: folder, options: options))
        let crypto = options.crypto.provider
        let keys = try configurations.map { try NodeIdentity.create(at: $0.identityPath, crypto: crypto).nodeKey.hex }
        for index in configurations.indices {
            configurations[index].allowedKeys = keys
            configurations[index].orchestratorKeys = options.topology == .sourceOrchestrates ? [] : keys.dropLast()
            if configurations[index].kind == .node { configurations[index].listenAddress = address(configurations[index].name) }
        }
        if let kill = options.kill, !kill.isByOther { configurations[kill.role == .source ? 0 : 1].killMoment = kill.moment }
        let clients = try configurations.map(start)
        let cast = DemoCast(
            a: clients[0], b: clients[1], orchestrator: clients.count == 4 ? clients[2] : nil, emitter: clients[clients.count - 1])
        do {
            for client in cast.nodes { cast.endpoints.set(try await client.expect("it listened") { $0.endpoint }, for: client.name) }
        } catch {
            for client in cast.all { await client.finish() }
            throw error
        }
        return cast
    }

    private func address(_ name: String) -> String {
        switch options.transport {
        case .udp: "udp:127.0.0.1:0"
        case .unix: "unix:" + folder.path("\(name).sock")
        case .memory: "memory:\(name)"
        }
    }

    private func start(_ configuration: RoleConfiguration) throws -> RoleClient {
        let progress = progress
        let role: any DemoRole
        if options.transport == .memory {
            role = try parts.start { TaskRole(configuration: configuration, network: network) }
        } else {
            let path = folder.path("\(configuration.name).json")
            try configuration.write(to: path)
            role = try parts.start { try ProcessRole(configurationPath: path) }
        }
        return RoleClient(name: configuration.name, role: role) { progress.take($0) }
    }

    // MARK: The play

    private func play(_ cast: DemoCast) async throws -> DemoReport {
        var report = DemoReport(options: options)
        report.baselineByteCount = cast.a.role.processID.flatMap { ResidentMemory.current(of: $0) }
        cast.a.send(.spawn)
        let daemon: SpawnedDaemon = try await cast.a.expect("it spawned the daemon") { $0.spawned }
        report.daemon = daemon
        cast.emitter.send(.emit(origin: daemon.origin, at: cast.endpoints.of("a")))
        try await feed(for: Self.lead, cast)
        var owner = cast.a
        for index in 0..<options.moves {
            if index > 0 { try await feed(for: Self.rest, cast) }
            let target = owner === cast.a ? cast.b : cast.a
            let move = await order(daemon, from: owner, to: target, cast, &report)
            report.moves.append(move)
            if move.summary.result == "completed" { owner = target } else { break }
        }
        if let kill = options.kill, kill.takesTheDaemon {
            return try await closeAfterCrash(report, daemon, kill, cast)
        }
        return try await close(report, daemon, owner, cast)
    }

    /// Lets events flow; with a fixed number of events, no longer than a quarter of them lasts.
    private func feed(for time: Duration, _ cast: DemoCast) async throws {
        let share = options.events.map { Duration.seconds(Double($0) / Double(options.eventRate) / Double(4 * max(1, options.moves))) }
        try await Task.sleep(for: min(time, share ?? time))
        if let failure = cast.emitter.lastFailure { throw failure }
    }

    private func order(
        _ daemon: SpawnedDaemon, from owner: RoleClient, to target: RoleClient, _ cast: DemoCast, _ report: inout DemoReport
    ) async -> DemoReport.Move {
        owner.role.processID.map { report.sourceMemory.begin($0) }
        target.role.processID.map { report.targetMemory.begin($0) }
        let orchestrator =
            switch options.topology {
            case .sourceOrchestrates: owner
            case .targetOrchestrates: target
            case .thirdNode: cast.orchestrator ?? owner
            }
        if let kill = options.kill, kill.isByOther {
            let (killer, victim) = kill.role == .source ? (target, owner) : (owner, target)
            victim.role.processID.map { killer.send(.victim(processID: $0)) }
        }
        let orderedAt = MonotonicClock.now
        orchestrator.send(
            .move(
                daemon: daemon.entity, from: orchestrator === owner ? nil : cast.endpoints.of(owner.name),
                to: cast.endpoints.of(target.name)))
        let summary = await ending(of: orchestrator, owner: owner, daemon: daemon)
        let endedAt = MonotonicClock.now
        owner.role.processID.map { report.sourceMemory.end($0, added: 0) }
        target.role.processID.map { report.targetMemory.end($0, added: Int(summary.stateBytes ?? 0)) }
        return DemoReport.Move(summary: summary, orderedAt: orderedAt, endedAt: endedAt)
    }

    private func close(_ report: DemoReport, _ daemon: SpawnedDaemon, _ owner: RoleClient, _ cast: DemoCast) async throws -> DemoReport {
        var report = report
        if options.events == nil {
            try await feed(for: Self.lead, cast)
            cast.emitter.send(.drain)
        }
        if report.result == "inDoubt" {
            // The owner in doubt acknowledges nothing new: what the emitter has by now is what was accepted.
            (report.offered, report.accepted) = cast.emitter.lastOffering
            return report
        }
        guard let (offered, accepted) = try await everythingAccepted(cast, by: owner) else {
            (report.offered, report.accepted) = cast.emitter.lastOffering
            report.fail("\(owner.name) ended with the daemon before every event was accepted")
            return report
        }
        (report.offered, report.accepted) = (offered, accepted)
        owner.send(.digest(origin: daemon.origin))
        let digest: String = try await owner.expect("its digest") { $0.digest }
        if options.transport == .memory { report.processPeakByteCount = ResidentMemory.peak(of: getpid()) }
        report.stateMatchesTwin = try await digest == twinDigest(report.accepted)
        return report
    }

    // MARK: The proof

    func twinDigest(_ count: UInt64) async throws -> String {
        try await Self.twinDigest(count, of: lines, paddingByteCount: options.stateSize.byteCount)
    }

    /// The digest of a daemon that was fed with the first `count` lines and never moved.
    static func twinDigest(_ count: UInt64, of lines: InputLines, paddingByteCount: Int) async throws -> String {
        var twin = InvertedIndex(paddingByteCount: paddingByteCount)
        let emitter = OriginHash(rawValue: 1)
        for index in 0..<count {
            let link = CausalLink(origin: emitter, horizon: 0, sequence: index + 1, parent: 0)
            let event = CausalEvent(link: link, payload: lines.payload(for: index), receivedAt: 0)
            var outputs = DaemonOutputs(lineage: LineageID(rawValue: FixedBytes16.zero), link: link)
            try twin.process(event, into: &outputs)
        }
        var writer = try SnapshotWriter(into: DiscardingSnapshotSink())
        try await twin.snapshot(into: &writer)
        return try await writer.finish().digest.hex
    }

    private func account(_ report: DemoReport, _ cast: DemoCast) async throws -> DemoReport {
        var report = report
        let paths = ["a", "b"].map { folder.path("\($0).processed") }
        let logs = try paths.map(ProcessedLog.read)
        let fences = try paths.map(FenceLog.read)
        let accounting = Accounting(logs: logs, accepted: report.accepted)
        for index in report.moves.indices {
            let move = report.moves[index]
            report.moves[index].longestStallNanoseconds = accounting.longestStall(from: move.orderedAt, to: move.endedAt)
            if move.summary.result == "completed" {
                let (old, new) = index.isMultiple(of: 2) ? (0, 1) : (1, 0)
                report.moves[index].observedPauseNanoseconds = Accounting.pause(from: fences[old], to: logs[new], after: move.orderedAt)
            }
        }
        report.accounting = accounting
        report.isReceiptValid = receiptsVerdict(report, cast)
        return report
    }
}
