import FerryWire
import Testing

@testable import FerryStateMachines

/// A reproducible generator (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014).
struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}

/// Any calls in any order: nothing traps, a refused message leaves no trace, and the host is never asked for what cannot be.
struct DispatcherRandomInputTests {
    private static let nodes = [Sample.local, Sample.source, Sample.target, Sample.orchestrator, Sample.stranger]
    private static let snapshots = [
        Sample.snapshot(), Sample.snapshot(createdAt: 2), Sample.snapshot(sequence: 4, stateByteCount: 8_000),
        Sample.snapshot(isSealed: true), Sample.snapshot(stateByteCount: 8_000, createdAt: 3),
    ]

    private struct Run {
        var random: SplitMix
        var node: Driven
        var model: HostModel
        var pieces: [SnapshotPiece]

        mutating func pick<T>(_ values: [T]) -> T { values[Int.random(in: 0..<values.count, using: &random)] }

        mutating func message() -> MigrationMessage {
            let origin = Sample.origin
            let sequence = UInt64.random(in: 2...4, using: &random)
            return switch Int.random(in: 0..<60, using: &random) {
            case 0..<8: .takeSnapshot(origin: origin, target: pick([Sample.target, Sample.target, Sample.local]))
            case 8..<24: .snapshotReady(pick(pieces))
            case 24..<30: .restoreComplete(origin: origin, restoredSequence: sequence)
            case 30..<36: .replayComplete(origin: origin, replayedSequence: sequence, targetHead: Sample.link(sequence))
            case 36..<42: .cutoverNotify(origin: origin, target: pick([Sample.target, Sample.target, Sample.source]))
            case 42..<46: .cleanupComplete(origin: origin)
            case 46: .migrationFailed(origin: origin, reason: FailureReason(.notReady))
            case 47..<52: .bufferedEvents(origin: origin, events: (0..<Int.random(in: 0...2, using: &random)).map { _ in event() })
            case 52..<56: .activateTarget(origin: origin)
            default: .activateAck(origin: origin, replayedSequence: sequence)
            }
        }

        /// Mostly a node that may say this.
        mutating func sender(of message: MigrationMessage) -> NodeID {
            guard Int.random(in: 0..<8, using: &random) > 0 else { return pick(nodes) }
            return switch message {
            case .takeSnapshot, .cutoverNotify, .activateTarget, .bufferedEvents: Sample.orchestrator
            case .snapshotReady, .migrationFailed: pick([Sample.orchestrator, Sample.source])
            case .cleanupComplete: Sample.source
            case .restoreComplete, .replayComplete: Sample.target
            case .activateAck: pick([Sample.orchestrator, Sample.target])
            }
        }

        mutating func event() -> CausalEvent {
            Sample.event(UInt64.random(in: 1...9, using: &random), emitter: UInt64.random(in: 1...2, using: &random))
        }

        mutating func settle() { for action in node.take() { model.run(action) } }

        /// Lets the host answer what it was asked last, mostly as it should.
        mutating func answer() {
            let origin = Sample.origin
            let attempt = Int.random(in: 0..<8, using: &random) == 0 ? 1 : node.attempt
            let now = node.now
            let isGood = Int.random(in: 0..<6, using: &random) > 0
            let failure = FailureReason(.stateFailed, "boom")
            guard let last = node.actions.last(where: { $0.attempt != nil }) else { return }
            switch last {
            case .takeSnapshot:
                node.machine.snapshotTaken(origin, attempt: attempt, isGood ? .success(pick(snapshots)) : .failure(failure), now: now)
            case .seal(_, _, _, var snapshot):
                snapshot.envelope = Sample.snapshot(isSealed: true).envelope
                node.machine.sealed(origin, attempt: attempt, isGood ? .sealed(snapshot) : pick([.noContext, .failed("x")]), now: now)
            case .preCleanup: node.machine.hookFinished(origin, attempt: attempt, .preCleanup, now: now)
            case .askReadiness: node.machine.readinessAnswered(origin, attempt: attempt, isGood, now: now)
            case .unseal:
                node.machine.unsealed(origin, attempt: attempt, isGood ? .opened : pick([.nothing, .noContext]), now: now)
            case .restore:
                node.machine.restored(origin, attempt: attempt, isGood ? .success(Sample.link(4)) : .failure(failure), now: now)
            case .postRestore:
                node.machine.hookFinished(origin, attempt: attempt, .postRestore, failure: isGood ? nil : failure, now: now)
            case .replay:
                node.machine.replayed(
                    origin, attempt: attempt, isGood ? .replayed(head: Sample.link(4)) : .failed(landedCount: 0, reason: failure),
                    now: now)
            case .activate where attempt == node.attempt && model.isActivating:
                if isGood { model.activated() }
                node.machine.activated(origin, attempt: attempt, failure: isGood ? nil : failure, now: now)
            case .failureHook: node.machine.hookFinished(origin, attempt: attempt, .failure, now: now)
            default: break
            }
        }

