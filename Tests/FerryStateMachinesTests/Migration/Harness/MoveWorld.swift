import FerryCrypto
import FerrySodium
import FerryStateMachines
import FerryTestKit
import FerryWire

/// How the network and the hosts misbehave, until the world is healed.
struct Faults {
    var lossPercent: UInt64 = 0
    var duplicationPercent: UInt64 = 0
    var maximumDelay: UInt64 = 5
    var streamFailurePercent: UInt64 = 0
    /// Changes one byte of what the target restores.
    var isRestoreWrong = false
    /// The copy does something else with this entry of the move log.
    var divergesAt: UInt64?
    /// A field is not in the snapshot.
    var isFieldDropped = false
    /// The daemon says that it cannot be replayed.
    var isUndeterministic = false
    /// Extra time that each batch's replay takes.
    var replayMilliseconds: UInt64 = 0

    static let none = Faults()
    static let harsh = Faults(lossPercent: 25, duplicationPercent: 25, maximumDelay: 400, streamFailurePercent: 10)
}

/// Nodes, emitters and one adversarial network under one virtual clock; everything follows from the seed.
///
/// Hosts are faked: they carry out the dispatchers' actions against daemons whose state is the log of what they have processed.
final class MoveWorld {
    enum Endpoint: Hashable {
        case node(Int)
        case emitter(Int)
    }

    struct Frame {
        var from: Endpoint
        var fromBoot: Int
        var to: Endpoint
        var toBoot: Int
        var message: PeerMessage
    }

    enum Event {
        case frame(Frame)
        /// Work of a host that belongs to one boot.
        case work(node: Int, boot: Int, (MoveWorld, WorldNode) -> Void)
        case script((MoveWorld) -> Void)
    }

    let random: SeededRandom
    let crypto: CryptoProvider
    private(set) var nodes: [WorldNode] = []
    var emitters: [WorldEmitter] = []
    var faults: Faults
    private(set) var now = Timestamp(nanoseconds: 1_000_000_000)
    let wallClockOrigin: UInt64 = 1_700_000_000_000_000_000
    private var queue: [(at: Timestamp, ordinal: UInt64, event: Event)] = []
    private var nextOrdinal: UInt64 = 0
    private(set) var deliveredCount = 0
    private(set) var stepCount = 0
    /// Called before each migration message is delivered, with its number.
    var beforeDelivery: ((MoveWorld, Int) -> Void)?
    /// Called after each migration message was delivered and its node has done what it asks for.
    var onDelivery: ((MoveWorld, FerryMessage, Endpoint, Endpoint) -> Void)?
    /// Sees every message before the network does what it does.
    var onSend: ((PeerMessage, Endpoint, Endpoint) -> Void)?
    /// Migration messages that the network always loses.
    var drop: ((FerryMessage.Body) -> Bool)?
    /// Links that lose everything.
    var isCut: ((Endpoint, Endpoint) -> Bool)?
    /// How many messages of each case were sent.
    var sentKinds: [String: Int] = [:]
    /// What every owner has said it accepted, by emitter.
    var accepted: [OriginHash: UInt64] = [:]
    /// How often each event took effect.
    var effects: [String: Int] = [:]
    /// Whether a crash has taken the daemon with it.
    var isLost = false
    var streams: [UInt64: (log: [LogEntry], isBroken: Bool)] = [:]
    var violations: [String] = []
    var trace: [String] = []
    var budgets = PhaseBudgets()

    init(seed: UInt64, nodeCount: Int, faults: Faults = .none, budgets: PhaseBudgets = .init(), limits: MigrationLimits = .init()) throws {
        random = SeededRandom(seed: seed)
        self.faults = faults
        self.budgets = budgets
        var crypto = CryptoProvider.sodium
        crypto.random = random
        self.crypto = crypto
        for index in 0..<nodeCount {
            nodes.append(try WorldNode(index: index, identity: .generate(crypto: crypto), world: self, limits: limits))
        }
    }

    var wallClock: UInt64 { wallClockOrigin + UInt64(now.nanoseconds) }

