public import FerryWire

/// Whom a node obeys.
public struct MigrationPolicy: Sendable {
    /// A set of nodes.
    public enum Admission: Hashable, Sendable {
        /// Every peer with a session.
        case anyone
        /// These keys only.
        case only(Set<NodeKey>)

        func admits(_ node: NodeKey) -> Bool {
            switch self {
            case .anyone: true
            case .only(let keys): keys.contains(node)
            }
        }
    }

    /// Who may order daemons away from here, and have this node set memory aside for a daemon of a third node, besides this node itself.
    public var orchestrators: Admission
    /// The keys whose signature makes an order as good as a local one, wherever it comes from. A daemon's own key is always one of them
    /// where the daemon lives.
    public var operators: Set<EntityID>
    /// Who may hand daemons to this node.
    public var sources: Admission
    /// The largest state, as predicted, that this node reserves memory for.
    public var stateByteCount: UInt64

    /// Sets the policy; by default only local orders are obeyed, and daemons are taken from every peer with a session that orders the move
    /// itself.
    public init(
        orchestrators: Admission = .only([]), operators: Set<EntityID> = [], sources: Admission = .anyone, stateByteCount: UInt64 = 1 << 47
    ) {
        self.orchestrators = orchestrators
        self.operators = operators
        self.sources = sources
        self.stateByteCount = stateByteCount
    }
}

/// Messages that were not obeyed, by cause.
public struct MigrationCounters: Hashable, Sendable {
    /// The sender takes no part in the move.
    public var strangers: UInt64 = 0
    /// The sender may not say that.
    public var wrongRole: UInt64 = 0
    /// Not now.
    public var wrongPhase: UInt64 = 0
    /// Another epoch than the attempt's.
    public var wrongEpoch: UInt64 = 0
    /// A boot that is not the one that takes part, or a plan for another boot of this node.
    public var wrongBoot: UInt64 = 0
    /// A signature, hash or fact does not hold.
    public var unproven: UInt64 = 0
    /// About a move that this node knows nothing of.
    public var unknownMoves: UInt64 = 0
    /// Orders that nobody with the right to do so has given.
    public var unauthorized: UInt64 = 0
    /// Orders that were used before.
    public var reused: UInt64 = 0
    /// Turned away by a term of the order, the rest of the policy or a cap.
    public var declined: UInt64 = 0
}
