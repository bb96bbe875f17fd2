internal import Synchronization

/// What a soak does to its processes and to what lies between them.
enum SoakFault: CaseIterable, Sendable {
    /// A node's process dies at once, and is started again.
    case kill
    /// A node's process stands still for seconds.
    case stop
    /// Datagrams to and from a node are dropped, repeated and reordered.
    case storm
    /// A node's links carry little.
    case throttle
    /// A node's links break.
    case cut

    /// A Unix stream loses nothing; a datagram socket has no link that could break.
    ///
    /// Nobody is killed where a log is falsified: the daemon that is lied about has to be there at the end.
    static func kinds(over transport: DemoTransport, _ sabotage: SoakSabotage?) -> [SoakFault] {
        let links: [SoakFault] = transport == .unix ? [.stop, .throttle, .cut] : [.stop, .storm, .throttle]
        return sabotage?.falsifiesLogs ?? false ? links : links + [.kill]
    }
}

/// Injects faults drawn from a seed, each kind as often as any other, until the leg is over.
final class FaultInjector: Sendable {
    private static let startAttemptCount = 10

    private let leg: SoakLeg
    private let weather = Mutex<[String: Weather]>([:])

    init(leg: SoakLeg) { self.leg = leg }

    private var nodes: [SoakNode] { leg.cast.nodes }

    /// Returns once everything is healed.
    func run() async {
        var noise = Noise(state: leg.seed ^ 0xFA17)
        var deck: [SoakFault] = []
        // A short leg sees every kind of fault as well.
        let gap = min(leg.duration / 12, .milliseconds(1_500))
        await withDiscardingTaskGroup { group in
            while !leg.stopping.isRaised {
                try? await Task.sleep(for: gap * Double(noise.next() % 1_000) / 500 + .milliseconds(100))
                guard !leg.stopping.isRaised else { break }
                if deck.isEmpty { deck = shuffled(SoakFault.kinds(over: leg.cast.transport, leg.options.sabotage), &noise) }
                let node = nodes[Int(noise.next() % UInt64(nodes.count))]
                let time = min(leg.duration / 5, .seconds(1) + .milliseconds(Int(noise.next() % 3_000)))
                let force = Int(noise.next() % 1_000)
                switch deck.removeLast() {
                case .kill: await kill(node, downTime: time / 3)
                case .stop: await stop(node, for: time)
                case .storm: group.addTask { await self.storm(node, for: time, force: force) }
                case .throttle: group.addTask { await self.throttle(node, for: time, force: force) }
                case .cut:
                    leg.record.count { $0.cuts += 1 }
                    leg.cast.relay.send(.relay(.cut(gate: node.name)))
                }
            }
        }
    }

    private func shuffled(_ kinds: [SoakFault], _ noise: inout Noise) -> [SoakFault] {
        var kinds = kinds
        for index in kinds.indices.dropFirst() { kinds.swapAt(index, Int(noise.next() % UInt64(index + 1))) }
        return kinds
    }

    // MARK: Processes

    private func kill(_ node: SoakNode, downTime: Duration) async {
        if leg.options.sabotage == .crashed { await node.crash() }
        leg.expectAlive(node)
        leg.record.count { $0.kills += 1 }
        await node.kill()
        try? await Task.sleep(for: downTime)
        for _ in 0..<Self.startAttemptCount {
            do {
                let address = try await node.start()
                return leg.cast.relay.send(.relay(.aim(gate: node.name, at: address)))
            } catch {
                leg.record.note("\(node.name) did not start again: \(CommandFailure(describing: error).message)")
                await node.finish()
            }
            try? await Task.sleep(for: .milliseconds(200))
        }
        leg.record.violate("\(node.name) could not be started again")
    }

    private func stop(_ node: SoakNode, for time: Duration) async {
        leg.record.count { $0.stops += 1 }
        node.suspend()
        try? await Task.sleep(for: time)
        node.proceed()
    }

    // MARK: Links

    private func storm(_ node: SoakNode, for time: Duration, force: Int) async {
        change(node) { weather in
            weather.lossPermille = 30 + force / 5
            weather.duplicatePermille = 10 + force / 20
            weather.reorderPermille = 10 + force / 10
        }
        try? await Task.sleep(for: time)
        change(node) { weather in
            weather.lossPermille = 0
            weather.duplicatePermille = 0
            weather.reorderPermille = 0
        }
    }

    private func throttle(_ node: SoakNode, for time: Duration, force: Int) async {
        let start = MonotonicClock.now
        change(node) { $0.bytesPerSecond = (256 << 10) + force * 4_096 }
        try? await Task.sleep(for: time)
        change(node) { $0.bytesPerSecond = nil }
        leg.record.count { $0.throttledSeconds += Double(MonotonicClock.now - start) * 1e-9 }
    }

    private func change(_ node: SoakNode, _ body: (inout Weather) -> Void) {
        let changed = weather.withLock { weather in
            body(&weather[node.name, default: .fair])
            return weather[node.name] ?? .fair
        }
        leg.cast.relay.send(.relay(.weather(gate: node.name, changed)))
    }
}
