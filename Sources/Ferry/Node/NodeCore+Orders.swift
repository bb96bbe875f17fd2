internal import FerryCrypto
internal import FerryStateMachines
internal import FerryWire
internal import Logging

// How orders are written, given and planned, and doubts ended.
extension NodeCore {
    func check(_ options: MoveOptions) throws(FerryError) {
        guard (Duration.seconds(1) ... .seconds(86_400)).contains(options.timeout) else {
            throw FerryError(.limitExceeded, "a move's timeout of \(options.timeout) is outside 1 second to 1 day")
        }
        guard (Duration.zero ... .seconds(86_400)).contains(options.pauseBudget) else {
            throw FerryError(.limitExceeded, "a pause budget of \(options.pauseBudget) is outside 0 to 1 day")
        }
    }

    /// A local order that begins to live now.
    func write(
        _ daemon: EntityID, from source: NodeKey, to target: Endpoint, _ targetKey: NodeKey, _ options: MoveOptions
    ) -> MoveOrder {
        MoveOrder(
            id: composition.crypto.random.next(), daemon: daemon, lineage: table.host(daemon.originHash)?.lineage, source: source,
            target: targetKey, targetAddress: targetAddress(target, targetKey), orchestrator: nodeKey, modes: options.modes,
            attemptLimit: options.attemptLimit, pauseBudgetNanoseconds: options.pauseBudgetNanoseconds, attempt: 1, mode: options.mode,
            expiresAt: WallClock.nanoseconds + UInt64(max(0, options.timeout.wholeNanoseconds)))
    }

    /// Gives an order whose turn has come, and makes room for the next when its move is over.
    ///
    /// - Parameter isNew: whether the order was written just now, so that nobody can have heard of it.
    func give(_ order: MoveOrder, _ peers: Set<NodeKey>, isNew: Bool = true) async throws(FerryError) -> MigrationHandle {
        do throws(FailureReason) {
            let handle = try await moves.order(order, isNew: isNew)
            Task {
                _ = try? await handle.value
                orderQueue.leave(peers)
            }
            return handle
        } catch {
            orderQueue.leave(peers)
            throw FerryError(.declined, "the order was refused here: \(error)", cause: error)
        }
    }

    /// Gives an order that somebody else has written and signed.
    func order(_ order: MoveOrder, from source: Endpoint?, to target: Endpoint?) async throws(FerryError) -> MigrationHandle {
        try await waitUntilReady()
        for (endpoint, key) in [(source, order.source), (target, order.target)] {
            guard let endpoint else { continue }
            guard endpoint.nodeKey == key else {
                throw FerryError(.invalidEndpoint, "the order is about another node than \(endpoint)")
            }
            addresses.learn(endpoint)
        }
        let peers = Set([order.source, order.target]).subtracting([nodeKey])
        try await waitForTurn(peers)
        return try await give(order, peers, isNew: false)
    }

    func plan(
        _ daemon: EntityID, from source: Endpoint?, to target: Endpoint, options: MoveOptions
    ) async throws(FerryError) -> MovePlan {
        try await waitUntilReady()
        let sourceKey = try key(of: source ?? Endpoint(address: nil, nodeKey: nodeKey), "source")
        let targetKey = try key(of: target, "target")
        try check(options)
        if let source { addresses.learn(source) }
        addresses.learn(target)
        do throws(FailureReason) {
            return MovePlan(try await moves.plan(write(daemon, from: sourceKey, to: target, targetKey, options)))
        } catch {
            throw FerryError(.declined, "the move would be declined: \(error)", cause: error)
        }
    }
}

extension MoveInterpreter {
    /// Ends a doubt by the operator's word.
    func resolve(_ migration: MigrationID, _ resolution: MoveResolution) async -> Bool {
        let isResolved = dispatcher.resolve(migration, resolution, now: core.now, wallClock: WallClock.nanoseconds)
        if isResolved {
            core.logger.notice(
                "the operator has ended a doubt", metadata: ["migration": "\(migration)", "resolution": "\(resolution)"])
        }
        await drain()
        return isResolved
    }
}
