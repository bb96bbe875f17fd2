package import FerryStateMachines

/// The one clock of a node: monotonic, from an origin at its start.
package struct NodeClock: Sendable {
    private let origin: ContinuousClock.Instant

    /// Starts at zero.
    package init() { origin = ContinuousClock.now }

    /// Time since the start.
    package var now: Timestamp { Timestamp.zero + (ContinuousClock.now - origin) }
}
