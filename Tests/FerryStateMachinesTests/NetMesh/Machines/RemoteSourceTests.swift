import FerryWire
import Testing

@testable import FerryStateMachines

/// A source that another node orchestrates, and an orchestrator that is neither source nor target.
struct RemoteSourceTests {
    private let take = MigrationMessage.takeSnapshot(origin: Sample.origin, target: Sample.target)
    private let cutover = MigrationMessage.cutoverNotify(origin: Sample.origin, target: Sample.target)

    private func source(hooks: NetMeshHooksPresent = []) -> Driven {
        var node = Driven(
            Sample.local,
            NetMeshDispatcherConfiguration(
                orchestrators: .allowList([Sample.orchestrator, Sample.target]), identityTransport: .none, hooks: hooks))
        node.machine.daemonStarted(Sample.origin)
        return node
    }

    private func transferring(hooks: NetMeshHooksPresent = []) throws -> Driven {
        var node = source(hooks: hooks)
        try node.receive(take, from: Sample.orchestrator)
        _ = node.take()
        node.machine.snapshotTaken(Sample.origin, attempt: node.attempt, .success(Sample.snapshot()), now: node.now)
        _ = node.take()
        return node
    }

    @Test("The source sends its pieces to the orchestrator, and on the cutover its tail to the target, then CleanupComplete")
    func exactMessages() throws {
        var node = source(hooks: .preCleanup)
        try node.receive(take, from: Sample.orchestrator)
        #expect(node.take() == [.takeSnapshot(origin: Sample.origin, attempt: 1)])
        #expect(node.machine.capture(Sample.event(1), for: Sample.origin, now: node.now) == .captured)
        node.machine.snapshotTaken(Sample.origin, attempt: 1, .success(Sample.snapshot()), now: node.now)
        #expect(node.sent() == (try Sample.pieces(Sample.snapshot())).map { Sent(.snapshotReady($0), to: Sample.orchestrator) })
        try node.receive(cutover, from: Sample.orchestrator)
        #expect(
            node.take() == [
                .send(.bufferedEvents(origin: Sample.origin, events: [Sample.event(1)]), to: Sample.target),
                .preCleanup(origin: Sample.origin, attempt: 1),
            ])
        node.machine.hookFinished(Sample.origin, attempt: 1, .preCleanup, now: node.now)
        #expect(
            node.take() == [.retire(origin: Sample.origin), .send(.cleanupComplete(origin: Sample.origin), to: Sample.orchestrator)])
        try node.receive(.activateAck(origin: Sample.origin, replayedSequence: 3), from: Sample.orchestrator)
        #expect(node.take() == [.release(origin: Sample.origin)])
        #expect(node.machine.capture(Sample.event(2), for: Sample.origin, now: node.now) == .forward(to: Sample.target))
    }

    @Test("Who may not order gets one text, whether the daemon is here or not, and no snapshot is taken", arguments: [true, false])
    func policy(isHosting: Bool) throws {
        for policy in [NetMeshPolicy.localOnly, .allowList([]), .allowList([Sample.target])] {
            var node = Driven(Sample.local, NetMeshDispatcherConfiguration(orchestrators: policy))
            if isHosting { node.machine.daemonStarted(Sample.origin) }
            #expect(node.refusal(of: take, from: Sample.orchestrator) == .because(.unauthorized))
            let text = "migration refused: node 0xd is not an authorized orchestrator for this node"
            let reply = MigrationMessage.migrationFailed(origin: Sample.origin, reason: FailureReason(.stateFailed, text))
            #expect(node.take() == [.send(reply, to: Sample.orchestrator)])
        }
        var open = Driven(Sample.local, NetMeshDispatcherConfiguration(orchestrators: .anyAdmitted))
        open.machine.daemonStarted(Sample.origin)
        try open.receive(take, from: Sample.orchestrator)
        #expect(open.take() == [.takeSnapshot(origin: Sample.origin, attempt: 1)])
    }

    @Test("An orchestrator hears every cause: no such daemon, own node, another move, a stateless daemon")
    func typedAnswers() throws {
        var node = source()
        let unknown = node.refusal(of: .takeSnapshot(origin: Sample.other, target: Sample.target), from: Sample.orchestrator)
        #expect(unknown == .because(.daemonNotFound))
        let home = node.refusal(of: .takeSnapshot(origin: Sample.origin, target: Sample.local), from: Sample.orchestrator)
        #expect(home == .because(.sameNode))
        try node.receive(take, from: Sample.orchestrator)
        #expect(node.refusal(of: take, from: Sample.target) == .because(.alreadyMigrating))
        #expect(node.sent().map(\.message.typeByte) == [6, 6, 6])
        let stateless = FailureReason(.stateFailed, "daemon is stateless or snapshot failed")
        node.machine.snapshotTaken(Sample.origin, attempt: 1, .failure(stateless), now: node.now)
        #expect(
            node.take() == [
                .send(.migrationFailed(origin: Sample.origin, reason: stateless), to: Sample.orchestrator),
                .resume(origin: Sample.origin, captured: [], afterCleanup: false),
            ])
    }

    @Test("A repeated TakeSnapshot takes no second snapshot; it gets the pieces again")
    func repeatedTake() throws {
        var node = source()
        try node.receive(take, from: Sample.orchestrator)
        _ = node.take()
        try node.receive(take, from: Sample.orchestrator)
        #expect(node.take() == [])
        node.machine.snapshotTaken(Sample.origin, attempt: 1, .success(Sample.snapshot()), now: node.now)
        let first = node.sent()
        try node.receive(take, from: Sample.orchestrator)
        #expect(node.sent() == first)
        #expect(node.machine.counters.repeats == 2)
    }

    @Test("CutoverNotify before the snapshot, or to another target, or for a daemon that does not move, touches nothing")
    func earlyCutover() throws {
        var node = source()
        #expect(node.refusal(of: cutover, from: Sample.orchestrator) == .because(.unknownMove))
        try node.receive(take, from: Sample.orchestrator)
        _ = node.take()
        #expect(node.refusal(of: cutover, from: Sample.orchestrator) == .because(.wrongPhase))
        let elsewhere = MigrationMessage.cutoverNotify(origin: Sample.origin, target: Sample.stranger)
        #expect(node.refusal(of: elsewhere, from: Sample.orchestrator) == .because(.wrongPeer))
        #expect(node.take() == [])
    }

    @Test("A repeated CutoverNotify gets the tail and CleanupComplete again, and no second clean-up")
    func repeatedCutover() throws {
        var node = try transferring()
        #expect(node.machine.capture(Sample.event(1), for: Sample.origin, now: node.now) == .captured)
        try node.receive(cutover, from: Sample.orchestrator)
        let first = node.take()
        try node.receive(cutover, from: Sample.orchestrator)
        #expect(node.take() == first.filter { $0 != .retire(origin: Sample.origin) })
    }

    @Test("A retired source asks until it is told; told that the move failed, it goes on with every input")
    func retiredSourceAsks() throws {
        var node = try transferring()
        #expect(node.machine.capture(Sample.event(1), for: Sample.origin, now: node.now) == .captured)
        try node.receive(cutover, from: Sample.orchestrator)
        _ = node.take()
        node.now = .zero + .milliseconds(500)
        #expect(node.machine.nextDeadline == node.now)
        node.machine.deadlineReached(now: node.now)
        #expect(
            node.sent() == [
                Sent(.bufferedEvents(origin: Sample.origin, events: [Sample.event(1)]), to: Sample.target),
                Sent(.cleanupComplete(origin: Sample.origin), to: Sample.orchestrator),
            ])
        let reason = FailureReason(.stateFailed, "boom")
        try node.receive(.migrationFailed(origin: Sample.origin, reason: reason), from: Sample.orchestrator)
        #expect(node.take() == [.resume(origin: Sample.origin, captured: [Sample.event(1)], afterCleanup: true)])
        #expect(node.machine.nextDeadline == nil)
    }

    @Test("Records end by themselves: before the cutover the daemon goes on, after it an orchestrator that says no more is done")
    func expiry() throws {
        var before = try transferring()
        before.now = Sample.at(299)
        before.machine.deadlineReached(now: before.now)
        #expect(before.take() == [])
        before.now = Sample.at(300)
        before.machine.deadlineReached(now: before.now)
        #expect(before.take().last == .resume(origin: Sample.origin, captured: [], afterCleanup: false))
        var after = try transferring()
        try after.receive(cutover, from: Sample.orchestrator)
        _ = after.take()
        // It may be the last copy, so it is kept for long.
        after.machine.deadlineReached(now: Sample.at(86_399))
        #expect(after.sent() == [Sent(.cleanupComplete(origin: Sample.origin), to: Sample.orchestrator)])
        after.now = Sample.at(86_400)
        after.machine.deadlineReached(now: after.now)
        #expect(after.take() == [.release(origin: Sample.origin)])
        after.now = Sample.at(86_700)
        after.machine.deadlineReached(now: after.now)
        #expect(after.machine.sources(now: after.now).isEmpty)
        #expect(after.machine.nextDeadline == nil)
    }

    @Test("A tail goes again four times, also after the release, since nobody acknowledges it here")
    func repeatedTail() throws {
        var node = try transferring()
        #expect(node.machine.capture(Sample.event(1), for: Sample.origin, now: node.now) == .captured)
        try node.receive(cutover, from: Sample.orchestrator)
        try node.receive(.activateAck(origin: Sample.origin, replayedSequence: 3), from: Sample.orchestrator)
        _ = node.take()
        let tail = Sent(.bufferedEvents(origin: Sample.origin, events: [Sample.event(1)]), to: Sample.target)
        for seconds in [0.5, 1.5, 3.5, 7.5] {
            node.now = .zero + .seconds(seconds)
            #expect(node.machine.nextDeadline == node.now)
            node.machine.deadlineReached(now: node.now)
            #expect(node.sent() == [tail])
        }
        #expect(node.machine.nextDeadline == Sample.at(300))
        #expect(node.machine.sources(now: node.now).first?.bufferedEventCount == 0)
    }

    @Test("A source that has given a move up tells its orchestrator again, and does not begin another one that looks the same")
    func withdrawn() throws {
        var node = try transferring()
        node.machine.peerLost(Sample.orchestrator, now: node.now)
        let reason = FailureReason(.stateFailed, "session with node 0xd lost")
        let failed = MigrationMessage.migrationFailed(origin: Sample.origin, reason: reason)
        #expect(
            node.take() == [
                .send(failed, to: Sample.orchestrator), .resume(origin: Sample.origin, captured: [], afterCleanup: false),
            ])
        try node.receive(take, from: Sample.orchestrator)
        #expect(node.sent() == [Sent(failed, to: Sample.orchestrator)])
        node.now = Sample.at(19)
        node.machine.deadlineReached(now: node.now)
        try node.receive(take, from: Sample.orchestrator)
        #expect(node.sent() == [Sent(failed, to: Sample.orchestrator)])
        node.now = Sample.at(39)
        node.machine.deadlineReached(now: node.now)
        try node.receive(take, from: Sample.orchestrator)
        #expect(node.take() == [.takeSnapshot(origin: Sample.origin, attempt: 3)])
    }

    @Test("The orchestrator's own word ends a withdrawal")
    func acknowledgedWithdrawal() throws {
        var node = try transferring()
        node.machine.abort(Sample.origin, reason: FailureReason(.cancelled), now: node.now)
        #expect(
            node.sent() == [
                Sent(
                    .migrationFailed(origin: Sample.origin, reason: FailureReason(.stateFailed, "cancelled")), to: Sample.orchestrator)
            ])
        try node.receive(.migrationFailed(origin: Sample.origin, reason: FailureReason(.notReady)), from: Sample.orchestrator)
        try node.receive(take, from: Sample.orchestrator)
        #expect(node.take().count == 1)
    }

    @Test("While a failed move is being undone, an authorized order is answered NotReady, which may be tried again")
    func orderWhileFailing() throws {
        var node = try transferring(hooks: .failure)
        try node.receive(.migrationFailed(origin: Sample.origin, reason: FailureReason(.notReady)), from: Sample.orchestrator)
        _ = node.take()
        #expect(node.refusal(of: take, from: Sample.orchestrator) == .because(.notReady))
        #expect(
            node.sent() == [
                Sent(.migrationFailed(origin: Sample.origin, reason: FailureReason(.notReady)), to: Sample.orchestrator)
            ])
        node.machine.hookFinished(Sample.origin, attempt: node.attempt, .failure, now: node.now)
        try node.receive(take, from: Sample.orchestrator)
    }

    @Test("Late answers of the host are ignored")
    func lateAnswers() throws {
        var node = source()
        try node.receive(take, from: Sample.orchestrator)
        try node.receive(.migrationFailed(origin: Sample.origin, reason: FailureReason(.notReady)), from: Sample.orchestrator)
        _ = node.take()
        let before = node.machine.state
        node.machine.snapshotTaken(Sample.origin, attempt: 1, .success(Sample.snapshot()), now: node.now)
        node.machine.sealed(Sample.origin, attempt: 1, .noContext, now: node.now)
        node.machine.hookFinished(Sample.origin, attempt: 1, .preCleanup, now: node.now)
        node.machine.hookFinished(Sample.origin, attempt: 1, .failure, now: node.now)
        #expect(node.machine.state == before && node.take() == [])
        #expect(node.machine.counters.lateAnswers == 4)
    }

    // MARK: The orchestrator between them

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
        try node.receive(.activateAck(origin: Sample.origin, replayedSequence: 3), from: Sample.target)
        #expect(
            node.take() == [
                .send(.activateAck(origin: Sample.origin, replayedSequence: 3), to: Sample.source),
                .ended(origin: Sample.origin, outcome: .completed(replayedSequence: 3)),
            ])
    }

    @Test("A failure of one side is passed to the other", arguments: [true, false])
    func relayedFailure(isOfTarget: Bool) throws {
        var node = try orchestrator()
        try node.receive(.snapshotReady(try Sample.pieces(Sample.snapshot())[0]), from: Sample.source)
        _ = node.take()
        let failed = MigrationMessage.migrationFailed(origin: Sample.origin, reason: FailureReason(.stateFailed, "boom"))
        try node.receive(failed, from: isOfTarget ? Sample.target : Sample.source)
        #expect(
            node.take() == [
                .send(failed, to: isOfTarget ? Sample.source : Sample.target),
                .ended(origin: Sample.origin, outcome: .failed(FailureReason(.stateFailed, "boom"))),
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
