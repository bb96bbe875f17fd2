import FerryStateMachines
import FerryWire
import Testing

/// Every move ends, everybody concerned is told, and success is what the target has said: net-mesh migration §I-11 to §I-16, §I-25.
@Suite("Net-mesh liveness")
struct NetMeshLivenessTests {
    let origin = MeshSample.origin
    static let topologies = NetMeshUnchangedTests.topologies

    private func world(_ topology: Int, ballast: Int = 0) -> MeshWorld {
        let (orchestrator, source, target) = Self.topologies[topology]
        let world = NetMeshFlowTests.world(nodes: 3, source: source, target: target, orchestrator: orchestrator, ballast: ballast)
        return world
    }

    private func start(_ world: MeshWorld, _ topology: Int) {
        let (orchestrator, source, target) = Self.topologies[topology]
        world.nodes[orchestrator].start(from: source, to: target)
        NetMeshFlowTests.offerWhenFenced(3, at: source, in: world)
    }

    @Test("the loss of any one message, or its repetition, loses and repeats nothing", arguments: 0..<3, [MeshWorld.Fate.lose, .twice])
    func lossOfAnyOneMessage(topology: Int, fate: MeshWorld.Fate) {
        let (orchestrator, _, target) = Self.topologies[topology]
        let calm = world(topology, ballast: 9_000)
        start(calm, topology)
        calm.run(for: .seconds(5))
        let count = calm.sent.count
        #expect(count >= 5)
        for number in 0..<count {
            let world = world(topology, ballast: 9_000)
            world.fate = { _, index, _ in index == number ? fate : .pass }
            // A tail that is lost is sent again by nobody: its inputs stay with the source, or arrive late.
            world.checksOrder = false
            start(world, topology)
            world.run(for: .seconds(600))
            let lost = world.sent[number]
            #expect(world.nodes[orchestrator].outcomes.count == 1, "\(calm.trace[number])")
            let isTail = fate == .lose && lost.bytes.first == 7
            if isTail { continue }
            world.settle()
            let isDone = world.nodes[orchestrator].outcomes.first?.isCompleted ?? false
            if fate == .twice { #expect(isDone, "\(calm.trace[number])") }
            if isDone { #expect(world.owners().map(\.id) == [world.nodes[target].id]) }
        }
    }

    @Test(
        "TakeSnapshot, pieces, CutoverNotify and ActivateTarget are sent again on silence",
        arguments: ["TakeSnapshot", "SnapshotReady", "CutoverNotify", "ActivateTarget"])
    func repetition(name: String) {
        let world = world(0)
        var lost: [Timestamp] = []
        world.fate = { world, _, frame in
            guard let message = try? MigrationMessage(decoding: frame.bytes), message.briefName.hasPrefix(name), lost.count < 3 else {
                return .pass
            }
            lost.append(world.now)
            return .lose
        }
        start(world, 0)
        world.run(for: .seconds(60))
        #expect(world.nodes[0].outcomes.first?.isCompleted == true)
        #expect(lost.count == 3)
        let first = lost[1] - lost[0]
        #expect(first >= .milliseconds(450) && first <= .milliseconds(600), "0.5 s after the first, not \(first)")
        #expect(lost[2] - lost[1] > first)
        world.settle()
    }

    /// Hosts that never answer, and peers that never speak, by phase.
    @Test(
        "every phase has an end within the published bound", arguments: 0..<3,
        ["takeSnapshot", "seal", "askReadiness", "unseal", "restore", "postRestore", "replay", "preCleanup", "activate"])
    func everyPhaseHasAnEnd(topology: Int, action: String) {
        let (orchestrator, _, _) = Self.topologies[topology]
        let world = world(topology)
        for node in world.nodes { node.deafTo = [action] }
        start(world, topology)
        let bound = world.nodes[orchestrator].configuration.budgets.totalBound
        world.run(for: bound)
        let outcomes = world.nodes[orchestrator].outcomes
        #expect(outcomes.count == 1, "\(outcomes)")
        #expect(outcomes.first?.isCompleted != true || action.hasPrefix("p"), "\(outcomes)")
        // After the cutover nothing is rolled back any more: a remote source's tail is replayed then.
        let isCommitted = action == "activate" || (action == "replay" && topology != 1)
        #expect(outcomes.first?.isInDoubt == isCommitted)
        if isCommitted { return }
        world.settle()
    }

    @Test("an authorized sender is told why its order fails, and what a repeat of it gets")
    func authorizedSendersAreAnswered() throws {
        func answers(_ prepare: (MeshNode) -> Void, orders: [MigrationMessage], from senders: [Int] = [0]) throws -> [String] {
            let world = MeshWorld(nodeCount: 1)
            prepare(world.nodes[0])
            for (index, order) in orders.enumerated() {
                world.nodes[0].receive(order, from: NodeID(rawValue: UInt64(108 + senders[index % senders.count])))
                world.run(for: .milliseconds(20))
            }
            return world.trace
        }
        let order = MigrationMessage.takeSnapshot(origin: origin, target: NodeID(rawValue: 102))
        let elsewhere = MigrationMessage.takeSnapshot(origin: origin, target: NodeID(rawValue: 103))
        let daemon = MeshDaemon(entity: MeshSample.entity)
        #expect(try answers({ _ in }, orders: [order]) == ["0>8 MigrationFailed stateFailed"])
        #expect(try answers({ $0.spawn(daemon) }, orders: [order]) == ["0>8 SnapshotReady 1/1"])
        #expect(
            try answers({ $0.spawn(daemon) }, orders: [order, order]) == ["0>8 SnapshotReady 1/1", "0>8 SnapshotReady 1/1"])
        #expect(
            try answers({ $0.spawn(daemon) }, orders: [order, elsewhere]) == [
                "0>8 SnapshotReady 1/1", "0>8 MigrationFailed alreadyMigrating",
            ])
        #expect(
            try answers({ $0.spawn(daemon) }, orders: [order, order], from: [0, 1]) == [
                "0>8 SnapshotReady 1/1", "0>9 MigrationFailed alreadyMigrating",
            ])
        let stateless = { (node: MeshNode) in
            node.spawn(daemon)
            node.snapshotFailure = FailureReason(.stateFailed, "daemon is stateless or snapshot failed")
        }
        #expect(try answers(stateless, orders: [order]) == ["0>8 MigrationFailed stateFailed"])
    }

    @Test("a stateless daemon is named as such, and is resumed")
    func statelessDaemon() {
        let world = world(0)
        world.nodes[1].snapshotFailure = FailureReason(.stateFailed, "daemon is stateless or snapshot failed")
        world.nodes[0].start(from: 1, to: 2)
        world.run(for: .seconds(5))
        #expect(world.nodes[0].outcomes.first?.failure?.message == "daemon is stateless or snapshot failed")
        world.settle()
    }

    @Test("pieces that exceed what one snapshot may have, or make none, are answered to who may bring it; a stranger's are counted only")
    func reassemblyErrorsAreAnswered() {
        let world = MeshWorld(nodeCount: 2) { _, configuration in
            configuration.arrivals = .localOnly
            configuration.limits.snapshotByteCount = 7_000
        }
        world.nodes[1].expect(orchestrator: 0)
        func piece(_ index: UInt32, of total: UInt32, _ byteCount: Int, through: UInt64 = 2) -> MigrationMessage {
            let bytes = [UInt8](repeating: 0xFF, count: byteCount)
            return .snapshotReady(
                SnapshotPiece(origin: origin, throughSequence: through, index: index, totalCount: total, bytes: bytes))
        }
        world.nodes[1].receive(piece(0, of: 2, 7_000), from: world.nodes[0].id)
        #expect(world.trace.isEmpty)
        world.nodes[1].receive(piece(1, of: 2, 1), from: world.nodes[0].id)
        #expect(world.trace == ["1>0 MigrationFailed stateFailed"])
        world.nodes[1].receive(piece(0, of: 1, 40, through: 3), from: world.nodes[0].id)
        #expect(world.trace.count == 2)
        let before = world.nodes[1].dispatcher.state
        world.nodes[1].receive(piece(1, of: 2, 1), from: NodeID(rawValue: 0xBAD))
        #expect(world.trace.count == 2)
        #expect(world.nodes[1].dispatcher.state == before)
    }

    @Test("a target whose activation fails says so")
    func failedActivationIsAnswered() {
        for topology in 0..<3 {
            let world = world(topology)
            let (orchestrator, _, target) = Self.topologies[topology]
            world.nodes[target].activationFailure = FailureReason(.stateFailed, "drain failed")
            start(world, topology)
            world.run(for: .seconds(300))
            #expect(world.nodes[orchestrator].outcomes.count == 1)
            #expect(world.nodes[orchestrator].outcomes.first?.isCompleted == false)
            if orchestrator != target { #expect(world.trace.contains { $0.hasPrefix("\(target)>\(orchestrator) MigrationFailed") }) }
            #expect(world.owners().count <= 1)
            #expect(world.violations.isEmpty)
        }
    }

    @Test(
        "what fails at one participant is told to the others, and undone there", arguments: 0..<3,
        ["restore", "snapshot", "seal", "replay"])
    func failuresAreRelayed(topology: Int, failing: String) {
        let (orchestrator, source, target) = Self.topologies[topology]
        let world = world(topology)
        switch failing {
        case "restore": world.nodes[target].restoreFailure = FailureReason(.stateFailed, "restore failed: boom")
        case "snapshot": world.nodes[source].snapshotFailure = FailureReason(.stateFailed, "boom")
        case "seal": world.nodes[source].sealing = .failed("boom")
        default: world.nodes[target].replayLimit = 1
        }
        world.nodes[orchestrator].start(from: source, to: target)
        NetMeshFlowTests.offerWhenFenced(3, at: source, in: world)
        world.run(for: .seconds(20))
        let outcomes = world.nodes[orchestrator].outcomes
        #expect(outcomes.count == 1)
        // With a remote source the tail comes after the cutover; then its failure ends in doubt or late.
        guard failing != "replay" || source == orchestrator else { return #expect(world.violations.isEmpty) }
        #expect(outcomes.first?.failure?.message.contains("boom") == true || failing == "replay", "\(outcomes)")
        #expect(world.owners().map(\.id) == [world.nodes[source].id])
        #expect(world.nodes[target].staged.isEmpty)
        #expect(world.nodes[source].live[origin]?.log.count == 3, "the captured inputs are processed here")
        world.settle()
    }

    @Test("when the source fails after the restore, the target discards its copy")
    func sourceFailsLate() {
        let world = world(0)
        world.nodes[1].deafTo = ["preCleanup"]
        world.fate = { _, _, frame in frame.bytes.first == 4 ? .lose : .pass }
        world.nodes[0].start(from: 1, to: 2)
        world.run(for: .seconds(10))
        #expect(world.nodes[2].staged[origin] != nil)
        world.nodes[0].receive(
            .migrationFailed(origin: origin, reason: FailureReason(.stateFailed, "source gave up")), from: world.nodes[1].id)
        world.run(for: .seconds(5))
        #expect(world.nodes[2].staged.isEmpty)
        #expect(world.nodes[0].outcomes == [.failed(FailureReason(.stateFailed, "source gave up"))])
        world.settle()
    }

    @Test("NotReady unlocks a remote source, so that the next order works")
    func notReadyIsRetried() {
        for isStarting in [true, false] {
            let world = world(0)
            let target = world.nodes[2]
            if isStarting { target.change { dispatcher, _ in dispatcher.setReady(false) } } else { target.isReady = false }
            world.nodes[0].start(from: 1, to: 2)
            world.run(for: .seconds(5))
            #expect(world.nodes[0].outcomes == [.failed(FailureReason(.notReady))])
            #expect(world.trace.contains("0>1 MigrationFailed notReady"))
            #expect(world.owners().map(\.id) == [world.nodes[1].id])
            if isStarting { target.change { dispatcher, _ in dispatcher.setReady(true) } } else { target.isReady = true }
            #expect(world.nodes[0].start(from: 1, to: 2) == nil)
            world.run(for: .seconds(5))
            #expect(world.nodes[0].outcomes.last?.isCompleted == true)
            world.settle()
        }
    }

    @Test("a timeout or a cancel is told to source and target alike", arguments: 0..<3)
    func timeoutsTellEverybody(topology: Int) {
        let (orchestrator, source, target) = Self.topologies[topology]
        for isCancel in [true, false] {
            let world = world(topology)
            world.nodes[target].deafTo = ["postRestore"]
            world.nodes[target].deafTo = ["restore"]
            start(world, topology)
            if isCancel {
                world.run(for: .seconds(2))
                var wasAborted = false
                let reason = FailureReason(.stateFailed, "cancel requested")
                world.nodes[orchestrator].change { wasAborted = $0.abort(self.origin, reason: reason, now: $1) }
                #expect(wasAborted)
            }
            world.run(for: .seconds(280))
            for participant in Set([source, target]) where participant != orchestrator {
                #expect(world.trace.contains { $0.hasPrefix("\(orchestrator)>\(participant) MigrationFailed") })
            }
            #expect(world.nodes[orchestrator].outcomes.count == 1)
            #expect(world.nodes[orchestrator].outcomes.first?.failure != nil)
            #expect(world.owners().map(\.id) == [world.nodes[source].id])
            world.settle()
        }
    }

    @Test("nothing is called completed before the target has acknowledged its activation", arguments: 0..<3)
    func successIsAcknowledgedActivation(topology: Int) {
        let (orchestrator, _, target) = Self.topologies[topology]
        let world = world(topology)
        start(world, topology)
        var early = false
        while world.nodes[orchestrator].outcomes.isEmpty, world.step(until: world.now + .seconds(60)) {
            if !world.nodes[orchestrator].outcomes.isEmpty, world.nodes[target].live[origin] == nil { early = true }
        }
        #expect(!early)
        #expect(world.nodes[orchestrator].outcomes.first?.isCompleted == true)
    }

    @Test("an unanswered activation is in doubt: nobody resumes by timer, and a late acknowledgement completes it")
    func unansweredActivationIsInDoubt() {
        let world = world(0)
        world.fate = { _, _, frame in frame.bytes.first == 9 && frame.from.rawValue == 102 ? .lose : .pass }
        start(world, 0)
        world.run(for: .seconds(100))
        #expect(world.nodes[0].outcomes.first?.isInDoubt == true)
        #expect(world.nodes[2].live[origin] != nil)
        #expect(world.nodes[1].live.isEmpty, "the source does not resume")
        #expect(world.nodes[0].dispatcher.orchestrations(now: world.now).first?.doubt != nil)
        var wasAborted = true
        world.nodes[0].change { wasAborted = $0.abort(self.origin, reason: FailureReason(.cancelled), now: $1) }
        #expect(!wasAborted)
        world.nodes[0].receive(.activateAck(origin: origin, replayedSequence: 3), from: world.nodes[2].id)
        #expect(world.nodes[0].outcomes == [.completed(replayedSequence: 3)])
        world.settle()
    }

    @Test("an operator may end a doubt either way")
    func operatorsEndDoubts() {
        for isCompleted in [true, false] {
            let world = NetMeshFlowTests.world(nodes: 2, source: 0, target: 1, orchestrator: 0)
            world.fate = { _, _, frame in frame.bytes.first == 8 ? .lose : .pass }
            start(world, 1)
            world.run(for: .seconds(200))
            let source = world.nodes[0]
            #expect(source.outcomes.first?.isInDoubt == true)
            var wasSettled = false
            source.change { wasSettled = $0.settle(self.origin, asCompleted: isCompleted, now: $1) }
            #expect(wasSettled)
            world.run(for: .seconds(1))
            #expect(source.keys.contains(origin) == !isCompleted)
            #expect((source.live[origin] != nil) == !isCompleted)
            if !isCompleted { #expect(source.live[origin]?.log.count == 3) }
        }
    }

    @Test("a lost peer ends the move before the commit, and leaves it in doubt after", arguments: 0..<3)
    func lostPeer(topology: Int) {
        let (orchestrator, source, target) = Self.topologies[topology]
        for participant in Set([source, target]) where participant != orchestrator {
            let world = world(topology)
            world.nodes[target].deafTo = ["restore"]
            start(world, topology)
            world.run(for: .seconds(1))
            let lost = world.nodes[participant].id
            world.isolated = [lost]
            for node in world.nodes where node.id != lost { node.change { $0.peerLost(lost, now: $1) } }
            world.nodes[participant].change { $0.peerLost(world.nodes[orchestrator].id, now: $1) }
            world.run(for: .seconds(1))
            #expect(world.nodes[orchestrator].outcomes.count == 1)
            #expect(world.nodes[orchestrator].outcomes.first?.failure != nil)
            #expect(world.owners().map(\.id) == [world.nodes[source].id])
            world.settle()
        }
        guard orchestrator != target else { return }
        let world = world(topology)
        world.nodes[target].deafTo = ["activate"]
        start(world, topology)
        world.run(for: .seconds(5))
        world.nodes[orchestrator].change { $0.peerLost(world.nodes[target].id, now: $1) }
        world.run(for: .seconds(200))
        #expect(world.nodes[orchestrator].outcomes.first?.isInDoubt == true)
        #expect(world.nodes[source].live.isEmpty)
    }

    @Test("an answer of the host for an attempt that is over is counted and ignored")
    func lateAnswers() {
        let world = world(1)
        world.nodes[0].deafTo = ["takeSnapshot"]
        var attempts: [UInt64] = []
        let order = NetMeshOrder(origin: origin, source: world.nodes[0].id, target: .node(world.nodes[1].id))
        var dispatcher = world.nodes[0].dispatcher
        for _ in 0..<2 {
            #expect(throws: Never.self) { try dispatcher.start(order, now: world.now) }
            while let action = dispatcher.nextAction() {
                if case .takeSnapshot(_, let attempt) = action { attempts.append(attempt) }
                if case .failureHook(_, let attempt, _) = action {
                    dispatcher.hookFinished(origin, attempt: attempt, .failure, now: world.now)
                }
            }
            if attempts.count == 1 {
                let wasAborted = dispatcher.abort(origin, reason: FailureReason(.stateFailed, "x"), now: world.now)
                #expect(wasAborted)
                while let action = dispatcher.nextAction() {
                    if case .failureHook(_, let attempt, _) = action {
                        dispatcher.hookFinished(origin, attempt: attempt, .failure, now: world.now)
                    }
                }
            }
        }
        #expect(attempts.count == 2 && Set(attempts).count == 2)
        let before = dispatcher.state
        let snapshot = MeshDaemon(entity: MeshSample.entity).snapshot()
        dispatcher.snapshotTaken(origin, attempt: attempts[0], .success(snapshot), now: world.now)
        dispatcher.sealed(origin, attempt: attempts[1], .noContext, now: world.now)
        dispatcher.unsealed(origin, attempt: attempts[1], .opened, now: world.now)
        dispatcher.restored(origin, attempt: attempts[1], .success(.genesis(origin)), now: world.now)
        dispatcher.replayed(origin, attempt: attempts[1], .replayed(head: .genesis(origin)), now: world.now)
        dispatcher.activated(origin, attempt: attempts[1], failure: nil, now: world.now)
        #expect(dispatcher.state == before)
        #expect(dispatcher.counters.lateAnswers == 6)
        let next = dispatcher.nextAction()
        #expect(next == nil)
    }
}
