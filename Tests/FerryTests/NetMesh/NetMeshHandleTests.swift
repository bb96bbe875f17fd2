import FerryCrypto
import FerrySodium
import FerryStateMachines
import FerryTestKit
import FerryWire
import Testing

@testable import Ferry

@Suite(.timeLimit(.minutes(2))) struct NetMeshHandleTests {
    private func failure(of handle: NetMeshMoveHandle) async -> FailureReason? {
        do {
            try await handle.wait()
            return nil
        } catch {
            return error.cause as? FailureReason
        }
    }

    @Test("I-14: wait reports success only once the target has acknowledged its activation, and all waiters hear it")
    func waitForAcknowledgement() async throws {
        try await Mesh.run { mesh in
            mesh.network.drop { $0.decoded?.typeByte == 9 }
            let handle = try await mesh.source.runtime.startMigration(mesh.origin, to: mesh.target.id)
            let waiters = (0..<3).map { _ in Task { try await handle.wait() } }
            await mesh.network.drain()
            #expect(await mesh.owners == [mesh.target.id])
            #expect(!handle.hasEnded)
            #expect(handle.phase == .complete)
            mesh.network.drop(nil)
            try await mesh.network.run(handle)
            for waiter in waiters { try await waiter.value }
            #expect(handle.phase == nil)
        }
    }

    @Test("H119: cancel is seen by every waiter, now and later, and tells both participants")
    func cancel() async throws {
        try await Mesh.run { mesh in
            mesh.network.drop { $0.decoded?.typeByte == 2 }
            mesh.trustEverybody()
            let handle = try await mesh.third.runtime.startMigration(mesh.origin, from: mesh.source.id, to: .node(mesh.target.id))
            let waiter = Task { await failure(of: handle) }
            await mesh.network.drain()
            #expect(handle.cancel())
            await mesh.network.settle()
            let told = mesh.network.waiting.filter { $0.decoded?.typeByte == 6 }
            #expect(Set(told.map(\.receiver)) == [mesh.source.id, mesh.target.id])
            for message in told {
                #expect(
                    message.decoded
                        == .migrationFailed(origin: mesh.origin, reason: FailureReason(.stateFailed, "cancel requested")))
            }
            await mesh.network.drain()
            for reason in [await waiter.value, await failure(of: handle)] { #expect(reason?.message == "cancel requested") }
            #expect(!handle.cancel())
            #expect(await mesh.owners == [mesh.source.id])
            #expect(mesh.target.runtime.arrivals.isEmpty)
        }
    }

    @Test("once the activation is ordered a move cannot be cancelled, and completes")
    func lateCancel() async throws {
        try await Mesh.run { mesh in
            mesh.network.drop { $0.decoded?.typeByte == 9 }
            let handle = try await mesh.source.runtime.startMigration(mesh.origin, to: mesh.target.id)
            await mesh.network.drain()
            #expect(!handle.cancel())
            mesh.network.drop(nil)
            try await mesh.network.run(handle)
            try await handle.wait()
        }
    }

    @Test("H115: a wait with a timeout gives the move up and names its phase; a wait without has no bound of its own")
    func timeout() async throws {
        try await Mesh.run { mesh in
            mesh.network.drop { $0.decoded?.typeByte == 2 }
            let handle = try await mesh.source.runtime.startMigration(mesh.origin, to: mesh.target.id)
            let patient = Task { await failure(of: handle) }
            let hasty = Task { () -> FailureReason? in
                do throws(FerryError) {
                    try await handle.wait(timeout: .seconds(3))
                    return nil
                } catch {
                    return error.cause as? FailureReason
                }
            }
            await mesh.network.drain()
            await until { mesh.source.runtime.core.alarms.nextDeadline != nil }
            await mesh.network.advance(by: .milliseconds(2_999))
            #expect(!handle.hasEnded)
            await mesh.network.advance(by: .milliseconds(1))
            await mesh.network.drain()
            #expect(await hasty.value == FailureReason(.stateFailed, "migration timed out in phase transfer"))
            #expect(await patient.value == FailureReason(.stateFailed, "migration timed out in phase transfer"))
            #expect(await mesh.owners == [mesh.source.id])
        }
    }

    @Test("a wait whose timeout comes after the activation was ordered says so, and the move completes")
    func lateTimeout() async throws {
        try await Mesh.run { mesh in
            mesh.network.drop { $0.decoded?.typeByte == 9 }
            let handle = try await mesh.source.runtime.startMigration(mesh.origin, to: mesh.target.id)
            await mesh.network.drain()
            let hasty = Task { () -> FerryError.Code? in
                do throws(FerryError) {
                    try await handle.wait(timeout: .seconds(1))
                    return nil
                } catch {
                    return error.code
                }
            }
            await until { mesh.source.runtime.core.alarms.nextDeadline != nil }
            await mesh.network.advance(by: .seconds(1))
            #expect(await hasty.value == .timedOut)
            mesh.network.drop(nil)
            try await mesh.network.run(handle)
            try await handle.wait()
        }
    }

    @Test("a target that never acknowledges leaves the move in doubt and the source fenced, until an operator settles it")
    func doubt() async throws {
        try await Mesh.run { mesh in
            mesh.network.drop { $0.decoded?.typeByte == 8 }
            let handle = try await mesh.source.runtime.startMigration(mesh.origin, to: mesh.target.id)
            try await mesh.network.run(handle)
            let error = await #expect(throws: FerryError.self) { try await handle.wait() }
            #expect(error?.code == .inDoubt)
            #expect(await mesh.owners.isEmpty)
            #expect(mesh.source.runtime.movesInFlight.first?.doubt != nil)
            try await mesh.source.runtime.deliver(event(from: 9, 1), to: mesh.origin)
            #expect(mesh.source.runtime.settle(mesh.origin, asCompleted: false))
            mesh.network.drop(nil)
            await mesh.network.drain()
            #expect(await mesh.owners == [mesh.source.id])
            #expect(try await mesh.source.runtime.notes(mesh.origin).map(\.sequence) == [1])
        }
    }

    // MARK: NotReady

    @Test("a target that is starting answers NotReady and is asked again after 0.5 s, 1 s, 2 s, …; the retry completes")
    func retries() async throws {
        try await Mesh.run { mesh in
            let late = try MeshNode(in: mesh.network)
            try late.runtime.register(NotebookDaemon.self)
            try late.runtime.expectMigration(kind: "notebook", origin: mesh.origin)
            let handle = try await mesh.source.runtime.startMigration(mesh.origin, to: late.id)
            await mesh.network.drain()
            var asked: [Int] = []
            for tick in 1...20 {
                await mesh.network.advance(by: .milliseconds(250))
                if !mesh.network.waiting.isEmpty { asked.append(tick * 250) }
                await mesh.network.drain()
            }
            #expect(asked == [500, 1_500, 3_500])
            #expect(await mesh.owners == [mesh.source.id])
            try late.runtime.start()
            try await mesh.network.run(handle)
            try await handle.wait()
            #expect(await late.runtime.daemons.map(\.origin) == [mesh.origin])
        }
    }

    @Test("operators see a move between two attempts too: its time goes on from the order, and each NotReady counts as a retry")
    func viewBetweenAttempts() async throws {
        try await Mesh.run { mesh in
            let late = try MeshNode(in: mesh.network)
            let handle = try await mesh.source.runtime.startMigration(mesh.origin, to: late.id)
            await mesh.network.drain()
            await mesh.network.advance(by: .milliseconds(250))
            #expect(handle.phase == nil)
            let paused = try #require(mesh.source.runtime.movesInFlight.first)
            #expect(paused.origin == mesh.origin && paused.target == late.id && paused.source == mesh.source.id)
            #expect(paused.elapsed == .milliseconds(250))
            #expect(paused.retryCount == 1)
            await mesh.network.advance(by: .milliseconds(250))
            let second = try #require(mesh.source.runtime.movesInFlight.first)
            #expect(handle.phase != nil)
            #expect(second.elapsed == .milliseconds(500))
            #expect(second.retryCount == 1)
        }
    }

    @Test("past the budget of a retry the move fails with NotReadyTimeout and the number of attempts; never an attempt after it")
    func retryBudget() async throws {
        try await Mesh.run { mesh in
            let late = try MeshNode(in: mesh.network)
            let options = NetMeshMoveOptions(retryNotReady: .seconds(3))
            let handle = try await mesh.source.runtime.startMigration(mesh.origin, to: late.id, options: options)
            try await mesh.network.run(handle)
            let reason = await failure(of: handle)
            #expect(reason?.code == .notReadyTimeout)
            // At 0, 0.5, 1.5 and 3 seconds.
            #expect(reason?.attempts == 4)
            #expect(mesh.network.clock.now.offset <= .seconds(3.5))
            #expect(await mesh.owners == [mesh.source.id])
        }
    }

    @Test("without a retry NotReady is the move's end; another reason than NotReady is never retried")
    func noRetry() async throws {
        try await Mesh.run(expects: false) { mesh in
            let late = try MeshNode(in: mesh.network)
            let once = try await mesh.source.runtime.startMigration(
                mesh.origin, to: late.id, options: NetMeshMoveOptions(retryNotReady: nil))
            try await mesh.network.run(once)
            #expect(await failure(of: once)?.code == .notReady)
            let other = try await mesh.source.runtime.startMigration(mesh.origin, to: mesh.target.id)
            try await mesh.network.run(other)
            #expect(await failure(of: other)?.code == .factoryNotFound)
        }
    }

    @Test("a move is cancelled while it waits for its next attempt")
    func cancelBetweenAttempts() async throws {
        try await Mesh.run { mesh in
            let late = try MeshNode(in: mesh.network)
            let handle = try await mesh.source.runtime.startMigration(mesh.origin, to: late.id)
            await mesh.network.drain()
            #expect(handle.phase == nil)
            #expect(handle.cancel())
            #expect(await failure(of: handle)?.message == "cancel requested")
            await mesh.network.advance(by: .seconds(60))
            #expect(mesh.network.waiting.isEmpty)
            #expect(try await mesh.source.runtime.deliver(event(from: 9, 1), to: mesh.origin) != .captured)
        }
    }

    @Test("H117: a failure of one attempt never shows in the next one, and a failed retry leaves no record (H120)")
    func freshAttempt() async throws {
        try await Mesh.run(expects: false) { mesh in
            let first = try await mesh.source.runtime.startMigration(mesh.origin, to: mesh.target.id)
            try await mesh.network.run(first)
            #expect(await failure(of: first)?.code == .factoryNotFound)
            #expect(mesh.source.runtime.movesInFlight.isEmpty)
            #expect(mesh.source.runtime.departures.isEmpty)
            try mesh.target.runtime.expectMigration(kind: "notebook", origin: mesh.origin)
            let second = try await mesh.source.runtime.startMigration(mesh.origin, to: mesh.target.id)
            try await mesh.network.run(second)
            #expect(await failure(of: second) == nil)
            #expect(await failure(of: first)?.code == .factoryNotFound)
        }
    }

    @Test("two orders for one daemon: the second is refused and the first goes on")
    func duplicateOrder() async throws {
        try await Mesh.run { mesh in
            let handle = try await mesh.source.runtime.startMigration(mesh.origin, to: mesh.target.id)
            let error = await #expect(throws: FerryError.self) {
                _ = try await mesh.source.runtime.startMigration(mesh.origin, to: mesh.third.id)
            }
            #expect(error?.code == .daemonMoving)
            try await mesh.network.run(handle)
            try await handle.wait()
        }
    }

    @Test("operators see phase, times, bytes, buffered events and progress of the moves in flight")
    func views() async throws {
        try await Mesh.run { mesh in
            mesh.network.drop { $0.decoded?.typeByte == 2 }
            let handle = try await mesh.source.runtime.startMigration(mesh.origin, to: mesh.target.id)
            await mesh.network.drain()
            try await mesh.source.runtime.deliver(event(from: 9, 1), to: mesh.origin)
            await mesh.network.advance(by: .seconds(2))
            let view = try #require(mesh.source.runtime.movesInFlight.first)
            #expect(view.origin == mesh.origin)
            #expect(view.phase == .transfer && handle.phase == .transfer)
            #expect(view.progressPercent == 30)
            #expect(view.elapsed == .seconds(2))
            #expect(view.bufferedEventCount == 1)
            #expect((view.snapshotByteCount ?? 0) > 20_000)
            #expect(mesh.source.runtime.departures.first?.orchestrator == mesh.source.id)
            #expect(mesh.target.runtime.arrivals.first?.origin == mesh.origin)
            #expect(mesh.target.runtime.movesInFlight.isEmpty)
        }
    }

    @Test("H23: automatic placement asks for the daemon's own requirements too, and says when no node has them")
    func placement() async throws {
        try await Mesh.run { mesh in
            let error = await #expect(throws: FerryError.self) {
                _ = try await mesh.source.runtime.startMigration(
                    mesh.origin, from: mesh.source.id, to: .automatic(requirements: ["gpu"]))
            }
            #expect(error?.code == .noTargetAvailable)
            mesh.source.runtime.advertise(mesh.third.id, capabilities: ["subprotocol:0x0500"])
            mesh.source.runtime.advertise(mesh.target.id, capabilities: ["subprotocol:0x0500", "gpu"])
            let handle = try await mesh.source.runtime.startMigration(
                mesh.origin, from: mesh.source.id, to: .automatic(requirements: ["gpu"]))
            try await mesh.network.run(handle)
            try await handle.wait()
            #expect(await mesh.owners == [mesh.target.id])
        }
    }
}

/// Yields until `condition` holds.
func until(_ condition: @Sendable () -> Bool) async {
    while !condition() { await Task.yield() }
}
