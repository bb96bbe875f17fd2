internal import FerryWire

/// One move as its orchestrator knows it. It holds no byte of state.
///
/// ```
/// snapshot ─▶ transfer ─▶ restore ─▶ replay ─▶ cutover ─▶ complete ─▶ (removed, outcome remembered)
///     └──────────┴───────────┴─────────┴──────────┴─▶ failed        └─▶ in doubt ─▶ completed, or as an operator says
/// ```
/// ActivateTarget is sent on entering `complete`; until then the move can be rolled back, from then on only the target's
/// acknowledgement or an operator ends it. Each step needs its predecessor.
///
/// Invalid input. Our bug: none. The peer's fault: a message out of phase is refused. Harmless: a participant's repetition of what it
/// has said, which changes nothing.
struct NetMeshOrchestration: Hashable, Sendable {
    let origin: OriginHash
    let source: NodeID
    let target: NodeID
    let attempt: UInt64
    let startedAt: Timestamp
    let bound: Duration

    private(set) var phase = MigrationPhase.snapshot
    private(set) var phaseEnteredAt: Timestamp
    var superposition = Superposition()
    /// When the step that is waited for has taken too long.
    var deadline: Timestamp
    var retry = NetMeshBackoff()
    var retryCount = 0

    /// The one snapshot that this move carries, from its first piece on.
    var throughSequence: UInt64?
    var pieceCount: UInt32?
    var snapshotByteCount: Int?

    /// BufferedEvents sent and ReplayComplete received: one is answered by one.
    var replaySentCount = 0
    var replayAnsweredCount = 0
    /// Whether a batch with events was sent: a lost or repeated answer must then not pass for its own.
    var hasSentEvents = false
    var replayDeadline: Timestamp?
    var restoredSequence: UInt64 = 0
    var replayedSequence: UInt64 = 0
    /// The target's last word on why it will not go live, or that the time is up.
    var doubt: FailureReason?

    init(
        origin: OriginHash, source: NodeID, target: NodeID, attempt: UInt64, budgets: NetMeshBudgets, now: Timestamp
    ) {
        self.origin = origin
        self.source = source
        self.target = target
        self.attempt = attempt
        startedAt = now
        phaseEnteredAt = now
        bound = budgets.totalBound
        deadline = now + budgets.snapshot
    }

    /// Whether ActivateTarget was sent.
    var isCommitted: Bool { phase == .complete }

    /// Goes one phase on.
    ///
    /// - Throws: `.wrongPhase` unless `next` follows the present phase.
    mutating func advance(to next: MigrationPhase, budget: Duration, now: Timestamp) throws(NetMeshRefusal) {
        guard next.rawValue == phase.rawValue + 1 else {
            throw NetMeshRefusal(.wrongPhase, "\(next) does not follow \(phase)")
        }
        phase = next
        phaseEnteredAt = now
        deadline = now + budget
        superposition.advance(next)
    }

    func isParticipant(_ node: NodeID) -> Bool { node == source || node == target }

    /// Whether the last BufferedEvents is answered, whatever was lost.
    var isReplayAnswered: Bool {
        hasSentEvents ? replayAnsweredCount >= replaySentCount : replayAnsweredCount > 0
    }

    var progressPercent: Int {
        switch phase {
        case .snapshot: 10
        case .transfer: 30
        case .restore: 50
        case .replay: 70
        case .cutover: 90
        case .complete: 100
        }
    }

    /// What it says of the snapshot does not change between pieces.
    func agrees(with piece: SnapshotPiece) -> Bool {
        (throughSequence ?? piece.throughSequence) == piece.throughSequence && (pieceCount ?? piece.totalCount) == piece.totalCount
    }

    mutating func note(_ piece: SnapshotPiece) {
        throughSequence = piece.throughSequence
        pieceCount = piece.totalCount
        if piece.index == piece.totalCount - 1 {
            snapshotByteCount = Int(piece.index) * WireLimits.netMeshChunkByteCount + piece.bytes.count
        }
        if piece.index == 0, let link = piece.chainLink { superposition.sourceAdvanced(link) }
    }
}

extension SnapshotPiece {
    /// The chain link of the snapshot that this first piece begins; nil when it is cut short.
    var chainLink: CausalLink? {
        guard index == 0, bytes.count >= 77 else { return nil }
        return CausalLink(copying: bytes.rawSpan.extracting(45..<77))
    }
}

/// The moves that this node orchestrates, and the outcomes that it remembers for participants that ask again.
struct NetMeshOrchestrator: Hashable, Sendable {
    /// How a move ended.
    struct Ended: Hashable, Sendable {
        var source: NodeID
        var target: NodeID
        /// Nil when it completed.
        var failure: FailureReason?
        var replayedSequence: UInt64
        var expiresAt: Timestamp
    }

    var records: [OriginHash: NetMeshOrchestration] = [:]
    private(set) var ended: [OriginHash: Ended] = [:]

    /// Begins a move, once.
    ///
    /// - Throws: `.alreadyMigrating`, `.sameNode`, `.capacity`.
    mutating func begin(_ record: NetMeshOrchestration, limit: Int) throws(NetMeshRefusal) {
        try check(record.origin, source: record.source, target: record.target, limit: limit)
        ended[record.origin] = nil
        records[record.origin] = record
    }

    /// Whether a move could begin.
    ///
    /// - Throws: as `begin`.
    func check(_ origin: OriginHash, source: NodeID, target: NodeID, limit: Int) throws(NetMeshRefusal) {
        guard records[origin] == nil else {
            throw NetMeshRefusal(
                .alreadyMigrating, "daemon \(origin.rawValue.prefixedHex) is already migrating", reason: FailureReason(.alreadyMigrating))
        }
        guard source != target else {
            let text = "node \(target.rawValue.prefixedHex) is the daemon's owner already"
            throw NetMeshRefusal(.sameNode, text, reason: FailureReason(.stateFailed, text))
        }
        guard records.count < limit else {
            let text = "\(limit) moves are in progress"
            throw NetMeshRefusal(.capacity, text, reason: FailureReason(.stateFailed, text))
        }
    }

    /// Removes a record and remembers how it ended, for as long as a source that was told to stop may ask; the oldest makes room.
    ///
    /// - Parameter local: this node; a source here needs no answer.
    mutating func end(_ origin: OriginHash, failure: FailureReason?, local: NodeID, limits: NetMeshLimits, now: Timestamp) {
        guard let record = records.removeValue(forKey: origin) else { return }
        if ended.count >= limits.rememberedMoveCount, let oldest = ended.min(by: Self.isEarlier)?.key { ended[oldest] = nil }
        // A source that has stopped and does not hear that the move failed keeps what may be the last copy, and asks.
        let mayAskLong = failure != nil && record.phase >= .cutover && record.source != local
        let age = mayAskLong ? limits.retiredAge : limits.recordAge
        ended[origin] = Ended(
            source: record.source, target: record.target, failure: failure, replayedSequence: record.replayedSequence,
            expiresAt: now + age)
    }

    private static func isEarlier(_ left: (key: OriginHash, value: Ended), _ right: (key: OriginHash, value: Ended)) -> Bool {
        left.value.expiresAt == right.value.expiresAt ? left.key < right.key : left.value.expiresAt < right.value.expiresAt
    }

    mutating func expire(now: Timestamp) { ended = ended.filter { $0.value.expiresAt > now } }
}
