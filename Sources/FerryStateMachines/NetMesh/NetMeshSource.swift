internal import FerryWire

/// What has become of a source's copy.
public enum NetMeshSourceStage: UInt8, Hashable, Comparable, Sendable, CaseIterable {
    /// Fenced; the snapshot is being taken.
    case snapshotting
    /// Its key is being sealed.
    case sealing
    /// The snapshot is out; inputs are captured.
    case transferring
    /// Cut over: the pre-cleanup hook runs.
    case cleaning
    /// Out of the registry, kept until the target's acknowledgement.
    case retired
    /// Gone; late inputs go to the target.
    case released

    /// Orders by progress.
    public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
}

/// A daemon that leaves this node.
///
/// ```
/// snapshotting ─▶ sealing ─▶ transferring ─▶ cleaning ─▶ retired ─▶ released ─▶ (forgotten)
///       └─────────────┴────────────┴────────────┴───────────┴─▶ resumed
/// ```
/// From the first moment the daemon is fenced: inputs are captured, not processed, so nothing forks and nothing is lost. A rollback gives
/// them back in order. After the cutover they go on to the target, and are kept as long as a rollback may still come.
///
/// Invalid input. Our bug: none. The peer's fault: cutover or cleanup out of phase is refused. Harmless: a repeated TakeSnapshot of the
/// same orchestrator and target, or CutoverNotify, gets the same answer again.
struct NetMeshDeparture: Hashable, Sendable {
    let origin: OriginHash
    let orchestrator: NodeID
    let target: NodeID
    let identityTransport: NetMeshIdentityTransport
    let attempt: UInt64
    let startedAt: Timestamp

    private(set) var stage = NetMeshSourceStage.snapshotting
    private(set) var progressAt: Timestamp
    /// The snapshot as sent, for as long as it may have to be sent again.
    private(set) var snapshot: [UInt8] = []
    /// While its key is being sealed.
    private(set) var unsealed: StateSnapshot?
    private(set) var head: CausalLink?
    private(set) var captured: [CausalEvent] = []
    private(set) var capturedByteCount = 0
    /// How many of `captured` went to the target; all of them come back on a rollback.
    private(set) var sentCount = 0
    var hookDeadline: Timestamp?
    var retry = NetMeshBackoff()
    /// What the orchestrator has said of a move whose copy is retired already.
    var heardFailure: FailureReason?
    /// What went to the target after the cutover goes again a few times: nobody acknowledges it here, and the target drops what it has.
    private(set) var tailRetry = NetMeshBackoff()
    private var tailRepeatCount = 0

    init(
        origin: OriginHash, orchestrator: NodeID, target: NodeID, identityTransport: NetMeshIdentityTransport, attempt: UInt64,
        now: Timestamp
    ) {
        self.origin = origin
        self.orchestrator = orchestrator
        self.target = target
        self.identityTransport = identityTransport
        self.attempt = attempt
        startedAt = now
        progressAt = now
    }

    var phase: MigrationPhase {
        switch stage {
        case .snapshotting, .sealing: .snapshot
        case .transferring: .transfer
        case .cleaning, .retired: .cutover
        case .released: .complete
        }
    }

    /// Whether inputs go to the target now.
    var isCutOver: Bool { stage >= .cleaning }

    /// Whether a rollback is still possible.
    var isRevocable: Bool { stage < .released }

    /// Keeps an input for the target, or after the cutover for a rollback that may still come, and then sends it on too. An input that no message can carry is refused; so is one beyond a cap, with what the totals would be.
    mutating func capture(_ event: CausalEvent, limits: NetMeshLimits) -> NetMeshCapture {
        guard event.payload.count <= WireLimits.netMeshChunkByteCount else {
            let text = "event of \(event.payload.count) bytes exceeds \(WireLimits.netMeshChunkByteCount) while the daemon moves"
            return .refused(FailureReason(.stateFailed, text))
        }
        let byteCount = capturedByteCount + event.payload.count
        guard captured.count < limits.bufferedEventCount, byteCount <= limits.bufferedByteCount else {
            // What a released source keeps is only for repetition.
            if stage == .released { return .forward(to: target) }
            return .refused(.bufferFull(eventCount: captured.count + 1, byteCount: byteCount))
        }
        captured.append(event)
        capturedByteCount = byteCount
        return isCutOver ? .forward(to: target) : .captured
    }

