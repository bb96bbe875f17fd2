internal import Synchronization

/// Bytes between one sender and one receiver; the sender waits while there are too many.
final class FlightWindow: Sendable {
    private struct State {
        var inFlight = 0
        var isOpen = false
        var waiting: CheckedContinuation<Void, Never>?
    }

    private let limit: Int
    private let state = Mutex(State())

    init(limit: Int) { self.limit = limit }

    /// Whether the sender waits now.
    var isHolding: Bool { state.withLock { $0.waiting != nil } }

    /// Waits until `byteCount` more are within the limit; alone, any number is.
    func enter(_ byteCount: Int) async {
        await withCheckedContinuation { continuation in
            let mayGo = state.withLock { state in
                let mayGo = state.isOpen || state.inFlight + byteCount <= limit || state.inFlight == 0
                state.inFlight += byteCount
                if !mayGo { state.waiting = continuation }
                return mayGo
            }
            if mayGo { continuation.resume() }
        }
    }

    /// Says that bytes have arrived.
    func leave(_ byteCount: Int) {
        let waiting: CheckedContinuation<Void, Never>? = state.withLock { state in
            state.inFlight -= byteCount
            guard state.inFlight <= limit else { return nil }
            return state.waiting.take()
        }
        waiting?.resume()
    }

    /// Nobody waits any more.
    func open() {
        let waiting: CheckedContinuation<Void, Never>? = state.withLock { state in
            state.isOpen = true
            return state.waiting.take()
        }
        waiting?.resume()
    }
}
