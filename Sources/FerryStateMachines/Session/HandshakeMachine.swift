internal import FerryCrypto
internal import FerryWire

/// The handshake of one session: offer, answer, and the three messages of Noise XX.
///
/// Initiator: `offering` (repeats the offer until an answer comes) → `proving` (repeats the first Noise message until the second one
/// verifies; gives up to `offering` with a new attempt after a few, since a damaged or forged answer cannot be told from a slow peer)
/// → done. Responder: `waiting` (answers every offer alike and keeps nothing) → `answering` (repeats its stored second message for a
/// repeated first one, starts over for a different one, a bounded number of times) → done.
///
/// Invalid input: out of turn, malformed or forged frames are the peer's fault or an attacker's: on links that lose frames they are
/// counted and dropped, on others they end the handshake. Repeated frames are harmless. There is no input that traps.
struct HandshakeMachine: ~Copyable, Sendable {
    /// What a call led to.
    enum Progress: Sendable {
        case pending
        case dropped
        case failed(SessionCloseReason)
        case finished
    }

    /// Cookies are at most this long.
    static let maximumCookieByteCount = 64
    /// First messages repeated before the initiator starts over.
    static let maximumProofRepeatCount = 3
    /// Different first messages that a responder computes an answer for.
    static let maximumAttemptCount = 8

    private enum State: ~Copyable, Sendable {
        case offering
        case proving(NoiseHandshake)
        case waiting
        case answering(NoiseHandshake)
        case finished(NoiseHandshake)
        case failed
        case gone
    }

    private let configuration: SessionConfiguration
    private let identity: NodeIdentity
    private let crypto: CryptoProvider
    private var state: State
    private var offer: HandshakeOffer
    private var firstMessage: [UInt8] = []
    private var secondFrame: [UInt8] = []
    private var attemptCount = 0
    private var repeatCount = 0
    private var retryAt: Timestamp?
    private var hasFrame = false
    private var nodeKey: NodeKey?
    /// Why a peer that proved its key is let go at once.
    private(set) var rejection: SessionCloseReason?
    /// The frame to send, and to repeat.
    private(set) var frame: [UInt8] = []
    /// The chosen cipher.
    private(set) var suite: UInt8 = 0

    init(_ configuration: SessionConfiguration, identity: NodeIdentity, crypto: CryptoProvider) {
        self.configuration = configuration
        self.identity = identity
        self.crypto = crypto
        offer = HandshakeOffer(suites: crypto.suiteNumbers, attempt: crypto.random.next())
        switch configuration.role {
        case .initiator:
            state = .offering
            frame = Self.offerFrame(offer, configuration.link)
            hasFrame = true
        case .responder:
            state = .waiting
        }
    }

    /// Whether a frame waits to be sent.
    var isFrameReady: Bool { hasFrame }

    /// The frame was sent.
    mutating func frameSent(_ now: Timestamp) {
        hasFrame = false
        guard case .initiator = configuration.role, !configuration.link.isLossFree else { return }
        retryAt = now + configuration.timing.handshakeRetryInterval * (1 << min(repeatCount, 4))
    }

    /// When a frame is repeated.
    var deadline: Timestamp? { retryAt }

    /// Repeats what is due.
    mutating func deadlineReached(_ now: Timestamp) {
        guard let due = retryAt, due <= now else { return }
        retryAt = nil
        repeatCount += 1
        if phase == .proving, repeatCount > Self.maximumProofRepeatCount { startOver() }
        hasFrame = true
    }

    private mutating func startOver() {
        state = .offering
        offer = HandshakeOffer(suites: crypto.suiteNumbers, attempt: crypto.random.next())
        frame = Self.offerFrame(offer, configuration.link)
    }

    /// Takes in a clear frame.
    mutating func receive(_ bytes: RawSpan) -> Progress {
        guard bytes.byteCount > 0 else { return .dropped }
        var reader = RecordReader(bytes.extracting(droppingFirst: 1))
        let isInitiator: Bool
        if case .initiator = configuration.role { isInitiator = true } else { isInitiator = false }
        switch (bytes.byte(at: 0), isInitiator) {
        case (HandshakeFrameType.offer, false): return receiveOffer(&reader, frameByteCount: bytes.byteCount)
        case (HandshakeFrameType.answer, true): return receiveAnswer(&reader)
        case (HandshakeFrameType.first, false): return receiveFirst(&reader, frameByteCount: bytes.byteCount)
        case (HandshakeFrameType.second, true): return receiveSecond(&reader)
        case (HandshakeFrameType.third, false): return receiveThird(&reader)
        default: return .dropped
        }
    }

    private enum Phase {
        case offering, proving, waiting, answering, over
    }

    private var phase: Phase {
        switch state {
        case .offering: .offering
        case .proving: .proving
        case .waiting: .waiting
        case .answering: .answering
        case .finished: .over
        case .failed: .over
        case .gone: .over
        }
    }

