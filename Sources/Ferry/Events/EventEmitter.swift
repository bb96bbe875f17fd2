internal import FerryStateMachines
public import FerryWire
internal import Synchronization

/// Sends events to one daemon, wherever it is: each accepted exactly once and in order, whatever moves happen.
public final class EventEmitter: Sendable {
    struct State: ~Copyable {
        var lane: EmitterLane
        /// What the lane wants sent and could not be sent yet; nothing overtakes it.
        var pending: LaneTransmission?
        /// Whether `run` has taken over sending until the lane has nothing left.
        var isCarrying = false
        var armedDeadline = Timestamp.distantFuture
        var waiters = OrdinalWaiters()
        var failure: FerryError?
    }

    /// Who emits.
    public let origin: OriginHash
    /// To which daemon.
    public let daemon: OriginHash
    let table: EmitterTable
    let state: Mutex<State>
    /// Raised when the window may have room, or the emitter has ended.
    private let roomChanged = Signal()
    /// Raised when `run` has to take over.
    let carryRequested = Signal()
    private let timer = Mutex<LinkTimer?>(nil)

    init(chain: ChainBuilder, daemon: OriginHash, belief: OwnerBelief, limits: EmitterLimits, table: EmitterTable) {
        origin = chain.origin
        self.daemon = daemon
        self.table = table
        state = Mutex(State(lane: EmitterLane(chain: chain, daemon: daemon, belief: belief, limits: limits)))
        timer.withLock { $0 = LinkTimer { [weak self] in self?.deadlineReached() } }
    }

    /// Buffers an event in the bounded window, waiting while the window is full; the node carries it to the daemon's owner.
    ///
    /// - Parameter payload: at most `WireLimits.eventPayloadByteCount` bytes; opaque to Ferry.
    /// - Throws: `FerryError` with `.limitExceeded`, or why the emitter ended: `.laneViolation`, `.acceptedEventsLost`,
    ///   `.sequenceExhausted`, `.emitterClosed`, `.shuttingDown`; `CancellationError`, after which the event is not buffered.
    public func send(_ payload: [UInt8]) async throws {
        _ = try await enqueue(payload)
    }

    /// Buffers events in their order, as ``send(_:)`` buffers one; those for which there is room at the same time share packets.
    ///
    /// - Throws: as ``send(_:)``; events that stood before the one that failed may be buffered.
    public func send(contentsOf payloads: [[UInt8]]) async throws {
        for payload in payloads { try check(payload) }
        var rest = payloads[...]
        while true {
            let ticket = roomChanged.ticket
            rest = try tryEnqueue(rest)
            if rest.isEmpty { return }
            try await roomChanged.waitOrCancel(after: ticket)
        }
    }

    /// Sends an event and returns when the daemon's owner has accepted it: processed, logged if a move is on, its cursor advanced.
    ///
    /// - Throws: as `send`; `CancellationError`, after which the event may still be delivered.
    public func deliver(_ payload: [UInt8]) async throws {
        try await waitUntilAccepted(try await enqueue(payload))
    }

    /// Returns when every event that was sent before is accepted.
    ///
    /// - Throws: as `deliver`.
    public func flush() async throws {
        try await waitUntilAccepted(state.withLock { $0.lane.enqueuedCount })
    }

    /// Ends the emitter: what is not accepted yet may be lost, and whoever waits gets `.emitterClosed`. Idempotent.
    public func close() {
        end(FerryError(.emitterClosed, "the emitter to \(daemon) was closed"))
        table.remove(self)
    }

    /// Events that are buffered and not accepted yet.
    public var waitingCount: Int { state.withLock { $0.lane.waitingCount } }

    // MARK: Called by the table

    func receive(_ answer: LaneMessage.Body, from node: NodeKey) {
        withLane { lane, now in lane.receive(answer, from: node, crypto: table.crypto, now: now) }
    }

    func sessionChanged(with node: NodeKey) {
        withLane { lane, now in lane.sessionChanged(with: node, now: now) }
    }

    func end(_ failure: FerryError) {
        var wakeups = Wakeups()
        let waiters = state.withLock { state in
            if state.failure == nil { state.failure = failure }
            state.pending = nil
            wakeups.add(roomChanged)
            wakeups.add(carryRequested)
            return state.waiters.takeAll()
        }
        timer.withLock { timer in
            timer?.cancel()
            timer = nil
        }
        wakeups.deliver()
        for waiter in waiters { waiter.resume() }
    }

    private func deadlineReached() {
        state.withLock { $0.armedDeadline = .distantFuture }
        withLane { lane, now in lane.deadlineReached(now: now) }
    }

    // MARK: Waiting

    private func enqueue(_ payload: [UInt8]) async throws -> UInt64 {
        try check(payload)
        while true {
            let ticket = roomChanged.ticket
            if let ordinal = try onLane({ (lane, now) throws(EmitterLaneError) in try lane.enqueue(payload, now: now) }) { return ordinal }
            try await roomChanged.waitOrCancel(after: ticket)
        }
    }

