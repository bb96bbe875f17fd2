package import FerryStateMachines
package import FerryWire

/// Hears what happens on a node's sessions; per session, one call at a time and in this order.
package protocol SessionDelegate: Sendable {
    /// The peer is authenticated and the session is in the table.
    func sessionEstablished(_ session: SessionDriver) async
    /// The next message, except lane replies to this node's own emitters. The session's next message waits until this returns, and so,
    /// through the receive window, does the peer.
    func receive(_ message: consuming PeerMessage, from session: SessionDriver) async
    /// No further message waits, or a while has passed since the last such call: what may be answered together is to be answered now.
    func batchReceived()
    /// The session is out of the table; every message it had received has been delivered.
    func sessionClosed(_ session: SessionDriver, reason: SessionCloseReason) async
    /// A dial has failed.
    func dialFailed(_ node: NodeKey, error: FerryError) async
}

extension SessionDelegate {
    package func batchReceived() {}

    package func dialFailed(_ node: NodeKey, error: FerryError) async {}
}
