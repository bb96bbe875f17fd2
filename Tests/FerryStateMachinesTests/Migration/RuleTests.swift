import FerryCrypto
import FerryStateMachines
import FerryTestKit
import FerryWire
import Testing

/// One test for every variant of the model whose rule was found necessary there.
@Suite("Rules of the hand-over") struct RuleTests {
    /// Runs a move by a third node until node `to` is about to be sent a message for which `isIt` holds.
    private func runUntil(
        seed: UInt64 = 21, _ prepare: (MoveWorld) -> Void = { _ in }, _ isIt: @escaping (FerryMessage.Body) -> Bool,
        then act: @escaping (MoveWorld) -> Void
    ) throws -> (world: MoveWorld, migration: MigrationID) {
        let (world, daemon) = try makeWorld(seed: seed)
        var isDone = false
        world.onSend = { [unowned world] message, _, _ in
            guard !isDone, case .migration(let message) = message, isIt(message.body) else { return }
            isDone = true
            world.schedule(after: .zero, .script { act($0) })
        }
        prepare(world)
        world.emit(10, over: 500)
        let migration = try #require(world.order(from: 0, to: 1, by: 2, daemon: daemon))
        world.run(for: .seconds(5))
        #expect(isDone)
        return (world, migration)
    }

    private func finish(_ world: MoveWorld) {
        world.healAndCheckLiveness()
        #expect(world.violations.isEmpty, "\(world.trace)")
    }

    @Test("SKIP_PREP: without Prepared nothing is committed, and the source resumes under its epoch")
    func commitNeedsPrepared() throws {
        let (world, migration) = try runUntil({ $0.drop = { body in if case .prepared = body { true } else { false } } }) { body in
            if case .release = body { true } else { false }
        } then: { _ in
        }
        world.run(for: .seconds(30))
        #expect(world.sentKinds["cutoverNotify"] == nil)
        guard case .rolledBack = world.outcome(migration, .source, on: 0) else {
            Issue.record("\(world.trace)")
            return
        }
        #expect(world.owners.first?.daemons.values.first?.ownership.epoch == .first)
        world.drop = nil
        finish(world)
    }

    @Test("SILENT_ABORT, NOREFUSE: a prepared target that gives up says so, and the committed source resumes two epochs up")
    func refusalAfterCommit() throws {
        let (world, migration) = try runUntil({
            $0.drop = { body in
                switch body {
                case .cutoverNotify: true
                case .status, .statusReply: true
                default: false
                }
            }
        }) { body in
            if case .cutoverNotify = body { true } else { false }
        } then: { _ in
        }
        world.run(for: .seconds(90))
        guard case .rolledBackAfterCommit = world.outcome(migration, .source, on: 0) else {
            Issue.record("\(world.trace)")
            return
        }
        #expect(world.owners.map(\.index) == [0])
        #expect(world.owners.first?.daemons.values.first?.ownership.epoch == Epoch(rawValue: 3))
        world.drop = nil
        finish(world)
    }

    @Test("LATE_PREPARED: Prepared after an abort commits nothing")
    func latePrepared() throws {
        let (world, migration) = try runUntil { body in
            if case .prepared = body { true } else { false }
        } then: { world in
            for view in world.nodes[0].dispatcher.moves {
                world.nodes[0].dispatcher.cancel(
                    view.migration, reason: FailureReason(.cancelled), now: world.now, wallClock: world.wallClock)
            }
            world.nodes[0].drain()
        }
        #expect(world.sentKinds["cutoverNotify"] == nil)
        #expect(world.outcome(migration, .source, on: 0) == .rolledBack(FailureReason(.cancelled)))
        finish(world)
    }

    @Test("ABORT_AFTER_COMMIT: a cancel after the commit is too late, and the move completes")
    func abortAfterCommit() throws {
        let (world, migration) = try runUntil { body in
            if case .cutoverNotify = body { true } else { false }
        } then: { world in
            for node in world.nodes {
                for view in node.dispatcher.moves {
                    node.dispatcher.cancel(view.migration, reason: FailureReason(.cancelled), now: world.now, wallClock: world.wallClock)
                }
                node.drain()
            }
        }
        guard case .completed = world.outcome(migration, .source, on: 0) else {
            Issue.record("\(world.trace)")
            return
        }
        #expect(world.nodes.map(\.cancelsRefused).reduce(0, +) >= 1)
        finish(world)
    }

