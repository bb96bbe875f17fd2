import FerryStateMachines
import FerryWire
import Testing

extension MeshWorld {
    /// Nodes whose copy of the daemon would process an input now.
    func owners(of origin: OriginHash = MeshSample.origin) -> [MeshNode] {
        nodes.filter { node in node.live[origin] != nil && !node.fenced.contains(origin) }
    }

    /// After every step: one owner at most, nothing processed twice, order per emitter where the links keep it.
    func check() {
        var origins: Set<OriginHash> = []
        for node in nodes { origins.formUnion(node.live.keys) }
        for origin in origins {
            let owners = owners(of: origin)
            if owners.count > 1 { violations.append("\(owners.count) owners of \(origin)") }
            for owner in owners {
                guard let daemon = owner.live[origin], daemon.log.count != owner.checkedCounts[origin] else { continue }
                owner.checkedCounts[origin] = daemon.log.count
                checkLog(daemon)
            }
        }
    }

    private func checkLog(_ daemon: MeshDaemon) {
        if Set(daemon.log).count != daemon.log.count { violations.append("an input was processed twice: \(daemon.log)") }
        guard checksOrder else { return }
        var last: [OriginHash: UInt64] = [:]
        for input in daemon.log {
            if let before = last[input.emitter], before >= input.sequence { violations.append("out of order: \(daemon.log)") }
            last[input.emitter] = input.sequence
        }
    }

    /// Ends the faults, lets everything run out, and asks for what must hold then.
    func settle(origin: OriginHash = MeshSample.origin, sourceLocation: SourceLocation = #_sourceLocation) {
        faults = .none
        isolated = []
        fate = nil
        run(for: .seconds(2_400))
        #expect(violations.isEmpty, "\(trace.suffix(40))", sourceLocation: sourceLocation)
        for node in nodes {
            #expect(node.dispatcher.nextDeadline == nil, "node \(node.id) waits for something", sourceLocation: sourceLocation)
            #expect(node.dispatcher.orchestrations(now: now).isEmpty, sourceLocation: sourceLocation)
            #expect(node.dispatcher.sources(now: now).isEmpty, sourceLocation: sourceLocation)
            #expect(node.dispatcher.targets(now: now).isEmpty, sourceLocation: sourceLocation)
            #expect(node.staged.isEmpty, "a restored copy was left behind", sourceLocation: sourceLocation)
            #expect(node.orders == node.outcomes.count, "\(node.orders) orders, \(node.outcomes)", sourceLocation: sourceLocation)
        }
        guard !nodes.contains(where: { $0.outcomes.contains { $0.isInDoubt } }) else { return }
        let owners = owners(of: origin)
        #expect(owners.count == 1, "\(trace.suffix(40))", sourceLocation: sourceLocation)
        guard let log = owners.first?.live[origin]?.log else { return }
        #expect(Set(log) == accepted, "accepted and processed differ", sourceLocation: sourceLocation)
        #expect(log.count == accepted.count, sourceLocation: sourceLocation)
    }
}
