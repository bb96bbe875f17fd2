internal import FerryWire

/// What each node says that it can do. Keeps nothing of any move.
struct NetMeshPlacement: Hashable, Sendable {
    /// What every node that takes daemons advertises.
    static let subprotocol = "subprotocol:0x0500"

    private var nodes: [NodeID: Set<String>] = [:]

    /// Replaces what a node advertises; a new node beyond `limit` is not remembered.
    mutating func advertise(_ node: NodeID, _ capabilities: Set<String>, limit: Int) {
        guard nodes[node] != nil || nodes.count < limit else { return }
        nodes[node] = capabilities
    }

    /// Forgets a node.
    mutating func withdraw(_ node: NodeID) { nodes[node] = nil }

    /// The node with the lowest id that has all of `requirements` and speaks the subprotocol; never `source`.
    func target(requirements: Set<String>, source: NodeID) -> NodeID? {
        nodes.lazy
            .filter { $0.key != source && $0.value.contains(Self.subprotocol) && requirements.isSubset(of: $0.value) }
            .map(\.key).min()
    }
}
