public import FerryStateMachines
public import FerryWire
internal import Synchronization

extension NetMeshRuntime {
    /// Orders a move of a daemon of this node.
    ///
    /// - Throws: as ``startMigration(_:from:to:options:)``.
    public func startMigration(
        _ origin: OriginHash, to target: NodeID, options: NetMeshMoveOptions = NetMeshMoveOptions()
    ) async throws(FerryError) -> NetMeshMoveHandle {
        try await startMigration(origin, from: core.localNode, to: .node(target), options: options)
    }

    /// Orders a move; this node may be its source, its target, or neither.
    ///
    /// - Parameters:
    ///   - source: the node that hosts the daemon; it must obey this one.
    ///   - target: a node, or whichever advertises what is required; a daemon of this node adds its own requirements.
    /// - Throws: `.daemonMoving`, `.daemonNotFound`, `.noTargetAvailable`, `.declined`, `.limitExceeded`, `.notReady`, `.shuttingDown`.
    public func startMigration(
        _ origin: OriginHash, from source: NodeID, to target: NetMeshOrder.Target, options: NetMeshMoveOptions = NetMeshMoveOptions()
    ) async throws(FerryError) -> NetMeshMoveHandle {
        var target = target
        if case .automatic(let requirements) = target, source == core.localNode, let host = core.registry.host(origin) {
            target = .automatic(requirements: requirements.union(await host.requiredCapabilities))
        }
        let order = NetMeshOrder(origin: origin, source: source, target: target, identityTransport: options.identityTransport)
        return try core.start(order, retryNotReady: options.retryNotReady)
    }

    /// The moves that this node orchestrates, by origin: phase, times, bytes, buffered events, retries, progress. Time and retries count from
    /// the order, over all attempts; a move between two attempts is listed too.
    public var movesInFlight: [NetMeshOrchestrationView] {
        let now = core.now
        return core.state.withLock { $0.movesInFlight(now) }
    }

    /// Daemons on their way out, by origin.
    public var departures: [NetMeshSourceView] {
        let now = core.now
        return core.state.withLock { $0.dispatcher.sources(now: now) }
    }

    /// Daemons on their way in, by origin.
    public var arrivals: [NetMeshTargetView] {
        let now = core.now
        return core.state.withLock { $0.dispatcher.targets(now: now) }
    }

    /// What was refused, repeated or sent again.
    public var counters: NetMeshCounters { core.state.withLock { $0.dispatcher.counters } }

    /// Ends the doubt about a move whose activation was never acknowledged, as an operator has found out elsewhere.
    ///
    /// - Parameter asCompleted: true when the target serves the daemon, which is then released here; false resumes it here.
    /// - Returns: false when no such move is in doubt.
    public func settle(_ origin: OriginHash, asCompleted: Bool) -> Bool {
        core.transact { dispatcher, now in dispatcher.settle(origin, asCompleted: asCompleted, now: now) }
    }
}
