internal import Dispatch

/// One timer that is rearmed any number of times without creating a task: the handler runs on a thread of the system's pool.
final class LinkTimer: Sendable {
    /// Dispatch serializes every call on a source; its protocol does not say so.
    private nonisolated(unsafe) let source: any DispatchSourceTimer

    /// Makes a timer that fires only once it is armed.
    ///
    /// - Parameter handler: must be short, and harmless when it comes early, late or twice.
    init(handler: @escaping @Sendable () -> Void) {
        unsafe source = DispatchSource.makeTimerSource(queue: .global(qos: .userInitiated))
        unsafe source.setEventHandler(handler: handler)
        unsafe source.schedule(deadline: .distantFuture)
        unsafe source.activate()
    }

    /// Fires once, `nanoseconds` from now; an earlier arming is forgotten.
    func arm(afterNanoseconds nanoseconds: Int64) {
        let wait = max(0, min(nanoseconds, 1 << 53))
        unsafe source.schedule(deadline: .now() + .nanoseconds(Int(wait)), leeway: .nanoseconds(0))
    }

    /// Never fires again; releases the handler. Idempotent.
    func cancel() { unsafe source.cancel() }
}
