/// A state of source or target, as `docs/model/hand-over.pml` names it.
package enum ModelState: String, CaseIterable, Sendable {
    case streaming = "S_streaming"
    case released = "S_released"
    case committed = "S_committed"
    case done = "S_done"
    case abandoned = "S_abandoned"
    case declined = "S_declined"
    case sourceForgotten = "S_forgotten"
    case reserved = "T_reserved"
    case restoring = "T_restoring"
    case prepared = "T_prepared"
    case took = "T_took"
    case active = "T_active"
    case refused = "T_refused"
    case targetForgotten = "T_forgotten"
}

/// A message between source and target, as the model names it.
package enum ModelMessage: String, CaseIterable, Sendable {
    case snapshotReady = "SnapshotReady"
    case restoreComplete = "RestoreComplete"
    case release = "Release"
    case prepared = "Prepared"
    case cutoverNotify = "CutoverNotify"
    case activateAck = "ActivateAck"
    case activateTarget = "ActivateTarget"
    case abort = "Abort"
    case refused = "Refused"
}

/// Where a node's `OwnershipMachine` stands towards the daemon, as the model names it.
package enum ModelStanding: String, CaseIterable, Sendable {
    case active = "N_active"
    case fenced = "N_fenced"
    case inDoubt = "N_inDoubt"
    case moved = "N_moved"
}

/// One step of a hand-over in the model's terms.
package struct ModelStep: Hashable, Sendable {
    /// What happened.
    package enum Event: Hashable, Sendable {
        /// Source or target enters a state.
        case enters(ModelState)
        /// One of them sends a message, for the first time or again.
        case sends(ModelMessage)
    }

    /// What happened.
    package var event: Event
    /// How the node that it happened on stands towards the daemon then; nil without an ownership machine, or with a copy that waits.
    package var standing: ModelStanding?
}
