import FerryCrypto
import FerrySodium
import FerryWire
import Testing

@testable import FerryStateMachines

/// One stop-and-copy move between two dispatchers whose hosts answer at once, over a network that loses what a test says.
private final class DoubtfulMove {
    let cast: AuthorityCast
    let order: MoveOrder
    var isLost: (FerryMessage.Body) -> Bool
    /// What the network delivers only when a test says so.
    var isHeld: (FerryMessage.Body) -> Bool
    private var held: [(message: FerryMessage, isOfSource: Bool)] = []
    /// Actions that were carried out, by node.
    private(set) var sourceActions: [MigrationAction] = []
    private(set) var targetActions: [MigrationAction] = []
    /// Journal records that the source's disk has not acknowledged.
    var journalFails = false
    private let header: SnapshotHeader
    private let state = StateSummary(chunkCount: 0, byteCount: 0, digest: .zero)

    init(
        losing isLost: @escaping (FerryMessage.Body) -> Bool, holding isHeld: @escaping (FerryMessage.Body) -> Bool = { _ in false }
    ) throws {
        cast = try AuthorityCast()
        self.isLost = isLost
        self.isHeld = isHeld
        let (cast, key) = (cast, cast.source.key)
        order = cast.order { $0.orchestrator = key }
        header = SnapshotHeader(
            entity: cast.daemon.entityID, lineage: cast.lineage, epoch: Epoch(rawValue: 2), kind: cast.offer.kind,
            chainLink: .genesis(cast.daemon.originHash), headPayload: [], cursors: [], outputLanes: [], bindings: [], createdAt: 0)
        try cast.source.dispatcher.order(order, now: cast.source.now, wallClock: cast.source.wallClock)
        run()
    }

    /// Carries out everything that both sides ask for.
    func run() {
        var isBusy = true
        while isBusy {
            isBusy = false
            for (node, other) in [(cast.source, cast.target), (cast.target, cast.source)] {
                while let action = node.dispatcher.nextAction() {
                    isBusy = true
                    if node === cast.source { sourceActions.append(action) } else { targetActions.append(action) }
                    perform(action, at: node, other)
                }
            }
        }
    }

    func wait(_ duration: Duration) {
        for node in [cast.source, cast.target] {
            node.now = node.now + duration
            node.wallClock += UInt64(duration.wholeNanoseconds)
            node.dispatcher.deadlineReached(now: node.now, wallClock: node.wallClock)
        }
        run()
    }

    /// Delivers what was held of this kind, in the order in which it was sent.
    func deliver(_ isMeant: (FerryMessage.Body) -> Bool) {
        let due = held.filter { isMeant($0.message.body) }
        held.removeAll { isMeant($0.message.body) }
        for (message, isOfSource) in due {
            let (from, to) = isOfSource ? (cast.source, cast.target) : (cast.target, cast.source)
            to.dispatcher.receive(message, from: from.peer, now: to.now, wallClock: to.wallClock)
            run()
        }
    }

    func resolve(_ resolution: MoveResolution, at node: AuthorityNode) -> Bool {
        defer { run() }
        return node.dispatcher.resolve(order.migration, resolution, now: node.now, wallClock: node.wallClock)
    }

    func view(_ role: MoveRole, at node: AuthorityNode) -> MoveView? {
        node.dispatcher.moves.first { $0.role == role }
    }

