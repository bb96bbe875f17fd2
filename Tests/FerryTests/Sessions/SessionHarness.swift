import FerryCrypto
import FerryInMemory
import FerrySodium
import FerryStateMachines
import FerryTransports
import FerryWire
import Synchronization

@testable import Ferry

/// A node with sessions and emitters and nothing else.
final class SessionNode: Sendable {
    let identity: NodeIdentity
    let emitters: EmitterTable
    let table: SessionTable
    let delegate: RecordingDelegate
    let owner: ScriptedOwner

    var key: NodeKey { identity.nodeKey }

    init(
        transports: [any Transport], configure: (inout SessionTableConfiguration) -> Void = { _ in },
        emitterLimits: EmitterLimits = EmitterLimits(), identity: NodeIdentity? = nil
    ) throws {
        let crypto = CryptoProvider.sodium
        let identity = try identity ?? NodeIdentity.generate(crypto: crypto)
        self.identity = identity
        let clock = NodeClock()
        emitters = EmitterTable(ownKey: identity.nodeKey, crypto: crypto, clock: clock, limits: emitterLimits)
        let hello = SessionHello(bootID: crypto.random.next(), isDurable: false, compressorIDs: [0])
        var configuration = SessionTableConfiguration(hello: hello)
        configure(&configuration)
        table = SessionTable(
            configuration: configuration, transports: transports, kind: FerrySessionKind(identity: identity, crypto: crypto),
            emitters: emitters, clock: clock)
        owner = ScriptedOwner()
        delegate = RecordingDelegate(owner: owner)
    }

    /// Runs the node while `body` does.
    func running<Result: Sendable>(_ body: @Sendable (SessionNode) async throws -> Result) async throws -> Result {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await self.table.run(delegate: self.delegate, owner: self.owner) }
            try await table.waitUntilListening()
            let result = try await body(self)
            group.cancelAll()
            try await group.waitForAll()
            return result
        }
    }
}

/// Two nodes on one in-memory network; the right one listens as `memory:right`.
func withNodes<Result: Sendable>(
    left: (inout SessionTableConfiguration) -> Void = { _ in }, right: (inout SessionTableConfiguration) -> Void = { _ in },
    emitterLimits: EmitterLimits = EmitterLimits(),
    _ body: @Sendable (_ left: SessionNode, _ right: SessionNode) async throws -> Result
) async throws -> Result {
    let network = InMemoryNetwork()
    let leftNode = try SessionNode(
        transports: [InMemoryTransport(network: network)], configure: left, emitterLimits: emitterLimits)
    let rightNode = try SessionNode(transports: [InMemoryTransport(network: network, name: "right")], configure: right)
    return try await rightNode.running { right in
        try await leftNode.running { left in try await body(left, right) }
    }
}

let rightAddress = TransportAddress(scheme: "memory", rest: "right")

/// Keeps what a table reports, and can hold messages back; lanes other than the one of `numbered` go to the scripted owner.
final class RecordingDelegate: SessionDelegate {
    struct State {
        var established: [SessionDriver] = []
        var messages: [PeerMessage] = []
        var closed: [SessionCloseReason] = []
        var isHolding = false
    }

    let state = Mutex(State())
    let changed = Signal()
    private let owner: ScriptedOwner

    init(owner: ScriptedOwner) { self.owner = owner }

    func sessionEstablished(_ session: SessionDriver) async {
        state.withLock { $0.established.append(session) }
        changed.signal()
    }

    func receive(_ message: consuming PeerMessage, from session: SessionDriver) async {
        let message = message
        if case .lane(let lane) = message, lane.emitter != numberedEmitter {
            return await owner.receiveLane(lane, from: session.peer.nodeKey, reply: LaneReplyPath(session: session))
        }
        while true {
            let ticket = changed.ticket
            if !state.withLock({ $0.isHolding }) { break }
            await changed.wait(after: ticket)
            if Task.isCancelled { return }
        }
        state.withLock { $0.messages.append(message) }
        changed.signal()
    }

    func sessionClosed(_ session: SessionDriver, reason: SessionCloseReason) async {
        state.withLock { $0.closed.append(reason) }
        changed.signal()
    }

    func hold(_ isHolding: Bool) {
        state.withLock { $0.isHolding = isHolding }
        changed.signal()
    }

    /// Waits until `value` finds something.
    func wait<Value: Sendable>(for value: (State) -> Value?) async throws -> Value {
        while true {
            let ticket = changed.ticket
            if let value = state.withLock({ value($0) }) { return value }
            try await changed.waitOrCancel(after: ticket)
        }
    }
}

private let numberedEmitter = OriginHash(rawValue: 7)

/// An event that is told from others by its number.
func numbered(_ number: UInt64, payloadByteCount: Int = 8) -> PeerMessage {
    let link = CausalLink(origin: numberedEmitter, horizon: 0, sequence: number + 1, parent: 0)
    let payload = [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: payloadByteCount)
    let event = LaneEvent(epoch: .first, previous: number, link: link, payload: payload)
    return .lane(LaneMessage(emitter: numberedEmitter, daemon: OriginHash(rawValue: 8), body: .event(event)))
}

func code(_ error: any Error) -> FerryError.Code? { (error as? FerryError)?.code }
