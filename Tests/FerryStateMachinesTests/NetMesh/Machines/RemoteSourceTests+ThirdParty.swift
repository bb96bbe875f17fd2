import FerryWire
import Testing

@testable import FerryStateMachines

/// The orchestrator that is neither source nor target.
extension RemoteSourceTests {
    private func orchestrator() throws -> Driven {
        var node = Driven()
        try node.machine.start(
            NetMeshOrder(origin: Sample.origin, source: Sample.source, target: .node(Sample.target)), now: node.now)
        return node
    }

    private func replayComplete(_ sequence: UInt64 = 3) -> MigrationMessage {
        .replayComplete(origin: Sample.origin, replayedSequence: sequence, targetHead: Sample.link(sequence))
    }

    @Test("A third node passes pieces on, keeps none, and sends each message to the node that it is for")
    func thirdParty() throws {
        var node = try orchestrator()
        #expect(node.sent() == [Sent(take, to: Sample.source)])
        for piece in try Sample.pieces(Sample.snapshot(stateByteCount: 15_000)) {
            try node.receive(.snapshotReady(piece), from: Sample.source)
            #expect(node.sent() == [Sent(.snapshotReady(piece), to: Sample.target)])
        }
        #expect(node.machine.orchestrations(now: node.now).first?.phase == .transfer)
        try node.receive(.restoreComplete(origin: Sample.origin, restoredSequence: 3), from: Sample.target)
        #expect(node.sent() == [Sent(.bufferedEvents(origin: Sample.origin, events: []), to: Sample.target)])
        try node.receive(replayComplete(), from: Sample.target)
        #expect(node.sent() == [Sent(cutover, to: Sample.source)])
        let view = try #require(node.machine.orchestrations(now: node.now).first)
        #expect(view.snapshotByteCount == (try Sample.snapshot(stateByteCount: 15_000).encoded().count))
        #expect(view.continuityProof?.toSequence == 2 && view.replayGap == 0 && view.superposition == .collapsed)
        // The answer to the source's own tail changes nothing and repeats no CutoverNotify.
        let before = node.machine.state
        try node.receive(replayComplete(4), from: Sample.target)
        #expect(node.machine.state == before && node.take() == [])
        try node.receive(.cleanupComplete(origin: Sample.origin), from: Sample.source)
        #expect(node.sent() == [Sent(.activateTarget(origin: Sample.origin), to: Sample.target)])
        #expect(node.machine.orchestrations(now: node.now).first?.superposition == .resolved)
        let early = node.refusal(of: .activateAck(origin: Sample.origin, replayedSequence: 2), from: Sample.target)
        #expect(early == .because(.wrongPhase), "an acknowledgement of less than the snapshot is of an earlier move")
        try node.receive(.migrationFailed(origin: Sample.origin, reason: FailureReason(.notReady)), from: Sample.source)
        #expect(node.take() == [], "after the commit the source has no say")
        try node.receive(.activateAck(origin: Sample.origin, replayedSequence: 3), from: Sample.target)
        #expect(
            node.take() == [
                .send(.activateAck(origin: Sample.origin, replayedSequence: 3), to: Sample.source),
                .ended(origin: Sample.origin, outcome: .completed(replayedSequence: 3)),
            ])
    }

    @Test("A source's last inputs are passed on to a target that may not know it, in front of the order to go live and after it")
    func passedOnInputs() throws {
        var node = try orchestrator()
        let tail = MigrationMessage.bufferedEvents(origin: Sample.origin, events: [Sample.event(1)])
        try node.receive(.snapshotReady(try Sample.pieces(Sample.snapshot())[0]), from: Sample.source)
        #expect(node.refusal(of: tail, from: Sample.source) == .because(.wrongPhase))
        try node.receive(.restoreComplete(origin: Sample.origin, restoredSequence: 3), from: Sample.target)
        try node.receive(replayComplete(), from: Sample.target)
        _ = node.take()
        #expect(node.refusal(of: tail, from: Sample.stranger) == .because(.wrongPeer))
        try node.receive(tail, from: Sample.source)
        try node.receive(.cleanupComplete(origin: Sample.origin), from: Sample.source)
        #expect(node.sent() == [Sent(tail, to: Sample.target), Sent(.activateTarget(origin: Sample.origin), to: Sample.target)])
        try node.receive(.activateAck(origin: Sample.origin, replayedSequence: 3), from: Sample.target)
        _ = node.take()
        try node.receive(tail, from: Sample.source)
        #expect(node.sent() == [Sent(tail, to: Sample.target)])
    }

    @Test("A failure of one side is passed to the other", arguments: [true, false])
    func relayedFailure(isOfTarget: Bool) throws {
        var node = try orchestrator()
        try node.receive(.snapshotReady(try Sample.pieces(Sample.snapshot())[0]), from: Sample.source)
        _ = node.take()
        let failed = MigrationMessage.migrationFailed(origin: Sample.origin, reason: FailureReason(.stateFailed, "boom"))
        try node.receive(failed, from: isOfTarget ? Sample.target : Sample.source)
        // The source hears its own word too: it may wait to learn that it was heard.
        let told = isOfTarget ? [Sample.source] : [Sample.source, Sample.target]
        #expect(
            node.take() == told.map { .send(failed, to: $0) } + [
                .ended(origin: Sample.origin, outcome: .failed(FailureReason(.stateFailed, "boom")))
            ])
    }

    @Test("A source that asks after the end hears how it ended", arguments: [true, false])
    func rememberedEnd(isCompleted: Bool) throws {
        var node = try orchestrator()
        try node.receive(.snapshotReady(try Sample.pieces(Sample.snapshot())[0]), from: Sample.source)
        try node.receive(.restoreComplete(origin: Sample.origin, restoredSequence: 3), from: Sample.target)
        try node.receive(replayComplete(), from: Sample.target)
        let reason = FailureReason(.stateFailed, "cancel requested")
        if isCompleted {
            try node.receive(.cleanupComplete(origin: Sample.origin), from: Sample.source)
            try node.receive(.activateAck(origin: Sample.origin, replayedSequence: 3), from: Sample.target)
        } else {
            node.machine.abort(Sample.origin, reason: reason, now: node.now)
        }
        _ = node.take()
        try node.receive(.cleanupComplete(origin: Sample.origin), from: Sample.source)
        let answer: MigrationMessage =
            isCompleted
            ? .activateAck(origin: Sample.origin, replayedSequence: 3) : .migrationFailed(origin: Sample.origin, reason: reason)
        #expect(node.sent() == [Sent(answer, to: Sample.source)])
        node.now = Sample.at(isCompleted ? 300 : 86_400)
        #expect(node.machine.nextDeadline == node.now)
        node.machine.deadlineReached(now: node.now)
        #expect(node.refusal(of: .cleanupComplete(origin: Sample.origin), from: Sample.source) == .because(.unknownMove))
        #expect(node.machine.nextDeadline == nil)
    }

    @Test("A first piece that is no snapshot of the daemon, or does not reach the sequence that it says, is refused and answered")
    func firstPieceCheck() throws {
        var node = try orchestrator()
        _ = node.take()
        var corrupt = try Sample.pieces(Sample.snapshot(stateByteCount: 15_000))[0]
        corrupt.bytes[0] = 0
        var mislabeled = try Sample.pieces(Sample.snapshot())[0]
        mislabeled.throughSequence = 4
        for piece in [corrupt, mislabeled] {
            #expect(node.refusal(of: .snapshotReady(piece), from: Sample.source) == .because(.badSnapshot))
            #expect(node.sent().map(\.message.typeByte) == [6])
        }
        try node.receive(.snapshotReady(try Sample.pieces(Sample.snapshot(stateByteCount: 15_000))[1]), from: Sample.source)
        let other = try Sample.pieces(Sample.snapshot(sequence: 4))[0]
        #expect(node.refusal(of: .snapshotReady(other), from: Sample.source) == .because(.badSnapshot))
    }

    @Test("Each phase ends by its budget, just not before it", arguments: [MigrationPhase.snapshot, .transfer, .replay, .cutover])
    func budgets(phase: MigrationPhase) throws {
        var node = try orchestrator()
        if phase >= .transfer { try node.receive(.snapshotReady(try Sample.pieces(Sample.snapshot())[0]), from: Sample.source) }
        if phase >= .replay { try node.receive(.restoreComplete(origin: Sample.origin, restoredSequence: 3), from: Sample.target) }
        if phase >= .cutover { try node.receive(replayComplete(), from: Sample.target) }
        _ = node.take()
        let budget: Int64 = phase == .transfer ? 120 : 30
        node.now = .zero + .nanoseconds(budget * 1_000_000_000 - 1)
        node.machine.deadlineReached(now: node.now)
        #expect(!node.take().contains { if case .ended = $0 { true } else { false } })
        node.now = Sample.at(budget)
        node.machine.deadlineReached(now: node.now)
        let reason = FailureReason(.stateFailed, "migration timed out in phase \(phase)")
        let actions = node.take()
        #expect(actions.last == .ended(origin: Sample.origin, outcome: .failed(reason)))
        #expect(actions.compactMap(Sent.init).map(\.node) == [Sample.source, Sample.target])
    }

    @Test("A lost session ends a move that waits for it, before the cutover")
    func lostSession() throws {
        var node = try orchestrator()
        _ = node.take()
        node.machine.peerLost(Sample.stranger, now: node.now)
        #expect(node.take() == [])
        node.machine.peerLost(Sample.target, now: node.now)
        let reason = FailureReason(.stateFailed, "session with node 0xc lost")
        #expect(
            node.take() == [
                .send(.migrationFailed(origin: Sample.origin, reason: reason), to: Sample.source),
                .ended(origin: Sample.origin, outcome: .failed(reason)),
            ])
    }

    @Test("Automatic placement orders the move to the node that it names")
    func automaticTarget() throws {
        var node = Driven()
        let order = NetMeshOrder(origin: Sample.origin, source: Sample.source, target: .automatic(requirements: ["gpu"]))
        node.machine.advertise(Sample.source, capabilities: ["subprotocol:0x0500", "gpu"])
        let refusal = #expect(throws: NetMeshRefusal.self) { try node.machine.start(order, now: node.now) }
        #expect(refusal?.code == .noTargetAvailable)
        node.machine.advertise(Sample.target, capabilities: ["subprotocol:0x0500", "gpu"])
        let target = try node.machine.start(order, now: node.now)
        #expect(target == Sample.target)
        #expect(node.sent() == [Sent(take, to: Sample.source)])
    }
}