    private func perform(_ action: MigrationAction, at node: AuthorityNode, _ other: AuthorityNode) {
        let (now, clock) = (node.now, node.wallClock)
        switch action {
        case .send(let message, _, _):
            guard !isLost(message.body) else { return }
            guard !isHeld(message.body) else { return held.append((message, node === cast.source)) }
            other.dispatcher.receive(message, from: node.peer, now: other.now, wallClock: other.wallClock)
        case .describe(let migration, _):
            let description = DaemonDescription(
                kind: header.kind, lineage: header.lineage, epoch: header.epoch, predictedByteCount: 0)
            node.dispatcher.described(migration, .success(description), now: now, wallClock: clock)
        case .reserve(let migration, _): node.dispatcher.admitted(migration, refusal: nil, now: now, wallClock: clock)
        case .fence(let migration, _, _):
            let fenced = FencedDaemon(keypair: cast.daemon, snapshot: header, predictedByteCount: 0, stateDigest: nil)
            node.dispatcher.fenced(migration, .success(fenced), now: now, wallClock: clock)
        case .stream(let migration, _, _, _):
            node.dispatcher.streamOpened(migration, stream: 1, now: now, wallClock: clock)
            node.dispatcher.streamed(migration, state, wireByteCount: 0, now: now, wallClock: clock)
        case .restore(let migration, _, _, _): node.dispatcher.restored(migration, state, now: now, wallClock: clock)
        case .inspect(let migration):
            node.dispatcher.inspected(migration, .success(RestoredFacts(snapshot: header, stateDigest: nil)), now: now, wallClock: clock)
        case .journal(let migration, let record, _):
            if journalFails {
                node.dispatcher.journalFailed(migration, record: record, FailureReason(.stateFailed), now: now, wallClock: clock)
            } else {
                node.dispatcher.journaled(migration, record: record, now: now, wallClock: clock)
            }
        default: break
        }
    }
}

@Suite("An operator ends a doubt")
struct ResolutionTests {
    private static func isTake(_ body: FerryMessage.Body) -> Bool {
        if case .activateAck = body { true } else { false }
    }

    private static func isCommit(_ body: FerryMessage.Body) -> Bool {
        if case .cutoverNotify = body { true } else { false }
    }

    /// In doubt at the source, and reported as such.
    private func doubt(losing isLost: @escaping (FerryMessage.Body) -> Bool) throws -> DoubtfulMove {
        let move = try DoubtfulMove(losing: isLost)
        move.wait(.seconds(10))
        #expect(move.view(.source, at: move.cast.source)?.isInDoubt == true)
        return move
    }

    @Test("nothing is resolved that is not in doubt")
    func onlyInDoubt() throws {
        for resolution in MoveResolution.allCases {
            let done = try DoubtfulMove(losing: { _ in false })
            #expect(done.sourceActions.outcome.map { if case .completed = $0 { true } else { false } } == true)
            #expect(!done.resolve(resolution, at: done.cast.source))
            #expect(!done.resolve(resolution, at: done.cast.target))

            // A commit that is on its way is not yet a doubt.
            let young = try DoubtfulMove(losing: Self.isTake)
            let before = young.cast.source.dispatcher.moves
            #expect(!young.resolve(resolution, at: young.cast.source))
            #expect(young.cast.source.dispatcher.moves == before)

            let early = try DoubtfulMove(losing: { if case .snapshotReady = $0 { true } else { false } })
            #expect(!early.resolve(resolution, at: early.cast.source))
            #expect(!early.resolve(resolution, at: early.cast.orchestrator))
        }
    }

    @Test("a daemon that is taken back goes on under a new epoch, and a target that took drops its copy")
    func takeBackFromTaker() throws {
        let move = try doubt(losing: Self.isTake)
        #expect(move.resolve(.takeBack, at: move.cast.source))
        guard case .rolledBackAfterCommit(let reason) = move.view(.source, at: move.cast.source)?.outcome else {
            Issue.record("not rolled back")
            return
        }
        #expect(reason.code == .rolledBackAfterCommit)
        let records = move.sourceActions.compactMap { action -> Epoch? in
            if case .journal(_, _, .resumed(let epoch, _)) = action { epoch } else { nil }
        }
        #expect(records == [Epoch(rawValue: 3)])
        #expect(move.sourceActions.contains { if case .resume = $0 { true } else { false } })
        #expect(move.targetActions.contains { if case .discard = $0 { true } else { false } })
        #expect(!move.targetActions.contains { if case .activate = $0 { true } else { false } })
        // A take that was on its way is not acknowledged any more.
        move.isLost = { _ in false }
        move.wait(.seconds(30))
        #expect(!move.targetActions.contains { if case .activate = $0 { true } else { false } })
        #expect(!move.resolve(.takeBack, at: move.cast.source))
    }

    @Test("a daemon that is taken back before the commit has arrived never becomes the target's")
    func takeBackBeforeTake() throws {
        let move = try doubt(losing: Self.isCommit)
        #expect(move.resolve(.takeBack, at: move.cast.source))
        move.isLost = { _ in false }
        move.wait(.seconds(60))
        #expect(!move.targetActions.contains { if case .activate = $0 { true } else { false } })
        #expect(move.cast.target.dispatcher.moves.allSatisfy { $0.outcome != nil })
    }