    private mutating func take() -> State {
        var taken = State.gone
        swap(&taken, &state)
        return taken
    }

    private var link: SessionLink { configuration.link }

    private static func offerFrame(_ offer: HandshakeOffer, _ link: SessionLink) -> [UInt8] {
        padded([HandshakeFrameType.offer] + offer.bytes, link)
    }

    private static func padded(_ frame: [UInt8], _ link: SessionLink) -> [UInt8] {
        guard link.isAddressSpoofable, frame.count < HandshakeOffer.minimumFrameByteCount else { return frame }
        return frame + [UInt8](repeating: 0, count: HandshakeOffer.minimumFrameByteCount - frame.count)
    }

    /// What a frame that does not verify leads to.
    private mutating func reject(_ text: String) -> Progress {
        guard link.isLossFree else { return .dropped }
        state = .failed
        return .failed(SessionCloseReason(.handshakeFailed, text))
    }

    private mutating func fail(_ code: SessionCloseReason.Code, _ text: String) -> Progress {
        state = .failed
        retryAt = nil
        hasFrame = false
        return .failed(SessionCloseReason(code, text))
    }

    private mutating func receiveOffer(_ reader: inout RecordReader, frameByteCount: Int) -> Progress {
        guard frameByteCount >= HandshakeOffer.minimumFrameByteCount || !link.isAddressSpoofable else { return .dropped }
        guard let offer = HandshakeOffer(&reader) else { return reject("malformed offer") }
        guard phase != .over else { return .dropped }
        frame = HandshakeAnswer(to: offer, suites: crypto.suiteNumbers).frame(attempt: offer.attempt, cookie: [])
        hasFrame = true
        return .pending
    }

    private mutating func receiveAnswer(_ reader: inout RecordReader) -> Progress {
        guard phase == .offering else { return .dropped }
        guard let attempt = reader.take(16), FixedBytes16(copying: attempt) == offer.attempt else { return .dropped }
        guard let answer = HandshakeAnswer(&reader), let cookieByteCount = reader.byte(),
            cookieByteCount <= Self.maximumCookieByteCount, let cookie = reader.take(Int(cookieByteCount))
        else { return reject("malformed answer") }
        guard answer.suite != 0, offer.versions.contains(answer.version) else {
            return fail(.incompatible, "no common version or suite")
        }
        guard offer.suites.contains(answer.suite), let algorithm = AEADAlgorithm(rawValue: answer.suite) else {
            return reject("the peer chose a suite that was not offered")
        }
        do throws(CryptoFailure) {
            var noise = try NoiseHandshake(
                role: .initiator, suite: algorithm, prologue: answer.prologue(offer).rawSpan, identity: identity, crypto: crypto,
                random: crypto.random)
            let message = try [UInt8](rawCapacity: 64) { output throws(CryptoFailure) in
                try noise.writeMessage(payload: [UInt8]().rawSpan, into: &output)
            }
            let head = [HandshakeFrameType.first] + offer.bytes + [cookieByteCount] + [UInt8](copying: cookie)
            frame = Self.padded(head + message, link)
            suite = answer.suite
            state = .proving(noise)
        } catch {
            return fail(.internalError, "the first handshake message cannot be made: \(error)")
        }
        repeatCount = 0
        hasFrame = true
        return .pending
    }

    private mutating func receiveFirst(_ reader: inout RecordReader, frameByteCount: Int) -> Progress {
        guard frameByteCount >= HandshakeOffer.minimumFrameByteCount || !link.isAddressSpoofable else { return .dropped }
        guard let offer = HandshakeOffer(&reader), let cookieByteCount = reader.byte(), cookieByteCount <= Self.maximumCookieByteCount,
            reader.take(Int(cookieByteCount)) != nil, let message = reader.take(32)
        else { return reject("malformed first message") }
        guard phase != .over else { return .dropped }
        let whole = offer.bytes + [UInt8](copying: message)
        if phase == .answering, whole == firstMessage {
            frame = secondFrame
            hasFrame = true
            return .pending
        }
        guard attemptCount < Self.maximumAttemptCount else { return .dropped }
        attemptCount += 1
        let answer = HandshakeAnswer(to: offer, suites: crypto.suiteNumbers)
        guard let algorithm = AEADAlgorithm(rawValue: answer.suite) else { return reject("no common suite") }
        do throws(CryptoFailure) {
            var noise = try NoiseHandshake(
                role: .responder, suite: algorithm, prologue: answer.prologue(offer).rawSpan, identity: identity, crypto: crypto,
                random: crypto.random)
            _ = try [UInt8](rawCapacity: 64) { output throws(CryptoFailure) in try noise.readMessage(message, payloadInto: &output) }
            secondFrame = try Self.proof(HandshakeFrameType.second, offer.attempt, identity, &noise)
            state = .answering(noise)
        } catch {
            return reject("the first handshake message is refused: \(error.code)")
        }
        firstMessage = whole
        self.offer = offer
        suite = answer.suite
        frame = secondFrame
        hasFrame = true
        return .pending
    }

