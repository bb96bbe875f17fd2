public import FerryCrypto
internal import FerryWire

/// Ferry's own session with one peer over one link (docs/protocol-session.md), without I/O, clock or logger.
///
/// States: `handshaking` (offer, answer, Noise XX) → `connected` (packets; `established` once the peer's hello is in) → `closing` (repeats
/// the close frame, ever more rarely, for three probe timeouts) → `closed`. A close by the peer, a timeout of a silent peer and a failed
/// handshake lead to `closed` at once; nothing leads back.
///
/// Invalid input. Our bug: a configuration out of range throws at birth, a call in the wrong state throws `SessionError`. The peer's
/// fault: authenticated bytes that break the protocol, or too many forged ones, close the session with a code; on links that alter no
/// frames any malformed frame does. Harmless, counted and ignored: frames that do not parse or authenticate on links that lose frames,
/// repeated and late frames, handshake frames after the handshake, every frame after the close, and calls of `deadlineReached` at any time.
/// No bytes trap.
public struct SessionMachine: ~Copyable, Sendable {
    enum State: ~Copyable, Sendable {
        case handshaking(HandshakeMachine)
        case connected
        case closing(Closing)
        case closed
    }

    /// How the close frame is repeated.
    struct Closing: Sendable {
        var reason: SessionCloseReason
        var until: Timestamp
        var isDue = true
        /// Frames to receive before the next repetition; doubles (RFC 9000 §10.2.1).
        var interval = 1
        var receivedCount = 0
    }

    /// RFC 9000 §8.1.
    static let amplificationFactor = 3

    let configuration: SessionConfiguration
    let crypto: CryptoProvider
    var state: State
    /// Exists from the end of the handshake on, also after a close: received messages stay readable.
    var connection: Connection?
    var events = EventQueue()
    private var handshakeStatistics = SessionStatistics()
    private let handshakeDeadline: Timestamp
    /// Bytes that an unproved peer may still be sent.
    private var amplificationCredit: Int

    /// Begins a session; the handshake timeout runs from here.
    ///
    /// - Throws: `.invalidConfiguration` naming the value.
    public init(
        _ configuration: SessionConfiguration, identity: NodeIdentity, crypto: CryptoProvider, now: Timestamp
    ) throws(SessionError) {
        try configuration.validate()
        self.configuration = configuration
        self.crypto = crypto
        handshakeDeadline = now + configuration.timing.handshakeTimeout
        var isInitiator = false
        if case .initiator = configuration.role { isInitiator = true }
        let isLimited = configuration.link.isAddressSpoofable && !configuration.link.isAddressValidated && !isInitiator
        amplificationCredit = isLimited ? 0 : .max
        state = .handshaking(HandshakeMachine(configuration, identity: identity, crypto: crypto))
    }

    private var probeTimeout: Duration? {
        switch connection {
        case .some(let connection): connection.recovery.probeTimeout
        case .none: nil
        }
    }

    private var failure: SessionCloseReason? {
        switch state {
        case .connected: break
        case .handshaking: return nil
        case .closing: return nil
        case .closed: return nil
        }
        switch connection {
        case .some(let connection): return connection.failure
        case .none: return nil
        }
    }

    private mutating func takeState() -> State {
        var taken = State.closed
        swap(&taken, &state)
        return taken
    }

    /// Ends the session without a word to the peer, or after the last one.
    private mutating func end(_ reason: SessionCloseReason) {
        state = .closed
        events.append(.closed(reason))
    }

    /// Ends the session and tells the peer, if there are keys to tell it with.
    mutating func beginClosing(_ reason: SessionCloseReason, now: Timestamp) {
        guard let period = probeTimeout else {
            end(reason)
            return
        }
        state = .closing(Closing(reason: reason, until: now + period * 3))
        events.append(.closed(reason))
    }

    private mutating func receiveHandshake(_ frame: RawSpan, _ machine: consuming HandshakeMachine, now: Timestamp) {
        if amplificationCredit != .max {
            amplificationCredit += Self.amplificationFactor * frame.byteCount
        }
        switch machine.receive(frame) {
        case .pending:
            handshakeStatistics.receivedFrameCount += 1
            handshakeStatistics.receivedByteCount += UInt64(frame.byteCount)
            state = .handshaking(machine)
        case .dropped:
            handshakeStatistics.rejectedFrameCount += 1
            state = .handshaking(machine)
        case .failed(let reason): end(reason)
        case .finished:
            handshakeStatistics.receivedFrameCount += 1
            handshakeStatistics.receivedByteCount += UInt64(frame.byteCount)
            connect(machine, now: now)
        }
    }

