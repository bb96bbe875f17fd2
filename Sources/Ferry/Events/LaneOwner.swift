package import FerryWire

/// Answers what emitters say about the daemons of this node; the daemon table conforms.
package protocol LaneOwner: Sendable {
    /// Takes in `hello` or `event` from an emitter on `node`, which is the own node for local emitters.
    ///
    /// Every answer goes to `reply`, at once or with ``flushReplies()``. Returning late slows the emitter's node down.
    func receiveLane(_ message: LaneMessage, from node: NodeKey, reply: LaneReplyPath) async

    /// Sends what was kept back so that the acknowledgements of many messages are one; called soon after each message or batch of them.
    func flushReplies()
}

extension LaneOwner {
    package func flushReplies() {}
}

/// Where an owner's answers on a lane go.
package struct LaneReplyPath: Sendable {
    private enum Path: Sendable {
        case session(SessionDriver)
        case local(EmitterTable, NodeKey)
    }

    private let path: Path

    /// Answers go to the node at the other end of `session`.
    package init(session: SessionDriver) { path = .session(session) }

    /// Answers go to the own node's emitters.
    init(emitters: EmitterTable, ownKey: NodeKey) { path = .local(emitters, ownKey) }

    /// Sends an answer without waiting.
    ///
    /// - Returns: false when the session has no room or is closed; the emitter asks again, so dropping the answer is legal.
    @discardableResult
    package func trySend(_ answer: LaneMessage) -> Bool {
        switch path {
        case .session(let session): return session.trySend(.lane(answer))
        case .local(let emitters, let ownKey):
            emitters.receive(answer, from: ownKey)
            return true
        }
    }
}
