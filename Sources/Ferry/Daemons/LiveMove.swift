internal import Dispatch
internal import FerryStateMachines
internal import FerryWire
internal import Synchronization

/// What a node keeps while a daemon serves through a move: the frozen copy and the log of inputs since.
///
/// The daemon's host appends; shipping and acknowledging happen elsewhere and never wait for the daemon.
final class LiveMove: Sendable {
    let migration: MigrationID
    let frozen: FrozenDaemon
    let copy: FrozenCopy
    /// Signalled when a batch is due, and when the log is over.
    let changed = Signal()
    private let log = Mutex(MoveLog())
    /// Changed only while `log` is locked.
    private let holds = Mutex(HoldClock())
    private let over = Atomic(false)
    private let clock: NodeClock

    init(_ migration: MigrationID, frozen: FrozenDaemon, copy: FrozenCopy, clock: NodeClock) {
        self.migration = migration
        self.frozen = frozen
        self.copy = copy
        self.clock = clock
    }

    /// Whether the daemon may take in another input.
    var hasRoom: Bool { log.withLock { $0.hasRoom } }

    var status: MoveLogStatus { log.withLock { $0.status(now: clock.now) } }

    /// Where the log ends so far.
    var end: (index: UInt64, digest: FixedBytes32) { log.withLock { ($0.lastIndex, $0.digest) } }

    func append(_ event: CausalEvent, outcome: UInt64) {
        let now = clock.now
        // The pump wakes for a batch, not for an event.
        wakePump(now: now) { $0.append(event, outcome: outcome, now: now) }
    }

    /// The longest time for which the log had no room, so that intake was held.
    var longestHold: Duration {
        let now = clock.now
        return holds.withLock { $0.longest(now) }
    }

    /// The next batch to ship, nil when none is due; nil instead of both once the log is over.
    func nextStep(byteLimit: Int) -> (batch: BufferedEvents?, status: MoveLogStatus)? {
        guard !over.load(ordering: .relaxed) else { return nil }
        let now = clock.now
        return log.withLock { ($0.nextBatch(byteLimit: byteLimit), $0.status(now: now)) }
    }

    /// Forgets what the target has replayed; true when intake may go on that was held before.
    func acknowledge(through index: UInt64) -> Bool {
        let now = clock.now
        return makeRoom(now: now) { _ = $0.acknowledge(through: index, now: now) }
    }

    /// Slows intake to what the target follows.
    func limit(byteCount: Int) -> Bool { makeRoom(now: clock.now) { $0.limit(byteCount: byteCount) } }

    /// What was in flight was lost.
    func rewind() { wakePump(now: clock.now) { $0.rewind() } }

    /// The daemon has stopped: what is left is shipped without waiting for more.
    func seal() { wakePump(now: clock.now) { $0.seal() } }

    /// The move is over, or the daemon serves on without it.
    func finish() {
        over.store(true, ordering: .relaxed)
        changed.signal()
        copy.release()
    }

    private func wakePump(now: Timestamp, _ body: (inout MoveLog) -> Void) {
        let isDue = log.withLock { log in
            let hadRoom = log.hasRoom
            body(&log)
            note(hadRoom, log.hasRoom, now)
            return log.isBatchDue
        }
        if isDue { changed.signal() }
    }

    private func makeRoom(now: Timestamp, _ body: (inout MoveLog) -> Void) -> Bool {
        let (isFreed, isDue) = log.withLock { log in
            let hadRoom = log.hasRoom
            body(&log)
            note(hadRoom, log.hasRoom, now)
            return (!hadRoom && log.hasRoom, log.isBatchDue)
        }
        if isDue { changed.signal() }
        return isFreed
    }

    private func note(_ hadRoom: Bool, _ hasRoom: Bool, _ now: Timestamp) {
        guard hadRoom != hasRoom else { return }
        holds.withLock { if hasRoom { $0.ends(now) } else { $0.begins(now) } }
    }
}

/// Times the spans for which intake is held.
struct HoldClock {
    private var startedAt: Timestamp?
    private var longest = Duration.zero

    mutating func begins(_ now: Timestamp) { startedAt = startedAt ?? now }

    mutating func ends(_ now: Timestamp) {
        longest = longest(now)
        startedAt = nil
    }

    /// Counts a span that has not ended.
    func longest(_ now: Timestamp) -> Duration { startedAt.map { max(longest, now - $0) } ?? longest }
}

/// A frozen copy of a daemon, which one reader takes; whoever ends the move lets go of it.
final class FrozenCopy: Sendable {
    private let daemon: Mutex<(any Daemon)?>

    init(_ daemon: any Daemon) { self.daemon = Mutex(daemon) }

    func take() -> (any Daemon)? { daemon.withLock { $0.take() } }

    /// Frees a copy that nobody has taken, away from every executor that serves events.
    func release() {
        if let daemon = take() { DaemonRelease.release(daemon) }
    }
}

/// State digests ahead of the moment in which everybody waits for one: copies of paged stores share what is hashed once.
enum DigestAhead {
    /// Digests a copy on a thread of its own, and frees it there: a large state takes longer than events may wait for a thread of the pool.
    ///
    /// - Parameter isAwaited: whether somebody waits for it, or goes by what it takes, so that the thread keeps its core.
    /// - Returns: what the digest took, without the wait for the thread and without freeing the copy.
    @discardableResult
    static func run(_ daemon: consuming any StateDigesting, isAwaited: Bool = false) async -> Duration {
        let copy = FrozenCopy(daemon)
        return await withCheckedContinuation { continuation in
            DispatchQueue.global(qos: .utility).async {
                guard let daemon = copy.take() as? any StateDigesting else { return continuation.resume(returning: .zero) }
                let start = ContinuousClock.now
                let duration = withExtendedLifetime(daemon) {
                    CorePace.$isBackground.withValue(!isAwaited) { _ = daemon.stateDigest }
                    return ContinuousClock.now - start
                }
                continuation.resume(returning: duration)
            }
        }
    }
}

/// Decides how often a digest is worth taking ahead of time.
struct DigestPace {
    private var nextAt = Timestamp.zero

    func isDue(_ now: Timestamp) -> Bool { now >= nextAt }

    /// A digest is under way.
    mutating func begins() { nextAt = .distantFuture }

    /// A digest has ended; the next may begin after `rest` times as long.
    mutating func took(_ duration: Duration, until now: Timestamp, rest: Int) { nextAt = now + duration * rest }
}
