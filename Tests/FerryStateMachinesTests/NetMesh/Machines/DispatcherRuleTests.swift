import FerryWire
import Testing

@testable import FerryStateMachines

/// Rules of the dispatcher as a whole.
struct DispatcherRuleTests {
    @Test("What a node says to itself after one input is bounded: thirty-two messages, the rest is counted and dropped")
    func loopCap() {
        var node = Driven()
        for _ in 0..<40 {
            node.machine.loopback.append(.activateTarget(origin: Sample.origin))
        }
        node.machine.drainLoopback(now: node.now)
        #expect(node.machine.counters.unknownMoves == 32)
        #expect(node.machine.counters.loopOverflows == 8)
        #expect(node.machine.loopback.isEmpty)
    }

    @Test("A carrier that passes a message off as this node's own is refused")
    func forgedSelf() throws {
        var node = Driven()
        node.machine.daemonStarted(Sample.origin)
        let take = MigrationMessage.takeSnapshot(origin: Sample.origin, target: Sample.target)
        #expect(node.refusal(of: take, from: Sample.local) == .because(.wrongPeer))
        #expect(node.take() == [])
    }

    @Test("A reason that net-mesh has no code for travels as its text, and a long text is clipped")
    func reasonsOnTheWire() throws {
        #expect(FailureReason(.cancelled).onNetMeshWire == FailureReason(.stateFailed, "cancelled"))
        #expect(FailureReason(.cancelled, "why").onNetMeshWire == FailureReason(.stateFailed, "why"))
        #expect(FailureReason(.notReady).onNetMeshWire == FailureReason(.notReady))
        let long = FailureReason(.stateFailed, String(repeating: "é", count: 70_000)).onNetMeshWire
        #expect((1...1_024).contains(long.message.utf8.count))
        let message = MigrationMessage.migrationFailed(origin: Sample.origin, reason: long)
        #expect(try MigrationMessage(decoding: try message.encoded()) == message)
    }

    @Test("Twenty thousand inputs are captured, held and delivered late without copying the ones before them")
    func manyInputs() throws {
        let count = UInt64(20_000)
        var source = Driven()
        source.machine.daemonStarted(Sample.origin)
        try source.machine.start(
            NetMeshOrder(origin: Sample.origin, source: Sample.local, target: .node(Sample.target), identityTransport: .none),
            now: source.now)
        for sequence in 1...count {
            guard source.machine.capture(Sample.event(sequence), for: Sample.origin, now: source.now) == .captured else {
                Issue.record("input \(sequence) was not captured")
                return
            }
        }
        #expect(source.machine.sources(now: source.now).first?.bufferedEventCount == Int(count))
        var target = Driven()
        try target.machine.expect(Sample.origin, kind: "k", hasFallbackKey: true, orchestrator: Sample.orchestrator)
        try target.receive(.snapshotReady(try Sample.pieces(Sample.snapshot())[0]), from: Sample.orchestrator)
        for sequence in 1...count {
            guard target.machine.hold(Sample.event(sequence), for: Sample.origin, now: target.now) == .held else {
                Issue.record("input \(sequence) was not held")
                return
            }
        }
        target.machine.restored(Sample.origin, attempt: 1, .success(Sample.link(3)), now: target.now)
        try target.receive(.bufferedEvents(origin: Sample.origin, events: []), from: Sample.orchestrator)
        try target.receive(.activateTarget(origin: Sample.origin), from: Sample.orchestrator)
        target.machine.activated(Sample.origin, attempt: 1, failure: nil, now: target.now)
        for sequence in (count + 1)...(2 * count) {
            guard target.machine.hold(Sample.event(sequence), for: Sample.origin, now: target.now) == .deliver else {
                Issue.record("input \(sequence) was not delivered")
                return
            }
        }
    }

    @Test("Actions come in the order of the daemons, whatever the order of the tables")
    func orderedActions() throws {
        var node = Driven()
        let origins = (1...20).map { OriginHash(rawValue: $0 * 7_919) }
        for origin in origins.reversed() {
            try node.machine.start(NetMeshOrder(origin: origin, source: Sample.source, target: .node(Sample.target)), now: node.now)
        }
        _ = node.take()
        node.machine.peerLost(Sample.source, now: node.now)
        let ended = node.take().compactMap { action -> OriginHash? in
            guard case .ended(let origin, _) = action else { return nil }
            return origin
        }
        #expect(ended == origins)
    }

    @Test("The limits of moves hold in every role: at the limit, and one past it")
    func movesPerRole() throws {
        let configuration = NetMeshDispatcherConfiguration(
            orchestrators: .anyAdmitted, identityTransport: .none, limits: NetMeshLimits(movesPerRole: 1))
        var node = Driven(Sample.local, configuration)
        for origin in [Sample.origin, Sample.other] { node.machine.daemonStarted(origin) }
        try node.receive(.takeSnapshot(origin: Sample.origin, target: Sample.target), from: Sample.orchestrator)
        let second = node.refusal(of: .takeSnapshot(origin: Sample.other, target: Sample.target), from: Sample.orchestrator)
        #expect(second == .because(.capacity))
        let order = NetMeshOrder(origin: OriginHash(rawValue: 5), source: Sample.source, target: .node(Sample.target))
        try node.machine.start(order, now: node.now)
        var another = order
        another.origin = OriginHash(rawValue: 6)
        let refusal = #expect(throws: NetMeshRefusal.self) { try node.machine.start(another, now: node.now) }
        #expect(refusal?.code == .capacity)
    }
}
