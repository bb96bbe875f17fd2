import FerryWire
import Testing

@testable import FerryStateMachines

/// A move whose orchestrator is the source: one dispatcher plays both, a peer is the target.
struct LocalSourceTests {
    private let order = NetMeshOrder(
        origin: Sample.origin, source: Sample.local, target: .node(Sample.target), identityTransport: .none)

    private func hosting(_ configuration: NetMeshDispatcherConfiguration = NetMeshDispatcherConfiguration()) -> Driven {
        var node = Driven(Sample.local, configuration)
        node.machine.daemonStarted(Sample.origin)
        return node
    }

    /// A move whose snapshot is out.
    private func transferring(_ configuration: NetMeshDispatcherConfiguration = NetMeshDispatcherConfiguration()) throws -> Driven {
        var node = hosting(configuration)
        try node.machine.start(order, now: node.now)
        _ = node.take()
        node.machine.snapshotTaken(Sample.origin, attempt: node.attempt, .success(Sample.snapshot()), now: node.now)
        _ = node.take()
        return node
    }

    private func replayComplete(_ sequence: UInt64 = 3) -> MigrationMessage {
        .replayComplete(origin: Sample.origin, replayedSequence: sequence, targetHead: Sample.link(sequence))
    }

    @Test("Without captured input the messages are those of net-mesh, in its order")
    func exactMessages() throws {
        var node = hosting()
        let target = try node.machine.start(order, now: node.now)
        #expect(target == Sample.target)
        #expect(node.take() == [.takeSnapshot(origin: Sample.origin, attempt: 1)])
        node.machine.snapshotTaken(Sample.origin, attempt: 1, .success(Sample.snapshot()), now: node.now)
        #expect(node.sent() == (try Sample.pieces(Sample.snapshot())).map { Sent(.snapshotReady($0), to: Sample.target) })
        try node.receive(.restoreComplete(origin: Sample.origin, restoredSequence: 3), from: Sample.target)
        #expect(node.sent() == [Sent(.bufferedEvents(origin: Sample.origin, events: []), to: Sample.target)])
        try node.receive(replayComplete(), from: Sample.target)
        #expect(
            node.take() == [.retire(origin: Sample.origin), .send(.activateTarget(origin: Sample.origin), to: Sample.target)])
        try node.receive(.activateAck(origin: Sample.origin, replayedSequence: 3), from: Sample.target)
        #expect(
            node.take() == [
                .release(origin: Sample.origin), .ended(origin: Sample.origin, outcome: .completed(replayedSequence: 3)),
            ])
        #expect(node.machine.orchestrations(now: node.now).isEmpty)
    }

    @Test("A large snapshot goes out in pieces of 7,000 bytes, never as one message")
    func pieces() throws {
        var node = hosting()
        try node.machine.start(order, now: node.now)
        _ = node.take()
        let snapshot = Sample.snapshot(stateByteCount: 15_000)
        node.machine.snapshotTaken(Sample.origin, attempt: 1, .success(snapshot), now: node.now)
        let sent = node.sent()
        #expect(sent == (try Sample.pieces(snapshot)).map { Sent(.snapshotReady($0), to: Sample.target) })
        #expect(sent.count == 3)
    }

    @Test("Captured inputs go one batch at a time, each after the last one's answer, and all before the target goes live")
    func finalBatches() throws {
        var node = try transferring()
        let big = [UInt8](repeating: 0, count: 5_000)
        let events = [1, 2].map { Sample.event($0, payload: big) }
        for event in events { #expect(node.machine.capture(event, for: Sample.origin, now: node.now) == .captured) }
        try node.receive(.restoreComplete(origin: Sample.origin, restoredSequence: 3), from: Sample.target)
        #expect(node.sent() == [Sent(.bufferedEvents(origin: Sample.origin, events: [events[0]]), to: Sample.target)])
        let late = Sample.event(3)
        #expect(node.machine.capture(late, for: Sample.origin, now: node.now) == .captured)
        try node.receive(replayComplete(4), from: Sample.target)
        #expect(node.sent() == [Sent(.bufferedEvents(origin: Sample.origin, events: [events[1], late]), to: Sample.target)])
        try node.receive(replayComplete(6), from: Sample.target)
        #expect(node.sent() == [Sent(.activateTarget(origin: Sample.origin), to: Sample.target)])
        #expect(node.machine.capture(Sample.event(4), for: Sample.origin, now: node.now) == .forward(to: Sample.target))
        #expect(node.sent() == [Sent(.bufferedEvents(origin: Sample.origin, events: [Sample.event(4)]), to: Sample.target)])
    }

    @Test("A lost batch is never sent again: the move is rolled back with every input")
    func lostBatch() throws {
        var node = try transferring()
        #expect(node.machine.capture(Sample.event(1), for: Sample.origin, now: node.now) == .captured)
        try node.receive(.restoreComplete(origin: Sample.origin, restoredSequence: 3), from: Sample.target)
        _ = node.take()
        node.now = Sample.at(29)
        node.machine.deadlineReached(now: node.now)
        #expect(node.take() == [])
        node.now = Sample.at(30)
        node.machine.deadlineReached(now: node.now)
        let reason = FailureReason(.stateFailed, "migration timed out in phase replay")
        #expect(
            node.take() == [
                .send(.migrationFailed(origin: Sample.origin, reason: reason), to: Sample.target),
                .resume(origin: Sample.origin, captured: [Sample.event(1)], afterCleanup: false),
                .ended(origin: Sample.origin, outcome: .failed(reason)),
            ])
        #expect(node.machine.capture(Sample.event(2), for: Sample.origin, now: node.now) == .notMoving)
    }

    @Test("Success is the target's acknowledgement only; unanswered, the move is in doubt and the source stays fenced")
    func doubt() throws {
        var node = try transferring()
        try node.receive(.restoreComplete(origin: Sample.origin, restoredSequence: 3), from: Sample.target)
        try node.receive(replayComplete(), from: Sample.target)
        _ = node.take()
        #expect(node.machine.abort(Sample.origin, reason: FailureReason(.cancelled), now: node.now) == false)
        node.now = Sample.at(30)
        node.machine.deadlineReached(now: node.now)
        let reason = FailureReason(.stateFailed, "migration timed out in phase complete")
        #expect(
            node.take() == [
                .ended(origin: Sample.origin, outcome: .inDoubt(reason)),
                .send(.activateTarget(origin: Sample.origin), to: Sample.target),
            ])
        #expect(node.machine.orchestrations(now: node.now).first?.doubt == reason)
        try node.receive(.migrationFailed(origin: Sample.origin, reason: FailureReason(.factoryNotFound)), from: Sample.target)
        #expect(node.take() == [])
        try node.receive(.activateAck(origin: Sample.origin, replayedSequence: 3), from: Sample.target)
        #expect(
            node.take() == [
                .release(origin: Sample.origin), .ended(origin: Sample.origin, outcome: .completed(replayedSequence: 3)),
            ])
    }

    @Test("An operator ends a doubt either way", arguments: [true, false])
    func settledDoubt(asCompleted: Bool) throws {
        var node = try transferring()
        #expect(node.machine.settle(Sample.origin, asCompleted: asCompleted, now: node.now) == false)
        #expect(node.machine.capture(Sample.event(1), for: Sample.origin, now: node.now) == .captured)
        try node.receive(.restoreComplete(origin: Sample.origin, restoredSequence: 3), from: Sample.target)
        try node.receive(replayComplete(), from: Sample.target)
        node.now = Sample.at(40)
        node.machine.deadlineReached(now: node.now)
        _ = node.take()
        #expect(node.machine.settle(Sample.origin, asCompleted: asCompleted, now: node.now) == true)
        let actions = node.take()
        if asCompleted {
            #expect(actions.contains(.release(origin: Sample.origin)))
        } else {
            #expect(actions.contains(.resume(origin: Sample.origin, captured: [Sample.event(1)], afterCleanup: true)))
        }
        #expect(node.machine.orchestrations(now: node.now).isEmpty)
    }

    @Test("MigrationFailed of the target before the activation rolls back; after it, it is a doubt and never a second owner")
    func failureBeforeAndAfterActivation() throws {
        var before = try transferring()
        try before.receive(.migrationFailed(origin: Sample.origin, reason: FailureReason(.notReady)), from: Sample.target)
        #expect(
            before.take() == [
                .resume(origin: Sample.origin, captured: [], afterCleanup: false),
                .ended(origin: Sample.origin, outcome: .failed(FailureReason(.notReady))),
            ])
        try before.machine.start(order, now: before.now)
        var after = try transferring()
        try after.receive(.restoreComplete(origin: Sample.origin, restoredSequence: 3), from: Sample.target)
        try after.receive(replayComplete(), from: Sample.target)
        _ = after.take()
        // What a target that is live says to a straggling piece is no doubt; that it cannot go live is.
        try after.receive(.migrationFailed(origin: Sample.origin, reason: FailureReason(.factoryNotFound)), from: Sample.target)
        #expect(after.take() == [])
        let reason = FailureReason(.stateFailed, "boom")
        try after.receive(.migrationFailed(origin: Sample.origin, reason: reason), from: Sample.target)
        #expect(after.take() == [.ended(origin: Sample.origin, outcome: .inDoubt(reason))])
    }

    @Test("The failure hook runs before anything is undone, and no longer than its time", arguments: [true, false])
    func failureHookFirst(isAnswered: Bool) throws {
        var node = try transferring(NetMeshDispatcherConfiguration(hooks: .failure))
        #expect(node.machine.abort(Sample.origin, reason: FailureReason(.stateFailed, "cancel requested"), now: node.now) == true)
        let reason = FailureReason(.stateFailed, "cancel requested")
        #expect(
            node.take() == [
                .send(.migrationFailed(origin: Sample.origin, reason: reason), to: Sample.target),
                .failureHook(origin: Sample.origin, attempt: 2, reason: reason),
            ])
        #expect(node.machine.capture(Sample.event(1), for: Sample.origin, now: node.now) == .captured)
        if isAnswered {
            node.machine.hookFinished(Sample.origin, attempt: 2, .failure, now: node.now)
        } else {
            node.now = Sample.at(5)
            #expect(node.machine.nextDeadline == node.now)
            node.machine.deadlineReached(now: node.now)
        }
        #expect(
            node.take() == [
                .resume(origin: Sample.origin, captured: [Sample.event(1)], afterCleanup: false),
                .ended(origin: Sample.origin, outcome: .failed(reason)),
            ])
    }

    @Test("The pre-cleanup hook runs before the daemon leaves the registry, and no longer than its time", arguments: [true, false])
    func preCleanupFirst(isAnswered: Bool) throws {
        var node = try transferring(NetMeshDispatcherConfiguration(hooks: .preCleanup))
        try node.receive(.restoreComplete(origin: Sample.origin, restoredSequence: 3), from: Sample.target)
        _ = node.take()
        try node.receive(replayComplete(), from: Sample.target)
        #expect(node.take() == [.preCleanup(origin: Sample.origin, attempt: 1)])
        if isAnswered {
            node.machine.hookFinished(Sample.origin, attempt: 1, .preCleanup, now: node.now)
        } else {
            node.now = Sample.at(5)
            node.machine.deadlineReached(now: node.now)
        }
        #expect(
            node.take() == [.retire(origin: Sample.origin), .send(.activateTarget(origin: Sample.origin), to: Sample.target)])
    }

    @Test("Inputs that came during the clean-up are not lost to a rollback")
    func inputsDuringCleanup() throws {
        var node = try transferring(NetMeshDispatcherConfiguration(hooks: .preCleanup))
        try node.receive(.restoreComplete(origin: Sample.origin, restoredSequence: 3), from: Sample.target)
        try node.receive(replayComplete(), from: Sample.target)
        #expect(node.machine.capture(Sample.event(1), for: Sample.origin, now: node.now) == .forward(to: Sample.target))
        _ = node.take()
        #expect(node.machine.abort(Sample.origin, reason: FailureReason(.cancelled), now: node.now) == true)
        #expect(node.take().contains(.resume(origin: Sample.origin, captured: [Sample.event(1)], afterCleanup: true)))
    }

    @Test("A required key that cannot travel is no move; a preferred one goes without and the host is told; none is not asked for")
    func identityTransport() throws {
        let configuration = NetMeshDispatcherConfiguration(hooks: .identity)
        for transport in [NetMeshIdentityTransport.required, .preferred, .none] {
            var node = hosting(configuration)
            var order = order
            order.identityTransport = transport
            try node.machine.start(order, now: node.now)
            _ = node.take()
            node.machine.snapshotTaken(Sample.origin, attempt: 1, .success(Sample.snapshot()), now: node.now)
            if transport != .none {
                #expect(
                    node.take() == [.seal(origin: Sample.origin, attempt: 1, target: Sample.target, snapshot: Sample.snapshot())])
                node.machine.sealed(Sample.origin, attempt: 1, .noTargetKey, now: node.now)
            }
            let actions = node.take()
            let cause = "no static key known for node 0xc"
            switch transport {
            case .required:
                let reason = FailureReason(.identityTransportFailed, cause)
                #expect(actions.last == .ended(origin: Sample.origin, outcome: .failed(reason)))
                #expect(actions.contains(.resume(origin: Sample.origin, captured: [], afterCleanup: false)))
            case .preferred:
                #expect(actions.first == .keyNotSealed(origin: Sample.origin, target: Sample.target, cause: cause))
                #expect(actions.dropFirst().compactMap(Sent.init).count == 1)
            case .none: #expect(actions.compactMap(Sent.init).count == 1)
            }
        }
    }

    @Test("A failed seal never sends the unsealed snapshot, preferred or not", arguments: [NetMeshIdentityTransport.required, .preferred])
    func failedSeal(transport: NetMeshIdentityTransport) throws {
        var node = hosting(NetMeshDispatcherConfiguration(hooks: .identity))
        var order = order
        order.identityTransport = transport
        try node.machine.start(order, now: node.now)
        node.machine.snapshotTaken(Sample.origin, attempt: 1, .success(Sample.snapshot()), now: node.now)
        node.machine.sealed(Sample.origin, attempt: 1, .failed("boom"), now: node.now)
        let actions = node.take()
        let reason = FailureReason(.stateFailed, "identity envelope seal failed: boom")
        #expect(actions.last == .ended(origin: Sample.origin, outcome: .failed(reason)))
        #expect(!actions.compactMap(Sent.init).contains { $0.message.typeByte == 1 })
    }

    @Test("A seal that takes too long is no move: just inside its time it counts, at its end it does not", arguments: [true, false])
    func lateSeal(isInTime: Bool) throws {
        var node = hosting(NetMeshDispatcherConfiguration(hooks: .identity))
        var order = order
        order.identityTransport = .preferred
        try node.machine.start(order, now: node.now)
        node.machine.snapshotTaken(Sample.origin, attempt: 1, .success(Sample.snapshot()), now: node.now)
        node.now = isInTime ? .zero + .nanoseconds(4_999_999_999) : Sample.at(5)
        node.machine.deadlineReached(now: node.now)
        node.machine.sealed(Sample.origin, attempt: 1, .sealed(Sample.snapshot(isSealed: true)), now: node.now)
        let isSent = node.take().compactMap(Sent.init).contains { $0.message.typeByte == 1 }
        #expect(isSent == isInTime)
    }

    @Test("A snapshot of another entity is not accepted")
    func otherEntity() throws {
        var node = hosting()
        try node.machine.start(order, now: node.now)
        var snapshot = Sample.snapshot()
        snapshot.entity = EntityID(rawValue: try #require(FixedBytes32([UInt8](repeating: 8, count: 32))))
        node.machine.snapshotTaken(Sample.origin, attempt: 1, .success(snapshot), now: node.now)
        guard case .ended(_, .failed(let reason)) = node.take().last else {
            Issue.record("the move went on")
            return
        }
        #expect(reason.message.hasPrefix("snapshot origin 0x"))
    }

    @Test("A snapshot that no target takes fails at the source, which goes on: at the limit and one byte past it")
    func oversizedSnapshot() throws {
        let byteCount = try Sample.snapshot(stateByteCount: 100).encoded().count
        for (limit, isSent) in [(byteCount, true), (byteCount - 1, false)] {
            var node = hosting(NetMeshDispatcherConfiguration(limits: NetMeshLimits(snapshotByteCount: limit)))
            try node.machine.start(order, now: node.now)
            node.machine.snapshotTaken(Sample.origin, attempt: 1, .success(Sample.snapshot(stateByteCount: 100)), now: node.now)
            let actions = node.take()
            #expect(actions.compactMap(Sent.init).contains { $0.message.typeByte == 1 } == isSent)
            #expect(actions.contains(.resume(origin: Sample.origin, captured: [], afterCleanup: false)) != isSent)
        }
    }

    @Test("Orders that cannot be: for a daemon that is not here, to its own node, twice, to nobody")
    func impossibleOrders() throws {
        var node = hosting()
        let before = node.machine.state
        var unknown = order
        unknown.origin = Sample.other
        var home = order
        home.target = .node(Sample.local)
        var nowhere = order
        nowhere.target = .automatic(requirements: ["gpu"])
        for (order, code) in [(unknown, NetMeshRefusal.Code.daemonNotFound), (home, .sameNode), (nowhere, .noTargetAvailable)] {
            let refusal = #expect(throws: NetMeshRefusal.self) { try node.machine.start(order, now: node.now) }
            #expect(refusal?.code == code && refusal?.reason != nil)
            #expect(refusal?.message.contains("0x0 ") == false)
        }
        #expect(node.machine.state == before)
        try node.machine.start(order, now: node.now)
        let refusal = #expect(throws: NetMeshRefusal.self) { try node.machine.start(order, now: node.now) }
        #expect(refusal?.code == .alreadyMigrating)
    }

    @Test("Silence repeats the pieces and the activation, counted, and nothing else")
    func repetition() throws {
        var node = try transferring()
        node.now = .zero + .milliseconds(500)
        node.machine.deadlineReached(now: node.now)
        #expect(node.sent().map(\.message.typeByte) == [1])
        #expect(node.machine.orchestrations(now: node.now).first?.retryCount == 1)
        try node.receive(.restoreComplete(origin: Sample.origin, restoredSequence: 3), from: Sample.target)
        try node.receive(replayComplete(), from: Sample.target)
        _ = node.take()
        node.now = .zero + .seconds(1)
        node.machine.deadlineReached(now: node.now)
        #expect(node.sent() == [Sent(.activateTarget(origin: Sample.origin), to: Sample.target)])
        #expect(node.machine.orchestrations(now: node.now).first?.retryCount == 2)
    }

    @Test("What operators see is measured: phase, ages, bytes, inputs, progress, proof")
    func views() throws {
        var node = try transferring()
        _ = node.machine.capture(Sample.event(1), for: Sample.origin, now: node.now)
        let view = try #require(node.machine.orchestrations(now: Sample.at(2)).first)
        #expect(view.phase == .transfer && view.progressPercent == 30 && view.superposition == .spreading)
        #expect(view.elapsed == .seconds(2) && view.ageInPhase == .seconds(2))
        #expect(view.snapshotByteCount == (try Sample.snapshot().encoded().count))
        #expect(view.bufferedEventCount == 1 && view.bound == NetMeshBudgets().totalBound)
        node.now = Sample.at(3)
        try node.receive(.restoreComplete(origin: Sample.origin, restoredSequence: 3), from: Sample.target)
        try node.receive(replayComplete(4), from: Sample.target)
        let later = try #require(node.machine.orchestrations(now: Sample.at(4)).first)
        #expect(later.ageInPhase == .seconds(1) && later.progressPercent == 100)
        #expect(later.continuityProof?.fromSequence == 2 && later.continuityProof?.toSequence == 3)
    }
}
