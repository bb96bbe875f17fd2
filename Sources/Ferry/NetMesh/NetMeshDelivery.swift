public import FerryWire

/// What became of an event that was given to a daemon.
public enum NetMeshDelivery: Hashable, Sendable {
    /// The daemon has processed it; these are its outputs.
    case processed(outputs: [CausalEvent])
    /// The daemon is moving: the event is kept and processed once, where the move ends.
    case captured
    /// The daemon has left: the event follows it.
    case forwarded(to: NodeID)
    /// The daemon has it already, by another way.
    case duplicate
}
