internal import DequeModule
internal import FerryWire

/// One input, by its emitter: emitters count on their own, and none is confused with another or with the daemon's own outputs.
struct InputKey: Hashable, Sendable {
    var emitter: OriginHash
    var sequence: UInt64

    init(_ event: CausalEvent) {
        emitter = event.link.origin
        sequence = event.link.sequence
    }
}

/// A daemon that comes to this node.
///
/// ```
/// deciding ─▶ unsealing ─▶ restoring ─▶ settling ─▶ restored ⇄ replaying ─▶ activating ─▶ (live, remembered as completed)
///     └───────────┴────────────┴───────────┴───────────┴──────────┴─────────────┴─▶ discarded
/// ```
/// The copy is not live before the acknowledged activation: replay runs in it with its outputs held back, and inputs that come by other ways
/// are held.
///
/// Invalid input. Our bug: none. The peer's fault: a message out of phase is refused. Harmless: a repeated snapshot, and an input that was
/// replayed or held before.
struct NetMeshArrival: Hashable, Sendable {
    enum Stage: UInt8, Hashable, Comparable, Sendable {
        case deciding
        case unsealing
        case restoring
        case settling
        case restored
        case replaying
        case activating

        static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
    }

    /// Batches that wait: as many as a full buffer of the source makes, and as many again.
    static let queueLimit = 16_384

    let origin: OriginHash
    let orchestrator: NodeID
    /// Who sent the pieces.
    let sender: NodeID
    var source: NodeID?
    let attempt: UInt64
    let startedAt: Timestamp
    /// What RestoreComplete says.
    let wireSequence: UInt64
    let snapshotByteCount: Int
    /// The first piece as it came, which tells a repetition from another snapshot: it holds the time of creation.
    let firstPiece: [UInt8]
    /// Whether the orchestrator is bound or admitted, so that it needs no envelope to prove its right.
    let isAuthorized: Bool

    private(set) var stage = Stage.deciding
    private(set) var progressAt: Timestamp
    /// Until it is restored.
    private(set) var snapshot: StateSnapshot?
    private(set) var head: CausalLink?
    var hookDeadline: Timestamp?
    var isActivationRequested = false
    /// Whether a BufferedEvents was replayed.
    private(set) var hasReplayed = false

    /// Batches that wait while one is replayed; each one is answered.
    private(set) var queue: Deque<[CausalEvent]> = []
    private var running: [CausalEvent] = []
    private(set) var queuedByteCount = 0
    private(set) var queuedEventCount = 0
    private(set) var replayed: Set<InputKey> = []
    /// In order of arrival; nil where a batch has taken the input over.
    private var heldInputs: [CausalEvent?] = []
    private var heldPositions: [InputKey: Int] = [:]
    private(set) var heldByteCount = 0

    init(
        origin: OriginHash, orchestrator: NodeID, sender: NodeID, source: NodeID?, attempt: UInt64, snapshot: StateSnapshot,
        wireSequence: UInt64, firstPiece: [UInt8], isAuthorized: Bool, now: Timestamp
    ) {
        self.origin = origin
        self.orchestrator = orchestrator
        self.sender = sender
        self.source = source
        self.attempt = attempt
        self.snapshot = snapshot
        self.wireSequence = wireSequence
        self.firstPiece = firstPiece
        self.isAuthorized = isAuthorized
        snapshotByteCount = snapshot.state.count
        startedAt = now
        progressAt = now
    }

    var phase: MigrationPhase {
        switch stage {
        case .deciding, .unsealing, .restoring, .settling, .restored: .restore
        case .replaying: .replay
        case .activating: .cutover
        }
    }

    var heldEventCount: Int { heldPositions.count }

    /// Goes on to a later stage.
    mutating func enter(_ next: Stage, now: Timestamp) {
        stage = next
        hookDeadline = nil
        progressAt = now
        if next == .settling || next == .restored { snapshot = nil }
    }

    mutating func setHead(_ link: CausalLink) { head = link }

    /// These inputs were processed before.
    mutating func remember(_ inputs: Set<InputKey>) { replayed.formUnion(inputs) }