    /// The snapshot exists and its key is about to be sealed.
    mutating func startSealing(_ snapshot: StateSnapshot, now: Timestamp) {
        stage = .sealing
        unsealed = snapshot
        head = snapshot.chainLink
        progressAt = now
    }

    /// The snapshot goes out.
    mutating func startTransfer(_ bytes: [UInt8], head: CausalLink, now: Timestamp) {
        stage = .transferring
        snapshot = bytes
        unsealed = nil
        hookDeadline = nil
        self.head = head
        progressAt = now
    }

    /// The next captured inputs that fit one packet; empty when all are on their way.
    ///
    /// - Throws: `.wrongPhase` after the cutover, when there is nothing to drain any more.
    mutating func takeBatch() throws(NetMeshRefusal) -> [CausalEvent] {
        guard stage == .transferring else { throw NetMeshRefusal(.wrongPhase, "no inputs to take: the source is \(stage)") }
        let batch = Array(captured[sentCount...].prefix(NetMeshBatches.fitting(captured[sentCount...])))
        sentCount += batch.count
        return batch
    }

    /// Whether so many more inputs fit.
    func hasRoom(for events: [CausalEvent], limits: NetMeshLimits) -> Bool {
        stage == .released
            || (captured.count + events.count <= limits.bufferedEventCount
                && events.reduce(capturedByteCount) { $0 + $1.payload.count } <= limits.bufferedByteCount)
    }

    /// Stops for good. The rest of the captured inputs goes to the target.
    ///
    /// - Throws: `.wrongPhase` before the snapshot was sent, and when it happened before.
    mutating func cutOver(now: Timestamp) throws(NetMeshRefusal) -> [CausalEvent] {
        guard stage == .transferring else { throw NetMeshRefusal(.wrongPhase, "cutover of a source that is \(stage)") }
        stage = .cleaning
        progressAt = now
        return Array(captured[sentCount...])
    }

    /// What goes to the target after the cutover.
    var tail: [CausalEvent] { Array(captured[sentCount...]) }

    /// A tail was sent; what joins it later shares its repetitions.
    mutating func startTail(_ now: Timestamp, first: Duration) {
        guard tailRetry.deadline == nil else { return }
        tailRepeatCount = 0
        tailRetry.start(now, first: first)
    }

    /// Whether the tail is due again.
    mutating func isTailDue(_ now: Timestamp, longest: Duration) -> Bool { tailRetry.isDue(now, longest: longest) }

    /// Counts a repetition of the tail; after the last one a released source keeps nothing.
    mutating func tailRepeated(limit: Int) {
        tailRepeatCount += 1
        guard tailRepeatCount >= limit else { return }
        tailRetry.stop()
        if stage == .released { dropCaptured() }
    }

    private mutating func dropCaptured() {
        captured = []
        capturedByteCount = 0
        sentCount = 0
    }

    /// Leaves the registry.
    ///
    /// - Throws: `.wrongPhase` before the cutover.
    mutating func retire(now: Timestamp) throws(NetMeshRefusal) {
        guard stage == .cleaning else { throw NetMeshRefusal(.wrongPhase, "cleanup of a source that is \(stage)") }
        stage = .retired
        hookDeadline = nil
        progressAt = now
    }

    /// Acknowledged: what was kept for a rollback goes, save a tail that is still to be repeated.
    mutating func release(now: Timestamp) {
        stage = .released
        snapshot = []
        captured.removeFirst(sentCount)
        sentCount = 0
        capturedByteCount = captured.reduce(0) { $0 + $1.payload.count }
        if tailRetry.deadline == nil { dropCaptured() }
        hookDeadline = nil
        retry.stop()
        progressAt = now
    }

    /// Its orchestrator was heard of.
    mutating func touch(_ now: Timestamp) { progressAt = now }
}

/// How captured inputs are cut into messages.
enum NetMeshBatches {
    static let headerByteCount = 1 + 8 + 4
    static let eventHeaderByteCount = 32 + 4 + 8

    /// How many of the first events fit one message; at least one if there is one.
    static func fitting(_ events: ArraySlice<CausalEvent>) -> Int {
        var byteCount = headerByteCount
        var count = 0
        for event in events {
            byteCount += eventHeaderByteCount + event.payload.count
            guard byteCount <= WireLimits.netMeshMessageByteCount || count == 0 else { break }
            count += 1
        }
        return count
    }

