import FerryCrypto
import FerrySodium
import FerryStateMachines
import FerryTestKit
import FerryWire

/// What a simulated link does to frames; rates are out of 1,000.
struct Conditions: Sendable {
    var delay: Duration = .milliseconds(10)
    var jitter: Duration = .zero
    var loss = 0
    var duplication = 0
    var corruption = 0
    /// Larger frames vanish.
    var carriedByteCount = Int.max
    /// Whether frames may overtake each other.
    var isOrdered = false

    static let quiet = Conditions()
    static func losing(_ loss: Int) -> Conditions { Conditions(loss: loss) }
}

/// One direction of a simulated link: a queue in order of arrival.
struct SimulatedPath {
    struct Flight {
        var arrival: Timestamp
        var frame: [UInt8]
    }

    var conditions: Conditions
    var flights: [Flight] = []
    var head = 0
    var sentCount = 0
    var sentByteCount = 0
    /// Sees every frame before it leaves and may change or drop it (an empty frame is dropped).
    var tamper: ((inout [UInt8]) -> Void)?
    /// Every frame that left, if recording.
    var record: [[UInt8]]?
    private var last: Timestamp = .zero

    init(_ conditions: Conditions) { self.conditions = conditions }

    var nextArrival: Timestamp? { head < flights.count ? flights[head].arrival : nil }

    mutating func send(_ bytes: [UInt8], now: Timestamp, random: SeededRandom) {
        sentCount += 1
        sentByteCount += bytes.count
        record?.append(bytes)
        var frame = bytes
        tamper?(&frame)
        guard !frame.isEmpty, frame.count <= conditions.carriedByteCount, random.next() % 1000 >= conditions.loss else { return }
        if random.next() % 1000 < conditions.corruption {
            let place = Int(random.next() % UInt64(frame.count))
            frame[place] ^= UInt8(1 + random.next() % 255)
        }
        let copies = random.next() % 1000 < conditions.duplication ? 2 : 1
        for _ in 0..<copies {
            let jitter = conditions.jitter.wholeMicroseconds
            let extra = jitter == 0 ? 0 : Int64(random.next() % UInt64(jitter))
            var arrival = now + conditions.delay + .microseconds(extra)
            if conditions.isOrdered { arrival = max(arrival, last) }
            last = arrival
            insert(Flight(arrival: arrival, frame: frame))
        }
    }

    private mutating func insert(_ flight: Flight) {
        var index = flights.count
        while index > head, flights[index - 1].arrival > flight.arrival { index -= 1 }
        flights.insert(flight, at: index)
    }

    mutating func take(_ now: Timestamp) -> [UInt8]? {
        guard head < flights.count, flights[head].arrival <= now else { return nil }
        let frame = flights[head].frame
        flights[head].frame = []
        head += 1
        if head > 4096 {
            flights.removeFirst(head)
            head = 0
        }
        return frame
    }
}

extension Duration {
    var wholeMicroseconds: Int64 { components.seconds * 1_000_000 + components.attoseconds / 1_000_000_000_000 }
}

/// One end of a pair, with what a host keeps beside the machine.
final class End {
    var session: SessionMachine
    var outgoing: SimulatedPath
    var events: [SessionEvent] = []

    init(_ session: consuming SessionMachine, _ conditions: Conditions) {
        self.session = session
        outgoing = SimulatedPath(conditions)
    }

    /// Takes events and frames until there are none.
    func poll(now: Timestamp, random: SeededRandom) {
        takeEvents()
        var isMore = true
        while isMore {
            let frame = [UInt8](rawCapacity: 70_000) { isMore = session.nextFrame(into: &$0, now: now) }
            if isMore { outgoing.send(frame, now: now, random: random) }
        }
        takeEvents()
    }

    func takeEvents() {
        while let event = session.nextEvent() { events.append(event) }
    }

    func send(_ message: [UInt8]) throws(SessionError) { try session.sendMessage(message.rawSpan) }

    func take(_ message: inout [UInt8]) -> Bool { session.receiveMessage(into: &message) }

    func open() throws(SessionError) -> StreamID { try session.openStream() }

    func write(_ bytes: [UInt8], to stream: StreamID) throws(SessionError) -> Int { try session.write(bytes.rawSpan, to: stream) }

    var isEstablished: Bool { session.peer != nil }

    var closeReason: SessionCloseReason? {
        for event in events { if case .closed(let reason) = event { return reason } }
        return nil
    }
}

/// Two machines over a simulated link in virtual time: the same seed gives the same run.
final class Pair {
    let initiator: End
    let responder: End
    let random: SeededRandom
    private(set) var now = Timestamp(nanoseconds: 1_000_000_000)
    /// Runs after every step: the application.
    var application: ((Pair) -> Void)?

    struct Setup {
        var link = SessionLink(maximumFrameByteCount: 1452, safeFrameByteCount: 1200, isLossFree: false, isAddressSpoofable: true)
        var conditions = Conditions.quiet
        var seed: UInt64 = 1
        var limits = SessionLimits()
        var timing = SessionTiming()
        var congestion = SessionCongestion()
        var policy = PeerPolicy.anyNode
        var isExpectingWrongKey = false
        var initiatorLimits: SessionLimits?
        var initiatorCrypto: ((inout CryptoProvider) -> Void)?
    }

    static let streamLink = SessionLink(
        maximumFrameByteCount: 65_536, safeFrameByteCount: 65_536, isLossFree: true, isAddressSpoofable: false)

