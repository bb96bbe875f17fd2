internal import DequeModule
internal import FerryCrypto
public import FerryWire

/// One emitter's half of a lane: keeps events in order until the daemon's owner, wherever it is, has processed them.
///
/// States (system.md §3):
/// ```
/// opening ──welcome──▶ open ──(moved: re-send)──▶ open
///   │  ▲                 │ notHere, silence
///   │  └── held ◀──hold──┤
///   └───── discovering ◀─┘ hello to everyone; the highest epoch wins
/// any ──▶ failed
/// ```
/// Events get their sequence when the lane opens, above the cursor that the owner returns, so that an emitter that starts anew goes on
/// where its predecessor was processed. The belief (owner, epoch) changes as a pair, only by an answer of a higher epoch from a node that
/// was asked, or by a `moved` of a higher epoch that the daemon's key has signed.
///
/// The pull contract: after **any** mutating call, call ``nextTransmission(now:)`` until it returns nil, then wait for ``nextDeadline``.
///
/// Invalid input. Our bug: none stops the process. The peer's fault: `violation` from the believed owner, or a later owner that lacks
/// accepted events, ends the lane with ``failure``. Harmless and ignored: answers of lower epochs or of nodes that nobody asked,
/// acknowledgements beyond what was sent, `moved` that is unsigned, of another daemon or no newer, anything after a failure.
public struct EmitterLane: ~Copyable {
    struct Entry {
        var payload: [UInt8]
        var link: CausalLink
        var previous: UInt64
    }

    enum Phase: Equatable {
        case opening
        case open
        case held(until: Timestamp)
        case discovering
        case failed(EmitterLaneError)
    }

    /// Who emits.
    public let emitter: OriginHash
    /// To which daemon.
    public let daemon: OriginHash
    /// Whom the lane believes to own it.
    public internal(set) var belief: OwnerBelief
    /// Events accepted since the lane was made: the `n`th one enqueued is processed once this reaches `n`.
    public internal(set) var acceptedCount: UInt64 = 0
    /// Events enqueued since the lane was made.
    public private(set) var enqueuedCount: UInt64 = 0
    /// Payload bytes that wait for their acknowledgement.
    public internal(set) var waitingByteCount = 0

    let limits: EmitterLimits
    /// A rule that is left out on purpose; nil but in tests.
    package var defect: SeededDefect?
    var phase = Phase.opening
    var chain: ChainBuilder
    /// The highest sequence known to be processed; nil until the lane has been welcomed once.
    var acknowledged: UInt64?
    var lastSequence: UInt64 = 0
    var waiting: Deque<Entry> = []
    /// Entries of `waiting` that have their sequence; the rest follows once the lane opens.
    var numberedCount = 0
    /// Entries of `waiting` that were sent since the last rewind.
    var sentCount = 0
    var helloIsDue = true
    var retryAt: Timestamp?
    var attemptCount = 0
    /// After a hold only one event is sent until it is answered, so that a long hold does not cost a window a time.
    var isProbing = false
    /// Whether everyone was asked for the owner and no answer has been acted upon yet: only then may a node that is not believed claim it.
    var isAsking = false
    /// The epoch under which `acknowledged` was last learnt: only an owner of a later one can have lost what it names.
    var acknowledgedEpoch = Epoch.none
    /// How often, and when last, an owner of that same epoch said that it has processed less: an answer that was overtaken on its way, or
    /// a daemon that began its life anew under the old key. Only the second says so again and again.
    var regressionCount = 0
    var regressedAt: Timestamp?
    /// The cursor of the last rewind, so that the many gaps of one loss rewind once.
    var rewoundAt: UInt64?

    /// A lane that has said nothing yet; its first transmission is a hello, to everyone when the belief names no node.
    ///
    /// - Parameter chain: the emitter's chain so far; a fresh one for an emitter that starts anew.
    public init(chain: ChainBuilder, daemon: OriginHash, belief: OwnerBelief, limits: EmitterLimits = .init()) {
        emitter = chain.origin
        self.chain = chain
        self.daemon = daemon
        self.belief = belief
        self.limits = limits
    }

    /// Why the lane has failed, if it has.
    public var failure: EmitterLaneError? {
        guard case .failed(let error) = phase else { return nil }
        return error
    }

    /// Events that wait for their acknowledgement.
    public var waitingCount: Int { waiting.count }

    /// Whether everyone is being asked for the owner.
    public var isDiscovering: Bool { phase == .discovering }

