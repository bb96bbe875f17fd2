import FerryCrypto
import FerrySodium
import FerryWire
import Testing

@testable import FerryStateMachines

@Suite("Who may order a move")
struct OrderAuthorityTests {
    /// The node was asked and did nothing but refuse.
    private func expectRefused(
        _ actions: [MigrationAction], _ code: FailureReason.Code, by node: AuthorityNode, sourceLocation: SourceLocation = #_sourceLocation
    ) {
        #expect(actions.refusal == code, sourceLocation: sourceLocation)
        #expect(actions.count == 1, sourceLocation: sourceLocation)
        #expect(node.dispatcher.moves.isEmpty, sourceLocation: sourceLocation)
        #expect(node.dispatcher.nextDeadline == nil, sourceLocation: sourceLocation)
    }

    // MARK: Source

    @Test("a source obeys no foreign orchestrator by default")
    func localOnly() throws {
        let cast = try AuthorityCast()
        expectRefused(cast.source.plan(cast.order(), from: cast.orchestrator.peer), .unauthorized, by: cast.source)
        #expect(cast.source.dispatcher.counters.unauthorized == 1)
    }

    @Test("a source obeys an orchestrator that its policy names")
    func admittedOrchestrator() throws {
        let orchestrator = try AuthorityNode()
        let cast = try AuthorityCast(sourcePolicy: MigrationPolicy(orchestrators: .only([orchestrator.key])))
        #expect(cast.source.plan(cast.order { $0.orchestrator = orchestrator.key }, from: orchestrator.peer).begins)
        expectRefusedAfter(cast)
    }

    /// Another orchestrator is refused beside the one that is obeyed.
    private func expectRefusedAfter(_ cast: AuthorityCast) {
        #expect(cast.source.plan(cast.order(), from: cast.orchestrator.peer).refusal == .unauthorized)
        #expect(cast.source.dispatcher.moves.count == 1)
    }

    @Test("a source obeys an order that the daemon's own key has signed, for each attempt that the terms cover")
    func daemonSigned() throws {
        let cast = try AuthorityCast()
        let order = try cast.order().signed(by: cast.daemon)
        #expect(cast.source.plan(order, from: cast.orchestrator.peer).begins)
        let second = try #require(order.next(mode: .stopAndCopy))
        #expect(cast.source.plan(second, from: cast.orchestrator.peer).begins)
    }

    @Test("a source obeys an order of an operator that its policy names, and of no other")
    func operatorSigned() throws {
        let operatorKey = try EntityKeypair.generate(crypto: .sodium)
        let cast = try AuthorityCast(sourcePolicy: MigrationPolicy(operators: [operatorKey.entityID]))
        expectRefused(
            cast.source.plan(try cast.order().signed(by: cast.operatorKey), from: cast.orchestrator.peer), .unauthorized, by: cast.source)
        #expect(cast.source.plan(try cast.order().signed(by: operatorKey), from: cast.orchestrator.peer).begins)
    }

    @Test("another daemon's key signs nothing for this one")
    func wrongDaemonKey() throws {
        let cast = try AuthorityCast()
        let other = try EntityKeypair.generate(crypto: .sodium)
        expectRefused(cast.source.plan(try cast.order().signed(by: other), from: cast.orchestrator.peer), .unauthorized, by: cast.source)
        // Nor does an order for the other daemon pass as one for this.
        var order = try cast.order { $0.daemon = other.entityID }.signed(by: other)
        order.daemon = cast.daemon.entityID
        expectRefused(cast.source.plan(order, from: cast.orchestrator.peer), .unauthorized, by: cast.source)
    }

    @Test("a signature holds for the terms that were signed and for no others")
    func forged() throws {
        let cast = try AuthorityCast()
        let signed = try cast.order().signed(by: cast.daemon)
        let changes: [(inout MoveOrder) -> Void] = [
            { $0.id = CryptoProvider.sodium.random.next() }, { $0.lineage = cast.lineage },
            { $0.target = cast.operatorKey.nodeKey }, { $0.targetAddress = "memory:elsewhere" },
            { $0.modes = .all }, { $0.attemptLimit = 3 }, { $0.pauseBudgetNanoseconds += 1 }, { $0.expiresAt += 1 },
            { $0.authorization?.signer = cast.operatorKey.entityID },
            { order in order.authorization = order.authorization.map { OrderAuthorization(signer: $0.signer, signature: .none) } },
        ]
        for change in changes {
            var order = signed
            change(&order)
            expectRefused(cast.source.plan(order, from: cast.orchestrator.peer), .unauthorized, by: cast.source)
        }
        #expect(cast.source.dispatcher.counters.unauthorized == UInt64(changes.count))
        // All but the one of an unknown signer were put to the test.
        #expect(cast.source.dispatcher.counters.unproven == UInt64(changes.count - 1))
        #expect(cast.source.plan(signed, from: cast.orchestrator.peer).begins)
    }

    @Test("an order that a stranger passes on in its own name is not the signed one")
    func stolen() throws {
        let cast = try AuthorityCast()
        let thief = try AuthorityNode()
        let signed = try cast.order().signed(by: cast.daemon)
        #expect(cast.source.plan(signed, from: thief.peer).isEmpty)
        #expect(cast.source.dispatcher.counters.strangers == 1)
        var order = signed
        order.orchestrator = thief.key
        expectRefused(cast.source.plan(order, from: thief.peer), .unauthorized, by: cast.source)
    }

