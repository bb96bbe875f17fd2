internal import FerryCrypto
internal import FerryStateMachines
internal import FerryWire
internal import Logging
internal import Synchronization

// What the dispatcher wants done with a daemon that leaves.
extension NetMeshCore {
    /// Fences the daemon in its own isolation, then writes its state from the copy.
    func takeSnapshot(of origin: OriginHash, attempt: UInt64) async {
        guard let host = registry.host(origin), let frozen = await host.fence() else {
            let reason = FailureReason(.stateFailed, "daemon is stateless or snapshot failed")
            transact { $0.snapshotTaken(origin, attempt: attempt, .failure(reason), now: $1) }
            return
        }
        runJob(for: origin) {
            let result = await self.snapshot(frozen, of: host)
            self.transact { $0.snapshotTaken(origin, attempt: attempt, result, now: $1) }
        }
    }

    private func snapshot(
        _ frozen: NetMeshDaemonHost.Frozen, of host: NetMeshDaemonHost
    ) async -> Result<StateSnapshot, FailureReason> {
        do {
            let state = try await PlainState.bytes(of: frozen.daemon, limit: configuration.limits.snapshotByteCount)
            await host.countSnapshot()
            return .success(
                StateSnapshot(
                    entity: host.entity, chainLink: frozen.chain.head, createdAt: WallClock.nanoseconds, state: state,
                    bindings: frozen.bindings, headPayload: frozen.chain.headPayload))
        } catch let error as FerryError where error.code == .limitExceeded {
            return .failure(FailureReason(.stateFailed, "snapshot failed: \(error.message)"))
        } catch {
            logger.warning("a snapshot failed", metadata: ["daemon": "\(host.origin)", "error": "\(type(of: error))"])
            return .failure(FailureReason(.stateFailed, "daemon is stateless or snapshot failed"))
        }
    }

    /// Seals the daemon's key; it never leaves the keypair but into the envelope.
    func seal(_ origin: OriginHash, attempt: UInt64, target: NodeID, snapshot: StateSnapshot) async {
        let answer = await sealing(origin, target: target, snapshot: snapshot)
        transact { $0.sealed(origin, attempt: attempt, answer, now: $1) }
    }

    private func sealing(_ origin: OriginHash, target: NodeID, snapshot: StateSnapshot) async -> NetMeshSealing {
        guard let context = configuration.hooks.identity else { return .noContext }
        guard let targetKey = await context.peerStaticKey(target) else { return .noTargetKey }
        guard let keypair = await registry.host(origin)?.frozen()?.keypair, keypair.canSign else { return .noKeypair }
        do {
            var sealed = snapshot
            try sealed.sealIdentity(of: keypair, to: targetKey, crypto: configuration.crypto, random: configuration.crypto.random)
            return .sealed(sealed)
        } catch {
            return .failed(error.message)
        }
    }

    /// Unsubscribes the daemon, then lets the host do its part; neither can stop the cutover.
    func preCleanup(_ origin: OriginHash, attempt: UInt64) {
        let hook = configuration.hooks.preCleanup
        runHook {
            if let host = self.registry.host(origin) { await self.leaveAll(host) }
            try await hook?(origin)
        } _: { failure in
            if let failure { self.logger.warning("pre-cleanup failed", metadata: ["daemon": "\(origin)", "error": "\(failure)"]) }
            let reason = failure.map { FailureReason(.stateFailed, "pre-cleanup failed: \(Self.text($0))") }
            self.transact { $0.hookFinished(origin, attempt: attempt, .preCleanup, failure: reason, now: $1) }
        }
    }

    /// Takes the daemon out of the registry; copy and key stay until the acknowledgement.
    func retire(_ origin: OriginHash) {
        guard let host = registry.host(origin), registry.remove(host) else { return }
        state.withLock { $0.departures[origin] = host }
    }

    /// Another node owns the daemon: wipes the key, drops copy and factory.
    func release(_ origin: OriginHash) async {
        cancelJobs(for: origin)
        let (host, expectation) = state.withLock { state in
            // Expected again, it comes back before its departure was acknowledged: its factory and key are needed for that.
            let isExpected = state.dispatcher.factories[origin] != nil
            return (state.departures.removeValue(forKey: origin), isExpected ? nil : state.expectations.removeValue(forKey: origin))
        }
        expectation?.fallbackKey?.wipe()
        let leaving = host ?? registry.host(origin)
        guard let leaving else { return }
        _ = registry.remove(leaving)
        await leaving.release()
        // After the move as before it: nothing of a gone daemon keeps a channel.
        runJob(for: origin) { await self.leaveAll(leaving) }
    }

    /// The move was given up: the daemon processes what was captured, in order, and serves on.
    func resume(_ origin: OriginHash, captured: [CausalEvent], wasRetired: Bool) async {
        cancelJobs(for: origin)
        let departed = state.withLock { $0.departures.removeValue(forKey: origin) }
        if let departed {
            do { try registry.register(departed) } catch {
                logger.error("a daemon could not return", metadata: ["daemon": "\(origin)", "error": "\(error)"])
            }
        }
        guard let host = registry.host(origin) else { return }
        let failedCount = await host.resume(captured)
        if failedCount > 0 {
            logger.warning("captured events failed", metadata: ["daemon": "\(origin)", "count": "\(failedCount)"])
        }
        // Memberships may have ended with the pre-cleanup of the move; whoever has them keeps them.
        runJob(for: origin) {
            do { try await self.joinAll(host) } catch {
                self.logger.error("a daemon lost a subscription", metadata: ["daemon": "\(origin)", "error": "\(error)"])
            }
        }
    }

    /// Channels that are joined at once: a ledger of many must fit into one hook's budget.
    private static let joinWidth = 16

    /// Joins what the daemon's ledger lists.
    func joinAll(_ host: NetMeshDaemonHost) async throws {
        let entries = await host.ledger.entries
        try await withThrowingTaskGroup(of: Void.self) { group in
            for (index, entry) in entries.enumerated() {
                if index >= Self.joinWidth { try await group.next() }
                group.addTask { try await self.join(entry, for: host) }
            }
            try await group.waitForAll()
        }
    }

    /// Whoever joins for a daemon that was given up meanwhile leaves again: nobody else would.
    private func join(_ entry: SubscriptionLedger.Entry, for host: NetMeshDaemonHost) async throws {
        try Task.checkCancellation()
        guard await host.standing != .gone else { return }
        try await memberships.join(entry, for: host)
        guard await host.standing == .gone else { return }
        try await memberships.leave(publisher: entry.publisher, channel: entry.channel, for: host)
    }

    /// Leaves what the daemon's ledger lists; siblings keep their memberships.
    func leaveAll(_ host: NetMeshDaemonHost) async {
        for entry in await host.ledger.entries {
            do {
                try await memberships.leave(publisher: entry.publisher, channel: entry.channel, for: host)
            } catch {
                logger.warning("a channel was not left", metadata: ["channel": "\(entry.channel)", "error": "\(error)"])
            }
        }
    }

    /// One line for a peer or a log; a message of ours as it stands, of anything else the type only, since it may show state.
    static func text(_ error: any Error) -> String {
        switch error {
        case let error as FerryError: error.message
        case let error as CryptoFailure: error.message
        case let error as FailureReason: error.message
        default: "\(type(of: error))"
        }
    }
}
