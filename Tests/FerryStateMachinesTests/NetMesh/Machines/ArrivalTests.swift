import FerryWire
import Testing

@testable import FerryStateMachines

/// A daemon that arrives: gates, identity, hooks, replay, activation.
struct ArrivalTests {
    func expecting(
        _ configuration: NetMeshDispatcherConfiguration = NetMeshDispatcherConfiguration(), hasKey: Bool = true,
        orchestrator: NodeID? = Sample.orchestrator, source: NodeID? = Sample.source
    ) throws -> Driven {
        var node = Driven(Sample.local, configuration)
        try node.machine.expect(Sample.origin, kind: "k", hasFallbackKey: hasKey, orchestrator: orchestrator, source: source)
        return node
    }

    func ready(_ snapshot: StateSnapshot = Sample.snapshot()) throws -> MigrationMessage {
        .snapshotReady(try Sample.pieces(snapshot)[0])
    }

    func failed(_ reason: FailureReason) -> MigrationMessage { .migrationFailed(origin: Sample.origin, reason: reason) }

    func buffered(_ events: [CausalEvent]) -> MigrationMessage { .bufferedEvents(origin: Sample.origin, events: events) }

    func restored(_ configuration: NetMeshDispatcherConfiguration = NetMeshDispatcherConfiguration()) throws -> Driven {
        var node = try expecting(configuration)
        try node.receive(ready(), from: Sample.orchestrator)
        _ = node.take()
        node.machine.restored(Sample.origin, attempt: 1, .success(Sample.link(3)), now: node.now)
        _ = node.take()
        return node
    }

