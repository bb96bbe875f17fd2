import FerryChunking
import FerryStateMachines
import FerryWire

/// Values that the machine tests share.
enum Sample {
    static let entity = EntityID(rawValue: FixedBytes32([UInt8](repeating: 7, count: 32)) ?? unusable())
    static let origin = entity.originHash
    static let other = OriginHash(rawValue: 99)
    static let local = NodeID(rawValue: 10)
    static let source = NodeID(rawValue: 11)
    static let target = NodeID(rawValue: 12)
    static let orchestrator = NodeID(rawValue: 13)
    static let stranger = NodeID(rawValue: 66)

    private static func unusable() -> FixedBytes32 { preconditionFailure("32 bytes make a key") }

    static func link(_ sequence: UInt64, parent: UInt64 = 5) -> CausalLink {
        CausalLink(origin: origin, horizon: 0, sequence: sequence, parent: sequence == 0 ? 0 : parent)
    }

    /// A snapshot; `createdAt` tells attempts apart, as on the wire.
    static func snapshot(sequence: UInt64 = 3, stateByteCount: Int = 4, createdAt: UInt64 = 1, isSealed: Bool = false) -> StateSnapshot {
        StateSnapshot(
            entity: entity, chainLink: link(sequence), createdAt: createdAt, state: [UInt8](repeating: 1, count: stateByteCount),
            envelope: isSealed ? [1] + [UInt8](repeating: 9, count: 208) : nil)
    }

    static func pieces(_ snapshot: StateSnapshot) throws -> [SnapshotPiece] {
        let bytes = try snapshot.encoded()
        return try chunkSnapshot(bytes.rawSpan, origin: origin, throughSequence: snapshot.throughSequence)
    }

    static func event(_ sequence: UInt64, emitter: UInt64 = 1, payload: [UInt8] = [1]) -> CausalEvent {
        CausalEvent(
            link: CausalLink(origin: OriginHash(rawValue: emitter), horizon: 0, sequence: sequence, parent: 0), payload: payload,
            receivedAt: 0)
    }

    static func at(_ seconds: Int64) -> Timestamp { .zero + .seconds(seconds) }
}

/// A dispatcher with what it has wanted so far.
struct Driven {
    var machine: NetMeshDispatcher
    var actions: [NetMeshAction] = []
    var now = Sample.at(0)

    init(_ node: NodeID = Sample.local, _ configuration: NetMeshDispatcherConfiguration = NetMeshDispatcherConfiguration()) {
        machine = NetMeshDispatcher(localNode: node, configuration: configuration)
    }

    /// What the machine has wanted since the last call.
    mutating func take() -> [NetMeshAction] {
        var taken: [NetMeshAction] = []
        while let action = machine.nextAction() { taken.append(action) }
        actions += taken
        return taken
    }

    /// The messages among what it has wanted since the last call, with their destinations.
    mutating func sent() -> [Sent] { take().compactMap(Sent.init) }

    mutating func receive(_ message: MigrationMessage, from node: NodeID) throws(NetMeshRefusal) {
        try machine.receive(message, from: node, now: now)
    }

    /// The refusal of a message, and whether it has left the state as it was.
    mutating func refusal(of message: MigrationMessage, from node: NodeID) -> Refused {
        let before = machine.state
        var code: NetMeshRefusal.Code?
        do {
            try machine.receive(message, from: node, now: now)
        } catch {
            code = error.code
        }
        return Refused(code: code, isUnchanged: machine.state == before)
    }

    /// The attempt token of the newest action that has one.
    var attempt: UInt64 { actions.reversed().lazy.compactMap(\.attempt).first ?? 0 }
}

/// What became of a message.
struct Refused: Equatable {
    var code: NetMeshRefusal.Code?
    var isUnchanged: Bool

    /// Refused for this cause, with nothing changed.
    static func because(_ code: NetMeshRefusal.Code) -> Self { Self(code: code, isUnchanged: true) }
}

/// A message on its way.
struct Sent: Equatable {
    var message: MigrationMessage
    var node: NodeID

    init(_ message: MigrationMessage, to node: NodeID) {
        self.message = message
        self.node = node
    }

    init?(_ action: NetMeshAction) {
        guard case .send(let message, let node) = action else { return nil }
        self.init(message, to: node)
    }
}

extension NetMeshAction {
    var attempt: UInt64? {
        switch self {
        case .takeSnapshot(_, let attempt), .seal(_, let attempt, _, _), .preCleanup(_, let attempt), .askReadiness(_, let attempt),
            .unseal(_, let attempt, _), .restore(_, let attempt, _, _), .postRestore(_, let attempt), .replay(_, let attempt, _),
            .activate(_, let attempt, _), .failureHook(_, let attempt, _):
            attempt
        default: nil
        }
    }
}
