import FerryCrypto
import FerrySodium
import FerryWire

@testable import FerryStateMachines

/// One dispatcher under test, and the keys of everybody who writes to it.
final class AuthorityNode {
    let identity: NodeIdentity
    let boot: BootID
    var dispatcher: MigrationDispatcher
    var now = Timestamp(nanoseconds: 1_000_000_000)
    var wallClock: UInt64 = 1_700_000_000_000_000_000

    init(policy: MigrationPolicy = .init(), identity: NodeIdentity? = nil) throws {
        let identity = try identity ?? NodeIdentity.generate(crypto: .sodium)
        self.identity = identity
        boot = CryptoProvider.sodium.random.next()
        dispatcher = MigrationDispatcher(environment: MoveEnvironment(identity: identity, boot: boot, crypto: .sodium, policy: policy))
    }

    var key: NodeKey { identity.nodeKey }

    var peer: PeerIdentity {
        PeerIdentity(
            nodeKey: key, staticKey: identity.staticPublicKey, bootID: boot, profileVersion: 1, isDurable: false, compressorIDs: [])
    }

    /// What the dispatcher wants done, in order.
    func takeActions() -> [MigrationAction] {
        var actions: [MigrationAction] = []
        while let action = dispatcher.nextAction() { actions.append(action) }
        return actions
    }

    func receive(
        _ body: FerryMessage.Body, about migration: MigrationID, epoch: Epoch = .none, from peer: PeerIdentity
    ) -> [MigrationAction] {
        let message = FerryMessage(header: MessageHeader(migration: migration, epoch: epoch), body: body)
        dispatcher.receive(message, from: peer, now: now, wallClock: wallClock)
        return takeActions()
    }

    /// A plan, from the orchestrator that the order names.
    func plan(_ order: MoveOrder, from peer: PeerIdentity, boot: BootID?, offer: PlanOffer? = nil) -> [MigrationAction] {
        receive(.plan(Plan(order: order, boot: boot, offer: offer)), about: order.migration, epoch: offer?.epoch ?? .none, from: peer)
    }

    func plan(_ order: MoveOrder, from peer: PeerIdentity, offer: PlanOffer? = nil) -> [MigrationAction] {
        plan(order, from: peer, boot: boot, offer: offer)
    }
}

/// The cast of an order, and the orders that it gives.
struct AuthorityCast {
    let daemon: EntityKeypair
    let operatorKey: EntityKeypair
    let source: AuthorityNode
    let target: AuthorityNode
    let orchestrator: AuthorityNode
    let lineage: LineageID = CryptoProvider.sodium.random.next()

    init(sourcePolicy: MigrationPolicy = .init(), targetPolicy: MigrationPolicy = .init()) throws {
        daemon = try .generate(crypto: .sodium)
        operatorKey = try .generate(crypto: .sodium)
        source = try AuthorityNode(policy: sourcePolicy)
        target = try AuthorityNode(policy: targetPolicy)
        orchestrator = try AuthorityNode()
    }

    /// A third node's order, unsigned.
    func order(_ change: (inout MoveOrder) -> Void = { _ in }) -> MoveOrder {
        var order = MoveOrder(
            id: CryptoProvider.sodium.random.next(), daemon: daemon.entityID, lineage: nil, source: source.key, target: target.key,
            targetAddress: "memory:target", orchestrator: orchestrator.key, modes: .stopAndCopy, attemptLimit: 2, mode: .stopAndCopy,
            expiresAt: source.wallClock + 600_000_000_000)
        change(&order)
        return order
    }

    var offer: PlanOffer {
        PlanOffer(
            kind: DaemonKind(name: "notebook", schemaVersion: 1), lineage: lineage, epoch: Epoch(rawValue: 2), predictedByteCount: 1_024)
    }
}

extension MoveOrder {
    func signed(by keypair: EntityKeypair) throws -> MoveOrder {
        var order = self
        order.authorization = try OrderAuthorization(signing: order, with: keypair)
        return order
    }
}

extension [MigrationAction] {
    /// Whether the node has begun to take part.
    var begins: Bool {
        contains { action in
            switch action {
            case .describe, .reserve: true
            default: false
            }
        }
    }

    /// Why a plan was refused.
    var refusal: FailureReason.Code? {
        for case .send(let message, _, _) in self {
            if case .planReply(.refused(let reason)) = message.body { return reason.code }
        }
        return nil
    }

    var outcome: MoveOutcome? {
        for case .ended(_, _, let outcome) in self { return outcome }
        return nil
    }

    /// Boots that plans name, nil for none.
    var plannedBoots: [BootID?] {
        compactMap { action in
            guard case .send(let message, _, _) = action, case .plan(let plan) = message.body else { return nil }
            return .some(plan.boot)
        }
    }
}