    @Test("a daemon that is let go leaves a stub and no key, without a receipt; a take that comes all the same is acknowledged")
    func giveUp() throws {
        let move = try doubt(losing: Self.isTake)
        #expect(move.resolve(.giveUp, at: move.cast.source))
        #expect(move.sourceActions.filter { if case .retire = $0 { true } else { false } }.count == 1)
        guard case .letGo(let reason) = move.view(.source, at: move.cast.source)?.outcome else {
            Issue.record("not let go")
            return
        }
        #expect(reason.code == .givenUp)
        #expect(move.view(.source, at: move.cast.source)?.isInDoubt == false)
        guard case .letGo = move.view(.orchestrator, at: move.cast.source)?.outcome else {
            Issue.record("the orchestrator was not told")
            return
        }

        move.isLost = { _ in false }
        move.wait(.seconds(5))
        #expect(move.targetActions.contains { if case .activate = $0 { true } else { false } })
        #expect(move.sourceActions.filter { if case .retire = $0 { true } else { false } }.count == 1)
    }

    @Test("a source that has let go asks a silent target for a while, and then nobody")
    func giveUpClosed() throws {
        let move = try doubt(losing: Self.isTake)
        #expect(move.resolve(.giveUp, at: move.cast.source))
        move.isLost = { _ in true }
        for _ in 0..<30 { move.wait(.seconds(5)) }
        let sent = move.sourceActions.count
        move.wait(.seconds(30))
        #expect(move.sourceActions.count == sent)
        move.cast.source.dispatcher.forgetClosed(wallClock: move.order.expiresAt)
        #expect(move.cast.source.dispatcher.moves.isEmpty)
    }

    @Test("letting go waits for the journal, and does not happen without it")
    func giveUpJournal() throws {
        let move = try doubt(losing: Self.isTake)
        move.journalFails = true
        #expect(move.resolve(.giveUp, at: move.cast.source))
        #expect(!move.sourceActions.contains { if case .retire = $0 { true } else { false } })
        #expect(move.view(.source, at: move.cast.source)?.isInDoubt == true)
        move.journalFails = false
        #expect(move.resolve(.giveUp, at: move.cast.source))
        #expect(move.sourceActions.contains { if case .retire = $0 { true } else { false } })
    }

    @Test("a target in doubt serves, or drops its copy, when its operator says so")
    func target() throws {
        func took() throws -> DoubtfulMove {
            let move = try DoubtfulMove(losing: Self.isTake)
            for _ in 0..<2 { move.wait(.seconds(60)) }
            #expect(move.view(.target, at: move.cast.target)?.isInDoubt == true)
            return move
        }
        let serving = try took()
        #expect(serving.resolve(.takeBack, at: serving.cast.target))
        #expect(serving.targetActions.contains { if case .activate = $0 { true } else { false } })

        let dropping = try took()
        #expect(dropping.resolve(.giveUp, at: dropping.cast.target))
        #expect(dropping.targetActions.contains { if case .discard = $0 { true } else { false } })
        guard case .rolledBackAfterCommit = dropping.view(.source, at: dropping.cast.source)?.outcome else {
            Issue.record("the source does not go on")
            return
        }
    }

    // MARK: A take that is withdrawn

    private static func isRefusal(_ body: FerryMessage.Body) -> Bool {
        if case .refused = body { true } else { false }
    }

    private static func isDiscard(_ action: MigrationAction) -> Bool {
        if case .discard = action { true } else { false }
    }

    private static func isActivation(_ action: MigrationAction) -> Bool {
        if case .activate = action { true } else { false }
    }

    private static func isRetirement(_ action: MigrationAction) -> Bool {
        if case .retire = action { true } else { false }
    }

    /// A target that has taken and is told to let the daemon go, while its takes and its word are on their way.
    private func withdrawal() throws -> DoubtfulMove {
        let move = try DoubtfulMove(losing: { _ in false }, holding: { Self.isTake($0) || Self.isRefusal($0) })
        for _ in 0..<2 { move.wait(.seconds(60)) }
        #expect(move.view(.target, at: move.cast.target)?.isInDoubt == true)
        #expect(move.resolve(.giveUp, at: move.cast.target))
        // Nobody knows yet which word the source hears first.
        #expect(!move.targetActions.contains(where: Self.isDiscard))
        #expect(move.view(.target, at: move.cast.target)?.isInDoubt == true)
        return move
    }

