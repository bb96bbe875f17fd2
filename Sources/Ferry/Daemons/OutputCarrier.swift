internal import FerryStateMachines
internal import FerryWire
internal import Synchronization

/// What concerns a daemon's outputs and arrives outside of the daemon's isolation: answers, sessions, timers. One task takes it all in.
final class OutputCarrier: Sendable {
    /// Answers that wait; one more is dropped, since the lane asks again.
    static let maximumAnswerCount = 8_192

    /// What has arrived since the last time.
    struct Arrivals: Sendable {
        var answers: [(answer: LaneMessage, node: NodeKey)] = []
        var changedSessions: [NodeKey] = []
    }

    private struct State {
        var arrivals = Arrivals()
        var isClosed = false
        var armedDeadline = Timestamp.distantFuture
    }

    /// Raised when there is something to take in, or to carry.
    let work = Signal()
    private let state = Mutex(State())
    private let timer = Mutex<LinkTimer?>(nil)

    init() {
        timer.withLock { $0 = LinkTimer { [weak self] in self?.deadlineReached() } }
    }

    /// Whether the daemon has gone.
    var isClosed: Bool { state.withLock { $0.isClosed } }

    func receive(_ answer: LaneMessage, from node: NodeKey) {
        let isTaken = state.withLock { state in
            guard !state.isClosed, state.arrivals.answers.count < Self.maximumAnswerCount else { return false }
            state.arrivals.answers.append((answer, node))
            return true
        }
        if isTaken { work.signal() }
    }

    func sessionChanged(with node: NodeKey) {
        state.withLock { state in
            if !state.isClosed, !state.arrivals.changedSessions.contains(node) { state.arrivals.changedSessions.append(node) }
        }
        work.signal()
    }

    func takeArrivals() -> Arrivals {
        state.withLock { state in
            var arrivals = Arrivals()
            swap(&arrivals, &state.arrivals)
            return arrivals
        }
    }

    /// Wakes the task at `deadline`, unless it wakes earlier anyway.
    func arm(after now: Timestamp, until deadline: Timestamp) {
        let isEarlier = state.withLock { state in
            guard deadline < state.armedDeadline else { return false }
            state.armedDeadline = deadline
            return true
        }
        if isEarlier { timer.withLock { $0?.arm(after: now, until: deadline) } }
    }

    func close() {
        state.withLock { state in
            state.isClosed = true
            state.arrivals = Arrivals()
        }
        timer.withLock { timer in
            timer?.cancel()
            timer = nil
        }
        work.signal()
    }

    private func deadlineReached() {
        state.withLock { $0.armedDeadline = .distantFuture }
        work.signal()
    }
}
