import FerryStateMachines
import FerryWire

/// How the network and the hosts misbehave, until the world is healed.
struct MeshFaults {
    var lossPercent: UInt64 = 0
    var duplicationPercent: UInt64 = 0
    /// Milliseconds; messages of one directed pair may overtake each other when `isOrdered` is false.
    var maximumDelay: UInt64 = 5
    var isOrdered = true
    /// Milliseconds that a host takes for an answer, at most.
    var hostDelay: UInt64 = 5

    static let none = MeshFaults()
    static let harsh = MeshFaults(lossPercent: 25, duplicationPercent: 25, maximumDelay: 400, isOrdered: false, hostDelay: 60)
}

/// Net-mesh nodes and emitters under one virtual clock, with a network that misbehaves by the seed.
///
/// The hosts are faked: they carry out the dispatchers' actions against daemons whose state is the list of what they have processed.
final class MeshWorld {
    struct Frame: Hashable {
        var from: NodeID
        var to: NodeID
        var bytes: [UInt8]
    }

    enum Event {
        case frame(Frame)
        case work((MeshWorld) -> Void)
    }

    /// What a test may do to one message.
    enum Fate: Hashable {
        case pass
        case lose
        case twice
    }

    var random: MeshRandom
    var faults: MeshFaults
    private(set) var nodes: [MeshNode] = []
    var emitters: [MeshEmitter] = []
    private(set) var now = Timestamp(nanoseconds: 1_000_000_000)
    private var queue: [(at: Timestamp, ordinal: UInt64, event: Event)] = []
    private var lastArrival: [[NodeID]: Timestamp] = [:]
    private var ordinal: UInt64 = 0
    private var stepCount = 0
    /// Everything that was sent, in order, lost or not.
    private(set) var sent: [Frame] = []
    /// Decides about the message with that number, before the network's own faults.
    var fate: ((MeshWorld, Int, Frame) -> Fate)?
    var beforeDelivery: ((MeshWorld, Frame) -> Void)?
    var violations: [String] = []
    /// Inputs that some node said it accepted.
    var accepted: Set<MeshInput> = []
    /// Whether inputs that a remote source sends after the daemon are spared by the network: nothing acknowledges them.
    var sparesTails = false
    /// Nodes whose links are cut.
    var isolated: Set<NodeID> = []
    /// Order per emitter is checked only where links and hosts keep it.
    var checksOrder = true

    init(
        seed: UInt64 = 1, nodeCount: Int = 3, faults: MeshFaults = .none,
        configure: (Int, inout NetMeshDispatcherConfiguration) -> Void = { _, _ in }
    ) {
        random = MeshRandom(seed: seed)
        self.faults = faults
        for index in 0..<nodeCount {
            var configuration = NetMeshDispatcherConfiguration(hooks: .all)
            configuration.orchestrators = .anyAdmitted
            configuration.arrivals = .anyAdmitted
            // A day in earnest.
            configuration.limits.retiredAge = .seconds(900)
            configure(index, &configuration)
            add(id: NodeID(rawValue: UInt64(100 + index)), configuration: configuration)
        }
    }

    func add(id: NodeID, configuration: NetMeshDispatcherConfiguration) {
        nodes.append(MeshNode(id: id, configuration: configuration, world: self))
    }

    func node(_ id: NodeID) -> MeshNode? { nodes.first { $0.id == id } }
    func chance(_ percent: UInt64) -> Bool { percent > 0 && random.next() % 100 < percent }
    func delay(_ maximum: UInt64) -> Duration { .milliseconds(Int64(1 + random.next() % max(1, maximum))) }

    /// The messages sent so far, without the pieces' bytes, as `from>to Name`.
    var trace: [String] {
        sent.map { frame in
            let message = try? MigrationMessage(decoding: frame.bytes)
            return "\(frame.from.rawValue - 100)>\(frame.to.rawValue - 100) \(message?.briefName ?? "?")"
        }
    }