    @Test("DUPCOMMIT: a repeated Commit gets the stored Take and activates nothing, also after the daemon has moved on")
    func repeatedCommit() throws {
        var commit: FerryMessage?
        let (world, daemon) = try makeWorld(seed: 22)
        world.onSend = { message, _, _ in
            if case .migration(let message) = message, case .cutoverNotify = message.body, commit == nil { commit = message }
        }
        world.order(from: 0, to: 1, by: 0, daemon: daemon)
        world.run(for: .seconds(3))
        world.order(from: 1, to: 2, by: 1, daemon: daemon)
        world.run(for: .seconds(3))
        #expect(world.owners.map(\.index) == [2])
        let node = world.nodes[1]
        node.dispatcher.receive(try #require(commit), from: world.nodes[0].peer, now: world.now, wallClock: world.wallClock)
        var answers: [FerryMessage.Body] = []
        while let action = node.dispatcher.nextAction() {
            guard case .send(let message, _, _) = action else {
                Issue.record("\(action)")
                continue
            }
            answers.append(message.body)
        }
        #expect(answers.count == 1)
        for answer in answers {
            guard case .activateAck(let take) = answer else {
                Issue.record("\(answer)")
                continue
            }
            #expect(take.epoch == Epoch(rawValue: 2))
        }
        finish(world)
    }

    @Test("FORGET_TAIL: a target that does not hold what the release states refuses, and the source resumes with nothing lost")
    func releaseMismatch() throws {
        let (world, migration) = try runUntil({ $0.faults.isRestoreWrong = true }) { body in
            if case .release = body { true } else { false }
        } then: { _ in
        }
        guard case .rolledBack(let reason) = world.outcome(migration, .source, on: 0) else {
            Issue.record("\(world.trace)")
            return
        }
        #expect(reason.code == .releaseMismatch && reason.message.contains("forward hash"))
        finish(world)
    }

    @Test("REUSE_MID: an attempt's id is refused a second time, by orchestrator, source and target")
    func migrationIDsAreNeverReused() throws {
        let (world, daemon) = try makeWorld(seed: 23)
        let order = MoveOrder(
            id: world.random.next(), daemon: daemon, lineage: nil, source: world.nodes[0].key, target: world.nodes[1].key,
            targetAddress: "", orchestrator: world.nodes[0].key, attemptLimit: 2, attempt: 1, mode: .stopAndCopy,
            expiresAt: world.wallClock + 600_000_000_000)
        world.nodes[1].refusal = FailureReason(.noCapacity)
        try world.nodes[0].dispatcher.order(order, now: world.now, wallClock: world.wallClock)
        world.nodes[0].drain()
        world.run(for: .seconds(3))
        #expect(world.outcome(order.migration, .orchestrator, on: 0) == .declined(FailureReason(.noCapacity)))
        world.nodes[1].refusal = nil
        #expect(throws: FailureReason.self) {
            try world.nodes[0].dispatcher.order(order, now: world.now, wallClock: world.wallClock)
        }
        var next = order
        next.attempt = 2
        #expect(next.migration != order.migration)
        try world.nodes[0].dispatcher.order(next, now: world.now, wallClock: world.wallClock)
        world.nodes[0].drain()
        world.run(for: .seconds(3))
        #expect(world.owners.map(\.index) == [1])
        finish(world)
    }

    @Test("CONCURRENT: a second order for a daemon that is moving is busy, and the first completes")
    func oneAttemptPerOrigin() throws {
        let (world, daemon) = try makeWorld(seed: 24)
        let first = world.order(from: 0, to: 1, by: 0, daemon: daemon)
        let second = world.order(from: 0, to: 2, by: 0, daemon: daemon)
        world.run(for: .seconds(5))
        let outcomes = [world.outcome(first, .orchestrator, on: 0), world.outcome(second, .orchestrator, on: 0)]
        #expect(outcomes.count { if case .completed = $0 { true } else { false } } == 1, "\(world.trace)")
        #expect(outcomes.count { if case .declined(let reason) = $0 { reason.code == .alreadyMigrating } else { false } } == 1)
        finish(world)
    }

    @Test("CLEAN_BY_ORIGIN: what belongs to an old attempt never touches the daemon after it came back")
    func cleanUpIsKeyedByMigration() throws {
        var stale: [(FerryMessage, Int, Int)] = []
        let (world, daemon) = try makeWorld(seed: 25)
        world.onSend = { message, from, to in
            if case .migration(let message) = message, case .node(let from) = from, case .node(let to) = to {
                stale.append((message, from, to))
            }
        }
        world.emit(10, over: 4_000)
        world.order(from: 0, to: 1, by: 2, daemon: daemon)
        world.run(for: .seconds(3))
        world.order(from: 1, to: 0, by: 2, daemon: daemon)
        world.run(for: .seconds(3))
        #expect(world.owners.map(\.index) == [0])
        for (message, from, to) in stale {
            world.nodes[to].dispatcher.receive(message, from: world.nodes[from].peer, now: world.now, wallClock: world.wallClock)
            world.nodes[to].drain()
            world.check()
        }
        #expect(world.owners.map(\.index) == [0])
        finish(world)
    }

