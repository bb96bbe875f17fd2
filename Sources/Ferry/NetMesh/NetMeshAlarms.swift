internal import FerryStateMachines
internal import Synchronization

/// What happens at a time unless it is removed before: bounds of user code, timeouts of waits.
final class NetMeshAlarms: Sendable {
    private struct Alarm {
        let id: UInt64
        let deadline: Timestamp
        let ring: @Sendable () -> Void
    }

    private struct State {
        var alarms: [Alarm] = []
        var lastID: UInt64 = 0
    }

    private let state = Mutex(State())
    private let time: NetMeshTime

    init(_ time: NetMeshTime) { self.time = time }

    /// The earliest of all deadlines.
    var nextDeadline: Timestamp? { state.withLock { $0.alarms.map(\.deadline).min() } }

    /// Sets an alarm; whoever does arms the timer.
    func add(after delay: Duration, _ ring: @escaping @Sendable () -> Void) -> UInt64 {
        let deadline = time.now() + max(delay, .zero)
        return state.withLock { state in
            state.lastID += 1
            state.alarms.append(Alarm(id: state.lastID, deadline: deadline, ring: ring))
            return state.lastID
        }
    }

    /// Removes an alarm; harmless when it has rung.
    func remove(_ id: UInt64) {
        let removed = state.withLock { state in
            state.alarms.firstIndex { $0.id == id }.map { state.alarms.remove(at: $0) }
        }
        _ = removed
    }

    /// Rings what is due, in order, under no lock.
    func ring(now: Timestamp) {
        let due = state.withLock { state in
            let due = state.alarms.filter { $0.deadline <= now }
            state.alarms.removeAll { $0.deadline <= now }
            return due
        }
        for alarm in due.sorted(by: { ($0.deadline, $0.id) < ($1.deadline, $1.id) }) { alarm.ring() }
    }
}

/// Counts what is under way, so that whoever drives a node step by step knows when it has come to rest.
final class NetMeshActivity: Sendable {
    private let count = Mutex(0)
    private let changed = Signal()

    func begin() { count.withLock { $0 += 1 } }

    func end() {
        let isIdle = count.withLock { count in
            count -= 1
            return count == 0
        }
        if isIdle { changed.signal() }
    }

    /// Lets those who wait look again.
    func wake() { changed.signal() }

    /// Returns when nothing is under way, or at a ``wake()`` when it is to be left.
    func waitUntilIdle(unless isLeft: () -> Bool = { false }) async {
        while true {
            let ticket = changed.ticket
            if count.withLock({ $0 == 0 }) || isLeft() { return }
            await changed.waitUninterrupted(after: ticket)
        }
    }
}

/// A value that a hook leaves behind before it reports.
final class NetMeshAnswer: Sendable {
    private let stored: Mutex<Bool>

    init(_ value: Bool) { stored = Mutex(value) }

    var value: Bool { stored.withLock { $0 } }

    func set(_ value: Bool) { stored.withLock { $0 = value } }
}

/// One call of a hook, which ends by itself or by its bound, whichever comes first.
final class HookRun: Sendable {
    private let state = Mutex<(isOver: Bool, task: Task<Void, Never>?)>((false, nil))

    func start(_ body: @escaping @Sendable () async -> Void) {
        state.withLock { $0.task = Task { await body() } }
    }

    /// True for the first of the two ends.
    func claim() -> Bool {
        state.withLock { state in
            defer { state.isOver = true }
            return !state.isOver
        }
    }

    func cancel() { state.withLock { $0.task }?.cancel() }
}
