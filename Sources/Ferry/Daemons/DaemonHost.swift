internal import CoreMetrics
internal import Dispatch
internal import FerryChunking
internal import FerryCrypto
internal import FerryStateMachines
internal import FerryWire
internal import Logging
internal import Synchronization

/// One daemon on one node: its value, its ownership, its chain, and the isolation in which its events are processed.
///
/// Everything that touches the daemon's value in place runs here, one call at a time and never re-entrant: nothing in this actor awaits.
/// Streaming a snapshot works on a copy outside of it.
actor DaemonHost {
    nonisolated let entity: EntityID
    nonisolated let origin: OriginHash
    nonisolated let kind: DaemonKind
    nonisolated let lineage: LineageID
    let context: DaemonContext
    /// Where answers to its outputs go.
    nonisolated let carrier = OutputCarrier()
    /// What it sends to other daemons, and who may speak for those that send to it.
    var plane: OutputPlane

    var ownership: OwnershipMachine
    var daemon: (any Daemon)?
    var keypair: EntityKeypair?
    var chain: ChainBuilder
    var horizon: HorizonBloom
    var outputs: DaemonOutputs
    /// While the daemon serves through a move away from here.
    var live: LiveMove?
    /// While a copy here follows a move log.
    var follower = LogFollower()
    var digestPace = DigestPace()
    /// Where those are reached whom the ownership remembers as held.
    var heldPaths: [OriginHash: HeldPath] = [:]
    /// What came for a copy that nobody serves beside.
    var parked = ParkedEvents<LaneSender>()
    /// Whether the daemon has stopped elsewhere and this copy is the next that may serve.
    var isAwaited = false
    private var processedCount: UInt64 = 0
    private var failedCount: UInt64 = 0

    /// A daemon that begins its life here.
    init(spawning daemon: any Daemon, keypair: EntityKeypair, lineage: LineageID, context: DaemonContext) {
        entity = keypair.entityID
        origin = entity.originHash
        kind = type(of: daemon).kind
        self.lineage = lineage
        self.context = context
        self.keypair = keypair
        self.daemon = daemon
        plane = OutputPlane(daemon: origin, limits: context.outputLimits)
        ownership = OwnershipMachine(spawning: entity, lineage: lineage)
        chain = ChainBuilder(origin: origin)
        horizon = .empty
        outputs = DaemonOutputs(lineage: lineage, link: .genesis(origin))
    }

    /// A daemon that was restored and waits for its activation; nil when it has more lanes than this node keeps.
    init?(standby daemon: any Daemon, migration: MigrationID, snapshot: SnapshotHeader, context: DaemonContext) {
        guard let ownership = OwnershipMachine(standbyFor: migration, snapshot: snapshot),
            let plane = OutputPlane(restoring: snapshot, limits: context.outputLimits)
        else { return nil }
        entity = snapshot.entity
        origin = entity.originHash
        kind = snapshot.kind
        lineage = snapshot.lineage
        self.context = context
        self.daemon = daemon
        self.plane = plane
        self.ownership = ownership
        chain = ChainBuilder(head: snapshot.chainLink, headPayload: snapshot.headPayload)
        // Of an emitter with a cursor of 0 nothing has been taken in.
        horizon = HorizonBloom(snapshot.cursors.filter { $0.sequence > 0 }.map(\.emitter))
        outputs = DaemonOutputs(lineage: snapshot.lineage, link: .genesis(origin))
    }

    // MARK: Events

    /// Takes in `hello` or `event`; the answer goes back on the lane, nil for none.
    ///
    /// - Parameters:
    ///   - isNode: whether the emitter is `node` itself, and no daemon.
    ///   - path: where the emitter is told once a hold is over.
    func receive(_ message: LaneMessage, from node: NodeKey, isNode: Bool, replyingTo path: LaneReplyPath) -> LaneMessage.Body? {
        let bearer = LaneBearer(node: node, isProven: isNode || isKnown(node, toSpeakFor: message.emitter))
        let answer =
            holdForLog(message, from: bearer, isNode: isNode)
            ?? objection(to: message, from: node, isNode: isNode) ?? answer(message, from: bearer, isNode: isNode)
        if case .hold = answer, ownership.isHeld(message.emitter, by: node) {
            heldPaths[message.emitter] = HeldPath(bearer: bearer, path: path)
        }
        if case .hold = answer, isAwaited, isNode { parked.park(message, from: LaneSender(node: node, path: path)) }
        return answer
    }

    private func answer(_ message: LaneMessage, from bearer: LaneBearer, isNode: Bool) -> LaneMessage.Body? {
        switch message.body {
        case .hello:
            return ownership.welcome(message.emitter, by: bearer).reply
        case .event(let event):
            guard event.link.origin == message.emitter else { return .violation }
            let verdict = ownership.admit(event, from: message.emitter, by: bearer)
            guard case .process = verdict else { return verdict.reply }
            // Not accepted, so the emitter keeps it and sends it again.
            guard plane.lanes.hasRoom(forInputOfDaemon: !isNode), live?.hasRoom ?? true else {
                return ownership.holdForRoom(message.emitter, by: bearer).reply
            }
            process(
                CausalEvent(link: event.link, payload: event.payload, receivedAt: WallClock.nanoseconds, content: event.content))
            return ownership.processed(emitter: message.emitter, sequence: event.link.sequence).reply
        default:
            return nil
        }
    }

    private func process(_ event: CausalEvent) {
        let failure = take(event)
        processedCount += 1
        context.metrics.processedEvents.increment()
        let epoch = ownership.epoch
        let input = ProcessedInput(
            emitter: event.link.origin, sequence: event.link.sequence, receivedAt: event.receivedAt, isFailed: failure != nil)
        for observer in context.observers { observer.daemon(origin, epoch: epoch, processed: input) }
        if let live { live.append(event, outcome: outputs.outcome(of: event.link, failure: failure)) }
        if let failure {
            failedCount += 1
            context.metrics.failedEvents.increment()
            context.logger.warning(
                "an event failed", metadata: ["daemon": "\(origin)", "sequence": "\(input.sequence)", "error": "\(type(of: failure))"])
            return
        }
        applyOutputs(at: event.receivedAt, epoch: epoch)
        sendOutputs()
    }

    /// Lets the daemon take in an event; what it answers is in `outputs` and has no effect yet.
    ///
    /// - Returns: why the answer does not count, if it does not.
    func perform(_ event: CausalEvent) -> (any Error)? {
        outputs.reopen(link: event.link)
        do {
            try daemon?.process(event, into: &outputs)
            return outputs.failure
        } catch {
            return error
        }
    }

    // MARK: Moves

    /// What the source says of the daemon when it is asked for.
    func describe() throws(FailureReason) -> DaemonDescription {
        guard let daemon else { throw FailureReason(.daemonNotFound) }
        guard let epoch = ownership.nextEpoch else { throw FailureReason(.stateFailed, "the daemon's epochs are used up") }
        return DaemonDescription(kind: kind, lineage: lineage, epoch: epoch, predictedByteCount: daemon.predictedByteCount)
    }

    /// Stops processing; the event in hand has ended, since this runs in the same isolation. A move log ends here.
    func fence(_ migration: MigrationID, epoch: Epoch) throws(FailureReason) -> FencedDaemon {
        let wasFenced = ownership.standing == .fenced(ownership.epoch, migration)
        try ownership.fence(migration, epoch: epoch)
        guard let daemon, let keypair else { throw FailureReason(.daemonNotFound) }
        if !wasFenced { for observer in context.observers { observer.daemon(origin, epoch: ownership.epoch, fencedFor: migration) } }
        silence()
        live?.seal()
        let end = live?.end
        return FencedDaemon(
            keypair: keypair, snapshot: header(epoch: epoch, createdAt: WallClock.nanoseconds),
            predictedByteCount: daemon.predictedByteCount, stateDigest: (daemon as? any StateDigesting)?.stateDigest,
            lastLogIndex: end?.index ?? 0, inputOutputDigest: end?.digest, determinism: determinism)
    }

    /// Redirects from now on.
    func commit(_ moved: Moved) -> Bool {
        defer { tellHeld() }
        return ownership.commit(moved)
    }

    /// Processes again, or gives up what was frozen; the epoch, or nil when the daemon was not stopped for this move.
    func resume(_ migration: MigrationID) -> Epoch? {
        if live?.migration == migration { endLive() }
        defer {
            tellHeld()
            sendOutputs()
        }
        return ownership.thaw(migration) ? nil : ownership.resume(migration)
    }

    /// Becomes the stub that redirects: the key is wiped, the state released elsewhere.
    func retire(_ migration: MigrationID) -> Bool {
        guard ownership.retire(migration) else { return false }
        tellHeld()
        chain = ChainBuilder(origin: origin)
        release()
        return true
    }

    /// Becomes the owner.
    func activate(_ migration: MigrationID, keypair: EntityKeypair, epoch: Epoch) -> Bool {
        guard keypair.entityID == entity, ownership.activate(migration, epoch: epoch) else { return false }
        self.keypair = keypair
        isAwaited = false
        takeParked()
        tellHeld()
        sendOutputs()
        return true
    }

    /// Gives key and state up: the daemon has gone, was stopped, or its restored copy is not wanted.
    func release() {
        keypair?.wipe()
        keypair = nil
        endLive()
        parked = ParkedEvents()
        carrier.close()
        context.emitters.stopCarrying(self)
        plane = OutputPlane(daemon: origin, limits: context.outputLimits)
        if let daemon = daemon.take() { DaemonRelease.release(daemon) }
    }

    /// Everything about the daemon but its state.
    func header(epoch: Epoch, createdAt: UInt64) -> SnapshotHeader {
        SnapshotHeader(
            entity: entity, lineage: lineage, epoch: epoch, kind: kind, chainLink: chain.head, headPayload: chain.headPayload,
            cursors: plane.fence.marked(ownership.sortedCursors), outputLanes: plane.lanes.states,
            bindings: plane.bindings, ownerHints: plane.lanes.hints, createdAt: createdAt)
    }

    // MARK: Views

    /// The attempt that holds the daemon.
    var activeMigration: MigrationID? { ownership.activeMigration }

    /// What a state digest needs, taken at one point in processing order; nil once the daemon has gone.
    var digestView: DigestView? {
        daemon.map { DigestView(daemon: $0, processedEventCount: processedCount, chainHead: chain.head) }
    }

    var status: DaemonStatus {
        let standing: DaemonStatus.Standing =
            switch ownership.standing {
            case .active: .active
            case .fenced: .fenced
            case .inDoubt: .fenced
            case .moved: .moved
            case .standby: .standby
            }
        return DaemonStatus(
            origin: origin, entity: entity, kind: kind, epoch: ownership.epoch, standing: standing, processedEventCount: processedCount,
            failedEventCount: failedCount, waitingOutputCount: plane.lanes.waitingCount, endedReceiverCount: plane.endedReceiverCount)
    }
}

