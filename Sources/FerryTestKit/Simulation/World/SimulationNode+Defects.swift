internal import FerryCrypto
internal import FerryStateMachines
internal import FerryWire

// What a node does that is made wrong on purpose, where it takes more than leaving something out.
extension SimulationNode {
    /// A daemon as it came in.
    struct KeptCopy {
        let truth: DaemonTruth
        let daemon: any SimulatedDaemon
        let snapshot: SnapshotHeader
        let epoch: Epoch
    }

    /// A host that does not stop at the fence.
    func defective(
        _ verdict: LaneVerdict, _ event: LaneEvent, _ host: SimulationHost, _ emitter: OriginHash
    ) -> LaneMessage.Body? {
        guard world.has(.dropFence), case .hold = verdict, !host.isStandby else { return nil }
        guard event.previous == host.ownership.cursor(of: emitter) else { return nil }
        process(event, on: host)
        return .acknowledgement(cursor: event.link.sequence, epoch: host.ownership.epoch)
    }

    /// A fenced host that sends its emitters on before anything is decided.
    func movedTooEarly(_ host: SimulationHost) -> LaneMessage.Body? {
        guard world.has(.movedAtFence), case .fenced(_, let migration) = host.ownership.standing,
            let order = world.move(migration)?.order
        else { return nil }
        let moved = Moved(
            daemon: order.daemon, epoch: host.ownership.highestBurntEpoch, migration: migration, target: order.target,
            targetAddress: order.targetAddress, daemonSignature: .none)
        return (try? HandOverProofs.sign(moved, daemon: host.keypair)).map { .moved($0) }
    }

    /// Begins daemons anew that a crash took with it.
    func respawn(_ lost: [DaemonTruth]) {
        for truth in lost {
            guard let keypair = keypair(of: truth) else { continue }
            let host = SimulationHost(spawning: world.cast.spawn(0), keypair: keypair, truth: truth, in: world)
            hosts[truth.index] = host
            world.say("\(endpoint.name)  daemon \(truth.index) begins anew")
            world.activated(host, on: self)
        }
    }

    func keep(_ host: SimulationHost, of migration: MigrationID, _ snapshot: SnapshotHeader) {
        keptCopies[migration] = KeptCopy(truth: host.truth, daemon: host.daemon, snapshot: snapshot, epoch: host.ownership.epoch)
    }

    /// Has a daemon serve again as it came in, if it has gone on.
    func obeyAgain(_ migration: MigrationID) {
        guard let copy = keptCopies[migration], hosts[copy.truth.index]?.isStub ?? false, let keypair = keypair(of: copy.truth),
            let host = SimulationHost(
                standby: copy.daemon, migration: migration, snapshot: copy.snapshot, truth: copy.truth, in: world)
        else { return }
        host.keypair = keypair
        _ = host.ownership.activate(migration, epoch: copy.epoch)
        hosts[copy.truth.index] = host
        world.say("\(endpoint.name)  daemon \(copy.truth.index) serves again for a repeated commit")
        world.activated(host, on: self)
    }

    private func keypair(of truth: DaemonTruth) -> EntityKeypair? {
        let secret = truth.secret
        return try? EntityKeypair(
            seed: SecretBytes(copying: secret.rawSpan, allocator: world.crypto.secrets), crypto: world.crypto)
    }
}
