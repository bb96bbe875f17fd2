internal import Synchronization

/// An event count: a waiter takes a ticket, checks its condition, and waits for a signal later than the ticket.
///
/// A signal between the check and the wait is therefore never lost, and any number of tasks may wait. Every wake-up may be spurious:
/// whoever wakes checks its condition again.
final class Signal: Sendable {
    private struct State {
        var generation: UInt64 = 0
        var first: Waiter?
        var others: [Waiter] = []
    }

    private let state = Mutex(State())

    /// What `wait(after:)` compares with; take it before checking the condition.
    var ticket: UInt64 { state.withLock { $0.generation } }

    /// Wakes every waiter, and whoever waits with an older ticket returns at once.
    func signal() {
        var others: [Waiter] = []
        let first = state.withLock { state in
            state.generation &+= 1
            if !state.others.isEmpty { swap(&others, &state.others) }
            return state.first.take()
        }
        first?.resume()
        for waiter in others { waiter.resume() }
    }

    /// Returns after a later signal; the task's cancellation counts as one, so check `Task.isCancelled` or throw.
    func wait(after ticket: UInt64) async {
        await withTaskCancellationHandler {
            await waitUninterrupted(after: ticket)
        } onCancel: {
            signal()
        }
    }

    /// As `wait(after:)`, throwing once the task is cancelled.
    func waitOrCancel(after ticket: UInt64) async throws(CancellationError) {
        await wait(after: ticket)
        if Task.isCancelled { throw CancellationError() }
    }

    /// Returns after a later signal, whether or not the task is cancelled: for loops that must run until their session ends.
    func waitUninterrupted(after ticket: UInt64) async {
        await Waiter.suspend { waiter in
            let isLate = state.withLock { state in
                guard state.generation == ticket else { return true }
                if state.first == nil { state.first = waiter } else { state.others.append(waiter) }
                return false
            }
            if isLate { waiter.resume() }
        }
    }
}

/// A suspended task. Whoever keeps one takes it out of its list, under a lock, before resuming it: exactly once.
@safe struct Waiter: Sendable {
    private let continuation: UnsafeContinuation<Void, Never>

    /// Suspends the task until the waiter that `body` gets is resumed.
    static func suspend(_ body: (Waiter) -> Void) async {
        await unsafe withUnsafeContinuation { (continuation: UnsafeContinuation<Void, Never>) in
            body(unsafe Waiter(continuation: continuation))
        }
    }

    func resume() { unsafe continuation.resume() }
}

/// Signals to raise once a lock is released; the first one costs no allocation.
struct Wakeups {
    private var first: Signal?
    private var others: [Signal] = []

    mutating func add(_ signal: Signal) {
        if first == nil {
            first = signal
        } else if first !== signal {
            others.append(signal)
        }
    }

    mutating func deliver() {
        guard let first else { return }
        first.signal()
        for other in others { other.signal() }
        self.first = nil
        others.removeAll(keepingCapacity: true)
    }
}