    /// Takes inputs from the old node: into the replay, or after the order to go live behind the held ones.
    ///
    /// - Throws: as `queueBatch`.
    mutating func take(_ events: [CausalEvent], limits: NetMeshLimits, now: Timestamp) throws(NetMeshRefusal) {
        guard stage == .activating || isActivationRequested else { return try queueBatch(events, limits: limits, now: now) }
        let byteCount = events.reduce(heldByteCount) { $0 + $1.payload.count }
        guard heldEventCount + events.count <= limits.bufferedEventCount, byteCount <= limits.bufferedByteCount else {
            throw NetMeshRefusal(
                .capacity, FailureReason.bufferFull(eventCount: heldEventCount + events.count, byteCount: byteCount).message)
        }
        for event in events { _ = hold(event, limits: limits) }
    }

    /// Queues a batch for replay, without what was replayed before.
    ///
    /// - Throws: `.wrongPhase` before the restore; `.capacity` with what the totals would be.
    private mutating func queueBatch(_ events: [CausalEvent], limits: NetMeshLimits, now: Timestamp) throws(NetMeshRefusal) {
        guard stage == .restored || stage == .replaying else {
            throw NetMeshRefusal(.wrongPhase, "inputs for a target that is \(stage)")
        }
        var seen: Set<InputKey> = []
        let fresh = events.filter { !replayed.contains(InputKey($0)) && seen.insert(InputKey($0)).inserted }
        let eventCount = queuedEventCount + fresh.count
        let byteCount = fresh.reduce(queuedByteCount) { $0 + $1.payload.count }
        guard eventCount <= limits.bufferedEventCount, byteCount <= limits.bufferedByteCount,
            replayed.count + fresh.count <= limits.rememberedInputCount, queue.count < Self.queueLimit
        else {
            let reason = FailureReason.bufferFull(eventCount: eventCount, byteCount: byteCount)
            throw NetMeshRefusal(.capacity, reason.message, reason: reason)
        }
        let ordered = withEarlierHeld(fresh)
        for event in ordered {
            replayed.insert(InputKey(event))
            takeOver(event)
        }
        queue.append(ordered)
        queuedEventCount += ordered.count
        queuedByteCount += ordered.reduce(0) { $0 + $1.payload.count }
        progressAt = now
    }

    /// Held inputs of an emitter go before its later ones: a batch that overtook another must not turn their order around.
    private func withEarlierHeld(_ fresh: [CausalEvent]) -> [CausalEvent] {
        guard !heldPositions.isEmpty else { return fresh }
        var last: [OriginHash: UInt64] = [:]
        for event in fresh { last[event.link.origin] = max(last[event.link.origin] ?? 0, event.link.sequence) }
        let keys = Set(fresh.map { InputKey($0) })
        var earlier: [OriginHash: Deque<CausalEvent>] = [:]
        for case let held? in heldInputs where held.link.sequence < last[held.link.origin] ?? 0 && !keys.contains(InputKey(held)) {
            earlier[held.link.origin, default: []].append(held)
        }
        var ordered: [CausalEvent] = []
        ordered.reserveCapacity(fresh.count)
        for event in fresh {
            while let first = earlier[event.link.origin]?.first, first.link.sequence < event.link.sequence {
                ordered.append(first)
                earlier[event.link.origin]?.removeFirst()
            }
            ordered.append(event)
        }
        return ordered
    }

    /// What a batch brings is replayed in the batch's order, not at the activation.
    private mutating func takeOver(_ event: CausalEvent) {
        guard let position = heldPositions.removeValue(forKey: InputKey(event)) else { return }
        heldByteCount -= heldInputs[position]?.payload.count ?? 0
        heldInputs[position] = nil
    }

    /// The next batch to replay; nil while one is replayed, or when there is none.
    mutating func nextBatch(now: Timestamp) -> [CausalEvent]? {
        guard stage == .restored || (stage == .replaying && !isReplaying), !queue.isEmpty else { return nil }
        stage = .replaying
        progressAt = now
        running = queue.removeFirst()
        isReplaying = true
        return running
    }

    /// Whether an order to go live has waited for the replay, and need not any longer.
    var isReadyToActivate: Bool { isActivationRequested && !isReplaying && queue.isEmpty && stage < .activating }

    /// Whether the host replays a batch.
    private(set) var isReplaying = false

    /// The batch is replayed.
    mutating func batchReplayed(head: CausalLink, now: Timestamp) {
        isReplaying = false
        hasReplayed = true
        self.head = head
        queuedEventCount -= running.count
        queuedByteCount -= running.reduce(0) { $0 + $1.payload.count }
        running = []
        progressAt = now
    }

