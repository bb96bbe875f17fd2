internal import CoreMetrics
internal import FerryWire
internal import Logging
internal import Synchronization

/// What a daemon delivers, in order, on its way to the node's emitters; the daemon never waits for it.
final class DeliveryQueue: Sendable {
    private struct State {
        var waiting: [DaemonOutputs.Delivery] = []
        var isPumping = false
    }

    private let context: DaemonContext
    private let state = Mutex(State())

    init(context: DaemonContext) { self.context = context }

    /// Whether the daemon may take in another event.
    var hasRoom: Bool { state.withLock { $0.waiting.count < context.maximumPendingDeliveryCount } }

    func append(_ deliveries: [DaemonOutputs.Delivery]) {
        let starts = state.withLock { state in
            state.waiting += deliveries
            defer { state.isPumping = true }
            return !state.isPumping
        }
        // One task for a burst, not for a delivery.
        if starts { Task { await pump() } }
    }

    private func pump() async {
        while true {
            let batch: [DaemonOutputs.Delivery] = state.withLock { state in
                defer { state.waiting.removeAll(keepingCapacity: true) }
                if state.waiting.isEmpty { state.isPumping = false }
                return state.waiting
            }
            if batch.isEmpty { return }
            for delivery in batch {
                do {
                    try await context.deliver(delivery.payload, delivery.destination)
                } catch {
                    context.metrics.failedDeliveries.increment()
                    context.logger.warning(
                        "a delivery failed", metadata: ["destination": "\(delivery.destination)", "error": "\(error)"])
                }
            }
        }
    }
}