    private mutating func receiveSecond(_ reader: inout RecordReader) -> Progress {
        guard phase == .proving else { return .dropped }
        guard let attempt = reader.take(16), FixedBytes16(copying: attempt) == offer.attempt,
            let message = reader.take(reader.remaining)
        else { return .dropped }
        guard case .proving(var noise) = take() else { return .dropped }
        let hash = noise.handshakeHash
        do throws(CryptoFailure) {
            let payload = try Self.read(message, &noise)
            let problem = verify(payload, noise.remoteStaticPublicKey, hash)
            if let problem {
                state = .failed
                return fail(problem.code, problem.text)
            }
            frame = try Self.proof(HandshakeFrameType.third, offer.attempt, identity, &noise)
        } catch {
            state = .proving(noise)
            return reject("the second handshake message does not verify")
        }
        state = .finished(noise)
        retryAt = nil
        hasFrame = true
        return .finished
    }

    private mutating func receiveThird(_ reader: inout RecordReader) -> Progress {
        guard phase == .answering else { return .dropped }
        guard let attempt = reader.take(16), FixedBytes16(copying: attempt) == offer.attempt,
            let message = reader.take(reader.remaining)
        else { return .dropped }
        guard case .answering(var noise) = take() else { return .dropped }
        let hash = noise.handshakeHash
        do throws(CryptoFailure) {
            let payload = try Self.read(message, &noise)
            let problem = verify(payload, noise.remoteStaticPublicKey, hash)
            if let problem, problem.code != .notAdmitted {
                state = .failed
                return fail(problem.code, problem.text)
            }
            rejection = problem
        } catch {
            state = .answering(noise)
            return reject("the third handshake message does not verify")
        }
        state = .finished(noise)
        hasFrame = false
        return .finished
    }

    private static func read(_ message: RawSpan, _ noise: inout NoiseHandshake) throws(CryptoFailure) -> [UInt8] {
        try [UInt8](rawCapacity: message.byteCount) { output throws(CryptoFailure) in
            try noise.readMessage(message, payloadInto: &output)
        }
    }

    private static func proof(
        _ type: UInt8, _ attempt: FixedBytes16, _ identity: NodeIdentity, _ noise: inout NoiseHandshake
    ) throws(CryptoFailure) -> [UInt8] {
        let binding = try StaticKeyBinding(identity: identity, handshakeHash: noise.handshakeHash)
        let payload = [UInt8](rawCapacity: StaticKeyBinding.byteCount) { binding.append(to: &$0) }
        let message = try [UInt8](rawCapacity: payload.count + noise.overheadByteCount) { output throws(CryptoFailure) in
            try noise.writeMessage(payload: payload.rawSpan, into: &output)
        }
        return [type] + attempt.bytes + message
    }

    /// Checks who the peer is before anything else is said to it.
    private mutating func verify(_ payload: [UInt8], _ staticKey: FixedBytes32?, _ hash: FixedBytes32) -> SessionCloseReason? {
        guard payload.count == StaticKeyBinding.byteCount, let binding = StaticKeyBinding(copying: payload.rawSpan), let staticKey else {
            return SessionCloseReason(.handshakeFailed, "malformed handshake payload")
        }
        do throws(CryptoFailure) {
            try binding.verify(staticPublicKey: staticKey, handshakeHash: hash, crypto: crypto)
        } catch {
            return SessionCloseReason(.handshakeFailed, "the peer's node key does not vouch for its static key")
        }
        nodeKey = binding.nodeKey
        switch configuration.role {
        case .initiator(let expected):
            guard let expected, expected != binding.nodeKey else { return nil }
            return SessionCloseReason(.wrongPeer, "dialled \(expected), reached \(binding.nodeKey)")
        case .responder(let policy):
            return policy.admits(binding.nodeKey) ? nil : SessionCloseReason(.notAdmitted, "\(binding.nodeKey) is not admitted")
        }
    }

    /// The finished handshake's keys and peer.
    consuming func finish() throws(CryptoFailure) -> HandshakeResult {
        guard case .finished(let noise) = consume state, let nodeKey, let staticKey = noise.remoteStaticPublicKey,
            let algorithm = AEADAlgorithm(rawValue: suite)
        else { throw CryptoFailure(.handshake, "the handshake is not finished") }
        let aead = try crypto.aead(for: algorithm)
        let keys = try noise.split()
        return HandshakeResult(aead: aead, keys: keys, nodeKey: nodeKey, staticKey: staticKey)
    }
}

/// What a handshake ends with.
struct HandshakeResult: ~Copyable {
    let aead: any AEAD
    let keys: NoiseKeys
    let nodeKey: NodeKey
    let staticKey: FixedBytes32
}
