internal import DequeModule
internal import FerryWire

/// All moves that one node takes part in, in any role: routes what comes in to the machine of the attempt and role that it is about.
///
/// The pull contract: after **any** mutating call, take actions with ``nextAction()`` until it returns nil and carry them out in that
/// order, then wait for ``nextDeadline``, a message, or a result of the host, whichever comes first. Time and wall clock are arguments;
/// wall clock is Unix time in nanoseconds and only decides whether an order has lapsed.
///
/// Every message is checked for sender, role, phase, migration id, epoch and boot before any state changes. What fails is counted
/// (``counters``), and answered where the sender takes part in the move; strangers are only counted. Messages that a node sends to itself
/// in another role go through the same checks, in order and without recursion.
///
/// Invalid input. Our bug: none stops the process; results for an unknown move or of a phase that is over are ignored. The peer's fault:
/// counted and never obeyed. Harmless: repetitions, which get the stored answer.
public struct MigrationDispatcher: ~Copyable {
    /// The node.
    public let environment: MoveEnvironment
    /// What was not obeyed.
    public internal(set) var counters = MigrationCounters()

    var slots: [MigrationID: MoveSlot] = [:]
    var effects: MoveEffects
    var nextOrdinal: UInt64 = 0
    var usedOrders: UsedOrders
    /// Peers with a session.
    var boots: [NodeKey: BootID] = [:]
    /// Why no daemon arrives here any more.
    var arrivalRefusal: FailureReason?
    /// Why nothing begins here any more that another node orders.
    var foreignRefusal: FailureReason?

    /// A node without moves.
    public init(environment: MoveEnvironment) {
        self.environment = environment
        effects = MoveEffects(local: environment.localKey)
        usedOrders = UsedOrders(limit: environment.limits.rememberedMoveCount)
    }

    /// The oldest action not yet taken, or nil.
    public mutating func nextAction() -> MigrationAction? { effects.actions.popFirst() }
}
