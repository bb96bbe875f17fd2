internal import Dispatch
package import FerryStateMachines

/// The one clock of a node: monotonic, from an origin at its start.
package struct NodeClock: Sendable {
    /// `DispatchTime` reads the same clock as `SuspendingClock`, without the 128-bit arithmetic of `Duration`: every batch asks.
    private let originNanoseconds = DispatchTime.now().uptimeNanoseconds

    /// Starts at zero.
    package init() {}

    /// Time since the start.
    package var now: Timestamp {
        Timestamp(nanoseconds: Int64(clamping: DispatchTime.now().uptimeNanoseconds &- originNanoseconds))
    }
}
