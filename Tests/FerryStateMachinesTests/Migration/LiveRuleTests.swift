import FerryCrypto
import FerryStateMachines
import FerryTestKit
import FerryWire
import Testing

/// What makes a live move fail, fall back, or wait.
@Suite("Rules of live moves") struct LiveRuleTests {
    private func finish(_ world: MoveWorld) {
        world.healAndCheckLiveness()
        #expect(world.violations.isEmpty, "\(world.trace)")
    }

    // MARK: Comparison

    @Test("a replay that does something else is refused at the input where it parts, and the source has lost nothing")
    func divergence() throws {
        let (world, daemon) = try makeWorld(seed: 21)
        world.faults.divergesAt = 3
        world.emit(60, over: 600)
        let migration = world.order(from: 0, to: 1, by: 2, daemon: daemon, mode: .live)
        world.run(for: .seconds(5))
        let reason = FailureReason(.releaseMismatch, "input 3 does something else here")
        #expect(world.outcome(migration, .target, on: 1) == .rolledBack(reason), "\(world.trace)")
        #expect(world.outcome(migration, .source, on: 0) == .rolledBack(reason))
        #expect(world.outcome(migration, .orchestrator, on: 2) == .rolledBack(reason))
        #expect(world.owners.map(\.index) == [0])
        #expect(world.emitters.allSatisfy { $0.acceptedCount == 60 })
        #expect(world.sentKinds["cutoverNotify"] == nil)
        finish(world)
    }

    @Test("a snapshot that drops a field is caught by the state digest before the commit")
    func droppedField() throws {
        let (world, daemon) = try makeWorld(seed: 22)
        world.emit(60, over: 600)
        world.run(for: .milliseconds(100))
        world.faults.isFieldDropped = true
        let migration = world.order(from: 0, to: 1, by: 2, daemon: daemon, mode: .live)
        world.run(for: .seconds(5))
        #expect(world.outcome(migration, .source, on: 0)?.reason?.code == .releaseMismatch, "\(world.trace)")
        #expect(world.outcome(migration, .source, on: 0)?.reason?.message.contains("state digest") ?? false)
        #expect(world.sentKinds["cutoverNotify"] == nil)
        #expect(world.owners.map(\.index) == [0])
        finish(world)
    }

    // MARK: Falling back

    @Test("a replay that parts is followed by a stop-and-copy attempt, where the order allows one")
    func fallsBack() throws {
        let (world, daemon) = try makeWorld(seed: 23)
        world.faults.divergesAt = 1
        world.emit(60, over: 600)
        let first = try #require(world.order(from: 0, to: 1, by: 2, daemon: daemon, mode: .live, attemptLimit: 2, modes: .all))
        world.run(for: .seconds(5))
        let second = try #require(world.nodes[2].retried[first])
        #expect(world.outcome(first, .orchestrator, on: 2) == nil)
        guard case .completed(let figures?) = world.outcome(second, .orchestrator, on: 2) else {
            Issue.record("\(world.trace)")
            return
        }
        #expect(figures.release.release.lastLogIndex == 0)
        // The first attempt never signed a release, but its epoch is burnt all the same.
        #expect(figures.take.epoch == Epoch(rawValue: 3))
        #expect(world.owners.map(\.index) == [1])
        finish(world)
    }

    @Test("a daemon that cannot be replayed is declined before it stops, and moves in stop-and-copy mode where the order allows it")
    func notDeterministic() throws {
        for (limit, modes): (UInt8, MoveModes) in [(1, .all), (2, .live), (2, .all)] {
            let (world, daemon) = try makeWorld(seed: 24)
            world.faults.isUndeterministic = true
            world.emit(10, over: 100)
            let first = world.order(from: 0, to: 1, by: 2, daemon: daemon, mode: .live, attemptLimit: limit, modes: modes)
            world.run(for: .seconds(5))
            #expect(world.outcome(first, .source, on: 0) == .declined(FailureReason(.notDeterministic)))
            let allowed = limit == 2 && modes == .all
            #expect(world.nodes[2].retried.isEmpty == !allowed)
            #expect((world.outcome(first, .orchestrator, on: 2) == nil) == allowed)
            #expect(world.owners.map(\.index) == (allowed ? [1] : [0]))
            finish(world)
        }
    }