    let initiatorIdentity: NodeIdentity
    let responderIdentity: NodeIdentity

    init(_ setup: Setup = Setup()) throws {
        random = SeededRandom(seed: setup.seed)
        var crypto = CryptoProvider.sodium
        crypto.random = random
        initiatorIdentity = try NodeIdentity.generate(crypto: crypto)
        responderIdentity = try NodeIdentity.generate(crypto: crypto)
        let expected = setup.isExpectingWrongKey ? initiatorIdentity.nodeKey : responderIdentity.nodeKey
        initiator = try End(
            Self.machine(setup, .initiator(expecting: expected), initiatorIdentity, crypto, now, setup.initiatorLimits),
            setup.conditions)
        responder = try End(Self.machine(setup, .responder(setup.policy), responderIdentity, crypto, now, nil), setup.conditions)
    }

    static func machine(
        _ setup: Setup, _ role: SessionConfiguration.Role, _ identity: NodeIdentity, _ provider: CryptoProvider, _ now: Timestamp,
        _ limits: SessionLimits?
    ) throws -> SessionMachine {
        var crypto = provider
        if case .initiator = role { setup.initiatorCrypto?(&crypto) }
        var configuration = SessionConfiguration(
            role: role, link: setup.link,
            hello: SessionHello(bootID: crypto.random.next(), isDurable: false, compressorIDs: [2, 0]))
        configuration.limits = limits ?? setup.limits
        configuration.timing = setup.timing
        configuration.congestion = setup.congestion
        return try SessionMachine(configuration, identity: identity, crypto: crypto, now: now)
    }

    /// Moves virtual time to what happens next and lets it happen.
    ///
    /// - Returns: false when nothing will ever happen again.
    func step() -> Bool {
        let candidates = [
            initiator.outgoing.nextArrival, responder.outgoing.nextArrival, initiator.session.nextDeadline, responder.session.nextDeadline,
        ]
        guard let next = candidates.compactMap({ $0 }).min() else { return false }
        now = max(now, next)
        while let frame = initiator.outgoing.take(now) { responder.session.receive(frame.rawSpan, now: now) }
        while let frame = responder.outgoing.take(now) { initiator.session.receive(frame.rawSpan, now: now) }
        if let due = initiator.session.nextDeadline, due <= now { initiator.session.deadlineReached(now: now) }
        if let due = responder.session.nextDeadline, due <= now { responder.session.deadlineReached(now: now) }
        flush()
        return true
    }

    /// Lets both ends and the application do what they can now.
    func flush() {
        initiator.poll(now: now, random: random)
        responder.poll(now: now, random: random)
        application?(self)
        initiator.poll(now: now, random: random)
        responder.poll(now: now, random: random)
    }

    /// Steps until `condition` holds; gives up after `limit` of virtual time, or when nothing is left to happen.
    @discardableResult
    func run(for limit: Duration = .seconds(60), until condition: (Pair) -> Bool) -> Bool {
        let end = now + limit
        flush()
        while !condition(self) {
            guard now <= end, step() else { return condition(self) }
        }
        return true
    }

    @discardableResult
    func establish(within limit: Duration = .seconds(20)) -> Bool {
        run(for: limit) { $0.initiator.isEstablished && $0.responder.isEstablished }
    }

    /// Runs for exactly this long.
    func pass(_ duration: Duration) {
        let end = now + duration
        run(for: duration) { $0.now >= end }
    }
}

/// Writes a known sequence of bytes on one stream as fast as it is taken.
struct PatternWriter {
    let stream: StreamID
    let byteCount: Int
    var written = 0
    var isFinished = false
    static let block = [UInt8](rawCapacity: 65_536) { output in
        for index in 0..<65_536 { output.append(littleEndian: UInt8(truncatingIfNeeded: index &* 31 ^ index >> 8)) }
    }

    mutating func advance(_ session: inout SessionMachine) throws {
        while written < byteCount {
            let start = written % 65_536
            let part = Self.block.rawSpan.extracting(start..<min(65_536, start + byteCount - written))
            let count = try session.write(part, to: stream)
            written += count
            if count < part.byteCount { return }
        }
        if !isFinished {
            try session.finish(stream)
            isFinished = true
        }
    }
}

/// Reads one stream and compares it with what `PatternWriter` writes.
struct PatternReader {
    let stream: StreamID
    var read = 0
    var isCorrect = true
    var isFinished = false
    var buffer: [UInt8] = []

    mutating func advance(_ session: inout SessionMachine) throws {
        while !isFinished {
            var result = StreamReadResult.blocked
            let bytes = try [UInt8](rawCapacity: 65_536) { output throws(SessionError) in
                result = try session.read(from: stream, into: &output)
            }
            switch result {
            case .bytes(let count):
                if count != bytes.count { isCorrect = false }
                check(bytes)
            case .finished: isFinished = true
            case .blocked: return
            case .reset: isCorrect = false
            }
        }
    }

    private mutating func check(_ bytes: [UInt8]) {
        var offset = 0
        while offset < bytes.count {
            let start = read % 65_536
            let count = min(bytes.count - offset, 65_536 - start)
            let expected = xxh3(PatternWriter.block.rawSpan.extracting(start..<start + count))
            if xxh3(bytes.rawSpan.extracting(offset..<offset + count)) != expected { isCorrect = false }
            offset += count
            read += count
        }
    }
}