    @Test("a local order with a signature that does not hold is refused as well")
    func localForged() throws {
        let cast = try AuthorityCast()
        var order = try cast.order { $0.orchestrator = cast.source.key }.signed(by: cast.daemon)
        order.attemptLimit = 3
        try cast.source.dispatcher.order(order, now: cast.source.now, wallClock: cast.source.wallClock)
        guard case .declined(let reason) = cast.source.takeActions().outcome else {
            Issue.record("the order was obeyed")
            return
        }
        #expect(reason.code == .unauthorized)
    }

    @Test("an order is good until it lapses, and no longer than orders may live")
    func expiry() throws {
        let cast = try AuthorityCast()
        let clock = cast.source.wallClock
        let longest = UInt64(cast.source.dispatcher.environment.limits.orderLifetime.wholeNanoseconds)
        let cases: [(UInt64, FailureReason.Code?)] = [
            (clock, .orderExpired), (clock + 1, nil), (clock + longest, nil), (clock + longest + 1, .noCapacity), (.max, .noCapacity),
        ]
        for (expiry, refusal) in cases {
            let order = try cast.order { $0.expiresAt = expiry }.signed(by: cast.daemon)
            let actions = cast.source.plan(order, from: cast.orchestrator.peer)
            #expect(actions.refusal == refusal)
            #expect(actions.begins == (refusal == nil))
        }
    }

    @Test("no attempt beyond the limit begins, and none in a mode that the terms leave out")
    func terms() throws {
        let cast = try AuthorityCast()
        var order = try cast.order().signed(by: cast.daemon)
        order.attempt = 3
        expectRefused(cast.source.plan(order, from: cast.orchestrator.peer), .unauthorized, by: cast.source)
        order.attempt = 1
        order.mode = .live
        expectRefused(cast.source.plan(order, from: cast.orchestrator.peer), .unauthorized, by: cast.source)
        #expect(cast.source.dispatcher.counters.unauthorized == 2)
    }

    @Test("a source that holds another lineage of the daemon offers nothing")
    func wrongLineage() throws {
        let cast = try AuthorityCast()
        let order = try cast.order { $0.lineage = CryptoProvider.sodium.random.next() }.signed(by: cast.daemon)
        #expect(cast.source.plan(order, from: cast.orchestrator.peer).begins)
        let description = DaemonDescription(
            kind: cast.offer.kind, lineage: cast.lineage, epoch: Epoch(rawValue: 2), predictedByteCount: 0)
        cast.source.dispatcher.described(order.migration, .success(description), now: cast.source.now, wallClock: cast.source.wallClock)
        let actions = cast.source.takeActions()
        guard case .declined(let reason) = actions.outcome else {
            Issue.record("the daemon was offered")
            return
        }
        #expect(reason.code == .lineageMismatch)
    }

    // MARK: Target

    @Test("a target takes daemons from sources that order the move themselves")
    func sourceOrders() throws {
        let cast = try AuthorityCast()
        let order = cast.order { $0.orchestrator = cast.source.key }
        #expect(cast.target.plan(order, from: cast.source.peer, offer: cast.offer).begins)
    }

    @Test("a stranger's order reserves nothing at a target, whoever the source is said to be")
    func strangerAtTarget() throws {
        let cast = try AuthorityCast()
        expectRefused(
            cast.target.plan(cast.order(), from: cast.orchestrator.peer, offer: cast.offer), .unauthorized, by: cast.target)
        // Anybody can make up a daemon's key.
        let signed = try cast.order().signed(by: cast.daemon)
        expectRefused(cast.target.plan(signed, from: cast.orchestrator.peer, offer: cast.offer), .unauthorized, by: cast.target)
        #expect(cast.target.dispatcher.counters.unauthorized == 2)
    }

    @Test("a target obeys orchestrators and operators that its policy names, and keeps its policy for sources")
    func admittedAtTarget() throws {
        let operatorKey = try EntityKeypair.generate(crypto: .sodium)
        let orchestrator = try AuthorityNode()
        let cast = try AuthorityCast(
            targetPolicy: MigrationPolicy(orchestrators: .only([orchestrator.key]), operators: [operatorKey.entityID]))
        #expect(cast.target.plan(cast.order { $0.orchestrator = orchestrator.key }, from: orchestrator.peer, offer: cast.offer).begins)
        #expect(cast.target.plan(try cast.order().signed(by: operatorKey), from: cast.orchestrator.peer, offer: cast.offer).begins)

        let closed = try AuthorityCast(targetPolicy: MigrationPolicy(operators: [operatorKey.entityID], sources: .only([])))
        expectRefused(
            closed.target.plan(try closed.order().signed(by: operatorKey), from: closed.orchestrator.peer, offer: closed.offer),
            .unauthorized, by: closed.target)
    }

    @Test("a target is asked with the source's offer, and for no more than it takes")
    func offer() throws {
        let cast = try AuthorityCast(targetPolicy: MigrationPolicy(stateByteCount: 1_024))
        let order = cast.order { $0.orchestrator = cast.source.key }
        expectRefused(cast.target.plan(order, from: cast.source.peer), .protocolViolation, by: cast.target)
        var offer = cast.offer
        offer.predictedByteCount = 1_025
        expectRefused(cast.target.plan(order, from: cast.source.peer, offer: offer), .noCapacity, by: cast.target)
        offer.predictedByteCount = 1_024
        #expect(cast.target.plan(order, from: cast.source.peer, offer: offer).begins)
    }
}

extension EntityKeypair {
    /// The same bytes under another name.
    fileprivate var nodeKey: NodeKey { NodeKey(rawValue: entityID.rawValue) }
}
