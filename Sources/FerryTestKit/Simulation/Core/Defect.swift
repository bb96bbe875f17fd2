/// A deliberate mistake of a node, so that a test sees the simulator find it.
///
/// These are mistakes of the host around the machines, made in the node model; rules that a machine leaves out are `SeededDefect`s.
package enum Defect: String, CaseIterable, Sendable {
    /// The source goes on processing after it has said that it is fenced.
    case dropFence
    /// The target becomes the owner when it has prepared, without commit and take.
    case activateBeforeTake
    /// The state that leaves lacks the last events that its cursors name.
    case forgetTail
    /// An event is acknowledged and never processed.
    case acknowledgeUnprocessed
    /// An emitter takes everybody's answers for its owner's, at the epoch it believes in.
    case bypassEpochCheck
    /// An emitter says everything twice.
    case sayTwice
    /// A source in doubt resumes by a timer of its own.
    case resumeByTimer
    /// A fenced source says that the daemon has moved.
    case movedAtFence
    /// A node that starts again begins the daemons anew that it had, under the same keys.
    case respawn
    /// A commit that is repeated has the daemon serve here again, wherever it has gone since.
    case obeyCommitAgain
    /// A source that was told to resume does not.
    case forgetResume
    /// The restored copy of a move that was given up stays.
    case keepStandby
    /// The target says of its copy what was announced, not what it holds.
    case skipComparison
    /// The daemon's key leaves in the clear.
    case leakKey
    /// A source keeps the key after the take.
    case keepKey
    /// What a daemon has sent and nobody has acknowledged stays behind.
    case forgetOutputs
    /// A source goes on sending its daemon's outputs after the fence.
    case speakAfterFence
}