    private func check(_ payload: [UInt8]) throws(FerryError) {
        guard payload.count <= WireLimits.eventPayloadByteCount else {
            throw FerryError(.limitExceeded, "an event of \(payload.count) bytes exceeds \(WireLimits.eventPayloadByteCount)")
        }
    }

    /// Buffers as many events as there is room for, and returns the others.
    private func tryEnqueue(_ payloads: ArraySlice<[UInt8]>) throws(FerryError) -> ArraySlice<[UInt8]> {
        try onLane { (lane, now) throws(EmitterLaneError) in
            var rest = payloads
            while let payload = rest.first, try lane.enqueue(payload, now: now) != nil { rest.removeFirst() }
            return rest
        }
    }

    private func onLane<Result: Sendable>(
        _ body: (inout EmitterLane, Timestamp) throws(EmitterLaneError) -> Result
    ) throws(FerryError) -> Result {
        if let failure = state.withLock({ $0.failure }) { throw failure }
        do throws(EmitterLaneError) { return try withLane(body) } catch { throw FerryError(error) }
    }

    private func waitUntilAccepted(_ ordinal: UInt64) async throws {
        while true {
            if try isAccepted(ordinal) { return }
            try Task.checkCancellation()
            await withTaskCancellationHandler {
                await Waiter.suspend { waiter in
                    let isLate = state.withLock { state in
                        if state.lane.acceptedCount >= ordinal || state.failure != nil || Task.isCancelled { return true }
                        state.waiters.insert(waiter, at: ordinal)
                        return false
                    }
                    if isLate { waiter.resume() }
                }
            } onCancel: {
                for waiter in state.withLock({ $0.waiters.take(at: ordinal) }) { waiter.resume() }
            }
        }
    }

    private func isAccepted(_ ordinal: UInt64) throws(FerryError) -> Bool {
        let (isAccepted, failure) = state.withLock { ($0.lane.acceptedCount >= ordinal, $0.failure) }
        if isAccepted { return true }
        if let failure { throw failure }
        return false
    }

    // MARK: The lane

    /// Runs `body` under the lock, then sends what the lane wants sent, rearms the timer, and wakes whom the changes concern.
    func withLane<Result: Sendable, Failure: Error>(
        _ body: (inout EmitterLane, Timestamp) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let now = table.clock.now
        var wakeups = Wakeups()
        var accepted: [Waiter] = []
        var hasFailed = false
        defer {
            // A failed lane never delivers again: whoever asks for it next gets a new one.
            if hasFailed { table.remove(self) }
            wakeups.deliver()
            for waiter in accepted { waiter.resume() }
        }
        return try state.withLock { (state: inout State) throws(Failure) -> Result in
            let before = state.lane.waitingCount
            defer {
                if !state.isCarrying, !transmit(&state, now) {
                    state.isCarrying = true
                    wakeups.add(carryRequested)
                }
                settle(&state, now, waitingCountBefore: before, &wakeups, &accepted)
                hasFailed = state.failure != nil
            }
            return try body(&state.lane, now)
        }
    }

    private func settle(
        _ state: inout State, _ now: Timestamp, waitingCountBefore: Int, _ wakeups: inout Wakeups, _ accepted: inout [Waiter]
    ) {
        if let failure = state.lane.failure, state.failure == nil { state.failure = FerryError(failure) }
        if state.failure != nil {
            accepted = state.waiters.takeAll()
            wakeups.add(roomChanged)
            wakeups.add(carryRequested)
        } else {
            accepted = state.waiters.take(through: state.lane.acceptedCount)
            if state.lane.waitingCount < waitingCountBefore { wakeups.add(roomChanged) }
        }
        guard state.failure == nil, let deadline = state.lane.nextDeadline, deadline < state.armedDeadline else { return }
        state.armedDeadline = deadline
        timer.withLock { $0?.arm(after: now, until: deadline) }
    }
}

extension FerryError.Code {
    /// The emitter was closed.
    public static let emitterClosed = Self("emitterClosed")
    /// The owner says that the lane's rules were broken, or has no room for one more lane.
    public static let laneViolation = Self("laneViolation")
    /// A later owner has not processed what an earlier one had accepted: it crashed without a journal.
    public static let acceptedEventsLost = Self("acceptedEventsLost")
    /// The emitter's sequence numbers are used up.
    public static let sequenceExhausted = Self("sequenceExhausted")
}

extension FerryError {
    /// What the end of a lane means to the emitter's user.
    init(_ error: EmitterLaneError) {
        let code: Code =
            switch error.code {
            case .acceptedEventsLost: .acceptedEventsLost
            case .sequenceExhausted: .sequenceExhausted
            default: .laneViolation
            }
        self.init(code, error.message, cause: error)
    }
}