    /// Keeps an input that came by another way than the batches.
    mutating func hold(_ event: CausalEvent, limits: NetMeshLimits) -> NetMeshHold {
        let key = InputKey(event)
        guard !replayed.contains(key), heldPositions[key] == nil else { return .duplicate }
        let eventCount = heldPositions.count + 1
        let byteCount = heldByteCount + event.payload.count
        guard eventCount <= limits.bufferedEventCount, byteCount <= limits.bufferedByteCount else {
            return .refused(.bufferFull(eventCount: eventCount, byteCount: byteCount))
        }
        heldPositions[key] = heldInputs.count
        heldInputs.append(event)
        heldByteCount = byteCount
        return .held
    }

    /// What is processed at the activation, in order of arrival; from here on the record remembers it as processed.
    mutating func takeHeld() -> [CausalEvent] {
        let held = heldInputs.compactMap { $0 }
        for event in held { replayed.insert(InputKey(event)) }
        heldInputs = []
        heldPositions = [:]
        heldByteCount = 0
        return held
    }
}

/// The daemons that come to this node, and those that have come, so that a lost acknowledgement can be given again.
struct NetMeshTarget: Hashable, Sendable {
    /// A daemon that went live here.
    struct Completed: Hashable, Sendable {
        var orchestrator: NodeID
        var source: NodeID?
        var replayedSequence: UInt64
        /// So that an input which two nodes send is processed once.
        var replayed: Set<InputKey>
        var expiresAt: Timestamp
    }

    var records: [OriginHash: NetMeshArrival] = [:]
    private(set) var completed: [OriginHash: Completed] = [:]

    /// Admits a snapshot. A remembered completion of the same daemon goes only now, when another move of it really begins here.
    ///
    /// - Throws: `.alreadyMigrating`, `.capacity`.
    /// It knows what the daemon had processed here before, so that an input of then which is repeated now stays processed once.
    mutating func begin(_ record: NetMeshArrival, limits: NetMeshLimits = NetMeshLimits(), limit: Int) throws(NetMeshRefusal) {
        guard records[record.origin] == nil else {
            throw NetMeshRefusal(
                .alreadyMigrating, "daemon \(record.origin.rawValue.prefixedHex) is already arriving",
                reason: FailureReason(.alreadyMigrating))
        }
        guard records.count < limit else {
            let text = "\(limit) daemons are arriving"
            throw NetMeshRefusal(.capacity, text, reason: FailureReason(.stateFailed, text))
        }
        var record = record
        if let earlier = completed[record.origin]?.replayed, earlier.count <= limits.rememberedInputCount / 2 { record.remember(earlier) }
        records[record.origin] = record
    }

    /// Live: in one step from the active records to the completed ones.
    mutating func complete(_ origin: OriginHash, replayedSequence: UInt64, limits: NetMeshLimits, now: Timestamp) {
        guard let record = records.removeValue(forKey: origin) else { return }
        if completed.count >= limits.rememberedMoveCount, let oldest = completed.min(by: Self.isEarlier)?.key { completed[oldest] = nil }
        completed[origin] = Completed(
            orchestrator: record.orchestrator, source: record.source, replayedSequence: replayedSequence, replayed: record.replayed,
            expiresAt: now + limits.recordAge)
    }

    private static func isEarlier(_ left: (key: OriginHash, value: Completed), _ right: (key: OriginHash, value: Completed)) -> Bool {
        left.value.expiresAt == right.value.expiresAt ? left.key < right.key : left.value.expiresAt < right.value.expiresAt
    }

    /// Drops an arrival that was not activated.
    mutating func abort(_ origin: OriginHash) { records[origin] = nil }

    /// Whether an input of a live daemon is new; remembers it, up to `limit` inputs.
    mutating func isFresh(_ event: CausalEvent, for origin: OriginHash, limit: Int) -> Bool {
        guard var entry = completed.removeValue(forKey: origin) else { return true }
        defer { completed[origin] = entry }
        if entry.replayed.count >= limit { return !entry.replayed.contains(InputKey(event)) }
        return entry.replayed.insert(InputKey(event)).inserted
    }

    /// The daemon has left again, or stopped: nothing of its arrival counts any more.
    mutating func forget(_ origin: OriginHash) { completed[origin] = nil }

    mutating func expire(now: Timestamp) { completed = completed.filter { $0.value.expiresAt > now } }
}
