import FerryStateMachines
import FerryWire
import Testing

/// How the daemon's key travels, or does not: net-mesh migration §G.0, §G.1 and §I-10.
@Suite("Net-mesh identity transport")
struct NetMeshIdentityTests {
    let origin = MeshSample.origin

    /// A third-party move in which the source has that identity transport.
    private func world(
        _ transport: NetMeshIdentityTransport, hooks: NetMeshHooksPresent = .all, fallback: Bool = false, isLocal: Bool = false
    ) -> MeshWorld {
        let world = MeshWorld(nodeCount: 3) { _, configuration in
            configuration.identityTransport = transport
            configuration.arrivals = .localOnly
            configuration.hooks = hooks
        }
        let source = isLocal ? 0 : 1
        world.nodes[source].spawn(MeshDaemon(entity: MeshSample.entity))
        world.nodes[2].expect(fallback: fallback, orchestrator: 0, source: source)
        return world
    }

    private func run(_ world: MeshWorld, _ transport: NetMeshIdentityTransport, isLocal: Bool = false) -> NetMeshOutcome? {
        world.nodes[0].start(from: isLocal ? 0 : 1, to: 2, identity: transport)
        world.run(for: .seconds(10))
        return world.nodes[0].outcomes.last
    }

    private func hasSentUnsealed(_ world: MeshWorld) -> Bool {
        world.sent.contains { frame in
            guard case .snapshotReady(let piece)? = try? MigrationMessage(decoding: frame.bytes) else { return false }
            return (try? StateSnapshot(decoding: piece.bytes))?.envelope == nil
        }
    }

    @Test("required never sends unsealed, whoever orders and whatever is missing", arguments: [true, false])
    func requiredNeverSendsUnsealed(isLocal: Bool) {
        for sealing: NetMeshSealing in [.noContext, .noTargetKey, .noKeypair, .failed("boom")] {
            let world = world(.required, fallback: true, isLocal: isLocal)
            world.nodes[isLocal ? 0 : 1].sealing = sealing
            let outcome = run(world, .required, isLocal: isLocal)
            #expect(outcome?.failure != nil)
            #expect(outcome?.failure?.isRetriable == false)
            #expect(!world.trace.contains { $0.contains("SnapshotReady") })
            world.settle()
        }
        let world = world(.required, hooks: [], fallback: true, isLocal: isLocal)
        #expect(run(world, .required, isLocal: isLocal)?.failure != nil)
        #expect(!world.trace.contains { $0.contains("SnapshotReady") })
        world.settle()
    }

    @Test("preferred sends unsealed where net-mesh does, and says so to the host")
    func preferredSaysSo() {
        for sealing: NetMeshSealing in [.noContext, .noTargetKey, .noKeypair] {
            let world = world(.preferred, fallback: true)
            world.nodes[1].sealing = sealing
            #expect(run(world, .preferred)?.isCompleted == true)
            #expect(hasSentUnsealed(world))
            #expect(world.nodes[1].asked.contains("keyNotSealed"))
            #expect(world.nodes[2].asked.contains("identity fallback"))
            world.settle()
        }
    }

    @Test("a failed seal ends the move, preferred or required, with an answer and without a record")
    func sealFailureEndsTheMove() {
        for transport: NetMeshIdentityTransport in [.required, .preferred] {
            let world = world(transport, fallback: true)
            world.nodes[1].sealing = .failed("no entropy")
            let failure = run(world, transport)?.failure
            #expect(failure?.message == "identity envelope seal failed: no entropy")
            #expect(world.trace.contains("1>0 MigrationFailed stateFailed"))
            #expect(!world.trace.contains { $0.contains("SnapshotReady") })
            #expect(world.nodes[1].dispatcher.sources(now: world.now).isEmpty)
            #expect(world.owners().map(\.id) == [world.nodes[1].id])
            world.settle()
        }
    }

    @Test("an envelope wins over a fallback key")
    func envelopeWinsOverFallback() {
        let world = world(.required, fallback: true)
        #expect(run(world, .required)?.isCompleted == true)
        #expect(world.nodes[2].asked.contains("identity envelope"))
        #expect(!world.nodes[2].asked.contains("identity fallback"))
        world.settle()
    }