    // MARK: Events

    func schedule(after delay: Duration, _ event: Event) { schedule(at: now + delay, event) }

    private func schedule(at time: Timestamp, _ event: Event) {
        ordinal += 1
        queue.append((time, ordinal, event))
    }

    func send(_ message: MigrationMessage, from: NodeID, to: NodeID) {
        do {
            let bytes = try message.encoded()
            // One message is one datagram of 8,108 bytes, four of which are the event's length.
            if bytes.count > 8_104 { violations.append("a message of \(bytes.count) bytes does not fit a packet") }
            if from == to { violations.append("a message to itself left the node") }
            carry(Frame(from: from, to: to, bytes: bytes))
        } catch {
            violations.append("\(message.briefName) has no encoding: \(error)")
        }
    }

    func carry(_ frame: Frame) {
        sent.append(frame)
        let fate = fate?(self, sent.count - 1, frame) ?? .pass
        if sparesTails, frame.bytes.first == 7 { return arrive(frame) }
        guard fate != .lose, !isolated.contains(frame.from), !isolated.contains(frame.to), !chance(faults.lossPercent) else { return }
        arrive(frame)
        if fate == .twice || chance(faults.duplicationPercent) { arrive(frame) }
    }

    private func arrive(_ frame: Frame) {
        var time = now + delay(faults.maximumDelay)
        if faults.isOrdered {
            time = max(time, lastArrival[[frame.from, frame.to]] ?? .zero)
            lastArrival[[frame.from, frame.to]] = time
        }
        schedule(at: time, .frame(frame))
    }

    private var nextEvent: Int? {
        queue.indices.min { (queue[$0].at, queue[$0].ordinal) < (queue[$1].at, queue[$1].ordinal) }
    }

    /// Runs one event or one round of timers; false when nothing is pending before `limit`.
    func step(until limit: Timestamp) -> Bool {
        stepCount += 1
        guard stepCount < 200_000 else {
            violations.append("the world does not come to rest")
            return false
        }
        let timer = (nodes.compactMap(\.dispatcher.nextDeadline) + emitters.compactMap(\.nextAttempt)).min()
        if let index = nextEvent, queue[index].at <= timer ?? .distantFuture {
            guard queue[index].at <= limit else { return false }
            now = max(now, queue[index].at)
            run(queue.remove(at: index).event)
        } else {
            guard let timer, timer <= limit else { return false }
            now = max(now, timer)
            for node in nodes where node.dispatcher.nextDeadline.map({ $0 <= now }) ?? false {
                node.change { $0.deadlineReached(now: $1) }
                if let next = node.dispatcher.nextDeadline, next <= now { violations.append("a deadline at \(next) stays due") }
            }
            for index in emitters.indices { emitters[index].run(self) }
        }
        check()
        return true
    }

    func run(for duration: Duration) {
        let limit = now + duration
        while violations.isEmpty, step(until: limit) {}
        now = max(now, limit)
    }

    private func run(_ event: Event) {
        switch event {
        case .work(let body): body(self)
        case .frame(let frame):
            beforeDelivery?(self, frame)
            node(frame.to)?.receive(frame.bytes, from: frame.from)
        }
    }
}

extension MigrationMessage {
    var briefName: String {
        switch self {
        case .takeSnapshot: "TakeSnapshot"
        case .snapshotReady(let piece): "SnapshotReady \(piece.index + 1)/\(piece.totalCount)"
        case .restoreComplete: "RestoreComplete"
        case .replayComplete: "ReplayComplete"
        case .cutoverNotify: "CutoverNotify"
        case .cleanupComplete: "CleanupComplete"
        case .migrationFailed(_, let reason): "MigrationFailed \(reason.code)"
        case .bufferedEvents(_, let events): "BufferedEvents \(events.count)"
        case .activateTarget: "ActivateTarget"
        case .activateAck: "ActivateAck"
        }
    }
}
