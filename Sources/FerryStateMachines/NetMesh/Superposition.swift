public import FerryWire

/// Where a daemon that moves is, as an observer sees it. (net-mesh migration §F.2.)
public enum SuperpositionPhase: UInt8, Hashable, Comparable, Sendable, CaseIterable, CustomStringConvertible {
    /// At the source only.
    case localized
    /// Its state is on the way.
    case spreading
    /// At both nodes, one of them behind.
    case superposed
    /// At both nodes, with equal heads.
    case readyToCollapse
    /// The source has stopped for good.
    case collapsed
    /// At the target only.
    case resolved

    /// Orders by progress.
    public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }

    /// Lower-case name.
    public var description: String {
        switch self {
        case .localized: "localized"
        case .spreading: "spreading"
        case .superposed: "superposed"
        case .readyToCollapse: "readyToCollapse"
        case .collapsed: "collapsed"
        case .resolved: "resolved"
        }
    }

    /// What a phase of the move means for the daemon's place.
    public init(_ phase: MigrationPhase) {
        self =
            switch phase {
            case .snapshot: .localized
            case .transfer, .restore: .spreading
            case .replay: .superposed
            case .cutover: .collapsed
            case .complete: .resolved
            }
    }
}

/// The heads of both copies of a daemon that moves.
///
/// The phase only goes forward: a repeated message never moves it back.
struct Superposition: Hashable, Sendable {
    private(set) var phase = SuperpositionPhase.localized
    private(set) var sourceHead: CausalLink?
    private(set) var targetHead: CausalLink?

    /// Follows the move.
    mutating func advance(_ migrationPhase: MigrationPhase) {
        phase = max(phase, SuperpositionPhase(migrationPhase))
    }

    /// The source's chain has this head; an older one is ignored.
    mutating func sourceAdvanced(_ head: CausalLink) {
        if let sourceHead, head.sequence < sourceHead.sequence { return }
        sourceHead = head
    }

    /// The target has replayed through this head: with as much as the source has, both may become one, even while the state still spreads.
    mutating func targetReplayed(_ head: CausalLink) {
        if let targetHead, head.sequence < targetHead.sequence { return }
        targetHead = head
        guard let sourceHead, head.sequence >= sourceHead.sequence, phase == .spreading || phase == .superposed else { return }
        phase = .readyToCollapse
    }

    /// Outputs that the target lacks; never negative.
    var replayGap: UInt64 {
        guard let sourceHead else { return 0 }
        let replayed = targetHead?.sequence ?? 0
        return sourceHead.sequence > replayed ? sourceHead.sequence - replayed : 0
    }

    /// That one head continues the other. A link's parent is the forward hash of the output before it, so the proof spans the outputs
    /// before both heads; heads at 0 and 1 both stand for sequence 0.
    var continuityProof: ContinuityProof? {
        guard let sourceHead, let targetHead else { return nil }
        return ContinuityProof(between: sourceHead, and: targetHead)
    }
}