    private mutating func connect(_ machine: consuming HandshakeMachine, now: Timestamp) {
        let last = machine.isFrameReady ? machine.frame : []
        let rejection = machine.rejection
        do throws(CryptoFailure) {
            connection = try Connection(
                configuration, machine.finish(), crypto: crypto, statistics: handshakeStatistics, handshakeDeadline: handshakeDeadline,
                now: now)
        } catch {
            end(SessionCloseReason(.internalError, "no traffic keys: \(error.code)"))
            return
        }
        state = .connected
        amplificationCredit = .max
        if !last.isEmpty {
            connection?.handshakeFrame = last
            connection?.handshakeFrameDueAt = now
        }
        if let rejection { beginClosing(rejection, now: now) }
    }

    /// Moves what the connection found out to where the application sees it.
    private mutating func settle(now: Timestamp) {
        while let event = connection?.events.next() { events.append(event) }
        guard let failure else { return }
        if failure.code == .timedOut {
            end(failure)
        } else {
            beginClosing(failure, now: now)
        }
    }
}

extension SessionMachine: FrameMachine {
    /// Takes in one frame; bytes that mean nothing are counted and dropped.
    public mutating func receive(_ frame: RawSpan, now: Timestamp) {
        switch takeState() {
        case .handshaking(let machine): receiveHandshake(frame, machine, now: now)
        case .connected:
            state = .connected
            let reception = connection?.receive(frame, now: now)
            settle(now: now)
            if case .closedByPeer(let reason) = reception, isOpen { end(reason) }
        case .closing(var closing):
            closing.receivedCount += 1
            if closing.receivedCount >= closing.interval {
                closing.receivedCount = 0
                closing.interval *= 2
                closing.isDue = true
            }
            state = .closing(closing)
        case .closed: state = .closed
        }
    }

    /// Appends one frame, if one may be sent now.
    public mutating func nextFrame(into output: inout OutputRawSpan, now: Timestamp) -> Bool {
        switch takeState() {
        case .handshaking(var machine):
            let byteCount = machine.frame.count
            let mayLeave = machine.isFrameReady && output.freeCapacity >= byteCount && amplificationCredit >= byteCount
            if mayLeave {
                output.append(contentsOf: machine.frame.rawSpan)
                if amplificationCredit != .max { amplificationCredit -= byteCount }
                handshakeStatistics.sentFrameCount += 1
                handshakeStatistics.sentByteCount += UInt64(byteCount)
                machine.frameSent(now)
            }
            state = .handshaking(machine)
            return mayLeave
        case .connected:
            state = .connected
            let hasFrame = connection?.nextFrame(into: &output, now: now) ?? false
            settle(now: now)
            return hasFrame
        case .closing(var closing):
            var isSent = false
            if closing.isDue, output.freeCapacity >= currentFrameByteCount {
                isSent = connection?.closeFrame(closing.reason, into: &output, now: now) ?? false
                closing.isDue = false
            }
            state = .closing(closing)
            return isSent
        case .closed:
            state = .closed
            return false
        }
    }

    /// Runs what is due; harmless at any time.
    public mutating func deadlineReached(now: Timestamp) {
        switch takeState() {
        case .handshaking(var machine):
            if handshakeDeadline <= now {
                end(SessionCloseReason(.timedOut, "the handshake did not complete in time"))
            } else {
                machine.deadlineReached(now)
                state = .handshaking(machine)
            }
        case .connected:
            state = .connected
            connection?.deadlineReached(now: now)
            settle(now: now)
        case .closing(let closing):
            if closing.until <= now { state = .closed } else { state = .closing(closing) }
        case .closed: state = .closed
        }
    }

    /// When `deadlineReached` wants to be called.
    public var nextDeadline: Timestamp? {
        switch state {
        case .handshaking(let machine): machine.deadline.map { min($0, handshakeDeadline) } ?? handshakeDeadline
        case .connected:
            switch connection {
            case .some(let connection): connection.nextDeadline
            case .none: nil
            }
        case .closing(let closing): closing.until
        case .closed: nil
        }
    }

    /// The oldest event not yet taken.
    public mutating func nextEvent() -> SessionEvent? { events.next() }
}

extension SessionMachine {
    /// Asks for new traffic keys at the next packet for which RFC 9001 §6.1 allows it.
    public mutating func updateKeys() { connection?.protection.requestUpdate() }

    var handshakeOnlyStatistics: SessionStatistics { handshakeStatistics }
}
