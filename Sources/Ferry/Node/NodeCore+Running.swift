internal import FerryCrypto
internal import FerryStateMachines
internal import FerryTransports
internal import FerryWire
internal import Logging
internal import ServiceLifecycle

extension NodeCore {
    /// Runs everything in one scope, and returns when all of it has ended.
    func run(_ node: FerryNode) async throws {
        guard begin() else { throw FerryError(.shuttingDown, "a node runs once") }
        defer { advance(to: .stopped) }
        var control: ControlServer?
        if let path = composition.controlSocketPath { control = try ControlServer(path: path, node: node) }
        let server = control
        do {
            try await withGracefulShutdownHandler {
                try await runParts(server)
            } onGracefulShutdown: {
                self.requestStop()
            }
        } catch is Stopped {
            composition.logger.info("the node has stopped")
        } catch is CancellationError where Task.isCancelled {
            composition.logger.info("the node was cancelled")
        }
    }

    private func runParts(_ control: ControlServer?) async throws {
        do {
            try await runGroup(control)
        } catch {
            await moves.shutDown()
            throw error
        }
        await moves.shutDown()
    }

    private func runGroup(_ control: ControlServer?) async throws {
        try await withThrowingTaskGroup { group in
            group.addTask { try await self.serve() }
            group.addTask { try await self.becomeReady() }
            group.addTask { try await self.stopWhenAsked() }
            if let control { group.addTask { try await control.run() } }
            do {
                while try await group.next() != nil {}
            } catch {
                // The operator's socket waits for the ends of the moves that it was asked for.
                await self.moves.shutDown()
                throw error
            }
        }
    }

    /// Carries events and hand-overs ahead of whatever streams a state, which keeps its threads busy for as long as it lasts.
    private func serve() async throws {
        // A child of a group runs at its parent's priority, whatever it is given.
        let serving = Task(priority: .high) { try await self.sessions.run(delegate: self, owner: self.table) }
        try await withTaskCancellationHandler {
            try await serving.value
        } onCancel: {
            serving.cancel()
        }
    }

    private func becomeReady() async throws {
        try await sessions.waitUntilListening()
        advance(to: .ready)
        composition.logger.info("the node listens", metadata: ["addresses": "\(sessions.listenAddresses)"])
        for peer in composition.knownPeers {
            guard let key = peer.nodeKey else { continue }
            sessions.dialInBackground(key, at: peer.address)
        }
    }

    /// Takes no new moves, lets those under way end, and stops.
    func requestStop() {
        advance(to: .shuttingDown)
    }

    // MARK: Orders

    func order(
        _ daemon: EntityID, from source: Endpoint?, to target: Endpoint, options: MoveOptions
    ) async throws(FerryError) -> MigrationHandle {
        try await waitUntilReady()
        let sourceKey = try key(of: source ?? Endpoint(address: nil, nodeKey: nodeKey), "source")
        let targetKey = try key(of: target, "target")
        try check(options)
        if let source { addresses.learn(source) }
        addresses.learn(target)
        let peers = Set([sourceKey, targetKey]).subtracting([nodeKey])
        try await waitForTurn(peers)
        return try await give(write(daemon, from: sourceKey, to: target, targetKey, options), peers)
    }

    /// Any number of moves may be ordered at once; they begin as the nodes that they concern can take them.
    func waitForTurn(_ peers: Set<NodeKey>) async throws(FerryError) {
        do throws(CancellationError) { try await orderQueue.enter(peers) } catch {
            throw FerryError(.notReady, "the order was given up before its turn came", cause: error)
        }
        do throws(FerryError) { try await waitUntilReady() } catch {
            orderQueue.leave(peers)
            throw error
        }
    }

    /// A host that has begun to run its node may order at once.
    func waitUntilReady() async throws(FerryError) {
        while true {
            let ticket = phaseChanged.ticket
            switch phase {
            case .registering: break
            case .ready: return
            case .shuttingDown: throw FerryError(.shuttingDown, "the node shuts down")
            case .stopped: throw FerryError(.shuttingDown, "the node has shut down")
            }
            do throws(CancellationError) { try await phaseChanged.waitOrCancel(after: ticket) } catch {
                throw FerryError(.notReady, "the node does not run yet", cause: error)
            }
        }
    }

    func key(of endpoint: Endpoint, _ role: String) throws(FerryError) -> NodeKey {
        if let key = endpoint.nodeKey { return key }
        throw FerryError(.invalidEndpoint, "the \(role) \(endpoint) names no node key: add #NODEKEY")
    }

    /// A target that is this node may leave its address out.
    func targetAddress(_ target: Endpoint, _ key: NodeKey) -> String {
        let address = target.address ?? (key == nodeKey ? sessions.listenAddresses.first : addresses.address(of: key))
        return address?.description ?? ""
    }
}
