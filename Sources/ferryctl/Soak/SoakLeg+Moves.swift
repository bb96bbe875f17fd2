internal import Ferry
internal import Foundation

// Daemons on the move.
extension SoakLeg {
    /// Where a daemon is, as far as its nodes tell.
    private enum Whereabouts {
        case at(SoakNode, killCount: Int)
        /// Somebody has not answered, or holds it without owning it.
        case unsettled(String)
        case nowhere
    }

    /// Looks in a row that find a daemon nowhere before it counts as gone: the answers of one look are not of one moment.
    private static let looksBeforeGone = 6
    /// The same where nobody who had it has died: it must not happen, and patience shows that it is no accident of timing.
    private static let looksBeforeVanished = 20
    /// How often a long wait is told.
    private static let noteInterval = Duration.seconds(5)

    /// Moves a daemon back and forth until the leg is over; one that dies with its node is replaced.
    func keepMoving(_ place: SoakPlace) async {
        var noise = Noise(state: seed &+ UInt64(place.index + 1) &* 0x5851_F42D_4C95_7F2D)
        while !stopping.isRaised {
            try? await Task.sleep(for: .milliseconds(Int(50 + noise.next() % 350)))
            do {
                if let owner = try await locate(place) {
                    await check(place, at: owner)
                    await move(place, from: owner, &noise)
                } else {
                    await bury(place)
                    try await populate(place)
                    record.count { $0.respawns += 1 }
                }
            } catch {
                return record.violate("\(CommandFailure(describing: error).message)")
            }
        }
    }

    /// Waits until the daemon is active somewhere.
    ///
    /// - Returns: its owner; nil when it has died with a node that had it.
    /// - Throws: when it is neither active nor gone for longer than any move takes.
    func locate(_ place: SoakPlace) async throws -> SoakNode? {
        let start = ContinuousClock.now
        var noteAt = start + Self.noteInterval
        var missing = 0
        while true {
            switch await look(for: place) {
            case .at(let node, let killCount):
                place.settle(at: node, killCount: killCount)
                guard let emitter = place.life?.emitter, emitter.lastFailure != nil || emitter.hasEnded else { return node }
                record.violate("the daemon is active at \(node.name), but \(emitter.lastFailure?.message ?? "\(emitter.name) has ended")")
                return nil
            case .nowhere:
                missing += 1
                if place.mayHaveDied(among: cast.nodes) {
                    if missing >= Self.looksBeforeGone { return nil }
                } else if missing >= Self.looksBeforeVanished {
                    record.violate("daemon \(name(of: place)) is on no node, and none that had it has died")
                    return nil
                }
            case .unsettled(let why):
                missing = 0
                let now = ContinuousClock.now
                if now >= noteAt {
                    record.note("daemon \(name(of: place)) has had no owner for \((now - start).seconds) s: \(why)")
                    noteAt = now + Self.noteInterval
                }
                guard now < start + Self.moveBound else {
                    throw CommandFailure(code: "unsettled", message: "daemon \(name(of: place)) is owned by nobody for too long: \(why)")
                }
            }
            try? await Task.sleep(for: .milliseconds(100))
        }
    }

    /// Holds the last move's verdict against where its daemon is.
    func check(_ place: SoakPlace, at owner: SoakNode) async {
        switch place.check(owner, among: cast.nodes) {
        case .asSaid: return
        case .overtaken(let text, let order):
            if await hasObeyed(order, owner, place) {
                record.count { $0.overtaken += 1 }
                record.note("\(text), for \(order.words), of which nobody told")
            } else {
                record.violate(text)
            }
        case .elsewhere(let text): record.violate(text)
        }
        await tellMoves(of: place)
    }

    /// Whether the owner has taken the daemon for that very order.
    private func hasObeyed(_ order: SoakWords.UnheardOrder, _ owner: SoakNode, _ place: SoakPlace) async -> Bool {
        let source = cast.nodes.first { $0.name == order.source }?.key
        let age = (ContinuousClock.now - order.givenAt).seconds
        return await moves(of: place, at: owner).contains { move in
            move.role == "target" && move.source == source && move.result == "completed" && move.elapsedSeconds <= age
        }
    }

    private func moves(of place: SoakPlace, at node: SoakNode) async -> [ControlReply.MoveLine] {
        guard let origin = place.life?.daemon.origin, node.condition == .serving else { return [] }
        return (try? await node.ask(ControlRequest(.moves)).moves)?.filter { $0.daemon == "\(origin)" } ?? []
    }

    /// Notes what the nodes remember of a daemon's moves.
    private func tellMoves(of place: SoakPlace) async {
        for node in cast.nodes {
            for move in await moves(of: place, at: node) {
                record.note(
                    "\(node.name): \(move.role) of \(move.migration), \(Figure.text(move.elapsedSeconds)) s old, "
                        + "\(move.source.prefix(8)) → \(move.target.prefix(8)), \(move.phase), \(move.result ?? "running") \(move.stall)")
            }
        }
    }

    private func name(of place: SoakPlace) -> String { place.life.map { "\($0.daemon.origin)" } ?? "?" }