    @Test("NOBURN: an attempt that was given up has burnt its epoch for ever")
    func attemptsBurnEpochs() throws {
        let (world, migration) = try runUntil({ $0.faults.isRestoreWrong = true }) { body in
            if case .release = body { true } else { false }
        } then: { _ in
        }
        guard case .rolledBack = world.outcome(migration, .source, on: 0) else {
            Issue.record("\(world.trace)")
            return
        }
        world.faults.isRestoreWrong = false
        let daemon = try #require(world.owners.first?.daemons.values.first)
        let second = world.order(from: 0, to: 1, by: 0, daemon: daemon.keypair.entityID)
        world.run(for: .seconds(3))
        guard case .completed(let figures?) = world.outcome(second, .orchestrator, on: 0) else {
            Issue.record("\(world.trace)")
            return
        }
        #expect(figures.take.epoch == Epoch(rawValue: 3))
        finish(world)
    }

    @Test("MOVED_AT_FENCE: before the commit a fenced source says hold, never moved")
    func holdUntilCommit() throws {
        let (world, daemon) = try makeWorld(seed: 26)
        world.emit(30, over: 600)
        var isCommitted = false
        world.onSend = { message, _, _ in
            switch message {
            case .migration(let message): if case .cutoverNotify = message.body { isCommitted = true }
            case .lane(let message): if case .moved = message.body { #expect(isCommitted) }
            }
        }
        world.order(from: 0, to: 1, by: 2, daemon: daemon)
        world.run(for: .seconds(3))
        #expect(isCommitted && world.sentKinds["hold"] != nil)
        finish(world)
    }

    @Test("a target tells a node that plays two roles everything once, and the source seals its commit while the target compares")
    func saidOnce() throws {
        let (world, daemon) = try makeWorld(seed: 27)
        var sealing: Timestamp?
        var said: [String: Int] = [:]
        world.onSend = { message, _, _ in
            guard case .migration(let message) = message else { return }
            said[Mirror(reflecting: message.body).children.first?.label ?? "", default: 0] += 1
            if case .cutoverNotify = message.body { #expect(world.nodes[0].dispatcher.nextDeadline.map { $0 > world.now } == true) }
            guard case .release = message.body else { return }
            sealing = world.nodes[0].dispatcher.nextDeadline
            #expect(sealing == world.now)
        }
        world.order(from: 0, to: 1, by: 0, daemon: daemon)
        world.run(for: .seconds(3))
        for kind in ["restoreComplete", "release", "prepared", "cutoverNotify", "activateAck", "activateTarget", "statusReply"] {
            #expect(said[kind] == 1, "\(kind)")
        }
        #expect(sealing != nil)
        finish(world)
    }

    @Test("NODISCOVER: emitters find a daemon whose source crashed after the Take")
    func emittersDiscover() throws {
        let (world, _) = try runUntil { body in
            if case .activateTarget = body { true } else { false }
        } then: {
            $0.nodes[0].crash()
        }
        #expect(world.owners.map(\.index) == [1])
        let emitters = world.emitters
        finish(world)
        #expect(emitters.allSatisfy { $0.belief.node == world.nodes[1].key })
    }

    @Test("a source that has forgotten a move, and declines it when it is ordered again under its id, tells a prepared target so")
    func repeatedOrderAfterCrash() throws {
        let (world, daemon) = try makeWorld(seed: 23)
        var order: MoveOrder?
        var isDone = false
        world.onSend = { [unowned world] message, _, _ in
            guard case .migration(let message) = message else { return }
            if case .plan(let plan) = message.body { order = plan.order }
            guard !isDone, case .prepared = message.body else { return }
            isDone = true
            world.schedule(
                after: .zero,
                .script { world in
                    world.nodes[0].crash()
                    guard let order else { return }
                    _ = try? world.nodes[0].dispatcher.order(order, now: world.now, wallClock: world.wallClock)
                    world.nodes[0].drain()
                })
        }
        world.order(from: 0, to: 1, by: 0, daemon: daemon)
        world.run(for: .seconds(5))
        #expect(isDone && world.isLost)
        finish(world)
    }
}