    func chance(_ percent: UInt64) -> Bool { percent > 0 && random.next() % 100 < percent }
    func delay(_ maximum: UInt64) -> Duration { .milliseconds(Int64(1 + random.next() % max(1, maximum))) }

    // MARK: Events

    func schedule(after delay: Duration, _ event: Event) {
        nextOrdinal += 1
        queue.append((now + delay, nextOrdinal, event))
    }

    func send(_ message: PeerMessage, from: Endpoint, to: Endpoint) {
        sentKinds[message.kind, default: 0] += 1
        onSend?(message, from, to)
        if isDropped(message) || isCut?(from, to) == true { return }
        guard !chance(faults.lossPercent) else { return }
        let frame = Frame(from: from, fromBoot: boot(of: from), to: to, toBoot: boot(of: to), message: message)
        schedule(after: delay(faults.maximumDelay), .frame(frame))
        if chance(faults.duplicationPercent) { schedule(after: delay(faults.maximumDelay * 4), .frame(frame)) }
    }

    private func isDropped(_ message: PeerMessage) -> Bool {
        guard let drop else { return false }
        guard case .migration(let migration) = message else { return false }
        return drop(migration.body)
    }

    private func boot(of endpoint: Endpoint) -> Int {
        guard case .node(let index) = endpoint else { return 0 }
        return nodes[index].bootCount
    }

    /// Index of the event that comes first.
    private var firstEvent: Int? {
        var first: Int?
        var index = 0
        while index < queue.count {
            if let best = first, (queue[best].at, queue[best].ordinal) <= (queue[index].at, queue[index].ordinal) {
                index += 1
                continue
            }
            first = index
            index += 1
        }
        return first
    }

    private var firstTimer: Timestamp? {
        var first: Timestamp?
        for node in nodes { if let deadline = node.nextDeadline { first = min(first ?? deadline, deadline) } }
        for emitter in emitters { if let deadline = emitter.nextDeadline { first = min(first ?? deadline, deadline) } }
        return first
    }

    /// Runs one event or one round of timers.
    ///
    /// - Returns: false when nothing is pending before `limit`.
    func step(until limit: Timestamp) -> Bool {
        stepCount += 1
        if stepCount > 100_000 {
            violations.append("L1: the world does not come to rest: \(queue.count) frames, \(nodes.map(\.nextDeadline)) at \(now)")
            return false
        }
        let event = firstEvent
        let timer = firstTimer
        if let event, queue[event].at <= timer ?? .distantFuture {
            guard queue[event].at <= limit else { return false }
            now = max(now, queue[event].at)
            run(queue.remove(at: event).event)
        } else {
            guard let timer, timer <= limit else { return false }
            now = max(now, timer)
            for node in nodes { node.deadlineReached() }
            for emitter in emitters { emitter.deadlineReached() }
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
        case .frame(let frame):
            if case .migration = frame.message {
                beforeDelivery?(self, deliveredCount)
                deliveredCount += 1
            }
            // Frames of a session that died with its node are never accepted in the next.
            guard boot(of: frame.from) == frame.fromBoot, boot(of: frame.to) == frame.toBoot else { return }
            switch frame.to {
            case .node(let index):
                nodes[index].receive(frame.message, from: frame.from)
                if case .migration(let message) = frame.message { onDelivery?(self, message, frame.from, frame.to) }
            case .emitter(let index): if index < emitters.count { emitters[index].receive(frame.message, from: frame.from) }
            }
        case .work(let index, let boot, let body):
            guard nodes[index].bootCount == boot else { return }
            body(self, nodes[index])
            nodes[index].drain()
        case .script(let body): body(self)
        }
    }

    func index(of key: NodeKey) -> Int? { nodes.firstIndex { $0.identity.nodeKey == key } }
}

extension PeerMessage {
    /// What the tests count.
    var kind: String {
        if case .migration(let message) = self { return message.kind }
        if case .lane(let message) = self { return message.kind }
        return ""
    }
}

extension FerryMessage {
    fileprivate var kind: String {
        if case .cutoverNotify = body { return "cutoverNotify" }
        return "migration"
    }
}

extension LaneMessage {
    fileprivate var kind: String {
        if case .hold = body { return "hold" }
        return "lane"
    }
}