    /// All of the events, in messages that fit.
    static func cut(_ events: [CausalEvent]) -> [[CausalEvent]] {
        var batches: [[CausalEvent]] = []
        var rest = events[...]
        while !rest.isEmpty {
            let count = fitting(rest)
            batches.append(Array(rest.prefix(count)))
            rest = rest.dropFirst(count)
        }
        return batches
    }
}

extension FailureReason {
    /// A buffer would hold this much, which is more than it may.
    static func bufferFull(eventCount: Int, byteCount: Int) -> FailureReason {
        FailureReason(.stateFailed, "buffer full: \(eventCount) events, \(byteCount) bytes")
    }
}

/// The daemons that leave this node.
struct NetMeshSource: Hashable, Sendable {
    /// A move that this source gave up by itself, after its snapshot was out.
    struct Withdrawn: Hashable, Sendable {
        var orchestrator: NodeID
        var reason: FailureReason
        var expiresAt: Timestamp
    }

    var records: [OriginHash: NetMeshDeparture] = [:]
    /// Their orchestrators are told again, for as long as they may hold the old snapshot: a repeated TakeSnapshot must not begin another
    /// attempt that they would take for the same.
    private(set) var withdrawn: [OriginHash: Withdrawn] = [:]

    /// Remembers a move that was given up here; the oldest makes room.
    mutating func withdraw(_ record: NetMeshDeparture, _ reason: FailureReason, limits: NetMeshLimits, age: Duration, now: Timestamp) {
        guard record.stage >= .transferring else { return }
        if withdrawn.count >= limits.rememberedMoveCount, let oldest = withdrawn.min(by: Self.isEarlier)?.key { withdrawn[oldest] = nil }
        withdrawn[record.origin] = Withdrawn(orchestrator: record.orchestrator, reason: reason, expiresAt: now + age)
    }

    private static func isEarlier(_ left: (key: OriginHash, value: Withdrawn), _ right: (key: OriginHash, value: Withdrawn)) -> Bool {
        left.value.expiresAt == right.value.expiresAt ? left.key < right.key : left.value.expiresAt < right.value.expiresAt
    }

    /// The orchestrator asks again and is told again. If it has not heard it will ask once more before `age` is over; later it asks anew.
    mutating func answerWithdrawn(_ origin: OriginHash, age: Duration, now: Timestamp) { withdrawn[origin]?.expiresAt = now + age }

    /// The orchestrator knows.
    mutating func acknowledgeWithdrawal(_ origin: OriginHash, of node: NodeID) {
        if withdrawn[origin]?.orchestrator == node { withdrawn[origin] = nil }
    }

    mutating func expire(now: Timestamp) { withdrawn = withdrawn.filter { $0.value.expiresAt > now } }

    /// Claims a daemon for one move; no second one begins before the first is over.
    ///
    /// - Throws: `.alreadyMigrating`, `.capacity`.
    mutating func begin(_ record: NetMeshDeparture, limit: Int) throws(NetMeshRefusal) {
        try check(record.origin, limit: limit)
        records[record.origin] = record
    }

    /// Acknowledged: the record only says where the daemon is. Of these the oldest makes room.
    mutating func release(_ origin: OriginHash, limit: Int, now: Timestamp) {
        let released = records.filter { $0.value.stage == .released }
        if released.count >= limit, let oldest = released.min(by: Self.isEarlier)?.key { records[oldest] = nil }
        records[origin]?.release(now: now)
    }

    private static func isEarlier(_ left: (key: OriginHash, value: NetMeshDeparture), _ right: (key: OriginHash, value: NetMeshDeparture))
        -> Bool
    {
        left.value.progressAt == right.value.progressAt ? left.key < right.key : left.value.progressAt < right.value.progressAt
    }

    /// Whether a daemon could be claimed.
    ///
    /// - Throws: as `begin`.
    func check(_ origin: OriginHash, limit: Int) throws(NetMeshRefusal) {
        if let known = records[origin], known.isRevocable {
            throw NetMeshRefusal(
                .alreadyMigrating, "daemon \(origin.rawValue.prefixedHex) is already migrating", reason: FailureReason(.alreadyMigrating))
        }
        guard records.values.count(where: \.isRevocable) < limit else {
            let text = "\(limit) daemons are leaving"
            throw NetMeshRefusal(.capacity, text, reason: FailureReason(.stateFailed, text))
        }
    }
}
