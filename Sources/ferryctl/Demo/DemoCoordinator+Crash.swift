internal import FerryWire
internal import Synchronization

// Runs in which a process that holds the daemon dies.
extension DemoCoordinator {
    /// How long a target gets to hear what its source had sent before it died.
    private static let settlingTime = Duration.seconds(2)

    /// How the move ended, as its orchestrator knows, or the source where that one has died; a third node that asks a dead source is not
    /// waited for.
    func ending(of orchestrator: RoleClient, owner: RoleClient, daemon: SpawnedDaemon) async -> MoveSummary {
        let first = FirstOf<MoveSummary>()
        let asking = Task {
            do throws(CommandFailure) {
                first.set(try await orchestrator.expect("the move ended") { $0.moved })
            } catch {
                first.set(MoveSummary(result: "failed", message: error.message))
            }
        }
        guard options.kill?.role == .source, orchestrator !== owner else {
            await asking.value
            let summary = await first.value
            guard orchestrator !== owner, orchestrator.hasEnded else { return summary }
            owner.send(.outcome(origin: daemon.origin))
            return (try? await owner.expect("how the move ended") { $0.moved }) ?? summary
        }
        Task {
            await owner.ended()
            try? await Task.sleep(for: Self.settlingTime)
            first.set(MoveSummary(result: "failed", message: "\(owner.name) ended before the move ended"))
        }
        return await first.value
    }

    /// What was offered, once all of it is accepted; nil when the daemon's node ends before, since nobody will accept anything then.
    func everythingAccepted(_ cast: DemoCast, by owner: RoleClient) async throws(CommandFailure) -> (offered: UInt64, accepted: UInt64)? {
        let first = FirstOf<Result<(UInt64, UInt64), CommandFailure>?>()
        Task {
            do throws(CommandFailure) {
                first.set(.success(try await cast.emitter.expect("every event was accepted") { $0.emitted }))
            } catch {
                first.set(.failure(error))
            }
        }
        Task {
            await owner.ended()
            first.set(nil)
        }
        return try await first.value?.get()
    }

    /// The process that held the daemon is gone. What only it had accepted is lost with it; a target that did not take over in time must
    /// not have become the daemon.
    func closeAfterCrash(_ report: DemoReport, _ daemon: SpawnedDaemon, _ kill: DemoKill, _ cast: DemoCast) async throws -> DemoReport {
        var report = report
        cast.emitter.send(.drain)
        (report.offered, report.accepted) = cast.emitter.lastOffering
        let survivor = kill.role == .source ? cast.b : cast.a
        var standing = try await self.standing(daemon, at: survivor)
        let deadline = ContinuousClock.now + Self.settlingTime
        while kill == DemoKill(role: .source, moment: .complete), standing != "active", ContinuousClock.now < deadline {
            try await Task.sleep(for: .milliseconds(50))
            standing = try await self.standing(daemon, at: survivor)
        }
        guard standing == "active" else {
            report.lostByCrash = Int(report.accepted)
            let isInDoubt = kill == DemoKill(role: .source, moment: .complete)
            let died = "the \(kill.role.rawValue) was killed at \(kill.moment.rawValue)"
            report.conclude(isInDoubt ? "inDoubt" : "failed", "\(died), and the daemon with it; it is \(standing) at \(survivor.name)")
            return report
        }
        guard kill == DemoKill(role: .source, moment: .complete) else {
            throw CommandFailure(
                code: "twoOwners", message: "the \(kill.role.rawValue) died with the daemon, and \(survivor.name) is active")
        }
        report.lostByCrash = 0
        report.conclude("completed", nil)
        report.stateMatchesTwin = try await matchesTwin(daemon, at: survivor)
        (report.offered, report.accepted) = cast.emitter.lastOffering
        return report
    }

    /// Compares the state with a twin fed with as many lines as were processed, once no more come: the emitter may have found the new owner.
    private func matchesTwin(_ daemon: SpawnedDaemon, at owner: RoleClient) async throws -> Bool {
        while true {
            let before = try processedCount()
            owner.send(.digest(origin: daemon.origin))
            let digest: String = try await owner.expect("its digest") { $0.digest }
            try await Task.sleep(for: .milliseconds(250))
            if try processedCount() == before { return try await digest == twinDigest(UInt64(before)) }
        }
    }

    private func processedCount() throws -> Int {
        try ["a", "b"].map { try ProcessedLog.read(folder.path("\($0).processed")).count }.reduce(0, +)
    }

    private func standing(_ daemon: SpawnedDaemon, at client: RoleClient) async throws -> String {
        client.send(.standing(origin: daemon.origin))
        return try await client.expect("its standing") { $0.standing }
    }
}

/// The first of several answers to one question.
private final class FirstOf<Answer: Sendable>: Sendable {
    private let settled = Signal()
    private let answers = Mutex<[Answer]>([])

    /// Waits for it.
    var value: Answer {
        get async {
            await settled.wait()
            return answers.withLock { $0[0] }
        }
    }

    func set(_ answer: Answer) {
        answers.withLock { $0.append(answer) }
        settled.set()
    }
}
