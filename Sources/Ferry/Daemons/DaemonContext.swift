internal import FerryWire
internal import Logging
internal import Metrics

/// What every daemon host of a node shares.
struct DaemonContext: Sendable {
    let observers: [any OutputObserver]
    let logger: Logger
    let metrics: NodeMetrics
    let maximumPendingDeliveryCount: Int
    /// Sends a daemon's delivery; waits for room in the emitter's window.
    let deliver: @Sendable (_ payload: [UInt8], _ destination: OriginHash) async throws -> Void
}
