internal import FerryStateMachines
internal import Synchronization

/// A clock and its readings as time stamps, so that a test replaces time as a whole.
struct NetMeshTime: Sendable {
    let now: @Sendable () -> Timestamp
    /// Returns at the time stamp, or throws on cancellation.
    let sleep: @Sendable (Timestamp) async throws -> Void

    /// Starts at zero.
    init<C: Clock>(_ clock: C) where C.Duration == Duration {
        let origin = clock.now
        now = { Timestamp.zero + origin.duration(to: clock.now) }
        sleep = { deadline in try await clock.sleep(until: origin.advanced(by: deadline - .zero), tolerance: nil) }
    }
}

/// One timer that is armed for the earliest of all deadlines; firing early is harmless.
final class NetMeshTimer: Sendable {
    private let time: NetMeshTime
    private let state = Mutex<(deadline: Timestamp, task: Task<Void, Never>?)>((.distantFuture, nil))

    private let activity: NetMeshActivity

    init(_ time: NetMeshTime, _ activity: NetMeshActivity) {
        self.time = time
        self.activity = activity
    }

    /// What the timer is armed for; `.distantFuture` when it is not.
    var deadline: Timestamp { state.withLock { $0.deadline } }

    /// Arms the timer unless it fires earlier anyway.
    func arm(_ deadline: Timestamp?, _ fire: @escaping @Sendable () async -> Void) {
        guard let deadline else { return }
        let time = time
        state.withLock { state in
            guard deadline < state.deadline else { return }
            state.task?.cancel()
            state.deadline = deadline
            state.task = Task {
                do { try await time.sleep(deadline) } catch { return }
                self.activity.begin()
                self.disarm(deadline)
                await fire()
                self.activity.end()
            }
        }
    }

    /// Cancels the timer.
    func stop() {
        let task = state.withLock { state in
            defer { state = (.distantFuture, nil) }
            return state.task
        }
        task?.cancel()
    }

    private func disarm(_ deadline: Timestamp) {
        state.withLock { state in
            if state.deadline == deadline { state = (.distantFuture, nil) }
        }
    }
}
