internal import FerryCrypto
internal import FerryStateMachines
internal import FerryWire
internal import Logging
internal import Synchronization

// What the dispatcher wants done with a daemon that arrives.
extension NetMeshCore {
    func askReadiness(_ origin: OriginHash, attempt: UInt64) {
        let readiness = configuration.hooks.readiness
        let isReady = state.withLock { $0.life == .ready }
        let answer = NetMeshAnswer(false)
        runHook {
            let isWilling = await readiness?() ?? true
            answer.set(isReady && isWilling)
        } _: { _ in
            self.transact { $0.readinessAnswered(origin, attempt: attempt, answer.value, now: $1) }
        }
    }

    /// Begins an attempt: what another one has left is dropped, so that nothing of it leaks into this one.
    func beginArrival(_ origin: OriginHash, attempt: UInt64) async {
        let old: Arrival? = state.withLock { state in
            guard let old = state.arrivals[origin] else {
                state.arrivals[origin] = Arrival(attempt: attempt)
                return nil
            }
            guard old.attempt != attempt else { return nil }
            state.arrivals[origin] = Arrival(attempt: attempt)
            return old
        }
        if let old { await drop(old, of: origin) }
    }

    /// Opens the envelope and keeps the keypair for the restore; one that comes too late is wiped.
    func unseal(_ origin: OriginHash, attempt: UInt64, snapshot: StateSnapshot) async {
        let answer = await unsealing(origin, attempt: attempt, snapshot: snapshot)
        transact { $0.unsealed(origin, attempt: attempt, answer, now: $1) }
    }

    private func unsealing(_ origin: OriginHash, attempt: UInt64, snapshot: StateSnapshot) async -> NetMeshUnsealing {
        guard let context = configuration.hooks.identity else { return .noContext }
        do {
            guard let keypair = try await context.unseal(snapshot) else { return .nothing }
            // A host's own unsealer may open another daemon's envelope.
            guard keypair.entityID == snapshot.entity else {
                keypair.wipe()
                return .failed("identity envelope: the key inside is another daemon's")
            }
            guard keypair.canSign else { return .failed("identity envelope: no secret key inside") }
            let isWanted = state.withLock { state in
                guard state.arrivals[origin]?.attempt == attempt else { return false }
                state.arrivals[origin]?.key = keypair
                return true
            }
            if !isWanted { keypair.wipe() }
            return .opened
        } catch {
            return .failed(Self.text(error))
        }
    }

    /// Builds the daemon; it is not live, and not in the registry.
    func restore(_ origin: OriginHash, attempt: UInt64, snapshot: StateSnapshot, identity: NetMeshIdentitySource) async {
        let result = await restoring(origin, attempt: attempt, snapshot: snapshot, identity: identity)
        transact { $0.restored(origin, attempt: attempt, result, now: $1) }
    }

    private func restoring(
        _ origin: OriginHash, attempt: UInt64, snapshot: StateSnapshot, identity: NetMeshIdentitySource
    ) async -> Result<CausalLink, FailureReason> {
        let (factory, key) = state.withLock { state in
            let expectation = state.expectations[origin]
            let arrival = state.arrivals[origin]
            let key = identity == .envelope ? arrival?.key : expectation?.fallbackKey
            return (expectation.flatMap { state.kinds[$0.kind] }, arrival?.attempt == attempt ? key : nil)
        }
        guard let factory else { return .failure(FailureReason(.factoryNotFound)) }
        guard let key else { return .failure(FailureReason(.stateFailed, "restore failed: no keypair for the daemon")) }
        guard registry.host(origin) == nil else {
            return .failure(FailureReason(.stateFailed, "restore failed: the daemon is already registered here"))
        }
        do {
            let host = try await NetMeshDaemonHost.restoring(
                snapshot, with: factory, keypair: key, generation: attempt, context: hostContext)
            let head = await host.head
            let isWanted = state.withLock { state in
                guard state.arrivals[origin]?.attempt == attempt else { return false }
                state.arrivals[origin]?.host = host
                return true
            }
            if !isWanted { await host.release(keepsKey: identity == .fallback) }
            return .success(head)
        } catch {
            return .failure(FailureReason(.stateFailed, "restore failed: \(Self.text(error))"))
        }
    }

