internal import Dispatch
internal import FerryStateMachines

/// Lets whoever waits for a core have it, now and then, before work goes on that nobody waits for: loops over a state while its daemon serves.
///
/// A thread that never waits keeps its core until the system's next tick, which is milliseconds away, and an event passes several threads
/// on its way.
struct CorePace {
    /// Whether what runs here is in nobody's way as long as it offers its core: a state that streams, or is digested, ahead of a hand-over.
    @TaskLocal static var isBackground = false

    private static let turnNanoseconds: UInt64 = 250_000
    private var offeredAt: UInt64

    /// Begins a turn, the first one longer by `grace`.
    init(grace: Duration = .zero) {
        offeredAt = DispatchTime.now().uptimeNanoseconds + UInt64(max(0, grace.wholeNanoseconds))
    }

    /// A pace for work in the background, nil anywhere else.
    static var ifInBackground: CorePace? { isBackground ? CorePace() : nil }

    /// Offers the core when a turn is over; comes back at once when nobody waits.
    mutating func offerCore() {
        guard DispatchTime.now().uptimeNanoseconds > offeredAt + Self.turnNanoseconds else { return }
        Core.yield()
        offeredAt = DispatchTime.now().uptimeNanoseconds
    }
}
