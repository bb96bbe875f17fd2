internal import Ferry
internal import Foundation
internal import Synchronization

/// A part of a soak over one transport: everything is started, moved and hurt for a while, then healed, compared and ended.
final class SoakLeg: Sendable {
    /// How long a move may take at the most, by the sum of its phases' budgets and a target's last wait for its source.
    static let moveBound = Duration.seconds(150)
    /// How long after healing an emitter may have events that nobody has accepted while its daemon processes none.
    static let drainBound = Duration.seconds(60)

    let options: SoakOptions
    let seed: UInt64
    let duration: Duration
    let record: SoakRecord
    let cast: SoakCast
    let places: [SoakPlace]
    let stopping = StopRequest()
    let owners = Mutex(OwnerWatch())
    let evidence: Evidence

    private init(_ options: SoakOptions, seed: UInt64, duration: Duration, record: SoakRecord, cast: SoakCast) {
        self.options = options
        self.seed = seed
        self.duration = duration
        self.record = record
        self.cast = cast
        places = (0..<options.daemons).map { SoakPlace(index: $0) }
        evidence = Evidence(cast: cast, record: record, sabotage: options.sabotage)
    }

    /// Plays one leg.
    static func play(
        _ transport: DemoTransport, _ options: SoakOptions, seed: UInt64, for duration: Duration, record: SoakRecord, _ parts: StartedParts
    ) async throws {
        record.note("\(duration.seconds) s over \(transport.rawValue), seed \(seed)")
        let cast = try await SoakCast.start(transport, options, seed: seed, parts)
        let leg = SoakLeg(options, seed: seed, duration: duration, record: record, cast: cast)
        do {
            try await leg.run()
        } catch {
            await leg.finish()
            throw error
        }
        await leg.finish()
    }

    private func run() async throws {
        for place in places { try await populate(place) }
        await withTaskGroup(of: Void.self) { group in
            for node in cast.nodes { group.addTask { await self.watchOwners(at: node) } }
            group.addTask { await self.watchEvidence() }
            await hurt()
            await heal()
            group.cancelAll()
        }
    }

    private func hurt() async {
        await withDiscardingTaskGroup { group in
            for place in places { group.addTask { await self.keepMoving(place) } }
            group.addTask { await FaultInjector(leg: self).run() }
            try? await Task.sleep(for: duration)
            stopping.raise()
        }
    }

    private func finish() async {
        for place in places { await place.life?.emitter.finish() }
        cast.relay.send(.relay(.count))
        if let counts = try? await cast.relay.expect("it counted", { $0.relayCounts }) {
            record.count { $0.relayed.add(counts) }
        }
        await cast.finish()
        let clients = places.flatMap { $0.lives.map(\.emitter) } + cast.nodes.compactMap(\.client) + [cast.relay]
        for client in clients where client.role.wasStuck { record.violate("\(client.name) did not end when it was asked to") }
    }

    // MARK: Daemons

    /// Begins a daemon's life on a node that serves.
    func populate(_ place: SoakPlace) async throws {
        var noise = Noise(state: seed ^ UInt64(place.lives.count * 64 + place.index))
        var lastError: any Error = CommandFailure(code: "spawn", message: "no node serves")
        for _ in 0..<20 {
            let serving = cast.nodes.filter { $0.condition == .serving }
            if !serving.isEmpty {
                let node = serving[Int(noise.next() % UInt64(serving.count))]
                do {
                    return try await spawn(place, at: node)
                } catch {
                    lastError = error
                }
            }
            try? await Task.sleep(for: .milliseconds(250))
        }
        throw lastError
    }

    private func spawn(_ place: SoakPlace, at node: SoakNode) async throws {
        let killCount = node.killCount
        guard let client = node.client else { throw CommandFailure(code: "spawn", message: "\(node.name) does not run") }
        client.send(.spawn)
        let daemon: SpawnedDaemon = try await client.expect("it spawned a daemon") { $0.spawned }
        let emitter = try cast.startEmitter(place.index)
        emitter.send(.emit(origin: daemon.origin, at: node.endpoint))
        place.begin(daemon, at: node, emitter, killCount: killCount)
    }

    /// The daemon died with its node: what only that node had is lost, and a new daemon comes.
    func bury(_ place: SoakPlace) async {
        guard let life = place.life else { return }
        await life.emitter.finish()
        let accepted = life.emitter.lastOffering.accepted
        place.end(accepted: accepted)
        record.count { $0.lostByCrash += accepted }
    }

    // MARK: Watching

    /// Asks a node again and again what it owns.
    private func watchOwners(at node: SoakNode) async {
        while !Task.isCancelled {
            expectAlive(node)
            let (boot, askedAt) = (node.boot, MonotonicClock.now)
            if node.condition == .serving {
                do {
                    if let daemons = try await node.ask(ControlRequest(.daemons)).daemons { see(daemons, at: boot, askedAt: askedAt) }
                } catch let failure as CommandFailure where failure.code == SoakNode.silent {
                    record.violate(failure.message)
                } catch {
                    // Killed meanwhile, or about to be missed above.
                }
            }
            try? await Task.sleep(for: .milliseconds(200))
        }
    }

    /// A process that ends by itself is no fault that was injected, and what it had is not lost by one.
    func expectAlive(_ node: SoakNode) {
        if let boot = node.takeFallen() { record.violate("\(boot) has ended, and nobody has ended it") }
    }

    private func see(_ daemons: [ControlReply.DaemonLine], at boot: String, askedAt: UInt64) {
        let seenAt = MonotonicClock.now
        for daemon in daemons where daemon.state == "active" {
            guard let origin = UInt64(daemon.origin), let epoch = UInt64(daemon.epoch) else { continue }
            var findings = owners.withLock { [$0.see(origin, at: boot, epoch: epoch, askedAt: askedAt, seenAt: seenAt)] }
            if options.sabotage == .twoOwners {
                findings.append(owners.withLock { $0.see(origin, at: "nobody", epoch: epoch, askedAt: askedAt, seenAt: seenAt) })
            }
            for finding in findings { if let finding { record.violate(finding) } }
        }
        record.count { $0.ownerChecks += 1 }
    }

    private func watchEvidence() async {
        while !Task.isCancelled {
            try? await Task.sleep(for: .milliseconds(500))
            evidence.read()
            evidence.watchMemory(emitters: places.compactMap(\.life?.emitter), options)
            if cast.relay.hasEnded { return record.violate("the relay has ended, and nobody has ended it") }
        }
    }
}

extension RoleEvent {
    fileprivate var relayCounts: RelayCounts? { if case .counted(let counts)? = relayReport { counts } else { nil } }
}
