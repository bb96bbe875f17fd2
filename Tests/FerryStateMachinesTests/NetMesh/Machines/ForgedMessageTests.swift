import FerryWire
import Testing

@testable import FerryStateMachines

/// All ten messages, from whoever may not say them, to every role in every stage: refused, counted, and nothing changes.
struct ForgedMessageTests {
    private static func tenMessages() throws -> [MigrationMessage] {
        [
            .takeSnapshot(origin: Sample.origin, target: Sample.stranger),
            .snapshotReady(try Sample.pieces(Sample.snapshot(createdAt: 9))[0]),
            .restoreComplete(origin: Sample.origin, restoredSequence: 3),
            .replayComplete(origin: Sample.origin, replayedSequence: 3, targetHead: Sample.link(3)),
            .cutoverNotify(origin: Sample.origin, target: Sample.target), .cleanupComplete(origin: Sample.origin),
            .migrationFailed(origin: Sample.origin, reason: FailureReason(.stateFailed, "forged")),
            .bufferedEvents(origin: Sample.origin, events: [Sample.event(1)]), .activateTarget(origin: Sample.origin),
            .activateAck(origin: Sample.origin, replayedSequence: 3),
        ]
    }

    /// Sends everything from a stranger; only a failure about a move that is not known is accepted, without effect.
    private func attack(_ node: Driven, _ stage: String) throws {
        for message in try Self.tenMessages() {
            var node = node
            _ = node.take()
            let before = node.machine.counters
            let refused = node.refusal(of: message, from: Sample.stranger)
            #expect(refused.isUnchanged, "\(message.typeByte) in \(stage)")
            #expect(refused.code != nil || message.typeByte == 6, "\(message.typeByte) in \(stage)")
            #expect(node.machine.counters != before)
            let actions = node.take()
            #expect(actions.allSatisfy { Sent($0)?.node == Sample.stranger }, "\(message.typeByte) in \(stage)")
            #expect(
                actions.compactMap(Sent.init).allSatisfy { $0.message.isRefusalText || $0.message.isFactoryNotFound },
                "\(message.typeByte) in \(stage)")
        }
    }

    @Test("A stranger changes nothing at a node without moves, nor at one that hosts the daemon", arguments: [true, false])
    func idleNode(isHosting: Bool) throws {
        var node = Driven()
        if isHosting { node.machine.daemonStarted(Sample.origin) }
        try attack(node, "idle")
    }

    @Test("A stranger changes nothing in any stage of a source that orchestrates")
    func localSource() throws {
        var node = Driven()
        node.machine.daemonStarted(Sample.origin)
        let order = NetMeshOrder(
            origin: Sample.origin, source: Sample.local, target: .node(Sample.target), identityTransport: .none)
        try node.machine.start(order, now: node.now)
        try attack(node, "snapshot")
        node.machine.snapshotTaken(Sample.origin, attempt: 1, .success(Sample.snapshot()), now: node.now)
        try attack(node, "transfer")
        try node.receive(.restoreComplete(origin: Sample.origin, restoredSequence: 3), from: Sample.target)
        try attack(node, "replay")
        try node.receive(
            .replayComplete(origin: Sample.origin, replayedSequence: 3, targetHead: Sample.link(3)), from: Sample.target)
        try attack(node, "complete")
    }

    @Test("A stranger changes nothing in any stage of a source that another node orchestrates")
    func remoteSource() throws {
        var node = Driven(
            Sample.local, NetMeshDispatcherConfiguration(orchestrators: .allowList([Sample.orchestrator]), identityTransport: .none))
        node.machine.daemonStarted(Sample.origin)
        try node.receive(.takeSnapshot(origin: Sample.origin, target: Sample.target), from: Sample.orchestrator)
        try attack(node, "snapshotting")
        node.machine.snapshotTaken(Sample.origin, attempt: 1, .success(Sample.snapshot()), now: node.now)
        try attack(node, "transferring")
        try node.receive(.cutoverNotify(origin: Sample.origin, target: Sample.target), from: Sample.orchestrator)
        try attack(node, "retired")
        try node.receive(.activateAck(origin: Sample.origin, replayedSequence: 3), from: Sample.orchestrator)
        try attack(node, "released")
    }

    @Test("A stranger changes nothing in any stage of an orchestrator, and neither does a participant out of its role")
    func thirdParty() throws {
        var node = Driven()
        let order = NetMeshOrder(origin: Sample.origin, source: Sample.source, target: .node(Sample.target))
        try node.machine.start(order, now: node.now)
        try attack(node, "snapshot")
        try node.receive(.snapshotReady(try Sample.pieces(Sample.snapshot())[0]), from: Sample.source)
        try attack(node, "transfer")
        for message in try Self.tenMessages() where ![1, 6].contains(message.typeByte) {
            var node = node
            #expect(node.refusal(of: message, from: Sample.source).isUnchanged, "\(message.typeByte)")
        }
        try node.receive(.restoreComplete(origin: Sample.origin, restoredSequence: 3), from: Sample.target)
        try attack(node, "replay")
        try node.receive(
            .replayComplete(origin: Sample.origin, replayedSequence: 3, targetHead: Sample.link(3)), from: Sample.target)
        try attack(node, "cutover")
        let forged = node.refusal(of: .cleanupComplete(origin: Sample.origin), from: Sample.target)
        #expect(forged == .because(.wrongPeer))
        try node.receive(.cleanupComplete(origin: Sample.origin), from: Sample.source)
        try attack(node, "complete")
    }

    @Test("A stranger changes nothing in any stage of a target")
    func target() throws {
        var node = Driven()
        try node.machine.expect(Sample.origin, kind: "k", hasFallbackKey: true, orchestrator: Sample.orchestrator)
        try attack(node, "expecting")
        let snapshot = Sample.snapshot(stateByteCount: 7_100)
        for piece in try Sample.pieces(snapshot) {
            try node.receive(.snapshotReady(piece), from: Sample.orchestrator)
            try attack(node, "assembling")
        }
        node.machine.restored(Sample.origin, attempt: 1, .success(Sample.link(3)), now: node.now)
        try attack(node, "restored")
        try node.receive(.bufferedEvents(origin: Sample.origin, events: []), from: Sample.orchestrator)
        try attack(node, "replaying")
        try node.receive(.activateTarget(origin: Sample.origin), from: Sample.orchestrator)
        try attack(node, "activating")
        node.machine.activated(Sample.origin, attempt: 1, failure: nil, now: node.now)
        try attack(node, "live")
    }

    @Test("A participant's message out of phase is refused and changes nothing")
    func outOfPhase() throws {
        var node = Driven()
        let order = NetMeshOrder(origin: Sample.origin, source: Sample.source, target: .node(Sample.target))
        try node.machine.start(order, now: node.now)
        for (message, sender) in [
            (MigrationMessage.restoreComplete(origin: Sample.origin, restoredSequence: 0), Sample.target),
            (.replayComplete(origin: Sample.origin, replayedSequence: 0, targetHead: Sample.link(0)), Sample.target),
            (.cleanupComplete(origin: Sample.origin), Sample.source),
            (.activateAck(origin: Sample.origin, replayedSequence: 0), Sample.target),
        ] { #expect(node.refusal(of: message, from: sender) == .because(.wrongPhase), "\(message.typeByte)") }
    }

    @Test("Bytes that are no message are counted and change nothing")
    func malformed() {
        var node = Driven()
        let before = node.machine.state
        #expect(throws: NetMeshRefusal.self) { try node.machine.receive([9, 1].rawSpan, from: Sample.stranger, now: node.now) }
        #expect(node.machine.state == before)
        #expect(node.machine.counters.malformed == 1)
        #expect(node.take() == [])
    }
}

extension MigrationMessage {
    fileprivate var isRefusalText: Bool {
        guard case .migrationFailed(_, let reason) = self else { return false }
        return reason.message == "migration refused: node 0x42 is not an authorized orchestrator for this node"
    }

    fileprivate var isFactoryNotFound: Bool {
        guard case .migrationFailed(_, let reason) = self else { return false }
        return reason.code == .factoryNotFound
    }
}
