internal import Ferry
internal import Foundation

// After the faults: everything must come to rest, and what is left must be what was accepted.
extension SoakLeg {
    /// Waits until all is at rest, and compares.
    func heal() async {
        for place in places {
            do {
                guard let owner = try await locate(place) else {
                    await bury(place)
                    continue
                }
                await check(place, at: owner)
                await compare(place, at: owner)
            } catch {
                record.violate(CommandFailure(describing: error).message)
            }
        }
        await expectNothingOpen()
        evidence.read()
        for life in places.flatMap(\.lives) {
            evidence.close(life.daemon.origin, accepted: life.acceptedAtDeath ?? life.emitter.lastOffering.accepted)
        }
    }

    /// Every event that was offered is accepted in the end, and the state is that of a daemon that never moved.
    private func compare(_ place: SoakPlace, at owner: SoakNode) async {
        guard let life = place.life else { return }
        life.emitter.send(.drain)
        let isDrained = await withTaskGroup(of: Bool.self) { group in
            group.addTask { (try? await life.emitter.expect("every event was accepted") { $0.emitted }) != nil }
            group.addTask {
                guard await self.waitForStandstill(of: life.daemon.origin) else { return true }
                // An emitter that cannot end is ended, which ends the other wait.
                life.emitter.role.processID.map { _ = kill($0, SIGKILL) }
                return false
            }
            let first = await group.next() ?? false
            group.cancelAll()
            return first
        }
        let (offered, accepted) = life.emitter.lastOffering
        guard isDrained, offered == accepted else {
            return record.violate(
                "daemon \(life.daemon.origin) is active at \(owner.name), but only \(accepted) of \(offered) events were accepted: "
                    + (life.emitter.lastFailure?.message ?? "the emitter waits"))
        }
        var request = ControlRequest(.digest)
        request.daemon = "\(life.daemon.origin)"
        do {
            let digest = try await owner.ask(request, within: Self.moveBound).checked().digest?.digest
            let twin = try await DemoCoordinator.twinDigest(accepted, of: cast.lines, paddingByteCount: options.stateSize.byteCount)
            guard digest != twin else { return }
            record.violate("daemon \(life.daemon.origin) at \(owner.name) differs from its twin after \(accepted) events")
        } catch {
            record.violate("daemon \(life.daemon.origin) has no digest: \(CommandFailure(describing: error).message)")
        }
    }

    /// Returns true once the daemon has processed nothing for as long as it may; false when nobody waits any more.
    private func waitForStandstill(of origin: UInt64) async -> Bool {
        var (count, since) = (evidence.processedCount(of: origin), ContinuousClock.now)
        while ContinuousClock.now < since + Self.drainBound {
            do { try await Task.sleep(for: .seconds(1)) } catch { return false }
            let now = evidence.processedCount(of: origin)
            if now != count { (count, since) = (now, ContinuousClock.now) }
        }
        return true
    }

    /// No move runs or is in doubt, and no daemon stands still for one, within the bound of all moves.
    private func expectNothingOpen() async {
        let deadline = ContinuousClock.now + Self.moveBound
        var noted: [String] = []
        while true {
            let open = await openRecords()
            if open.isEmpty { return }
            let kinds = open.map { String($0.prefix { $0 != "," }) }
            if kinds != noted { record.note("not at rest yet: " + open.joined(separator: "; ")) }
            noted = kinds
            guard ContinuousClock.now < deadline else {
                return record.violate("left behind: " + open.prefix(5).joined(separator: "; "))
            }
            try? await Task.sleep(for: .milliseconds(200))
        }
    }

    private func openRecords() async -> [String] {
        var open: [String] = []
        for node in cast.nodes {
            do {
                let moves = try await node.ask(ControlRequest(.moves)).checked().moves ?? []
                for move in moves where move.result == nil || move.result == "inDoubt" {
                    open.append(
                        "\(node.name) is \(move.role) of \(move.migration), daemon \(move.daemon), "
                            + "\(move.result ?? move.phase) for \(Figure.text(move.ageInPhaseSeconds)) s \(move.stall)")
                }
                let daemons = try await node.ask(ControlRequest(.daemons)).checked().daemons ?? []
                for daemon in daemons where daemon.state == "fenced" || daemon.state == "standby" {
                    open.append("daemon \(daemon.origin) is \(daemon.state) at \(node.name)")
                }
            } catch {
                open.append("\(node.name) does not answer: \(CommandFailure(describing: error).message)")
            }
        }
        return open
    }
}
