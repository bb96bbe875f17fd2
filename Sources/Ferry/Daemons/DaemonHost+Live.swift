internal import FerryChunking
internal import FerryCrypto
internal import FerryStateMachines
internal import FerryWire

/// Where an emitter that was told to wait is reached, and through whom.
struct HeldPath: Sendable {
    var bearer: LaneBearer
    var path: LaneReplyPath
}

/// The node that has sent what is parked, itself its emitter.
struct LaneSender: Sendable {
    var node: NodeKey
    var path: LaneReplyPath
}

// A daemon that serves while it moves: the source's end.
extension DaemonHost {
    /// Keeps a copy of the daemon at this point in processing order, and logs every input from here on; the daemon goes on.
    ///
    /// - Throws: `.notDeterministic` for a daemon of which nothing could be compared and that does not declare itself deterministic;
    ///   as `OwnershipMachine.freeze`.
    func freeze(_ migration: MigrationID, epoch: Epoch, clock: NodeClock) throws(FailureReason) -> LiveMove {
        guard let daemon, keypair != nil else { throw FailureReason(.daemonNotFound) }
        guard determinism != .unverified || daemon is any Deterministic else {
            throw FailureReason(
                .notDeterministic, "\(kind) offers no state digest, has no outputs to compare and does not declare itself deterministic")
        }
        try ownership.freeze(migration, epoch: epoch)
        if let live, live.migration == migration { return live }
        let frozen = FrozenDaemon(
            snapshot: header(epoch: epoch, createdAt: WallClock.nanoseconds), predictedByteCount: daemon.predictedByteCount,
            determinism: determinism)
        let live = LiveMove(migration, frozen: frozen, copy: FrozenCopy(daemon), clock: clock)
        self.live = live
        return live
    }

    /// What a comparison of both sides would prove about the daemon as it is.
    var determinism: Determinism {
        if daemon is any StateDigesting { return .verified }
        return chain.head.isGenesis ? .unverified : .outputsOnly
    }

    /// The copy to be streamed: the frozen one, or one of the stopped daemon; nil once it has gone.
    func copy(for migration: MigrationID) -> FrozenCopy? {
        if let live, live.migration == migration { return live.copy }
        return daemon.map { FrozenCopy($0) }
    }

    /// A copy as of now of a daemon that has a digest, nil of any other; it shares with the original what is not written afterwards.
    func digestible() -> (any StateDigesting)? { daemon as? any StateDigesting }

    /// Forgets the copy and the log.
    func endLive() {
        live?.finish()
        live = nil
    }

    // MARK: Held lanes

    /// Lets a daemon that introduces itself wait while its credential would find no room in the log; nil when there is room.
    func holdForLog(_ message: LaneMessage, from bearer: LaneBearer, isNode: Bool) -> LaneMessage.Body? {
        guard let live, !isNode, case .hello = message.body, case .active = ownership.standing, !live.hasRoom else { return nil }
        return ownership.holdForRoom(message.emitter, by: bearer).reply
    }

    /// Whether a node has shown the newest credential of an emitter that is a daemon.
    func isKnown(_ node: NodeKey, toSpeakFor emitter: OriginHash) -> Bool {
        plane.fence.admit(event: plane.fence.epoch(of: emitter), of: emitter, from: node, isNode: false) == .pass
    }

    /// Tells everyone who was asked to wait where the daemon stands now; a message that does not get through is made up for by the
    /// emitter's own timer.
    func tellHeld() {
        let held = ownership.takeHeld()
        guard !held.isEmpty else { return }
        let paths = heldPaths
        heldPaths = [:]
        for emitter in held {
            guard let held = paths[emitter], let body = ownership.welcome(emitter, by: held.bearer).reply else { continue }
            if case .hold = body { heldPaths[emitter] = held }
            held.path.trySend(LaneMessage(emitter: emitter, daemon: origin, body: body))
        }
    }
}

// A copy that serves from now on.
extension DaemonHost {
    /// Takes in what came while nobody served.
    func takeParked() {
        for (message, sender) in parked.takeAll() {
            guard let answer = receive(message, from: sender.node, isNode: true, replyingTo: sender.path) else { continue }
            sender.path.trySend(LaneMessage(emitter: message.emitter, daemon: origin, body: answer))
        }
    }
}

// A copy that follows a daemon which still serves elsewhere: the target's end.
extension DaemonHost {
    /// Replays the new entries of a batch without any effect but on the copy.
    ///
    /// - Throws: `.releaseMismatch`, naming the input, when the copy does something else than the source's daemon did;
    ///   `.protocolViolation` for an input that its lane's cursor has passed.
    func replay(_ batch: BufferedEvents, clock: NodeClock) throws(FailureReason) -> ReplayComplete {
        guard case .standby = ownership.standing else { throw FailureReason(.cancelled, "the copy is not following any more") }
        // The end of the log is replayed while everybody waits, and is short.
        var pace = CorePace(grace: .milliseconds(1))
        for position in follower.admit(batch) ?? 0..<0 {
            try replay(batch.entries[position])
            pace.offerCore()
        }
        digestAhead(clock)
        return ReplayComplete(logIndex: follower.index, inputOutputDigest: follower.digest, lag: 0)
    }

    private func replay(_ input: LoggedInput) throws(FailureReason) {
        let link = input.event.link
        if try replayHostInput(input.event) {
            _ = follower.replayed(input.event, outcome: input.outcome, expected: input.outcome)
            return
        }
        let failure = take(input.event)
        let outcome = outputs.outcome(of: link, failure: failure)
        if failure == nil { applyOutputs(at: input.event.receivedAt, epoch: nil) }
        guard ownership.replayed(emitter: link.origin, sequence: link.sequence) else {
            throw FailureReason(.protocolViolation, "input \(follower.index + 1) of the log is not ahead of its lane's cursor")
        }
        guard follower.replayed(input.event, outcome: outcome, expected: input.outcome) else {
            throw FailureReason(
                .releaseMismatch, "the copy did something else than the daemon with input \(follower.index) of the log")
        }
    }

    /// Digests what the replay has written before it is asked for at the end, when everybody waits.
    private func digestAhead(_ clock: NodeClock) {
        let now = clock.now
        guard let daemon = daemon as? any StateDigesting, digestPace.isDue(now) else { return }
        _ = daemon.stateDigest
        let end = clock.now
        // A copy has nothing else to do than to be ready; half of its time may go into it.
        digestPace.took(end - now, until: end, rest: 1)
    }

    /// What the copy is now: the daemon has been released elsewhere.
    func inspect(epoch: Epoch, createdAt: UInt64) -> RestoredFacts {
        isAwaited = true
        return RestoredFacts(
            snapshot: header(epoch: epoch, createdAt: createdAt), stateDigest: (daemon as? any StateDigesting)?.stateDigest,
            lastLogIndex: follower.index, inputOutputDigest: follower.digest)
    }
}