    /// Subscribes the restored daemon before its old node leaves, then lets the host do its part; a failure of either fails the move.
    func postRestore(_ origin: OriginHash, attempt: UInt64) {
        let hook = configuration.hooks.postRestore
        let host = arrival(origin, attempt: attempt)?.host
        runHook {
            if let host { try await self.joinAll(host) }
            try await hook?(origin)
        } _: { failure in
            let reason = failure.map { FailureReason(.stateFailed, "post-restore failed: \(Self.text($0))") }
            self.transact { $0.hookFinished(origin, attempt: attempt, .postRestore, failure: reason, now: $1) }
        }
    }

    func replay(_ origin: OriginHash, attempt: UInt64, events: [CausalEvent]) async {
        guard let host = arrival(origin, attempt: attempt)?.host else {
            let reason = FailureReason(.stateFailed, "the restored daemon is gone")
            transact { $0.replayed(origin, attempt: attempt, .failed(landedCount: 0, reason: reason), now: $1) }
            return
        }
        let head = await host.replay(events)
        transact { $0.replayed(origin, attempt: attempt, .replayed(head: head), now: $1) }
    }

    /// Goes live: in the registry first, so that whoever finds the daemon waits for it to serve.
    func activate(_ origin: OriginHash, attempt: UInt64, held: [CausalEvent]) async {
        let failure = await activating(origin, attempt: attempt, held: held)
        transact { $0.activated(origin, attempt: attempt, failure: failure, now: $1) }
    }

    private func activating(_ origin: OriginHash, attempt: UInt64, held: [CausalEvent]) async -> FailureReason? {
        guard let host = arrival(origin, attempt: attempt)?.host else {
            return FailureReason(.stateFailed, "the restored daemon is gone")
        }
        do {
            try registry.register(host)
        } catch {
            return FailureReason(.stateFailed, error.message)
        }
        _ = await host.activate(held)
        let unused: EntityKeypair? = state.withLock { state in
            let arrival = state.arrivals.removeValue(forKey: origin)
            let expectation = state.expectations.removeValue(forKey: origin)
            // The envelope's key won: nobody would ever wipe the other one.
            return arrival?.key == nil || arrival?.key === expectation?.fallbackKey ? nil : expectation?.fallbackKey
        }
        unused?.wipe()
        return nil
    }

    /// Late inputs of the old node; the dispatcher has checked that they are new.
    func deliverLate(_ events: [CausalEvent], to origin: OriginHash) async {
        guard let host = registry.host(origin) else { return }
        for event in events {
            if case .notServing = await host.deliver(event) {
                logger.error("a late event found no daemon", metadata: ["daemon": "\(origin)"])
            }
        }
    }

    /// Drops what was restored, with its key, outputs and memberships.
    func discard(_ origin: OriginHash) async {
        cancelJobs(for: origin)
        if let arrival = state.withLock({ $0.arrivals.removeValue(forKey: origin) }) { await drop(arrival, of: origin) }
    }

    /// A key of the host's user is kept for the next attempt; one out of an envelope is wiped.
    private func drop(_ arrival: Arrival, of origin: OriginHash) async {
        arrival.key?.wipe()
        guard let host = arrival.host else { return }
        await host.release(keepsKey: arrival.key == nil)
        runJob(for: origin) { await self.leaveAll(host) }
    }

    /// The attempt's state, unless another one has taken its place.
    private func arrival(_ origin: OriginHash, attempt: UInt64) -> Arrival? {
        state.withLock { state in state.arrivals[origin].flatMap { $0.attempt == attempt ? $0 : nil } }
    }

    /// Tells the host that a move has failed, before it is undone.
    func failureHook(_ origin: OriginHash, attempt: UInt64, reason: FailureReason) {
        let hook = configuration.hooks.failure
        runHook {
            await hook?(origin, reason)
        } _: { failure in
            let late = failure.map { FailureReason(.stateFailed, "failure hook: \(Self.text($0))") }
            self.transact { $0.hookFinished(origin, attempt: attempt, .failure, failure: late, now: $1) }
        }
    }
}