    /// Whether ``enqueue(_:now:)`` would take an event of this size now.
    public func hasRoom(forByteCount byteCount: Int) -> Bool {
        waiting.isEmpty || defect == .window
            || (waiting.count < limits.windowEventCount && waitingByteCount + byteCount <= limits.windowByteCount)
    }

    /// Takes an event into the window.
    ///
    /// - Returns: its ordinal, which ``acceptedCount`` reaches once it is processed; nil when the window is full.
    /// - Throws: the lane's failure.
    public mutating func enqueue(_ payload: [UInt8], now: Timestamp) throws(EmitterLaneError) -> UInt64? {
        if let failure { throw failure }
        guard hasRoom(forByteCount: payload.count) else { return nil }
        waiting.append(Entry(payload: payload, link: .genesis(emitter), previous: 0))
        waitingByteCount += payload.count
        enqueuedCount += 1
        if acknowledged != nil { number() }
        if let failure { throw failure }
        return enqueuedCount
    }

    /// The oldest message that is due, or nil; never blocks on an acknowledgement, so events are pipelined.
    public mutating func nextTransmission(now: Timestamp) -> LaneTransmission? {
        switch phase {
        case .failed, .held: return nil
        case .opening, .discovering:
            guard helloIsDue else { return nil }
            helloIsDue = false
            arm(now)
            let hello = LaneMessage(emitter: emitter, daemon: daemon, body: .hello())
            guard phase == .opening, let node = belief.node else {
                isAsking = true
                return LaneTransmission(message: hello, destination: .everyone)
            }
            return LaneTransmission(message: hello, destination: .node(node, address: belief.address))
        case .open:
            guard sentCount < (isProbing ? min(1, numberedCount) : numberedCount), let node = belief.node else { return nil }
            let entry = waiting[sentCount]
            sentCount += 1
            if retryAt == nil { arm(now) }
            let event = LaneEvent(epoch: belief.epoch, previous: entry.previous, link: entry.link, payload: entry.payload)
            return LaneTransmission(
                message: LaneMessage(emitter: emitter, daemon: daemon, body: .event(event)),
                destination: .node(node, address: belief.address))
        }
    }

    /// When ``deadlineReached(now:)`` wants to be called.
    public var nextDeadline: Timestamp? {
        switch phase {
        case .failed: nil
        case .held(let until): until
        case .opening, .discovering, .open: retryAt
        }
    }

    /// Repeats what is unanswered; early, late and repeated calls are harmless.
    public mutating func deadlineReached(now: Timestamp) {
        guard let deadline = nextDeadline, deadline <= now else { return }
        retryAt = nil
        if case .held = phase {
            resumeAfterHold()
            return
        }
        attemptCount += 1
        if attemptCount >= limits.attemptsBeforeDiscovery, defect != .discovery { phase = .discovering }
        rewind()
    }

    /// A session with a node was established or lost: what was sent there may be lost, so send it again at once.
    public mutating func sessionChanged(with node: NodeKey, now: Timestamp) {
        guard failure == nil, belief.node == node || phase == .discovering else { return }
        if case .held = phase { return }
        retryAt = nil
        rewind()
    }

    // MARK: Sequence and timers

    /// Gives every event that has none its place in the chain.
    mutating func number() {
        while numberedCount < waiting.count {
            guard let link = chain.next(payload: waiting[numberedCount].payload, horizon: 0) else {
                fail(.sequenceExhausted, "no sequence follows \(lastSequence)")
                return
            }
            waiting[numberedCount].link = link
            waiting[numberedCount].previous = lastSequence
            lastSequence = link.sequence
            numberedCount += 1
        }
    }

    mutating func rewind() {
        sentCount = 0
        helloIsDue = true
    }

    mutating func resumeAfterHold() {
        phase = acknowledged == nil ? .opening : .open
        retryAt = nil
        isProbing = true
        rewind()
    }

    mutating func arm(_ now: Timestamp) {
        var interval = limits.retry.lowerBound
        for _ in 0..<min(attemptCount, 16) where interval < limits.retry.upperBound { interval += interval }
        retryAt = now + min(interval, limits.retry.upperBound)
    }

    mutating func fail(_ code: EmitterLaneError.Code, _ message: String) {
        phase = .failed(EmitterLaneError(code, message))
        waiting = []
        waitingByteCount = 0
        numberedCount = 0
        sentCount = 0
        retryAt = nil
    }
}
