/// A rule of the machines that can be left out on purpose, so that a test sees the simulator find what then goes wrong.
///
/// No node that a user makes has one: the switch is not public, and every machine begins without.
package enum SeededDefect: String, CaseIterable, Sendable {
    // MARK: What passes the dispatcher

    /// Strangers are obeyed like participants.
    case senderCheck
    /// A participant is obeyed in any role.
    case roleCheck
    /// A message of any epoch is obeyed.
    case epochCheck
    /// A peer's every boot is taken for the one that takes part.
    case bootCheck
    /// A daemon is promised to several attempts at once.
    case oneAttempt
    /// A migration id that is known begins anew.
    case migrationIDIsUsedOnce

    // MARK: The source

    /// The commit follows the release without the target's Prepared.
    case preparedBeforeCommit
    /// A Prepared of another release counts.
    case preparedHash
    /// The key leaves before the commit is recorded.
    case commitBeforeKey
    /// An order that has lapsed still gives the daemon away.
    case expiryBeforeCommit
    /// An abort is obeyed after the commit.
    case tooLateToAbort
    /// A refusal after the commit is not heard.
    case refusalAfterCommit
    /// A source in doubt goes on when its budget is spent.
    case doubtWithoutTimer
    /// A take is believed without its signatures.
    case takeProof
    /// The time of the fence is also that of the transfer.
    case timerOfEachPhase
    /// Release and Commit are sent once only.
    case repetition
    /// A Prepared is obeyed after the attempt was given up.
    case abortBeforePrepared

    // MARK: The target

    /// A release is believed without its signatures.
    case releaseProof
    /// The restored chain's head is not compared.
    case headComparison
    /// The restored cursors are not compared.
    case cursorComparison
    /// The restored state's digest is not compared.
    case stateComparison
    /// What inputs did at the copy is not compared.
    case inputOutputComparison
    /// The restored output lanes are not compared.
    case outputLaneComparison
    /// The restored bindings are not compared.
    case bindingComparison
    /// The rest of the move log is not waited for.
    case tail
    /// A Commit of another release opens the envelope.
    case commitHash
    /// A TakeAck of another release activates.
    case takeAckHash
    /// The target serves from its own take on.
    case takeAckBeforeActivation
    /// The target serves when the time for the TakeAck is spent.
    case activationWithoutTimer
    /// A restored copy that was refused stays.
    case discardOnRefusal
    /// A target that has prepared gives up, and never says so.
    case refusalIsTold

    // MARK: Ownership

    /// An event whose predecessor is missing is acknowledged.
    case gapAnswer
    /// An event whose predecessor is missing is processed.
    case predecessor
    /// A fenced owner acknowledges what it does not process.
    case holdWhileFenced
    /// A former owner does not know where the daemon went.
    case movedStub
    /// An attempt's epoch is used again after the attempt was given up.
    case burntEpoch
    /// A fence under an epoch that is burnt is obeyed.
    case epochAtFence
    /// A rollback after the commit goes on under the old epoch.
    case epochAfterCommit
    /// More lanes than the cap are kept.
    case laneCap

    // MARK: Emitters

    /// An answer of any node and epoch counts.
    case staleAnswer
    /// Owner and epoch are not believed as a pair.
    case beliefIsPair
    /// Nobody is asked where the daemon went.
    case discovery
    /// The window has no bound.
    case window
}

extension MoveEnvironment {
    /// Whether a rule is left out.
    func lacks(_ rule: SeededDefect) -> Bool { defect == rule }
}
