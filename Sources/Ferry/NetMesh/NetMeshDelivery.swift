public import FerryWire

/// What became of an event that was given to a daemon.
public enum NetMeshDelivery: Hashable, Sendable {
    /// The daemon has processed it; these are its outputs.
    case processed(outputs: [CausalEvent])
    /// The daemon is moving: the event is kept and processed once, where the move ends.
    case captured
    /// The daemon is arriving: the event is processed when it goes live, and goes with the copy if the move fails. It is accepted once the
    /// daemon serves here, so give it again, here or where the daemon is, until the answer is another one.
    case held
    /// The daemon has left: the event follows it.
    case forwarded(to: NodeID)
    /// The daemon has it already, by another way.
    case duplicate
}