        /// Nobody says anything any more, and the host answers what it was asked.
        mutating func finish() {
            for _ in 0..<8 {
                for _ in 0..<8 {
                    answer()
                    settle()
                }
                node.machine.settle(Sample.origin, asCompleted: false, now: node.now)
                node.now = node.now + .seconds(400)
                node.machine.deadlineReached(now: node.now)
                settle()
            }
        }

        mutating func call() {
            let origin = Sample.origin
            switch Int.random(in: 0..<80, using: &random) {
            case 0: node.machine.abort(origin, reason: FailureReason(.cancelled), now: node.now)
            case 1: node.machine.peerLost(pick(nodes), now: node.now)
            case 2..<8:
                let order = NetMeshOrder(
                    origin: origin, source: pick([Sample.local, Sample.source]), target: .node(pick([Sample.local, Sample.target])),
                    identityTransport: pick([.required, .preferred, .none]))
                _ = try? node.machine.start(order, now: node.now)
            case 8..<16: _ = node.machine.capture(event(), for: origin, now: node.now)
            case 16..<24: _ = node.machine.hold(event(), for: origin, now: node.now)
            case 24..<28:
                node.now = node.now + .milliseconds(Int.random(in: 0...4_000, using: &random))
                node.machine.deadlineReached(now: node.now)
            case 28:
                node.now = node.now + .milliseconds(Int.random(in: 0...400_000, using: &random))
                node.machine.deadlineReached(now: node.now)
            case 29: node.machine.settle(origin, asCompleted: Bool.random(using: &random), now: node.now)
            case 30..<36:
                try? node.machine.expect(
                    origin, kind: "k", hasFallbackKey: pick([true, false]), orchestrator: pick([nil, Sample.orchestrator]))
            default: answer()
            }
        }
    }

    @Test("Sixty-four nodes under a thousand random calls each", arguments: UInt64(0)..<64)
    func randomCalls(seed: UInt64) throws {
        let hooks = NetMeshHooksPresent(rawValue: UInt8(seed % 32))
        let configuration = NetMeshDispatcherConfiguration(
            orchestrators: .allowList([Sample.orchestrator, Sample.target]), arrivals: seed % 2 == 0 ? .anyAdmitted : .localOnly,
            identityTransport: seed % 3 == 0 ? .required : .preferred, hooks: hooks, limits: NetMeshLimits(retiredAge: .seconds(600)))
        let isLive = seed % 4 < 2
        var run = Run(
            random: SplitMix(state: seed), node: Driven(Sample.local, configuration), model: HostModel(isLive ? .live : .absent),
            pieces: try Self.snapshots.flatMap { try Sample.pieces($0) })
        if isLive { run.node.machine.daemonStarted(Sample.origin) }
        for _ in 0..<1_000 {
            if Bool.random(using: &run.random) {
                let message = run.message()
                let sender = run.sender(of: message)
                let refused = run.node.refusal(of: message, from: sender)
                #expect(refused.code == nil || refused.isUnchanged, "\(message.typeByte) from \(sender)")
            } else {
                run.call()
            }
            run.settle()
            guard run.model.faults.isEmpty else { break }
        }
        #expect(run.model.faults == [])
        run.finish()
        #expect(run.model.faults == [])
        #expect(run.node.machine.nextDeadline == nil)
        #expect(run.node.machine.state.assemblies == SnapshotAssemblies())
        #expect(run.node.machine.orchestrations(now: run.node.now).isEmpty && run.node.machine.sources(now: run.node.now).isEmpty)
        #expect(run.node.machine.targets(now: run.node.now).isEmpty)
        #expect(run.model.condition == .live || run.model.condition == .absent)
    }
}
