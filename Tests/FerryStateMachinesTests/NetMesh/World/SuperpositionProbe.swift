import FerryWire

@testable import FerryStateMachines

/// What a move's superposition says, without the move around it.
enum SuperpositionProbe {
    static func proof(source: CausalLink, target: CausalLink) -> ContinuityProof? {
        var superposition = Superposition()
        superposition.sourceAdvanced(source)
        superposition.targetReplayed(target)
        return superposition.continuityProof
    }

    static var earlyCatchUp: SuperpositionPhase {
        var superposition = Superposition()
        let head = CausalLink(origin: OriginHash(rawValue: 1), horizon: 0, sequence: 5, parent: 1)
        superposition.advance(.transfer)
        superposition.sourceAdvanced(head)
        superposition.targetReplayed(head)
        return superposition.phase
    }
}

extension NetMeshDispatcher {
    /// What is left when nothing goes on: everything but the number of the next attempt.
    var restingState: NetMeshState {
        var state = state
        state.nextAttempt = 0
        return state
    }
}
