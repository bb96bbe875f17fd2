import FerryTestKit

/// The transitions of `docs/model/hand-over.pml`, with ORCHESTRATOR: who may enter which state, from which, on what.
///
/// Not those of WITHDRAWALS, from `T_took` to `T_refused`: they need an operator, and the worlds whose traces are replayed have none.
enum ModelRules {
    /// What must be on the wire, or true, for a transition.
    enum Need: Hashable {
        case sent(ModelMessage)
        case forgotten(ModelState)
        case nothing
    }

    struct Rule: Hashable {
        /// Nil: the attempt is new to this side.
        var from: ModelState?
        var to: ModelState
        /// One of these.
        var needs: Set<Need> = [.nothing]
        /// How the node stands towards the daemon then; nil where the step does not say.
        var standing: ModelStanding?
    }

    static let rules: [Rule] = [
        // SourceMachine
        Rule(from: nil, to: .streaming),
        Rule(from: nil, to: .declined),
        Rule(from: .streaming, to: .released, needs: [.sent(.restoreComplete)], standing: .fenced),
        Rule(from: .streaming, to: .abandoned),
        Rule(from: .released, to: .abandoned),
        Rule(from: .released, to: .committed, needs: [.sent(.prepared)], standing: .inDoubt),
        Rule(from: .committed, to: .done, needs: [.sent(.activateAck)], standing: .moved),
        Rule(from: .committed, to: .abandoned, needs: [.sent(.refused), .forgotten(.targetForgotten)]),
        // TargetMachine
        Rule(from: nil, to: .reserved),
        Rule(from: nil, to: .refused),
        Rule(from: .reserved, to: .restoring, needs: [.sent(.snapshotReady)]),
        Rule(from: .reserved, to: .refused),
        Rule(from: .restoring, to: .prepared, needs: [.sent(.release)]),
        Rule(from: .restoring, to: .refused),
        Rule(from: .prepared, to: .took, needs: [.sent(.cutoverNotify)]),
        Rule(from: .prepared, to: .refused),
        Rule(from: .took, to: .active, needs: [.sent(.activateTarget), .forgotten(.sourceForgotten)], standing: .active),
    ]

    /// In which states each message is said.
    static let senders: [ModelMessage: Set<ModelState>] = [
        .snapshotReady: [.streaming], .restoreComplete: [.restoring], .release: [.released], .prepared: [.prepared],
        .cutoverNotify: [.committed], .activateAck: [.took, .active], .activateTarget: [.done], .abort: [.abandoned], .refused: [.refused],
    ]
}

/// Replays one attempt against the rules.
struct ModelReplay {
    private(set) var source: ModelState?
    private(set) var target: ModelState?
    private var wire: Set<ModelMessage> = []
    /// Rules that were used.
    private(set) var used: Set<ModelRules.Rule> = []

    /// - Returns: what the model does not allow; nil when it allows everything.
    mutating func replay(_ steps: [ModelStep]) -> String? {
        for step in steps {
            switch step.event {
            case .sends(let message):
                let states = [source, target].compactMap { $0 }
                let isAllowed = !(ModelRules.senders[message] ?? []).isDisjoint(with: states)
                guard isAllowed else { return "\(message.rawValue) is said in \(states)" }
                wire.insert(message)
            case .enters(let state):
                if let text = enter(state, step.standing) { return text }
            }
        }
        return nil
    }

    private mutating func enter(_ state: ModelState, _ standing: ModelStanding?) -> String? {
        if state == .sourceForgotten || state == .targetForgotten {
            // What arrives from a dead node's last session might as well have arrived just before it died: what was said stays said.
            if state == .sourceForgotten { source = state } else { target = state }
            return nil
        }
        let isSource = state.rawValue.hasPrefix("S_")
        let from = isSource ? source : target
        guard let rule = ModelRules.rules.first(where: { $0.from == from && $0.to == state }) else {
            return "\(state.rawValue) follows \(from?.rawValue ?? "nothing")"
        }
        guard rule.needs.contains(where: holds) else { return "\(state.rawValue) is entered without any of \(rule.needs)" }
        if let expected = rule.standing, expected != standing {
            return "\(state.rawValue) with a node that stands \(standing?.rawValue ?? "nowhere")"
        }
        if isSource { source = state } else { target = state }
        used.insert(rule)
        return nil
    }

    private func holds(_ need: ModelRules.Need) -> Bool {
        switch need {
        case .nothing: true
        case .sent(let message): wire.contains(message)
        case .forgotten(let state): source == state || target == state
        }
    }
}