    @Test("a target that lets go while its take is on its way serves when the source obeys the take")
    func takeBeforeWithdrawal() throws {
        let move = try withdrawal()
        move.deliver(Self.isTake)
        #expect(move.sourceActions.filter(Self.isRetirement).count == 1)
        #expect(move.targetActions.filter(Self.isActivation).count == 1)
        #expect(move.targetActions.contains { if case .cancelRefused = $0 { true } else { false } })
        move.deliver(Self.isRefusal)
        move.isHeld = { _ in false }
        move.wait(.seconds(60))
        #expect(!move.sourceActions.contains { if case .resume = $0 { true } else { false } })
        #expect(!move.targetActions.contains(where: Self.isDiscard))
        guard case .completed = move.view(.target, at: move.cast.target)?.outcome else {
            Issue.record("the target does not serve")
            return
        }
    }

    @Test("a source that hears the withdrawal first goes on, and never obeys the take that comes after it")
    func withdrawalBeforeTake() throws {
        let move = try withdrawal()
        move.deliver(Self.isRefusal)
        #expect(move.sourceActions.contains { if case .resume = $0 { true } else { false } })
        #expect(move.targetActions.filter(Self.isDiscard).count == 1)
        guard case .rolledBackAfterCommit(let reason) = move.view(.source, at: move.cast.source)?.outcome else {
            Issue.record("the source does not go on")
            return
        }
        #expect(reason.code == .givenUp)
        move.deliver(Self.isTake)
        move.isHeld = { _ in false }
        move.wait(.seconds(60))
        #expect(!move.sourceActions.contains(where: Self.isRetirement))
        #expect(!move.targetActions.contains(where: Self.isActivation))
        guard case .rolledBack = move.view(.target, at: move.cast.target)?.outcome else {
            Issue.record("the target does not stand down")
            return
        }
    }

    @Test("a take that is answered with an abort only ends the target's doubt")
    func abortLost() throws {
        let move = try withdrawal()
        move.isLost = { if case .abort = $0 { true } else { false } }
        move.deliver(Self.isRefusal)
        #expect(!move.targetActions.contains(where: Self.isDiscard))
        move.isLost = { if case .statusReply = $0 { true } else { false } }
        move.deliver(Self.isTake)
        #expect(move.targetActions.filter(Self.isDiscard).count == 1)
        #expect(!move.sourceActions.contains(where: Self.isRetirement))
    }

    @Test("a withdrawn take is not given to a source that has forgotten: it may have gone on before")
    func withdrawalForgotten() throws {
        let move = try withdrawal()
        var source = move.cast.source.peer
        let boot = CryptoProvider.sodium.random.next(BootID.self)
        source.bootID = boot
        let header = MessageHeader(migration: move.order.migration, epoch: Epoch(rawValue: 2))
        let node = move.cast.target
        node.dispatcher.receive(
            FerryMessage(header: header, body: .unknown(boot)), from: source, now: node.now, wallClock: node.wallClock)
        move.run()
        #expect(move.targetActions.filter(Self.isDiscard).count == 1)
        #expect(!move.targetActions.contains(where: Self.isActivation))
    }

    @Test("a withdrawal is itself withdrawn when the operator says that the daemon is the target's")
    func takenBackAfterWithdrawal() throws {
        let move = try withdrawal()
        #expect(move.resolve(.takeBack, at: move.cast.target))
        #expect(move.targetActions.filter(Self.isActivation).count == 1)
    }

    @Test("where both operators let go, both nodes end")
    func bothLetGo() throws {
        let move = try withdrawal()
        #expect(move.resolve(.giveUp, at: move.cast.source))
        move.deliver(Self.isRefusal)
        #expect(move.targetActions.filter(Self.isDiscard).count == 1)
        #expect(move.cast.target.dispatcher.moves.allSatisfy { $0.outcome != nil })
        move.isHeld = { _ in false }
        move.wait(.seconds(60))
        let sent = move.sourceActions.count + move.targetActions.count
        move.wait(.seconds(60))
        #expect(move.sourceActions.count + move.targetActions.count == sent)
    }
}