    @Test("an unsealer that returns nothing is terminal, fallback key or not")
    func unsealedNothingIsTerminal() {
        for fallback in [true, false] {
            let world = world(.required, fallback: fallback)
            world.nodes[2].unsealing = .nothing
            let failure = run(world, .required)?.failure
            #expect(failure?.message.contains("refusing to fall back") == true, "\(String(describing: failure))")
            #expect(!world.nodes[2].asked.contains("restore"))
            world.settle()
        }
    }

    @Test("an envelope that does not open is terminal, with net-mesh's text around the cause")
    func unopenedEnvelopeIsTerminal() {
        let world = world(.required, fallback: true)
        world.nodes[2].unsealing = .failed("identity envelope: attestation signature invalid")
        let failure = run(world, .required)?.failure
        #expect(failure?.message == "identity envelope open failed: identity envelope: attestation signature invalid")
        #expect(failure?.isRetriable == false)
        #expect(!world.nodes[2].asked.contains("restore"))
        world.settle()
    }

    @Test("without an envelope a fallback key is needed, and used")
    func noEnvelopeNeedsAFallback() {
        for fallback in [true, false] {
            let world = world(.none, fallback: fallback)
            let outcome = run(world, .none)
            #expect(outcome?.isCompleted == fallback)
            if !fallback {
                #expect(
                    outcome?.failure?.message == "identity envelope open failed: placeholder factory registered but snapshot has no "
                        + "identity envelope (and no local fallback keypair available)")
            }
            #expect(world.nodes[1].asked.contains("seal") == false)
            world.settle()
        }
    }
}

@Suite("Net-mesh placement")
struct NetMeshPlacementTests {
    private func world() -> MeshWorld {
        let world = NetMeshFlowTests.world(nodes: 4, source: 0, target: 2, orchestrator: 0)
        return world
    }

    private func order(_ world: MeshWorld, _ requirements: Set<String>) -> NetMeshOrder {
        NetMeshOrder(origin: MeshSample.origin, source: world.nodes[0].id, target: .automatic(requirements: requirements))
    }

    @Test("without a candidate nothing starts")
    func noCandidate() {
        let world = world()
        let node = world.nodes[0]
        node.change { dispatcher, _ in
            // Has the capability but not the subprotocol; has the subprotocol but not the capability; is the source itself.
            dispatcher.advertise(world.nodes[1].id, capabilities: ["gpu"])
            dispatcher.advertise(world.nodes[2].id, capabilities: ["subprotocol:0x0500"])
            dispatcher.advertise(world.nodes[0].id, capabilities: ["gpu", "subprotocol:0x0500"])
        }
        let before = node.dispatcher.state
        #expect(node.start(order(world, ["gpu"]))?.code == .noTargetAvailable)
        #expect(node.dispatcher.state == before)
        #expect(node.asked.isEmpty && world.sent.isEmpty)
    }

    @Test("the filter chooses, the move completes, and placement keeps nothing of it")
    func placementKeepsNothing() {
        let world = world()
        let node = world.nodes[0]
        node.change { dispatcher, _ in
            dispatcher.advertise(world.nodes[1].id, capabilities: ["subprotocol:0x0500"])
            dispatcher.advertise(world.nodes[2].id, capabilities: ["subprotocol:0x0500", "gpu"])
            dispatcher.advertise(world.nodes[3].id, capabilities: ["subprotocol:0x0500", "gpu"])
        }
        var expected = node.dispatcher
        expected.daemonStopped(MeshSample.origin, now: world.now)
        #expect(node.start(order(world, ["gpu"])) == nil)
        world.settle()
        #expect(world.owners().map(\.id) == [world.nodes[2].id])
        #expect(node.dispatcher.restingState == expected.restingState)
        // A node that withdraws is no candidate any more.
        node.change { dispatcher, _ in
            dispatcher.withdraw(world.nodes[2].id)
            dispatcher.withdraw(world.nodes[3].id)
        }
        #expect(node.start(order(world, ["gpu"]))?.code != nil)
    }
}
