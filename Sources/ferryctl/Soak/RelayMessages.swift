/// What the coordinator asks of the relay, a gate at a time: a gate stands before one node, and whoever dials the node dials the gate.
enum RelayOrder: Codable, Sendable {
    /// Listen; `opened` answers.
    case open(gate: String, at: String, seed: UInt64)
    /// Where the node behind the gate listens.
    case aim(gate: String, at: String)
    /// How badly it carries from now on.
    case weather(gate: String, Weather)
    /// Close every link through it.
    case cut(gate: String)
    /// Say `counted`.
    case count
}

/// What the relay says.
enum RelayReport: Codable, Sendable {
    case opened(gate: String, at: String)
    case counted(RelayCounts)
}

/// What the relay has done to frames.
struct RelayCounts: Codable, Hashable, Sendable {
    var carried = 0
    var dropped = 0
    var repeated = 0
    var overtaken = 0
    var linksCut = 0

    mutating func add(_ other: RelayCounts) {
        carried += other.carried
        dropped += other.dropped
        repeated += other.repeated
        overtaken += other.overtaken
        linksCut += other.linksCut
    }
}

extension RoleEvent {
    var relayReport: RelayReport? { if case .relay(let report) = self { report } else { nil } }
}
