import FerryStateMachines
import FerryWire

/// What a host may be asked, in which order: any action that does not fit the daemon's present condition is reported.
struct HostModel {
    enum Condition: Equatable {
        case absent
        case live
        case fenced
        case retired
    }

    var condition: Condition
    /// A copy that arrives, or its key.
    var hasCopy = false
    var isActivating = false
    private(set) var faults: [String] = []

    init(_ condition: Condition) { self.condition = condition }

    mutating func run(_ action: NetMeshAction) {
        switch action {
        case .takeSnapshot: step(.takeSnapshot, from: [.live], to: .fenced)
        case .seal, .preCleanup: require(condition == .fenced, action)
        case .retire: step(.retire, from: [.fenced], to: .retired)
        case .release: step(.release, from: [.retired], to: .absent)
        case .resume: step(.resume, from: [.fenced, .retired], to: .live)
        case .askReadiness: require(condition != .live && condition != .fenced && !hasCopy, action)
        case .unseal:
            require(!hasCopy, action)
            hasCopy = true
        case .restore:
            require(condition == .absent, action)
            hasCopy = true
        case .postRestore, .replay: require(hasCopy && !isActivating, action)
        case .activate:
            require(hasCopy && !isActivating && condition == .absent, action)
            isActivating = true
        case .discard:
            require(hasCopy, action)
            hasCopy = false
            isActivating = false
        case .deliver: require(condition == .live, action)
        case .send(_, let node): require(node != Sample.local, action)
        case .failureHook, .ended, .keyNotSealed: break
        }
    }

    /// The host has made the copy live.
    mutating func activated() {
        condition = .live
        hasCopy = false
        isActivating = false
    }

    private enum Step: String {
        case takeSnapshot
        case retire
        case release
        case resume
    }

    private mutating func step(_ step: Step, from legal: [Condition], to next: Condition) {
        if !legal.contains(condition) { faults.append("\(step.rawValue) while \(condition)") }
        condition = next
    }

    private mutating func require(_ isLegal: Bool, _ action: NetMeshAction) {
        if !isLegal { faults.append("\(action) while \(condition), copy \(hasCopy)") }
    }
}
