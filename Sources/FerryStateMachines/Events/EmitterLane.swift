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
/// An emitter that numbers its events itself does so when the lane opens, above the cursor that the owner returns, so that one that starts
/// anew goes on where its predecessor was processed. The outputs of a daemon come with the links of the daemon's own chain, and with the
/// credential that its host shows to every owner (``OutputLanes``). The belief (owner, epoch) changes as a pair, only by an answer of a higher epoch from a node that
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
        var content: EventContent
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
    /// What numbers the events; nil when they come with links.
    var chain: ChainBuilder?
    /// Shown to every owner, when the emitter is a daemon.
    var credential: LaneCredential?
    /// The node that it was last shown to.
    var shownTo: NodeKey?
    /// Since when nobody has answered.
    var silentSince: Timestamp?
    /// For how long the receiver has answered without taking anything in, and its last such answer.
    var refusedFor = Duration.zero
    var refusedAt: Timestamp?
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

    /// A daemon's lane to another daemon; says nothing before it has a credential.
    ///
    /// - Parameter acknowledged: the last output that the other daemon has acknowledged, where the lane is known; nil for a new one.
    init(outputsOf emitter: OriginHash, to daemon: OriginHash, acknowledged: UInt64?, belief: OwnerBelief, limits: EmitterLimits) {
        self.emitter = emitter
        self.daemon = daemon
        self.belief = belief
        self.limits = limits
        self.acknowledged = acknowledged
        // Learnt from the owner that is believed, or before: a late answer of that one proves no loss.
        acknowledgedEpoch = acknowledged == nil ? .none : belief.epoch
        lastSequence = acknowledged ?? 0
        if acknowledged != nil, belief.node != nil { phase = .open }
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
        waiting.append(Entry(payload: payload, link: .genesis(emitter), content: .data))
        waitingByteCount += payload.count
        enqueuedCount += 1
        if acknowledged != nil { number() }
        if let failure { throw failure }
        return enqueuedCount
    }

    /// Takes in an output with its link, whatever the window: a daemon's outputs are bounded together.
    mutating func append(_ output: CausalEvent) {
        guard failure == nil else { return }
        guard output.link.sequence > lastSequence else {
            fail(.violation, "the receiver has processed up to \(lastSequence), the daemon is at \(output.link.sequence)")
            return
        }
        waiting.append(Entry(payload: output.payload, link: output.link, content: output.content))
        waitingByteCount += output.payload.count
        enqueuedCount += 1
        numberedCount += 1
        lastSequence = output.link.sequence
    }

    /// The receiver has acknowledged this much to the node that the daemon moves away from.
    mutating func acknowledgedElsewhere(_ cursor: UInt64) {
        guard failure == nil else { return }
        acknowledged = cursor
        lastSequence = max(lastSequence, cursor)
        while numberedCount > 0, let first = waiting.first, first.link.sequence <= cursor {
            waiting.removeFirst()
            waitingByteCount -= first.payload.count
            acceptedCount += 1
            numberedCount -= 1
        }
    }

    /// Speaks for the emitter under a new credential: what is unacknowledged is sent again.
    mutating func speak(under credential: LaneCredential) {
        guard failure == nil else { return }
        self.credential = credential
        shownTo = nil
        silentSince = nil
        attemptCount = 0
        if case .held = phase { phase = startingPhase }
        retryAt = nil
        isProbing = false
        rewind()
    }

    /// Where a lane goes on after a wait: with events where it knows to whom, else with a hello to everyone.
    var startingPhase: Phase { acknowledged == nil || belief.node == nil ? .opening : .open }

    /// The oldest message that is due, or nil; never blocks on an acknowledgement, so events are pipelined.
    public mutating func nextTransmission(now: Timestamp) -> LaneTransmission? {
        switch phase {
        case .failed, .held: return nil
        case .opening, .discovering:
            guard helloIsDue else { return nil }
            helloIsDue = false
            arm(now)
            let hello = LaneMessage(emitter: emitter, daemon: daemon, body: .hello(credential))
            if silentSince == nil { silentSince = now }
            guard phase == .opening, let node = belief.node else {
                isAsking = true
                return LaneTransmission(message: hello, destination: .everyone)
            }
            shownTo = node
            return LaneTransmission(message: hello, destination: .node(node, address: belief.address))
        case .open:
            if let node = belief.node, credential != nil, shownTo != node {
                shownTo = node
                if retryAt == nil { arm(now) }
                let hello = LaneMessage(emitter: emitter, daemon: daemon, body: .hello(credential))
                return LaneTransmission(message: hello, destination: .node(node, address: belief.address))
            }
            guard sentCount < (isProbing ? min(1, numberedCount) : numberedCount), let node = belief.node else { return nil }
            let entry = waiting[sentCount]
            let previous = sentCount == 0 ? acknowledged ?? 0 : waiting[sentCount - 1].link.sequence
            sentCount += 1
            if retryAt == nil { arm(now) }
            let event = LaneEvent(
                epoch: belief.epoch, emitterEpoch: credential?.epoch ?? .none, previous: previous, link: entry.link, content: entry.content,
                payload: entry.payload)
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
        if let searchTime = limits.searchTime, phase == .discovering, let silentSince, silentSince + searchTime <= now {
            fail(.unreachable, "nobody says that it owns \(daemon)")
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
            guard let link = chain?.next(payload: waiting[numberedCount].payload, horizon: 0) else {
                fail(.sequenceExhausted, "no sequence follows \(lastSequence)")
                return
            }
            waiting[numberedCount].link = link
            lastSequence = link.sequence
            numberedCount += 1
        }
    }

    mutating func rewind() {
        sentCount = 0
        helloIsDue = true
    }

    mutating func resumeAfterHold() {
        phase = startingPhase
        retryAt = nil
        isProbing = true
        rewind()
    }

    mutating func arm(_ now: Timestamp) {
        let isSearching = phase == .discovering || (phase == .opening && belief.node == nil)
        var interval = isSearching ? min(limits.discoveryInterval, limits.retry.lowerBound) : limits.retry.lowerBound
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