    @Test("From the snapshot to the acknowledgement: every answer, in order, to the orchestrator")
    func exactMessages() throws {
        var node = try expecting(NetMeshDispatcherConfiguration(hooks: .all))
        let snapshot = Sample.snapshot(isSealed: true)
        try node.receive(ready(snapshot), from: Sample.orchestrator)
        #expect(node.take() == [.askReadiness(origin: Sample.origin, attempt: 1)])
        node.machine.readinessAnswered(Sample.origin, attempt: 1, true, now: node.now)
        #expect(node.take() == [.unseal(origin: Sample.origin, attempt: 1, snapshot: snapshot)])
        node.machine.unsealed(Sample.origin, attempt: 1, .opened, now: node.now)
        #expect(node.take() == [.restore(origin: Sample.origin, attempt: 1, snapshot: snapshot, identity: .envelope)])
        node.machine.restored(Sample.origin, attempt: 1, .success(Sample.link(3)), now: node.now)
        #expect(node.take() == [.postRestore(origin: Sample.origin, attempt: 1)])
        node.machine.hookFinished(Sample.origin, attempt: 1, .postRestore, now: node.now)
        #expect(node.sent() == [Sent(.restoreComplete(origin: Sample.origin, restoredSequence: 3), to: Sample.orchestrator)])
        try node.receive(buffered([Sample.event(1)]), from: Sample.orchestrator)
        #expect(node.take() == [.replay(origin: Sample.origin, attempt: 1, events: [Sample.event(1)])])
        node.machine.replayed(Sample.origin, attempt: 1, .replayed(head: Sample.link(4)), now: node.now)
        let replayed = MigrationMessage.replayComplete(origin: Sample.origin, replayedSequence: 4, targetHead: Sample.link(4))
        #expect(node.sent() == [Sent(replayed, to: Sample.orchestrator)])
        #expect(node.machine.hold(Sample.event(2), for: Sample.origin, now: node.now) == .held)
        try node.receive(.activateTarget(origin: Sample.origin), from: Sample.orchestrator)
        #expect(node.take() == [.activate(origin: Sample.origin, attempt: 1, held: [Sample.event(2)])])
        #expect(node.machine.hold(Sample.event(3), for: Sample.origin, now: node.now) == .held)
        node.machine.activated(Sample.origin, attempt: 1, failure: nil, now: node.now)
        #expect(
            node.take() == [
                .deliver(origin: Sample.origin, events: [Sample.event(3)]),
                .send(.activateAck(origin: Sample.origin, replayedSequence: 4), to: Sample.orchestrator),
            ])
        #expect(node.machine.hold(Sample.event(3), for: Sample.origin, now: node.now) == .duplicate)
        #expect(node.machine.hold(Sample.event(4), for: Sample.origin, now: node.now) == .deliver)
        #expect(node.machine.factories.count == 0)
    }

    @Test("Without a factory there is no assembly, only one answer a snapshot")
    func factoryNotFound() throws {
        var node = Driven()
        let pieces = try Sample.pieces(Sample.snapshot(stateByteCount: 15_000))
        for piece in pieces {
            #expect(node.refusal(of: .snapshotReady(piece), from: Sample.orchestrator) == .because(.factoryNotFound))
        }
        #expect(node.sent() == [Sent(failed(FailureReason(.factoryNotFound)), to: Sample.orchestrator)])
    }

    @Test("A node that is starting answers NotReady, before it looks for a factory; so does one whose hook says so or says nothing")
    func notReady() throws {
        var starting = Driven()
        starting.machine.setReady(false)
        #expect(starting.refusal(of: try ready(), from: Sample.orchestrator) == .because(.notReady))
        #expect(starting.sent() == [Sent(failed(FailureReason(.notReady)), to: Sample.orchestrator)])
        for isAnswered in [true, false] {
            var node = try expecting(NetMeshDispatcherConfiguration(hooks: .readiness))
            let before = node.machine.state
            try node.receive(ready(), from: Sample.orchestrator)
            if isAnswered {
                node.machine.readinessAnswered(Sample.origin, attempt: 1, false, now: node.now)
            } else {
                node.machine.deadlineReached(now: .zero + .nanoseconds(4_999_999_999))
                #expect(node.take() == [.askReadiness(origin: Sample.origin, attempt: 1)])
                node.machine.deadlineReached(now: Sample.at(5))
            }
            #expect(node.sent() == [Sent(failed(FailureReason(.notReady)), to: Sample.orchestrator)])
            #expect(node.machine.factories == before.factories && node.machine.targets(now: node.now).isEmpty)
        }
    }

    @Test("Identity: the envelope wins, an unsealer without a key is terminal, and nothing falls back")
    func identity() throws {
        let open = "identity envelope open failed: "
        let answers: [(NetMeshUnsealing, String)] = [
            (.nothing, open + "identity envelope present but the unsealer returned no keypair; refusing to fall back to the local keypair"),
            (
                .failed("identity envelope: attestation signature invalid"),
                open + "identity envelope: attestation signature invalid"
            ),
        ]
        for (answer, text) in answers {
            var node = try expecting(NetMeshDispatcherConfiguration(hooks: .identity))
            try node.receive(ready(Sample.snapshot(isSealed: true)), from: Sample.orchestrator)
            _ = node.take()
            node.machine.unsealed(Sample.origin, attempt: 1, answer, now: node.now)
            #expect(
                node.take() == [
                    .send(failed(FailureReason(.stateFailed, text)), to: Sample.orchestrator), .discard(origin: Sample.origin),
                ])
            #expect(node.machine.factories.count == 1)
        }
    }

    @Test("An unsealer that takes too long is terminal")
    func lateUnseal() throws {
        var node = try expecting(NetMeshDispatcherConfiguration(hooks: .identity))
        try node.receive(ready(Sample.snapshot(isSealed: true)), from: Sample.orchestrator)
        _ = node.take()
        node.machine.deadlineReached(now: .zero + .nanoseconds(4_999_999_999))
        #expect(node.take() == [])
        node.machine.deadlineReached(now: Sample.at(5))
        let reason = FailureReason(.stateFailed, "identity envelope open failed: out of time")
        #expect(node.take() == [.send(failed(reason), to: Sample.orchestrator), .discard(origin: Sample.origin)])
    }

    @Test("A placeholder without an envelope is terminal")
    func placeholder() throws {
        var node = try expecting(hasKey: false)
        #expect(node.refusal(of: try ready(), from: Sample.orchestrator) == .because(.unauthorized))
        let text =
            "identity envelope open failed: placeholder factory registered but snapshot has no identity envelope "
            + "(and no local fallback keypair available)"
        #expect(node.sent() == [Sent(failed(FailureReason(.stateFailed, text)), to: Sample.orchestrator)])
    }

    @Test("Without a bound orchestrator only the envelope or the arrivals policy lets a daemon in")
    func unboundOrchestrator() throws {
        var closed = try expecting(orchestrator: nil)
        #expect(closed.refusal(of: try ready(), from: Sample.stranger) == .because(.unauthorized))
        var named = try expecting(NetMeshDispatcherConfiguration(arrivals: .allowList([Sample.stranger])), orchestrator: nil)
        try named.receive(ready(), from: Sample.stranger)
        #expect(named.take() == [.restore(origin: Sample.origin, attempt: 1, snapshot: Sample.snapshot(), identity: .fallback)])
        var sealed = try expecting(NetMeshDispatcherConfiguration(hooks: .identity), orchestrator: nil)
        let snapshot = Sample.snapshot(isSealed: true)
        try sealed.receive(ready(snapshot), from: Sample.stranger)
        sealed.machine.unsealed(Sample.origin, attempt: 1, .opened, now: sealed.now)
        #expect(
            sealed.take() == [
                .unseal(origin: Sample.origin, attempt: 1, snapshot: snapshot),
                .restore(origin: Sample.origin, attempt: 1, snapshot: snapshot, identity: .envelope),
            ])
        var noContext = try expecting(NetMeshDispatcherConfiguration(hooks: .identity), orchestrator: nil)
        try noContext.receive(ready(snapshot), from: Sample.stranger)
        noContext.machine.unsealed(Sample.origin, attempt: 1, .noContext, now: noContext.now)
        #expect(noContext.sent().map(\.message) == [failed(FailureReason(.factoryNotFound))])
    }

    @Test("A sender that nothing names and that proves nothing hears the same as from a node that knows nothing")
    func unprovenSender() throws {
        let garbage = MigrationMessage.snapshotReady(
            SnapshotPiece(origin: Sample.origin, throughSequence: 2, index: 0, totalCount: 1, bytes: [UInt8](repeating: 255, count: 32)))
        let sealed = try ready(Sample.snapshot(isSealed: true))
        let ignorant = Driven()
        let expectant = try expecting(NetMeshDispatcherConfiguration(hooks: .identity), orchestrator: nil)
        let keyless = try expecting(NetMeshDispatcherConfiguration(hooks: .identity), hasKey: false, orchestrator: nil)
        for (message, unsealing) in [(garbage, nil), (try ready(), nil), (sealed, NetMeshUnsealing.nothing), (sealed, .failed("tampered"))]
        {
            for var node in [ignorant, expectant, keyless] {
                _ = node.refusal(of: message, from: Sample.stranger)
                if let unsealing { node.machine.unsealed(Sample.origin, attempt: 1, unsealing, now: node.now) }
                #expect(node.sent() == [Sent(failed(FailureReason(.factoryNotFound)), to: Sample.stranger)])
            }
        }
    }

    @Test("A stranger whose envelope is being examined keeps nobody out")
    func examinedStranger() throws {
        var node = try expecting(
            NetMeshDispatcherConfiguration(arrivals: .allowList([Sample.orchestrator]), hooks: .identity), orchestrator: nil)
        let snapshot = Sample.snapshot(isSealed: true)
        try node.receive(ready(snapshot), from: Sample.stranger)
        _ = node.take()
        #expect(node.refusal(of: try ready(), from: Sample.target) == .because(.notReady))
        #expect(node.sent() == [Sent(failed(FailureReason(.notReady)), to: Sample.target)])
        try node.receive(ready(), from: Sample.orchestrator)
        #expect(
            node.take() == [
                .discard(origin: Sample.origin),
                .restore(origin: Sample.origin, attempt: 2, snapshot: Sample.snapshot(), identity: .fallback),
            ])
        node.machine.unsealed(Sample.origin, attempt: 1, .opened, now: node.now)
        #expect(node.take() == [])
    }

    @Test("What is no snapshot, of another daemon, or does not reach its sequence, is answered as net-mesh does")
    func badSnapshots() throws {
        var node = try expecting()
        let garbage = MigrationMessage.snapshotReady(
            SnapshotPiece(origin: Sample.origin, throughSequence: 2, index: 0, totalCount: 1, bytes: [UInt8](repeating: 255, count: 32)))
        #expect(node.refusal(of: garbage, from: Sample.orchestrator) == .because(.badSnapshot))
        #expect(
            node.sent().map(\.message) == [failed(FailureReason(.stateFailed, "failed to parse snapshot bytes on target"))])
        let empty = MigrationMessage.snapshotReady(
            SnapshotPiece(origin: Sample.origin, throughSequence: 2, index: 0, totalCount: 1, bytes: []))
        #expect(node.refusal(of: empty, from: Sample.orchestrator) == .because(.badSnapshot))
        #expect(node.sent() == [])
        var mislabeled = try Sample.pieces(Sample.snapshot())[0]
        mislabeled.throughSequence = 2
        try node.receive(.snapshotReady(mislabeled), from: Sample.orchestrator)
        #expect(node.sent().map(\.message.typeByte) == [6])
        #expect(node.machine.targets(now: node.now).isEmpty)
    }

    @Test("A restore that throws is answered with its text, and the factory stays for another attempt")
    func restoreFails() throws {
        var node = try expecting()
        try node.receive(ready(), from: Sample.orchestrator)
        _ = node.take()
        let inner = FailureReason(.stateFailed, "restore failed: restore raised: ValueError: \"bad\" state")
        node.machine.restored(Sample.origin, attempt: 1, .failure(inner), now: node.now)
        let text = "restore_snapshot failed: StateFailed(\"restore failed: restore raised: ValueError: \\\"bad\\\" state\")"
        #expect(
            node.take() == [
                .send(failed(FailureReason(.stateFailed, text)), to: Sample.orchestrator), .discard(origin: Sample.origin),
            ])
        try node.receive(ready(), from: Sample.orchestrator)
        #expect(node.take().count == 1)
    }

    @Test(
        "The post-restore hook comes before RestoreComplete; if it fails or runs out of time, so does the move", arguments: [true, false])
    func postRestore(isAnswered: Bool) throws {
        var node = try expecting(NetMeshDispatcherConfiguration(hooks: [.postRestore, .failure]))
        try node.receive(ready(), from: Sample.orchestrator)
        node.machine.restored(Sample.origin, attempt: 1, .success(Sample.link(3)), now: node.now)
        _ = node.take()
        let reason = FailureReason(.stateFailed, isAnswered ? "boom" : "post-restore hook ran out of time")
        if isAnswered {
            node.machine.hookFinished(Sample.origin, attempt: 1, .postRestore, failure: reason, now: node.now)
        } else {
            node.machine.deadlineReached(now: Sample.at(5))
        }
        #expect(
            node.take() == [
                .send(failed(reason), to: Sample.orchestrator), .failureHook(origin: Sample.origin, attempt: 2, reason: reason),
            ])
        node.machine.hookFinished(Sample.origin, attempt: 2, .failure, now: node.now)
        #expect(node.take() == [.discard(origin: Sample.origin)])
    }
}