    @Test("a cancelled live move is not tried again")
    func cancelledStaysCancelled() throws {
        let (world, daemon) = try makeWorld(seed: 25)
        world.nodes[1].deafTo = ["restore"]
        let first = try #require(world.order(from: 0, to: 1, by: 2, daemon: daemon, mode: .live, attemptLimit: 2, modes: .all))
        world.run(for: .seconds(1))
        world.nodes[2].dispatcher.cancel(
            first, reason: FailureReason(.releaseMismatch), now: world.now, wallClock: world.wallClock)
        world.nodes[2].drain()
        world.run(for: .seconds(1))
        #expect(world.nodes[2].retried.isEmpty)
        #expect(world.outcome(first, .orchestrator, on: 2)?.reason?.code == .releaseMismatch)
    }

    // MARK: Convergence

    @Test("a log that does not converge slows intake once, and then declines before any fence")
    func notConverging() throws {
        let (world, daemon) = try makeWorld(seed: 26, emitterCount: 0)
        // Few events are in flight, so that few have to be held.
        world.emitters = [WorldEmitter(index: 0, world: world, daemon: daemon.originHash, owner: world.nodes[0].key, window: 2)]
        world.faults.replayMilliseconds = 400
        world.emit(every: .milliseconds(20), until: .milliseconds(15_000))
        let migration = world.order(from: 0, to: 1, by: 2, daemon: daemon, mode: .live, pauseBudget: .milliseconds(10))
        world.run(for: .seconds(9))
        #expect(world.nodes[0].logLimits.count == 1)
        world.run(for: .seconds(7))
        let outcome = world.outcome(migration, .source, on: 0)
        guard case .declined(let reason) = outcome else {
            Issue.record("\(world.trace)")
            return
        }
        #expect(reason.code == .notConverging)
        #expect(reason.message.contains("the log grows") || reason.message.contains("a fence now would take"), "\(reason)")
        #expect(world.outcome(migration, .orchestrator, on: 2) == outcome)
        #expect(world.nodes[0].phases[.source]?.contains(.cutover) == false)
        #expect(world.owners.map(\.index) == [0])
        finish(world)
    }

    @Test("a daemon whose state digest is not done is not stopped, and declined for it without slowing anybody")
    func endlessDigest() throws {
        let (world, daemon) = try makeWorld(seed: 31)
        world.nodes[0].isDigestPending = true
        world.emit(100, over: 1_000)
        let migration = world.order(from: 0, to: 1, by: 2, daemon: daemon, mode: .live)
        world.run(for: .seconds(4))
        #expect(world.outcome(migration, .source, on: 0) == nil)
        #expect(world.nodes[0].phases[.source]?.contains(.cutover) == false)
        world.run(for: .seconds(3))
        guard case .declined(let reason) = world.outcome(migration, .source, on: 0) else {
            Issue.record("\(world.trace)")
            return
        }
        #expect(reason.code == .notConverging)
        #expect(reason.message.contains("state digest"))
        #expect(world.nodes[0].logLimits.isEmpty)
        #expect(world.owners.map(\.index) == [0])
        finish(world)
    }

    @Test("a daemon is stopped as soon as its state digest is done")
    func lateDigest() throws {
        let (world, daemon) = try makeWorld(seed: 32)
        world.nodes[0].isDigestPending = true
        let migration = world.order(from: 0, to: 1, by: 2, daemon: daemon, mode: .live)
        world.run(for: .seconds(2))
        world.nodes[0].isDigestPending = false
        world.run(for: .seconds(2))
        #expect(world.outcome(migration, .source, on: 0)?.reason == nil)
        #expect(world.owners.map(\.index) == [1])
        finish(world)
    }

    @Test("a log within the pause budget is fenced though something is always waiting")
    func fencesWithinBudget() throws {
        let (world, daemon) = try makeWorld(seed: 27, emitterCount: 1)
        world.faults.replayMilliseconds = 20
        world.emit(every: .milliseconds(5), until: .milliseconds(4_000))
        let migration = world.order(from: 0, to: 1, by: 2, daemon: daemon, mode: .live, pauseBudget: .milliseconds(200))
        world.run(for: .seconds(3))
        guard case .completed(let figures?) = world.outcome(migration, .source, on: 0) else {
            Issue.record("\(world.trace)")
            return
        }
        #expect(figures.predictedPauseNanoseconds <= 200_000_000)
        #expect(world.nodes[0].logLimits.isEmpty)
        finish(world)
    }

