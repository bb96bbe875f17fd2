internal import FerryCrypto
internal import FerryStateMachines
internal import FerryWire

// The source's actions.
extension SimulationNode {
    func describe(_ migration: MigrationID, _ entity: EntityID) {
        later(callbackTime()) { node in
            let result: Result<DaemonDescription, FailureReason>
            do throws(FailureReason) {
                result = .success(try node.description(of: entity))
            } catch {
                result = .failure(error)
            }
            node.report { $0.described(migration, result, now: $1, wallClock: $2) }
        }
    }

    private func description(of entity: EntityID) throws(FailureReason) -> DaemonDescription {
        guard let host = ownHost(entity), !host.isStub else { throw FailureReason(.daemonNotFound) }
        guard let epoch = host.ownership.nextEpoch else { throw FailureReason(.stateFailed, "the daemon's epochs are used up") }
        return DaemonDescription(kind: world.cast.kind, lineage: host.truth.lineage, epoch: epoch, predictedByteCount: 0)
    }

    /// Owner or stub.
    func ownHost(_ entity: EntityID) -> SimulationHost? {
        world.daemon(entity.originHash).flatMap { hosts[$0.index] }
    }

    /// Changes of one daemon's standing come in order, each once the one before is done.
    func change(_ host: SimulationHost, _ body: @escaping (SimulationNode) -> Void) {
        let done = max(host.changedAt, world.now + callbackTime())
        host.changedAt = done
        let index = endpoint.index
        world.push(at: done, .work(endpoint: index, boot: endpoint.bootCount) { body($0.nodes[index]) })
    }

    func fence(_ migration: MigrationID, _ entity: EntityID, _ epoch: Epoch) {
        if let move = world.move(migration), move.order.mode == .stopAndCopy { move.enters(.streaming) }
        guard let host = ownHost(entity) else {
            return later(.zero) { node in
                node.report { $0.fenced(migration, .failure(FailureReason(.daemonNotFound)), now: $1, wallClock: $2) }
            }
        }
        change(host) { node in
            let result: Result<FencedDaemon, FailureReason>
            do throws(FailureReason) {
                result = .success(try node.fence(host, migration, epoch))
            } catch {
                result = .failure(error)
            }
            node.report { $0.fenced(migration, result, now: $1, wallClock: $2) }
        }
    }

    private func fence(_ host: SimulationHost, _ migration: MigrationID, _ epoch: Epoch) throws(FailureReason) -> FencedDaemon {
        try host.ownership.fence(migration, epoch: epoch)
        // From here on not even a repeat is sent.
        if !world.has(.speakAfterFence) { host.lanes.suspend() }
        do {
            host.frozen = try host.facts()
        } catch {
            // A snapshot that throws is found out when it is written.
            host.frozen = nil
        }
        world.say("\(endpoint.name)  daemon \(host.truth.index) is fenced at \(host.truth.processedCount) events")
        // In live mode the log ends here.
        host.live?.log.seal()
        pump(host)
        let frozen = frozenState(of: host)
        return FencedDaemon(
            keypair: host.keypair, snapshot: host.header(epoch: epoch, kind: world.cast.kind),
            predictedByteCount: UInt64(frozen?.count ?? 0), stateDigest: host.stateDigest,
            lastLogIndex: host.live?.log.lastIndex ?? 0, inputOutputDigest: host.live?.log.digest, determinism: host.truth.determinism)
    }

    /// The state that leaves.
    private func frozenState(of host: SimulationHost) -> [UInt8]? {
        if world.has(.forgetTail), let stale = host.stale { return try? host.state(of: stale) }
        return try? host.state()
    }

