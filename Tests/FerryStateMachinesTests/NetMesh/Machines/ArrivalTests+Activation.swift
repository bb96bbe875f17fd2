import FerryWire
import Testing

@testable import FerryStateMachines

/// A daemon that has been restored: repetitions, replay, activation, failures; and the target that orchestrates.
extension ArrivalTests {
    @Test("The last piece again gets RestoreComplete again and no second restore; another snapshot of the orchestrator replaces the first")
    func repeatedSnapshot() throws {
        var node = try restored()
        try node.receive(ready(), from: Sample.orchestrator)
        #expect(node.take() == [.send(.restoreComplete(origin: Sample.origin, restoredSequence: 3), to: Sample.orchestrator)])
        let another = Sample.snapshot(createdAt: 2)
        try node.receive(ready(another), from: Sample.orchestrator)
        #expect(
            node.take() == [
                .discard(origin: Sample.origin),
                .restore(origin: Sample.origin, attempt: 2, snapshot: another, identity: .fallback),
            ])
    }

    @Test("A large snapshot again while it is restored: one answer, and no second assembly")
    func repeatedPieces() throws {
        var node = try expecting()
        let pieces = try Sample.pieces(Sample.snapshot(stateByteCount: 15_000))
        for piece in pieces { try node.receive(.snapshotReady(piece), from: Sample.orchestrator) }
        node.machine.restored(Sample.origin, attempt: 1, .success(Sample.link(3)), now: node.now)
        _ = node.take()
        let before = node.machine.state
        for piece in pieces { try node.receive(.snapshotReady(piece), from: Sample.orchestrator) }
        #expect(node.sent() == [Sent(.restoreComplete(origin: Sample.origin, restoredSequence: 3), to: Sample.orchestrator)])
        #expect(node.machine.state == before)
    }

    @Test("A lost acknowledgement is given again to its orchestrator only, and a stale snapshot does not take that away")
    func idempotentActivation() throws {
        var node = try restored()
        let early = node.refusal(of: .activateTarget(origin: Sample.origin), from: Sample.orchestrator)
        #expect(early == .because(.wrongPhase))
        try node.receive(buffered([]), from: Sample.orchestrator)
        try node.receive(.activateTarget(origin: Sample.origin), from: Sample.orchestrator)
        node.machine.activated(Sample.origin, attempt: 1, failure: nil, now: node.now)
        _ = node.take()
        #expect(node.refusal(of: try ready(), from: Sample.orchestrator) == .because(.factoryNotFound))
        #expect(node.sent().map(\.message) == [failed(FailureReason(.factoryNotFound))])
        try node.receive(.activateTarget(origin: Sample.origin), from: Sample.orchestrator)
        #expect(node.sent() == [Sent(.activateAck(origin: Sample.origin, replayedSequence: 3), to: Sample.orchestrator)])
        #expect(node.refusal(of: .activateTarget(origin: Sample.origin), from: Sample.source) == .because(.wrongPeer))
        node.machine.deadlineReached(now: Sample.at(300))
        #expect(
            node.refusal(of: .activateTarget(origin: Sample.origin), from: Sample.orchestrator) == .because(.unknownMove))
    }

    @Test("Inputs that the activation overtakes are delivered late, once, and in order; none is answered")
    func overtakenInputs() throws {
        var node = try restored()
        try node.receive(buffered([]), from: Sample.orchestrator)
        try node.receive(.activateTarget(origin: Sample.origin), from: Sample.orchestrator)
        try node.receive(buffered([Sample.event(1)]), from: Sample.source)
        _ = node.take()
        node.machine.activated(Sample.origin, attempt: 1, failure: nil, now: node.now)
        #expect(node.take().first == .deliver(origin: Sample.origin, events: [Sample.event(1)]))
        try node.receive(buffered([1, 2].map { Sample.event($0) }), from: Sample.source)
        #expect(node.take() == [.deliver(origin: Sample.origin, events: [Sample.event(2)])])
        try node.receive(buffered([Sample.event(2)]), from: Sample.orchestrator)
        #expect(node.take() == [])
    }

    @Test("The order to go live waits for what is being replayed")
    func activationWaits() throws {
        var node = try restored()
        try node.receive(buffered([]), from: Sample.orchestrator)
        try node.receive(buffered([Sample.event(1)]), from: Sample.source)
        _ = node.take()
        try node.receive(.activateTarget(origin: Sample.origin), from: Sample.orchestrator)
        #expect(node.take() == [])
        node.machine.replayed(Sample.origin, attempt: 1, .replayed(head: Sample.link(4)), now: node.now)
        #expect(node.take().last == .activate(origin: Sample.origin, attempt: 1, held: []))
    }

    @Test("A replay that fails part-way fails the move and says how far it came; nothing half replayed stays")
    func replayFails() throws {
        var node = try restored()
        try node.receive(buffered([1, 2].map { Sample.event($0) }), from: Sample.orchestrator)
        _ = node.take()
        node.machine.replayed(
            Sample.origin, attempt: 1, .failed(landedCount: 1, reason: FailureReason(.stateFailed, "boom")), now: node.now)
        let reason = FailureReason(.stateFailed, "replay failed after 1 events: state failed: boom")
        #expect(node.take() == [.send(failed(reason), to: Sample.orchestrator), .discard(origin: Sample.origin)])
        #expect(node.machine.targets(now: node.now).isEmpty)
    }

    @Test("A target that cannot go live says so and drops its copy")
    func activationFails() throws {
        var node = try restored()
        try node.receive(buffered([]), from: Sample.orchestrator)
        try node.receive(.activateTarget(origin: Sample.origin), from: Sample.orchestrator)
        _ = node.take()
        let reason = FailureReason(.stateFailed, "boom")
        node.machine.activated(Sample.origin, attempt: 1, failure: reason, now: node.now)
        #expect(node.take() == [.send(failed(reason), to: Sample.orchestrator), .discard(origin: Sample.origin)])
    }

    @Test("MigrationFailed of the orchestrator drops the copy; of one nobody knows it is no error and changes nothing")
    func migrationFailed() throws {
        let message = failed(FailureReason(.stateFailed, "cancel requested"))
        var idle = try expecting(NetMeshDispatcherConfiguration(hooks: .failure))
        let before = idle.machine.state
        try idle.receive(message, from: Sample.stranger)
        #expect(idle.machine.state == before && idle.take() == [])
        var node = try restored()
        try node.receive(message, from: Sample.orchestrator)
        #expect(node.take() == [.discard(origin: Sample.origin)])
        #expect(node.machine.factories.count == 1)
    }

    @Test("A cancel in the middle of the pieces drops them; stragglers are harmless, and another attempt works")
    func cancelledWhileAssembling() throws {
        var node = try expecting()
        let before = node.machine.state
        let pieces = try Sample.pieces(Sample.snapshot(stateByteCount: 15_000))
        try node.receive(.snapshotReady(pieces[0]), from: Sample.orchestrator)
        try node.receive(failed(FailureReason(.stateFailed, "cancel requested")), from: Sample.orchestrator)
        #expect(node.machine.state == before)
        try node.receive(.snapshotReady(pieces[1]), from: Sample.orchestrator)
        for piece in try Sample.pieces(Sample.snapshot(stateByteCount: 15_000, createdAt: 2)) {
            try node.receive(.snapshotReady(piece), from: Sample.orchestrator)
        }
        #expect(node.take().count == 1)
        #expect(node.machine.nextDeadline == Sample.at(300))
    }

    @Test("A silent orchestrator's arrival ends by time, and so do its pieces")
    func expiry() throws {
        var node = try restored()
        node.machine.deadlineReached(now: Sample.at(299))
        #expect(node.take() == [])
        node.machine.deadlineReached(now: Sample.at(300))
        #expect(node.take().last == .discard(origin: Sample.origin))
        var assembling = try expecting()
        let before = assembling.machine.state
        let pieces = try Sample.pieces(Sample.snapshot(stateByteCount: 15_000))
        try assembling.receive(.snapshotReady(pieces[0]), from: Sample.orchestrator)
        assembling.machine.deadlineReached(now: Sample.at(300))
        #expect(assembling.machine.state == before)
        #expect(assembling.machine.nextDeadline == nil)
    }

    @Test("A daemon that has left does not come back without a new expectation")
    func noResurrection() throws {
        var node = Driven(Sample.local, NetMeshDispatcherConfiguration(arrivals: .anyAdmitted))
        node.machine.daemonStarted(Sample.origin)
        try node.machine.expect(Sample.origin, kind: "k", hasFallbackKey: true)
        let order = NetMeshOrder(
            origin: Sample.origin, source: Sample.local, target: .node(Sample.target), identityTransport: .none)
        try node.machine.start(order, now: node.now)
        node.machine.snapshotTaken(Sample.origin, attempt: 1, .success(Sample.snapshot()), now: node.now)
        #expect(node.refusal(of: try ready(), from: Sample.stranger).isUnchanged)
        try node.receive(.restoreComplete(origin: Sample.origin, restoredSequence: 3), from: Sample.target)
        try node.receive(
            .replayComplete(origin: Sample.origin, replayedSequence: 3, targetHead: Sample.link(3)), from: Sample.target)
        try node.receive(.activateAck(origin: Sample.origin, replayedSequence: 3), from: Sample.target)
        #expect(node.machine.factories.count == 0)
        #expect(node.refusal(of: try ready(), from: Sample.stranger) == .because(.factoryNotFound))
    }

    // MARK: The target orchestrates

    @Test("The target may orchestrate: its messages to itself loop inside, and the source hears only what it must")
    func targetOrchestrates() throws {
        var node = try expecting(orchestrator: nil, source: nil)
        let order = NetMeshOrder(origin: Sample.origin, source: Sample.source, target: .node(Sample.local))
        try node.machine.start(order, now: node.now)
        #expect(node.sent() == [Sent(.takeSnapshot(origin: Sample.origin, target: Sample.local), to: Sample.source)])
        try node.receive(ready(), from: Sample.source)
        #expect(node.take() == [.restore(origin: Sample.origin, attempt: 2, snapshot: Sample.snapshot(), identity: .fallback)])
        node.machine.restored(Sample.origin, attempt: 2, .success(Sample.link(3)), now: node.now)
        #expect(node.sent() == [Sent(.cutoverNotify(origin: Sample.origin, target: Sample.local), to: Sample.source)])
        try node.receive(buffered([Sample.event(1)]), from: Sample.source)
        #expect(node.take() == [.replay(origin: Sample.origin, attempt: 2, events: [Sample.event(1)])])
        node.machine.replayed(Sample.origin, attempt: 2, .replayed(head: Sample.link(4)), now: node.now)
        try node.receive(.cleanupComplete(origin: Sample.origin), from: Sample.source)
        #expect(node.take() == [.activate(origin: Sample.origin, attempt: 2, held: [])])
        node.machine.activated(Sample.origin, attempt: 2, failure: nil, now: node.now)
        #expect(
            node.take() == [
                .send(.activateAck(origin: Sample.origin, replayedSequence: 4), to: Sample.source),
                .ended(origin: Sample.origin, outcome: .completed(replayedSequence: 4)),
            ])
    }

    @Test("A failure at a target that orchestrates ends the move, tells the source and drops the copy")
    func targetOrchestratesAndFails() throws {
        var node = try expecting(orchestrator: nil, source: nil)
        let order = NetMeshOrder(origin: Sample.origin, source: Sample.source, target: .node(Sample.local))
        try node.machine.start(order, now: node.now)
        try node.receive(ready(), from: Sample.source)
        _ = node.take()
        node.machine.restored(Sample.origin, attempt: 2, .failure(FailureReason(.stateFailed, "boom")), now: node.now)
        let reason = FailureReason(.stateFailed, "restore_snapshot failed: StateFailed(\"boom\")")
        #expect(
            node.take() == [
                .send(failed(reason), to: Sample.source), .discard(origin: Sample.origin),
                .ended(origin: Sample.origin, outcome: .failed(reason)),
            ])
    }

    @Test("A daemon without an expectation, or one bound to another node, is not ordered here", arguments: [true, false])
    func orderedHere(isBound: Bool) throws {
        var node = isBound ? try expecting() : Driven()
        let before = node.machine.state
        let order = NetMeshOrder(origin: Sample.origin, source: Sample.source, target: .node(Sample.local))
        let refusal = #expect(throws: NetMeshRefusal.self) { try node.machine.start(order, now: node.now) }
        #expect(refusal?.code == (isBound ? .unauthorized : .factoryNotFound))
        #expect(node.machine.state == before)
    }
}