/// A daemon's frozen copy, to be digested outside of its isolation.
struct DigestView: Sendable {
    let daemon: any Daemon
    let processedEventCount: UInt64
    let chainHead: CausalLink

    /// Writes the snapshot into a digest.
    @concurrent
    func digest() async throws -> StateDigest {
        var writer = try SnapshotWriter(into: DiscardingSnapshotSink())
        try await daemon.snapshot(into: &writer)
        let trailer = try await writer.finish()
        return StateDigest(
            digest: trailer.digest, byteCount: UInt64(trailer.stateByteCount), processedEventCount: processedEventCount,
            chainHead: chainHead)
    }
}

/// Frees daemons away from every executor that serves events: releasing a million entries takes tenths of a second.
enum DaemonRelease {
    /// The last reference but the caller's goes to the box, and with it to the background.
    static func release(_ daemon: consuming any Daemon) {
        let box = Box(daemon)
        // Freeing and trimming hold the heap's locks; while a hand-over is on its way, everybody would wait for them.
        DispatchQueue.global(qos: .utility).asyncAfter(deadline: .now() + .milliseconds(100)) {
            box.empty()
            Heap.trim()
        }
    }

    private final class Box: Sendable {
        private let daemon: Mutex<(any Daemon)?>

        init(_ daemon: consuming any Daemon) { self.daemon = Mutex(daemon) }

        func empty() { _ = daemon.withLock { $0.take() } }
    }
}
