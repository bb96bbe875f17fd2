import FerryCrypto
import FerryStateMachines
import FerryWire

/// One processed input: what the daemons of this world remember.
struct MeshInput: Hashable, CustomStringConvertible {
    var emitter: OriginHash
    var sequence: UInt64

    init(emitter: OriginHash, sequence: UInt64) {
        self.emitter = emitter
        self.sequence = sequence
    }

    init(_ event: CausalEvent) { self.init(emitter: event.link.origin, sequence: event.link.sequence) }

    var description: String { "\(emitter)/\(sequence)" }
}

/// A daemon whose state is the list of what it has processed, and which makes one output of every input.
struct MeshDaemon: Hashable {
    let entity: EntityID
    /// Bytes of state that stand for nothing, so that snapshots of many pieces are cheap to make.
    var ballast: Int
    var log: [MeshInput] = []
    var chain: ChainBuilder

    init(entity: EntityID, ballast: Int = 0) {
        self.entity = entity
        self.ballast = ballast
        chain = ChainBuilder(origin: entity.originHash)
    }

    var origin: OriginHash { entity.originHash }

    mutating func process(_ event: CausalEvent) {
        log.append(MeshInput(event))
        _ = chain.next(payload: event.payload, horizon: 0)
    }

    private var state: [UInt8] {
        let count = log.count
        let bytes = [UInt8](rawCapacity: 8 + 16 * count) { output in
            output.append(littleEndian: UInt64(count))
            for input in log {
                output.append(littleEndian: input.emitter.rawValue)
                output.append(littleEndian: input.sequence)
            }
        }
        return bytes + [UInt8](repeating: 0xBA, count: ballast)
    }

    func snapshot(envelope: [UInt8]? = nil) -> StateSnapshot {
        StateSnapshot(entity: entity, chainLink: chain.head, createdAt: 1, state: state, envelope: envelope)
    }

    /// A daemon of somebody else's making: its state is not read.
    init(restoring snapshot: StateSnapshot, log: [MeshInput]) {
        entity = snapshot.entity
        ballast = 0
        self.log = log
        chain = ChainBuilder(head: snapshot.chainLink, headPayload: snapshot.state)
    }

    /// What a node makes of a snapshot; nil when the state is none of this world's.
    init?(restoring snapshot: StateSnapshot) {
        entity = snapshot.entity
        // As net-mesh does: the payload of the last output is not on the wire, the state stands in for it.
        chain = ChainBuilder(head: snapshot.chainLink, headPayload: snapshot.state)
        guard snapshot.state.count >= 8 else { return nil }
        let words = snapshot.state.rawSpan
        let count = words.littleEndianUInt64(at: 0)
        guard count <= UInt64((snapshot.state.count - 8) / 16) else { return nil }
        for index in 0..<Int(count) {
            log.append(
                MeshInput(
                    emitter: OriginHash(rawValue: words.littleEndianUInt64(at: 8 + 16 * index)),
                    sequence: words.littleEndianUInt64(at: 16 + 16 * index)))
        }
        ballast = snapshot.state.count - 8 - 16 * Int(count)
    }
}

/// Names, events and snapshots that tests need.
enum MeshSample {
    static let entity = EntityID(rawValue: filled(0x11))
    static let otherEntity = EntityID(rawValue: filled(0x22))
    static var origin: OriginHash { entity.originHash }

    private static func filled(_ byte: UInt8) -> FixedBytes32 { FixedBytes32(label: "net-mesh world", [byte]) }

    static func event(_ sequence: UInt64, emitter: UInt64 = 0xAAAA, byteCount: Int = 4) -> CausalEvent {
        CausalEvent(
            link: CausalLink(origin: OriginHash(rawValue: emitter), horizon: 0, sequence: sequence, parent: 0),
            payload: [UInt8](repeating: UInt8(truncatingIfNeeded: sequence), count: byteCount), receivedAt: sequence)
    }

    /// An envelope as far as anybody can see without the key: the version, and the node that can open it.
    static func envelope(for node: NodeID) -> [UInt8] {
        let name = [UInt8](rawCapacity: 8) { $0.append(littleEndian: node.rawValue) }
        return [1] + name + [UInt8](repeating: 0, count: 200)
    }
}
