internal import FerryStateMachines
public import FerryWire
internal import Synchronization

/// Takes the messages of subprotocol 0x0500 of one node.
public protocol NetMeshHandler: AnyObject, Sendable {
    /// Takes one message of a peer; returns when it was dispatched. Malformed ones are counted and dropped.
    func receive(_ message: [UInt8], from sender: NodeID) async
}

/// Where a carrier hands messages of subprotocol 0x0500 over; its handler is installed, replaced and removed while the node runs.
///
/// Without a handler a peer that wants to move a daemon hears that this node hosts none: TakeSnapshot and SnapshotReady are answered with
/// MigrationFailed(ComputeNotSupported), everything else is dropped and counted. (net-mesh migration §G.)
public final class NetMeshEndpoint: Sendable {
    private struct State {
        var handler: (any NetMeshHandler)?
        var droppedCount: UInt64 = 0
        var answeredCount: UInt64 = 0
    }

    private let carrier: any NetMeshCarrier
    private let state = Mutex(State())

    /// Makes an endpoint without a handler.
    public init(carrier: any NetMeshCarrier) { self.carrier = carrier }

    /// Installs a handler in place of the one before, if any; messages that are being dispatched stay with theirs.
    public func install(_ handler: any NetMeshHandler) { state.withLock { $0.handler = handler } }

    /// Removes a handler; harmless when another one has been installed meanwhile.
    public func remove(_ handler: any NetMeshHandler) {
        state.withLock { state in
            if state.handler === handler { state.handler = nil }
        }
    }

    /// Whether a handler is installed.
    public var hasHandler: Bool { state.withLock { $0.handler != nil } }

    /// Messages that no handler was there for and that have no answer, malformed ones among them.
    public var droppedMessageCount: UInt64 { state.withLock { $0.droppedCount } }

    /// Messages that were answered with ComputeNotSupported.
    public var answeredMessageCount: UInt64 { state.withLock { $0.answeredCount } }

    /// Hands one message of a peer to the handler; to be called by the carrier, in order for each peer.
    public func receive(_ message: [UInt8], from sender: NodeID) async {
        if let handler = state.withLock({ $0.handler }) {
            await handler.receive(message, from: sender)
        } else {
            await answer(message, to: sender)
        }
    }

    private func answer(_ message: [UInt8], to sender: NodeID) async {
        guard sender != carrier.localNode, let origin = Self.originWithAnswer(message),
            let refusal = try? MigrationMessage.migrationFailed(origin: origin, reason: FailureReason(.computeNotSupported)).encoded()
        else {
            state.withLock { $0.droppedCount += 1 }
            return
        }
        state.withLock { $0.answeredCount += 1 }
        // Nothing waits for the answer here, and whoever asked asks again.
        try? await carrier.send(refusal, to: sender)
    }

    private static func originWithAnswer(_ bytes: [UInt8]) -> OriginHash? {
        guard let message = try? MigrationMessage(decoding: bytes) else { return nil }
        switch message {
        case .takeSnapshot, .snapshotReady: return message.origin
        default: return nil
        }
    }
}
