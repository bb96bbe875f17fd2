public import FerryWire

/// What a ``NetMeshDispatcher`` wants done, in the order in which it is taken.
///
/// Those with an `attempt` want an answer that names it; an answer that comes after the attempt is over is ignored.
public enum NetMeshAction: Hashable, Sendable {
    /// Send a message to another node; never to this one.
    case send(MigrationMessage, to: NodeID)

    // At the source.

    /// Stop processing (from here on inputs go to ``NetMeshDispatcher/capture(_:for:now:)`` only) and snapshot. Answer: `snapshotTaken`.
    case takeSnapshot(origin: OriginHash, attempt: UInt64)
    /// Seal the daemon's key to the target's static key, bound to the snapshot's link. Answer: `sealed`.
    case seal(origin: OriginHash, attempt: UInt64, target: NodeID, snapshot: StateSnapshot)
    /// For the host's log: the snapshot goes out without the daemon's key, since the order prefers but does not require it.
    case keyNotSealed(origin: OriginHash, target: NodeID, cause: String)
    /// The pre-cleanup hook. Answer: `hookFinished`.
    case preCleanup(origin: OriginHash, attempt: UInt64)
    /// Out of the registry; copy and key are kept until `release` or `resume`.
    case retire(origin: OriginHash)
    /// Wipe the key, drop the copy and the factory: another node owns the daemon.
    case release(origin: OriginHash)
    /// Rolled back: process these inputs in order, then serve; after the clean-up also back into the registry, with its subscriptions.
    case resume(origin: OriginHash, captured: [CausalEvent], afterCleanup: Bool)

    // At the target.

    /// The readiness hook. Answer: `readinessAnswered`.
    case askReadiness(origin: OriginHash, attempt: UInt64)
    /// Open the snapshot's envelope and keep the key. Answer: `unsealed`.
    case unseal(origin: OriginHash, attempt: UInt64, snapshot: StateSnapshot)
    /// Build the daemon, not live yet. Answer: `restored`.
    case restore(origin: OriginHash, attempt: UInt64, snapshot: StateSnapshot, identity: NetMeshIdentitySource)
    /// The post-restore hook. Answer: `hookFinished`.
    case postRestore(origin: OriginHash, attempt: UInt64)
    /// Process these inputs in order in the restored copy, and hold its outputs until `activate`. Answer: `replayed`.
    case replay(origin: OriginHash, attempt: UInt64, events: [CausalEvent])
    /// Go live: publish the held outputs, process the held inputs, then serve. Answer: `activated`.
    case activate(origin: OriginHash, attempt: UInt64, held: [CausalEvent])
    /// The daemon is live; process these late inputs of its old node.
    case deliver(origin: OriginHash, events: [CausalEvent])
    /// Drop the restored copy, its outputs and its key.
    case discard(origin: OriginHash)

    // Everywhere.

    /// The failure hook; comes before what undoes the move. Answer: `hookFinished`.
    case failureHook(origin: OriginHash, attempt: UInt64, reason: FailureReason)
    /// How a move that this node orchestrates ended. After `inDoubt`, `completed` may still follow.
    case ended(origin: OriginHash, outcome: NetMeshOutcome)
}

/// Whose key a restored daemon gets.
public enum NetMeshIdentitySource: Hashable, Sendable {
    /// The one that `unsealed` reported as opened.
    case envelope
    /// The one that the factory was registered with.
    case fallback
}

/// How a move ended, as its orchestrator knows it.
public enum NetMeshOutcome: Hashable, Sendable {
    /// The target has acknowledged its activation.
    case completed(replayedSequence: UInt64)
    /// Rolled back, or never begun.
    case failed(FailureReason)
    /// The target was told to go live and has not answered: the source stays fenced until the answer comes or an operator decides.
    case inDoubt(FailureReason)
}

/// The hooks whose end the host reports with `hookFinished`.
public enum NetMeshHook: Hashable, Sendable {
    /// After the restore, before RestoreComplete.
    case postRestore
    /// Before the source's copy leaves the registry.
    case preCleanup
    /// Before a failed move is undone.
    case failure
}

/// Answer to `seal`.
public enum NetMeshSealing: Hashable, Sendable {
    /// The snapshot with its envelope.
    case sealed(StateSnapshot)
    /// The node has no identity context.
    case noContext
    /// The target's static key is unknown.
    case noTargetKey
    /// The daemon's keypair is not here, or is its public half only.
    case noKeypair
    /// The sealing failed.
    case failed(String)
}

/// Answer to `unseal`.
public enum NetMeshUnsealing: Hashable, Sendable {
    /// The envelope opened to the daemon's keypair, which the host keeps.
    case opened
    /// The unsealer returned no key and no error.
    case nothing
    /// The envelope does not open; the text is net-mesh's.
    case failed(String)
    /// The node has no identity context.
    case noContext
}

/// Answer to `replay`.
public enum NetMeshReplay: Hashable, Sendable {
    /// All inputs are processed; the chain's head.
    case replayed(head: CausalLink)
    /// The first `landedCount` inputs are processed, the next one cannot be delivered.
    case failed(landedCount: Int, reason: FailureReason)
}

/// What became of an input offered to `capture`.
public enum NetMeshCapture: Hashable, Sendable {
    /// No move of this daemon here: process it.
    case notMoving
    /// Kept for the target, or for this node's own copy if the move fails.
    case captured
    /// Neither kept nor processed; tell the sender.
    case refused(FailureReason)
    /// The daemon has left; the dispatcher sends the input after it.
    case forward(to: NodeID)
}

/// What became of an input offered to `hold`.
public enum NetMeshHold: Hashable, Sendable {
    /// No such daemon here.
    case notHere
    /// Kept until the activation.
    case held
    /// The daemon is live: process it.
    case deliver
    /// It was replayed or held already: drop it.
    case duplicate
    /// Not kept; tell the sender.
    case refused(FailureReason)
}
