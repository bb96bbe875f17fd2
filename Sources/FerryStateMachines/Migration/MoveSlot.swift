internal import DequeModule
internal import FerryWire

/// What a machine makes of a message that passed the dispatcher's checks.
enum MessageVerdict {
    /// Obeyed, or answered as a repetition.
    case taken
    /// Not in this phase; nothing changed.
    case wrongPhase
    /// From a boot that does not take part; nothing changed.
    case wrongBoot
    /// A signature, hash or fact does not hold.
    case unproven
}

/// What machines ask for, in order; messages to the own node are looped instead of sent.
struct MoveEffects {
    let local: NodeKey
    var actions: Deque<MigrationAction> = []
    var loopback: Deque<FerryMessage> = []
    /// Attempts that follow one that ended.
    var successors: Deque<Successor> = []

    mutating func send(_ body: FerryMessage.Body, about attempt: MoveAttempt, to role: MoveRole) {
        let message = FerryMessage(header: MessageHeader(migration: attempt.migration, epoch: attempt.epoch), body: body)
        let node = attempt.node(role)
        guard node != local else {
            loopback.append(message)
            return
        }
        // Only the order's source is told where the target listens; every other pair has a session or gets one from its host.
        actions.append(.send(message, to: node, address: role == .target ? attempt.order.targetAddress : ""))
    }

    /// Sends once to a node that plays several of the roles.
    mutating func send(_ body: FerryMessage.Body, about attempt: MoveAttempt, to first: MoveRole, and second: MoveRole) {
        send(body, about: attempt, to: first)
        if attempt.node(first) != attempt.node(second) { send(body, about: attempt, to: second) }
    }
}

/// The next attempt of an order, and how the one before it ended.
struct Successor {
    var order: MoveOrder
    var of: MigrationID
    var outcome: MoveOutcome
}

/// What one attempt is about.
struct MoveAttempt {
    let order: MoveOrder
    let migration: MigrationID
    /// The epoch that the attempt burns; 0 before the source has answered the plan.
    var epoch: Epoch
    /// From the attempt's beginning here to the order's expiry, where it is known.
    let lifetime: Duration?

    init(order: MoveOrder, epoch: Epoch = .none, wallClock: UInt64? = nil) {
        self.order = order
        lifetime = wallClock.map { .nanoseconds(Int64(clamping: order.expiresAt - min(order.expiresAt, $0))) }
        migration = order.migration
        self.epoch = epoch
    }

    func node(_ role: MoveRole) -> NodeKey {
        switch role {
        case .orchestrator: order.orchestrator
        case .source: order.source
        case .target: order.target
        }
    }

    func plays(_ node: NodeKey, _ role: MoveRole) -> Bool { self.node(role) == node }
    func isParticipant(_ node: NodeKey) -> Bool { MoveRole.allCases.contains { plays(node, $0) } }
}

/// When to repeat an unanswered request.
struct RetryTimer {
    private(set) var deadline: Timestamp?
    private(set) var count = 0
    private let bounds: ClosedRange<Duration>
    private var interval: Duration

    init(_ bounds: ClosedRange<Duration>) {
        self.bounds = bounds
        interval = bounds.lowerBound
    }

    /// Starts over for a new request.
    mutating func start(_ now: Timestamp) {
        interval = bounds.lowerBound
        deadline = now + interval
    }

    /// Whether the request is due again; doubles the interval up to its bound.
    mutating func isDue(_ now: Timestamp) -> Bool {
        guard let deadline, deadline <= now else { return false }
        count += 1
        interval = min(interval + interval, bounds.upperBound)
        self.deadline = now + interval
        return true
    }

    mutating func stop() { deadline = nil }
}

/// The machines of one attempt on one node.
final class MoveSlot {
    let ordinal: UInt64
    let attempt: MoveAttempt
    var orchestrator: OrchestratorMachine? { didSet { isAtRest = false } }
    var source: SourceMachine? { didSet { isAtRest = false } }
    var target: TargetMachine? { didSet { isAtRest = false } }
    /// Whether it is known that everything here is closed and waits for no time; thousands of such slots are remembered, and looking into
    /// each of them at every event would cost more than the moves themselves.
    private(set) var isAtRest = false
    /// When the order lapses, by the clock that never jumps.
    var lapseDeadline: Timestamp?
    /// When the order cannot be used again by any clock that is set back by less than ``UsedOrders/clockSkew``.
    var usedUntil = Timestamp.distantFuture

    init(ordinal: UInt64, attempt: MoveAttempt) {
        self.ordinal = ordinal
        self.attempt = attempt
    }

    /// The earliest time that anything here waits for.
    var nextDeadline: Timestamp? {
        guard !isAtRest else { return nil }
        var earliest: Timestamp?
        for case let deadline? in [orchestrator?.nextDeadline, source?.nextDeadline, target?.nextDeadline, nextLapseDeadline] {
            earliest = min(earliest ?? deadline, deadline)
        }
        isAtRest = earliest == nil && isClosed
        return earliest
    }
}
