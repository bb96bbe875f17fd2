public import FerryWire

/// What carries net-mesh messages and subscriptions: sessions with net-mesh nodes, or memory in tests.
///
/// Whatever arrives goes to the node's ``NetMeshEndpoint`` (messages of subprotocol 0x0500) and to
/// ``NetMeshRuntime/receive(_:on:from:)`` (events of channels), one call after the other for each peer.
public protocol NetMeshCarrier: Sendable {
    /// This node's name.
    var localNode: NodeID { get }
    /// Sends one message; it may be lost, and messages may overtake each other. Never called with ``localNode``.
    ///
    /// - Throws: anything when there is no session; the message counts as lost.
    func send(_ message: [UInt8], to node: NodeID) async throws
    /// Joins a channel; returns once the publisher has confirmed, so that every later event of it arrives here.
    func subscribe(to channel: ChannelName, at publisher: UInt64, token: [UInt8]?) async throws
    /// Leaves a channel; returns once the publisher has confirmed and all that it sent before has been handed over.
    func unsubscribe(from channel: ChannelName, at publisher: UInt64) async throws
}