    @Test("a target that never replays is given up before any fence, within the published bound")
    func deafTarget() throws {
        let (world, daemon) = try makeWorld(seed: 28)
        world.nodes[1].deafTo = ["replay"]
        world.emit(100, over: 1_000)
        let migration = world.order(from: 0, to: 1, by: 2, daemon: daemon, mode: .live)
        let bound = try #require(world.nodes[2].dispatcher.moves.first?.bound)
        world.run(for: bound)
        #expect(world.outcome(migration, .source, on: 0)?.reason?.code == .phaseTimeout, "\(world.trace)")
        #expect(world.owners.map(\.index) == [0])
        finish(world)
    }

    // MARK: Crashes and sessions

    @Test("a target that restarts while it follows is found out by the next question, long before the budget for catching up")
    func restartedFollower() throws {
        let (world, daemon) = try makeWorld(seed: 29)
        world.nodes[1].deafTo = ["replay"]
        world.emit(100, over: 1_000)
        let migration = world.order(from: 0, to: 1, by: 2, daemon: daemon, mode: .live)
        world.run(for: .milliseconds(600))
        #expect(world.nodes[0].phases[.source]?.last == .replay)
        world.nodes[1].crash()
        world.run(for: .milliseconds(600))
        #expect(world.outcome(migration, .source, on: 0)?.reason?.code == .participantRestarted, "\(world.trace)")
        #expect(world.owners.map(\.index) == [0])
    }

    @Test("what a lost session took with it is shipped again on the next one")
    func rewinds() throws {
        let (world, daemon) = try makeWorld(seed: 30)
        var isCut = false
        var lost = 0
        world.drop = { body in
            guard isCut, case .bufferedEvents = body else { return false }
            lost += 1
            return true
        }
        world.emit(100, over: 1_000)
        let migration = world.order(from: 0, to: 1, by: 2, daemon: daemon, mode: .live)
        world.beforeDelivery = { world, _ in
            if world.nodes[0].phases[.source]?.last == .replay, lost == 0 { isCut = true }
        }
        world.run(for: .milliseconds(400))
        #expect(lost > 0)
        isCut = false
        world.nodes[0].dispatcher.sessionLost(world.nodes[1].key, now: world.now, wallClock: world.wallClock)
        world.nodes[0].dispatcher.sessionEstablished(world.nodes[1].peer, now: world.now, wallClock: world.wallClock)
        world.nodes[0].drain()
        world.run(for: .seconds(3))
        #expect(world.outcome(migration, .source, on: 0)?.reason == nil, "\(world.trace)")
        #expect(world.owners.map(\.index) == [1])
        finish(world)
    }

    // MARK: Plans

    @Test("a plan asks both sides, orders nothing and gives back what was set aside", arguments: [MoveMode.live, .stopAndCopy])
    func plans(mode: MoveMode) throws {
        let (world, daemon) = try makeWorld(seed: 31)
        let migration = try #require(world.order(from: 0, to: 1, by: 2, daemon: daemon, mode: mode, isPlanOnly: true))
        world.run(for: .seconds(1))
        let plan = try #require(world.nodes[2].plans[migration])
        #expect(plan.mode == mode)
        #expect(plan.offer.epoch == Epoch(rawValue: 2))
        #expect(plan.targetBoot == world.nodes[1].boot)
        #expect(plan.bound == PhaseBudgets().publishedBound(byteCount: 0, mode: mode))
        #expect(world.outcome(migration, .orchestrator, on: 2) == nil)
        #expect(world.outcome(migration, .source, on: 0)?.reason?.code == .cancelled)
        #expect(world.outcome(migration, .target, on: 1)?.reason?.code == .cancelled)
        #expect(world.nodes[0].phases[.source] == nil)
        #expect(world.owners.map(\.index) == [0])
        finish(world)
    }

    @Test("a plan that is refused ends as declined")
    func refusedPlan() throws {
        let (world, daemon) = try makeWorld(seed: 32)
        world.nodes[1].refusal = FailureReason(.noCapacity, "full")
        let migration = try #require(world.order(from: 0, to: 1, by: 2, daemon: daemon, isPlanOnly: true))
        world.run(for: .seconds(1))
        #expect(world.nodes[2].plans.isEmpty)
        #expect(world.outcome(migration, .orchestrator, on: 2) == .declined(FailureReason(.noCapacity, "full")))
        finish(world)
    }
}
