internal import FerryCrypto
internal import FerryStateMachines
internal import FerryWire

// The target's actions.
extension SimulationNode {
    func reserve(_ migration: MigrationID, _ request: AdmissionRequest) {
        var refusal: FailureReason?
        let truth = world.daemon(request.order.daemon.originHash)
        if let truth {
            if hosts[truth.index].map({ !$0.isStub }) ?? false { refusal = FailureReason(.alreadyMigrating, "the daemon is here already") }
            if world.strikes(.fullBuffer, 20) { refusal = FailureReason(.noCapacity, "no room") }
        } else {
            refusal = FailureReason(.daemonNotFound)
        }
        if refusal == nil, let truth {
            world.move(migration)?.enters(.reserved)
            arrivals.append(DaemonArrival(migration: migration, daemon: truth, isLive: request.order.mode == .live))
        }
        dispatcher.admitted(migration, refusal: refusal, now: now, wallClock: wallClock)
    }

    func arrival(_ migration: MigrationID) -> DaemonArrival? { arrivals.first { $0.migration == migration } }

    func restore(_ migration: MigrationID, _ snapshot: SnapshotHeader, from source: NodeKey, _ stream: UInt64) {
        guard let arrival = arrival(migration), arrival.snapshot == nil else { return }
        arrival.snapshot = snapshot
        world.move(migration)?.enters(.restoring)
        let from = world.endpoint(of: source)?.index
        guard let transfer = incoming.first(where: { $0.stream == stream && $0.from == from && $0.toBoot == endpoint.bootCount }) else {
            return later(callbackTime()) { $0.restoreFailed(migration, "the session with the source is gone") }
        }
        arrival.transfer = transfer
        if transfer.isOver, !transfer.isWhole {
            return later(callbackTime()) { $0.restoreFailed(migration, "the stream broke") }
        }
        later(.zero) { $0.stateArrived(transfer) }
    }

    private func restoreFailed(_ migration: MigrationID, _ text: String) {
        guard arrival(migration)?.host == nil else { return }
        report { $0.restoreFailed(migration, FailureReason(.stateFailed, text), now: $1, wallClock: $2) }
    }

    /// Bytes of a stream have arrived, or its end.
    func stateArrived(_ transfer: SimulationTransfer) {
        guard let arrival = arrivals.first(where: { $0.transfer === transfer }), arrival.host == nil else { return }
        let migration = arrival.migration
        if !arrival.hasBegun {
            arrival.hasBegun = true
            report { $0.restoreBegan(migration, now: $1, wallClock: $2) }
        }
        report { dispatcher, now, _ in dispatcher.restoreProgress(migration, byteCount: UInt64(transfer.arrived.count), now: now) }
        guard transfer.isWhole else { return }
        arrival.transfer = nil
        let bytes = transfer.arrived
        later(callbackTime()) { $0.finishRestore(migration, bytes) }
    }

    func arrivalBroke(_ transfer: SimulationTransfer) {
        incoming.removeAll { $0 === transfer }
        guard let arrival = arrivals.first(where: { $0.transfer === transfer }), !transfer.isWhole else { return }
        restoreFailed(arrival.migration, "the stream broke")
    }

    private func finishRestore(_ migration: MigrationID, _ bytes: [UInt8]) {
        guard let arrival = arrival(migration), let snapshot = arrival.snapshot, arrival.host == nil else { return }
        if world.strikes(.failingCallback, 80) { return restoreFailed(migration, "the restore threw") }
        let (wrong, copied) = restored(snapshot, of: arrival.daemon)
        guard bytes.count >= 8, let daemon = try? world.cast.restore(Array(bytes.dropLast(8))) else {
            return restoreFailed(migration, "the restore threw")
        }
        let held = hosts[arrival.daemon.index]
        guard held.map(\.isStub) ?? true else { return restoreFailed(migration, "the daemon is here already") }
        guard let host = SimulationHost(standby: daemon, migration: migration, snapshot: copied, truth: arrival.daemon, in: world) else {
            return restoreFailed(migration, "more lanes than this node keeps")
        }
        host.wrong = wrong
        host.noise = bytes.suffix(8).reversed().reduce(0) { $0 << 8 | UInt64($1) }
        if wrong == .state { host.noise ^= 1 }
        arrival.host = host
        arrival.isFollowing = arrival.isLive
        standbys[arrival.daemon.index] = host
        report { $0.restored(migration, bytes.stateSummary, now: $1, wallClock: $2) }
    }

    func activate(_ migration: MigrationID, _ keypair: EntityKeypair, _ epoch: Epoch) {
        guard let arrival = arrival(migration), let host = arrival.host, host.ownership.activate(migration, epoch: epoch) else {
            return world.violate("S1", "\(migration) activates a daemon that is not restored")
        }
        arrivals.removeAll { $0 === arrival }
        host.keypair = keypair
        standbys[host.truth.index] = nil
        self.host(host)
        world.say("\(endpoint.name)  daemon \(host.truth.index) is active at epoch \(epoch)")
        if world.has(.obeyCommitAgain), let snapshot = arrival.snapshot { keep(host, of: migration, snapshot) }
        if let move = world.move(migration) { move.enters(.active, standing: world.standing(of: move, at: self)) }
        world.activated(host, on: self)
        takeParked(host)
        tellHeld(host)
        sendOutputs(host)
    }

    /// Takes in what came while nobody served; whoever has started again since is not answered on the session that has gone.
    private func takeParked(_ host: SimulationHost) {
        for (message, sender) in host.parked.takeAll() {
            let endpoint = world.endpoints[sender.index]
            if endpoint.bootCount == sender.bootCount { receive(message, from: endpoint) } else { _ = answer(message, from: endpoint) }
        }
    }

    /// A snapshot as this restore reads it, and what it gets wrong, if anything: what nobody compares cannot be found out.
    private func restored(_ snapshot: SnapshotHeader, of daemon: DaemonTruth) -> (WrongRestore?, SnapshotHeader) {
        if daemon.hasDigest, world.strikes(.droppedField, 100) { return (.state, snapshot) }
        guard world.isActive(.wrongRestore), world.random.chance(200) else { return (nil, snapshot) }
        let possible = WrongRestore.allCases.compactMap { wrong in wrong.applied(to: snapshot).map { (wrong, $0) } }
        guard let (wrong, copied) = world.random.pick(possible) else { return (nil, snapshot) }
        world.count(.wrongRestore)
        return (wrong, copied)
    }

    /// The defect: the copy serves as soon as it has been compared.
    func activateTooEarly(_ migration: MigrationID, _ order: MoveOrder) {
        guard let host = arrival(migration)?.host else { return }
        _ = host.ownership.activate(migration, epoch: host.ownership.epoch)
        world.activated(host, on: self)
    }

    func discard(_ migration: MigrationID) {
        world.move(migration)?.enters(.refused)
        guard let arrival = arrival(migration) else { return }
        arrivals.removeAll { $0 === arrival }
        if let transfer = arrival.transfer { world.network.cancel(transfer) }
        guard let host = arrival.host, !world.has(.keepStandby) else { return }
        if standbys[host.truth.index] === host { standbys[host.truth.index] = nil }
    }
}