    private func look(for place: SoakPlace) async -> Whereabouts {
        guard let origin = place.life?.daemon.origin else { return .nowhere }
        if options.sabotage == .vanished, place.index == 0, record.counts.moves > 3 { return .nowhere }
        let answers = await withTaskGroup(of: Answer.self) { group in
            for node in cast.nodes {
                group.addTask {
                    let killCount = node.killCount
                    guard node.condition == .serving else { return Answer(node: node, killCount: killCount) }
                    let daemons = try? await node.ask(ControlRequest(.daemons)).daemons
                    return Answer(
                        node: node, killCount: killCount, hasAnswered: daemons != nil,
                        line: daemons?.first { $0.origin == "\(origin)" })
                }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        if let owner = answers.filter({ $0.line?.state == "active" }).max(by: { $0.epoch < $1.epoch }) {
            return .at(owner.node, killCount: owner.killCount)
        }
        let holders = answers.filter { ["fenced", "standby"].contains($0.line?.state) }
        if !holders.isEmpty {
            return .unsettled(holders.map { "\($0.line?.state ?? "") at \($0.node.name)" }.joined(separator: ", "))
        }
        let silent = answers.filter { !$0.hasAnswered }
        if !silent.isEmpty { return .unsettled("no answer of " + silent.map(\.node.name).joined(separator: ", ")) }
        return .nowhere
    }

    /// What one node says about one daemon.
    private struct Answer: Sendable {
        var node: SoakNode
        var killCount: Int
        var hasAnswered = false
        var line: ControlReply.DaemonLine?

        var epoch: UInt64 { line.flatMap { UInt64($0.epoch) } ?? 0 }
    }

    // MARK: One move

    private func move(_ place: SoakPlace, from owner: SoakNode, _ noise: inout Noise) async {
        guard let life = place.life else { return }
        let others = cast.nodes.filter { $0 !== owner }
        let target = others[Int(noise.next() % UInt64(others.count))]
        let orchestrator =
            switch noise.next() % 10 {
            case 0..<6: owner
            case 6..<9: target
            default: cast.nodes[Int(noise.next() % UInt64(cast.nodes.count))]
            }
        place.trust([owner, target])
        var request = ControlRequest(.migrate)
        request.daemon = life.daemon.entity
        request.to = target.endpoint
        request.from = orchestrator === owner ? nil : owner.endpoint
        request.mode = options.mode.next(&noise)
        request.timeoutSeconds = 30
        record.count { $0.moves += 1 }
        let move = "\(owner.name) → \(target.name), by \(orchestrator.name)"
        let (wasServing, kills) = (orchestrator.condition == .serving, orchestrator.killCount)
        let (ownerKills, targetKills) = (owner.killCount, target.killCount)
        let unheard = SoakWords.UnheardOrder(
            source: owner.name, sourceKillCount: ownerKills, target: target.name, targetKillCount: targetKills, givenAt: .now, words: move)
        do {
            let reply = try await orchestrator.ask(request, within: Self.moveBound)
            count(reply, move, orderedAs: request.mode)
            let code = options.sabotage == .misreported ? reply.error?.code ?? "rolledBack" : reply.error?.code
            switch code {
            case nil: place.believe(.init(node: target.name, killCount: targetKills, words: "\(move) is reported completed"))
            case "rolledBack": place.believe(.init(node: owner.name, killCount: ownerKills, words: "\(move) is reported rolled back"))
            // The source has to have the daemon to decline for any other reason.
            case "declined" where reply.error?.reason != "daemonNotFound":
                place.believe(.init(node: owner.name, killCount: ownerKills, words: "\(move) is reported declined"))
            case let code? where Self.unheardEnds.contains(code): place.miss(unheard)
            default: break
            }
        } catch {
            // An orchestrator that has died, or is dead, reports nothing: how the move ends is seen by where the daemon is then.
            place.miss(unheard)
            record.count { $0.unreported += 1 }
            guard wasServing, orchestrator.killCount == kills else { return }
            record.violate("\(orchestrator.name) lives, and does not tell how \(move) ended: \(CommandFailure(describing: error).message)")
        }
    }

    /// What an orchestrator may say that could not carry an order out, or could not learn how it ended.
    private static let excuses: Set<String> = [
        "inDoubt", "failed", "unreachable", "daemonNotFound", "daemonMoving", "notReady", "shuttingDown",
    ]

    /// Those of them after which the order may still be obeyed.
    private static let unheardEnds: Set<String> = ["inDoubt", "failed", "shuttingDown"]

    private func count(_ reply: ControlReply, _ move: String, orderedAs mode: String?) {
        let code = reply.error?.code
        record.count { counts in
            switch code {
            case nil: counts.completed += 1
            case "rolledBack": counts.rolledBack += 1
            case "declined": counts.declined += 1
            case "inDoubt": counts.inDoubt += 1
            default: counts.unreported += 1
            }
        }
        if let report = reply.report {
            let made = options.sabotage == .fellBack ? "otherwise" : report.mode
            if made == SoakMode.live.rawValue { record.count { $0.completedLive += 1 } }
            // Its copy did something else than the daemon, which this one's must not.
            if made != mode { record.violate("\(move) was ordered \(mode ?? "live") and made \(made)") }
        }
        guard let error = reply.error, error.code != "rolledBack", error.code != "declined" else { return }
        record.note("\(move): \(error.code): \(error.message)")
        if error.message.isEmpty { record.violate("a move ended as \(error.code) without a reason") }
        if !Self.excuses.contains(error.code) { record.violate("\(move) ended as \(error.code): \(error.message)") }
    }
}