    func stream(_ migration: MigrationID, _ entity: EntityID, to node: NodeKey) {
        let isThrowing = world.strikes(.failingCallback, 80)
        guard let to = world.endpoint(of: node), let host = ownHost(entity), let state = host.live?.state ?? frozenState(of: host),
            !isThrowing
        else {
            departures.append(Departure(migration: migration, transfer: nil))
            return later(callbackTime()) { node in
                let reason = FailureReason(.stateFailed, "the snapshot threw")
                node.report { $0.streamFailed(migration, reason, now: $1, wallClock: $2) }
            }
        }
        let transfer = SimulationTransfer(
            number: world.random.next() >> 8, migration: migration, from: endpoint, to: to.index, bytes: state)
        departures.append(Departure(migration: migration, transfer: transfer))
        world.begin(transfer)
    }

    func stopStreaming(_ migration: MigrationID) {
        for case let host? in hosts where host.live?.migration == migration { host.live?.route = nil }
        guard let index = departures.firstIndex(where: { $0.migration == migration }) else { return }
        let departure = departures.remove(at: index)
        if let transfer = departure.transfer { world.network.cancel(transfer) }
    }

    private func isUnderway(_ transfer: SimulationTransfer) -> Bool { departures.contains { $0.transfer === transfer } }

    func streamOpened(_ transfer: SimulationTransfer) {
        guard isUnderway(transfer) else { return }
        report { $0.streamOpened(transfer.migration, stream: transfer.stream, now: $1, wallClock: $2) }
    }

    func streamAdvanced(_ transfer: SimulationTransfer) {
        guard isUnderway(transfer) else { return }
        report { dispatcher, now, _ in
            dispatcher.streamProgress(transfer.migration, byteCount: UInt64(transfer.writtenByteCount), now: now)
        }
    }

    func streamAcknowledged(_ transfer: SimulationTransfer) {
        guard isUnderway(transfer) else { return }
        let summary = transfer.bytes.stateSummary
        report {
            $0.streamed(transfer.migration, summary, wireByteCount: UInt64(transfer.bytes.count), now: $1, wallClock: $2)
        }
    }

    func streamFailed(_ transfer: SimulationTransfer) {
        guard isUnderway(transfer) else { return }
        let reason = FailureReason(.stateFailed, "the stream broke")
        report { $0.streamFailed(transfer.migration, reason, now: $1, wallClock: $2) }
    }

    func commit(_ migration: MigrationID, _ entity: EntityID, _ moved: Moved) {
        if ownHost(entity)?.ownership.commit(moved) == true {
            world.move(migration)?.enters(.committed, standing: .inDoubt)
            if let host = ownHost(entity) { tellHeld(host) }
            if world.has(.resumeByTimer) { later(.milliseconds(20)) { $0.resume(migration, entity) } }
            return
        }
        world.violate("S1", "\(migration) commits a daemon that is not fenced for it")
    }

    func resume(_ migration: MigrationID, _ entity: EntityID) {
        world.move(migration)?.enters(.abandoned)
        guard let host = ownHost(entity), !world.has(.forgetResume) else { return }
        change(host) { node in
            if host.live?.migration == migration { host.live = nil }
            if host.ownership.thaw(migration) {
                node.world.checkState(host)
                node.tellHeld(host)
                return node.sendOutputs(host)
            }
            guard let epoch = host.ownership.resume(migration) else { return }
            node.world.say("\(node.endpoint.name)  daemon \(host.truth.index) goes on at epoch \(epoch)")
            node.world.resumed(host)
            node.world.activated(host, on: node)
            node.tellHeld(host)
            node.sendOutputs(host)
        }
    }

    func retire(_ migration: MigrationID, _ entity: EntityID) {
        guard let host = ownHost(entity), host.ownership.retire(migration) else {
            return world.violate("S1", "\(migration) retires a daemon that is not in doubt for it")
        }
        if let move = world.move(migration) { move.enters(.done, standing: world.standing(of: move, at: self)) }
        if !world.has(.keepKey) { host.keypair.wipe() }
        host.frozen = nil
        host.live = nil
        host.lanes = OutputLanes(daemon: host.truth.origin)
        tellHeld(host)
        world.checkWiped(host)
    }
}
