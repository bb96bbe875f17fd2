/// What goes wrong in a simulation; each is counted where it takes effect (system.md §7).
public enum FaultKind: String, CaseIterable, Sendable, Hashable {
    /// A message or frame never arrives.
    case loss
    /// A message or frame arrives twice.
    case duplication
    /// A message or frame is overtaken by a later one.
    case reordering
    /// A message or frame takes many times the link's usual time.
    case delay
    /// A link stands still, and what it held arrives at once.
    case burst
    /// A frame arrives with other bytes.
    case corruption
    /// A frame arrives cut short.
    case truncation
    /// Two nodes cannot reach each other.
    case partition
    /// One node cannot reach the other, which reaches it.
    case oneWayPartition
    /// A link carries a hundredth of what it did.
    case slowLink
    /// A link is closed with all that is on its way.
    case linkClose
    /// A link is opened anew after it was closed.
    case linkReopen
    /// The source of a move crashes before or after a message of the move.
    case sourceCrash
    /// The target of a move crashes before or after a message of the move.
    case targetCrash
    /// The orchestrator of a move crashes before or after a message of the move.
    case orchestratorCrash
    /// A crashed node starts again, with a new boot id and nothing else.
    case restart
    /// An emitter crashes and starts anew.
    case emitterRestart
    /// A node does nothing for a while, as under SIGSTOP.
    case clockPause
    /// A node's monotonic clock leaps ahead.
    case clockJump
    /// A node's wall clock is set.
    case wallClockJump
    /// A callback of the host takes a second or more.
    case slowCallback
    /// A daemon throws while it processes, is written or is restored.
    case failingCallback
    /// A daemon is restored with another chain head, other cursors, outputs or bindings than were written.
    case wrongRestore
    /// A daemon is restored without a field of its state.
    case droppedField
    /// A replay of the move log takes a second or more.
    case slowReplay
    /// A replay of the move log does something else than the source's daemon did.
    case divergentReplay
    /// The move log has no room for another input.
    case logFull
    /// The journal refuses a record.
    case journalFailure
    /// A buffer has no room: an event or a message is not taken.
    case fullBuffer
    /// An order is given a second time.
    case duplicateOrder
    /// Two orders for one daemon.
    case competingOrder
    /// A daemon is ordered back as soon as it has arrived.
    case pingPong
    /// All daemons are ordered to move at once.
    case manyAtOnce
    /// An order lapses while the move goes on.
    case orderExpiry
    /// A move is cancelled.
    case cancel
    /// A stranger with a valid session sends what only a participant may.
    case forged
    /// A message of a participant is delivered again.
    case replayed
    /// A message of an earlier attempt is delivered again.
    case stale
}

/// How often each kind of fault took effect, in the order of the kinds.
public struct FaultCounts: Sendable, Hashable {
    private var counts = [UInt64](repeating: 0, count: FaultKind.allCases.count)

    /// Nothing has gone wrong yet.
    public init() {}

    private static let places: [FaultKind: Int] = Dictionary(
        uniqueKeysWithValues: FaultKind.allCases.enumerated().map { ($1, $0) })

    /// How often this kind took effect.
    public subscript(kind: FaultKind) -> UInt64 { counts[Self.places[kind] ?? 0] }

    /// Counts one.
    mutating func count(_ kind: FaultKind) { counts[Self.places[kind] ?? 0] += 1 }

    /// Adds another run's counts.
    public static func += (left: inout Self, right: Self) {
        for index in left.counts.indices { left.counts[index] += right.counts[index] }
    }
}
