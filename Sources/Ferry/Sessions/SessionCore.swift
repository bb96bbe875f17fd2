internal import FerryStateMachines
internal import Synchronization

/// One session machine behind a lock, and everybody who waits for it.
///
/// Every call into the machine goes through `withSession`, which afterwards takes its events, fills the parked send loop's batch, rearms the
/// timer, and wakes whoever has reason to run, outside the lock. Nobody is woken in vain: the send loop only when a frame is ready.
final class SessionCore: Sendable {
    /// What a stream's owner waits for and learns.
    struct StreamEntry {
        let signal = Signal()
        var isClaimed = false
        var end: StreamEnd?
    }

    /// How a stream ended.
    enum StreamEnd: Sendable {
        case finished
        case reset(code: UInt64)
    }

    struct State: ~Copyable {
        var session: any PeerSession
        var peer: PeerIdentity?
        var closeReason: SessionCloseReason?
        var streams: [StreamID: StreamEntry] = [:]
        var lastIncoming: StreamID?
        var parkedBatch: FrameBatch?
        var isLinkClosed = false
        /// Whether the close frame is repeated for as long as the machine wants: on links that lose frames, while they are read.
        var mayLinger: Bool
        var armedDeadline = Timestamp.distantFuture
        var message = PageBuffer(byteCount: 4_096)

        /// Whether the send loop may end once it has nothing to send.
        var isFinished: Bool { isLinkClosed || closeReason != nil && (!mayLinger || session.nextDeadline == nil) }
    }

    /// Raised when the session is established or closed.
    let phaseChanged = Signal()
    /// Raised when a message waits, or the session is closed.
    let messagesReadable = Signal()
    /// Raised when a message may fit again, or the session is closed.
    let messagesWritable = Signal()
    /// Raised when the parked send loop has something to send, or the session is over.
    let framesReady = Signal()
    /// Whether the session is closed or being closed; read without the lock.
    let isOver = Atomic(false)
    let clock: NodeClock
    private let state: Mutex<State>
    private let timer = Mutex<LinkTimer?>(nil)

    init(session: sending any PeerSession, mayLinger: Bool, clock: NodeClock) {
        self.clock = clock
        state = Mutex(State(session: session, mayLinger: mayLinger))
        timer.withLock { $0 = LinkTimer { [weak self] in self?.deadlineReached() } }
    }

    /// Runs `body` under the lock and then does what its changes ask for.
    func withSession<Result: Sendable, Failure: Error>(
        _ body: (inout State, Timestamp) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        var wakeups = Wakeups()
        defer { wakeups.deliver() }
        return try state.withLock { (state: inout State) throws(Failure) -> Result in
            let now = clock.now
            defer { settle(&state, now: now, &wakeups) }
            return try body(&state, now)
        }
    }

    /// Ends the session; the first reason stays.
    func close(_ reason: SessionCloseReason) {
        isOver.store(true, ordering: .relaxed)
        withSession { state, now in state.session.close(reason, now: now) }
    }

    /// Nothing can be sent any more.
    func stopSending() {
        withSession { state, _ in state.isLinkClosed = true }
    }

    /// The link is gone.
    func linkClosed(_ text: String) {
        isOver.store(true, ordering: .relaxed)
        withSession { state, now in
            state.isLinkClosed = true
            state.session.close(SessionCloseReason(.linkClosed, text), now: now)
        }
        framesReady.signal()
    }

    /// Nobody reads the link any more; the send loop still has to tell the peer, and closes the link afterwards.
    func readingEnded() {
        withSession { state, now in
            state.mayLinger = false
            state.session.close(SessionCloseReason(.normal, "the node shuts down"), now: now)
        }
    }

    /// Stops the timer for good.
    func retire() {
        timer.withLock { timer in
            timer?.cancel()
            timer = nil
        }
    }

    private func deadlineReached() {
        withSession { state, now in
            state.armedDeadline = .distantFuture
            guard let deadline = state.session.nextDeadline, deadline <= now else { return }
            state.session.deadlineReached(now: now)
        }
    }

    private func settle(_ state: inout State, now: Timestamp, _ wakeups: inout Wakeups) {
        while let event = state.session.nextEvent() { take(event, &state, &wakeups) }
        if let batch = state.parkedBatch {
            if !state.isLinkClosed { batch.fill(from: &state.session, now: now) }
            if !batch.isEmpty || state.isFinished { wakeups.add(framesReady) }
        }
        guard let deadline = state.session.nextDeadline, deadline < state.armedDeadline else { return }
        state.armedDeadline = deadline
        timer.withLock { $0?.arm(after: now, until: deadline) }
    }

    private func take(_ event: SessionEvent, _ state: inout State, _ wakeups: inout Wakeups) {
        switch event {
        case .established(let peer):
            state.peer = peer
            wakeups.add(phaseChanged)
        case .messagesReadable: wakeups.add(messagesReadable)
        case .messagesWritable: wakeups.add(messagesWritable)
        case .streamOpened(let id):
            if state.lastIncoming.map({ $0 < id }) ?? true { state.lastIncoming = id }
            state.streams[id] = StreamEntry()
            wakeups.add(phaseChanged)
        case .streamReadable(let id), .streamWritable(let id):
            if let entry = state.streams[id] { wakeups.add(entry.signal) }
        case .streamFinished(let id): end(id, .finished, &state, &wakeups)
        case .streamReset(let id, let code): end(id, .reset(code: code), &state, &wakeups)
        case .closed(let reason):
            isOver.store(true, ordering: .relaxed)
            state.closeReason = reason
            wakeups.add(phaseChanged)
            wakeups.add(messagesReadable)
            wakeups.add(messagesWritable)
            for entry in state.streams.values { wakeups.add(entry.signal) }
        }
    }

    private func end(_ id: StreamID, _ end: StreamEnd, _ state: inout State, _ wakeups: inout Wakeups) {
        guard let entry = state.streams[id] else { return }
        wakeups.add(entry.signal)
        if entry.isClaimed {
            state.streams[id]?.end = end
        } else {
            state.streams[id] = nil
        }
    }
}
