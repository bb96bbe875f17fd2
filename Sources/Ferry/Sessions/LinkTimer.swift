internal import Dispatch
internal import FerryStateMachines

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

    /// Fires once, at `deadline`; an earlier arming is forgotten.
    func arm(after now: Timestamp, until deadline: Timestamp) {
        // Half a year is longer than every timer, and keeps the sum in range.
        let wait = max(0, min(deadline.nanoseconds, now.nanoseconds + 1 << 53) - now.nanoseconds)
        unsafe source.schedule(deadline: .now() + .nanoseconds(Int(wait)), leeway: .nanoseconds(0))
    }

    /// Never fires again; releases the handler. Idempotent.
    func cancel() { unsafe source.cancel() }
}
