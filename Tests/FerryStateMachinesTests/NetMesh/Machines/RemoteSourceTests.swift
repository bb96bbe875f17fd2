import FerryWire
import Testing

@testable import FerryStateMachines

/// A source that another node orchestrates, and an orchestrator that is neither source nor target.
struct RemoteSourceTests {
    let take = MigrationMessage.takeSnapshot(origin: Sample.origin, target: Sample.target)
    let cutover = MigrationMessage.cutoverNotify(origin: Sample.origin, target: Sample.target)

    func source(hooks: NetMeshHooksPresent = []) -> Driven {
        var node = Driven(
            Sample.local,
            NetMeshDispatcherConfiguration(
                orchestrators: .allowList([Sample.orchestrator, Sample.target]), identityTransport: .none, hooks: hooks))
        node.machine.daemonStarted(Sample.origin)
        return node
    }

    func transferring(hooks: NetMeshHooksPresent = []) throws -> Driven {
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
                .send(.bufferedEvents(origin: Sample.origin, events: [Sample.event(1)]), to: Sample.orchestrator),
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
                Sent(.bufferedEvents(origin: Sample.origin, events: [Sample.event(1)]), to: Sample.orchestrator),
                Sent(.cleanupComplete(origin: Sample.origin), to: Sample.orchestrator),
            ])
        let reason = FailureReason(.stateFailed, "boom")
        // The first word may be a late one about an attempt before; the answer to what is asked after it is not.
        try node.receive(.migrationFailed(origin: Sample.origin, reason: reason), from: Sample.orchestrator)
        #expect(node.sent() == [Sent(.cleanupComplete(origin: Sample.origin), to: Sample.orchestrator)])
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
        let message = MigrationMessage.bufferedEvents(origin: Sample.origin, events: [Sample.event(1)])
        let tail = [Sample.target, Sample.orchestrator].map { Sent(message, to: $0) }
        for seconds in [0.5, 1.5, 3.5, 7.5] {
            node.now = .zero + .seconds(seconds)
            #expect(node.machine.nextDeadline == node.now)
            node.machine.deadlineReached(now: node.now)
            #expect(node.sent() == tail)
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
}
