internal import FerryWire

/// Loss detection and its timer (RFC 9002 §6, appendix A), over the packets in flight.
struct LossRecovery: Sendable {
    /// The most the probe timeout is doubled.
    static let maximumBackOff = 10

    /// What an ACK record was worth.
    enum AckOutcome: Sendable {
        case malformed
        case accepted
    }

    private(set) var packets = SentPackets()
    private(set) var rtt: RttEstimator
    private(set) var congestion: CongestionController
    private(set) var pacer: Pacer
    private(set) var mtu: PathMTU
    /// What arrived, to be taken by the owner after each call that may add to it.
    var acknowledgedParts: [SentPart] = []
    /// What must be sent again, likewise.
    var lostParts: [SentPart] = []
    /// The largest of our own acknowledgements that the peer has, if new.
    var acknowledgedAck: UInt64?
    /// Packets that may be sent whatever the window says (RFC 9002 §6.2.4).
    private(set) var probeCredit = 0
    private(set) var ptoCount = 0
    private(set) var lostPacketCount: UInt64 = 0
    /// The largest packet number that the peer acknowledged.
    private(set) var largestAcked: UInt64?
    private var losses = RecentLosses()
    private var lossTime: Timestamp?
    private var lastElicitingSentAt: Timestamp = .zero
    private let isLossFree: Bool
    /// The peer's, as its hello said.
    var maximumAckDelay: Duration

    init(_ configuration: SessionConfiguration) {
        let mtu = PathMTU(configuration.link)
        self.mtu = mtu
        rtt = RttEstimator(initialRtt: configuration.timing.initialRoundTrip)
        congestion = CongestionController(
            configuration.congestion, isLossFree: configuration.link.isLossFree, maximumDatagramSize: mtu.current)
        pacer = Pacer(burstByteCount: configuration.congestion.burstByteCount)
        isLossFree = configuration.link.isLossFree
        maximumAckDelay = configuration.timing.maximumAckDelay
    }

    /// Probe timeout without back-off.
    var probeTimeout: Duration { rtt.probeTimeout(maxAckDelay: maximumAckDelay) }

    /// How late a packet may be: on a path that reorders as late as others were, but no later than a probe would ask for it.
    private var lossDelay: Duration { max(rtt.lossDelay, min(losses.lateness * 9 / 8, probeTimeout)) }

    /// When `deadlineReached` has something to do.
    var deadline: Timestamp? {
        if let lossTime { return lossTime }
        guard packets.outstandingCount > 0 else { return nil }
        return lastElicitingSentAt + probeTimeout * (1 << min(ptoCount, Self.maximumBackOff))
    }

    /// Whether a full packet may be sent now, and if not whether time alone will change that.
    mutating func permitsPacket(_ now: Timestamp) -> Bool {
        if probeCredit > 0 { return true }
        guard congestion.hasRoom else { return false }
        return isLossFree
            || pacer.permits(mtu.current, window: congestion.congestionWindow, smoothedRtt: rtt.smoothedRtt, now: now)
    }

    /// When the pacer lets the next packet go; nil when it is not what holds it.
    var pacingDeadline: Timestamp? {
        guard !isLossFree, congestion.hasRoom else { return nil }
        return pacer.deadline(mtu.current, window: congestion.congestionWindow, smoothedRtt: rtt.smoothedRtt)
    }

    /// Notes a part of the packet that is being built.
    mutating func note(_ part: SentPart) { packets.note(part) }

    /// The packet left.
    mutating func sent(byteCount: Int, isEliciting: Bool, isPathProbe: Bool, largestAcked: UInt64?, now: Timestamp) {
        packets.append(
            SentPacket(
                sentAt: now, byteCount: byteCount, fate: isEliciting ? .outstanding : .unwatched, isPathProbe: isPathProbe,
                largestAcked: largestAcked))
        guard isEliciting else { return }
        lastElicitingSentAt = now
        congestion.sent(byteCount)
        pacer.sent(byteCount)
        if isPathProbe { mtu.probeSent(now) } else if probeCredit > 0 { probeCredit -= 1 }
    }

    /// Takes in an ACK record after its type.
    mutating func receiveAck(_ reader: inout RecordReader, now: Timestamp) -> AckOutcome {
        guard let largest = reader.varint(), let delay = reader.varint(), let rangeCount = reader.varint(), let first = reader.varint(),
            largest < packets.next, first <= largest, rangeCount <= 1024
        else { return .malformed }
        let wasLimited = congestion.bytesInFlight * 2 >= congestion.congestionWindow
        let watched = largest >= packets.oldest && packets.isOutstanding(largest) ? packets[largest].sentAt : nil
        largestAcked = max(largestAcked ?? 0, largest)
        var newlyAcked = acknowledge(largest - first...largest, wasLimited: wasLimited, now: now)
        var smallest = largest - first
        for _ in 0..<rangeCount {
            guard let gap = reader.varint(), let length = reader.varint(), gap + 2 <= smallest, length <= smallest - gap - 2 else {
                return .malformed
            }
            let upper = smallest - gap - 2
            smallest = upper - length
            newlyAcked = acknowledge(smallest...upper, wasLimited: wasLimited, now: now) || newlyAcked
        }
        guard newlyAcked else { return .accepted }
        if let watched {
            let ackDelay = min(.microseconds(Int64(clamping: delay)), maximumAckDelay)
            rtt.update(sample: now - watched, ackDelay: ackDelay, now: now)
        }
        ptoCount = 0
        probeCredit = 0
        detectLost(now)
        packets.dropSettled()
        return .accepted
    }

    /// Runs the timer (RFC 9002 §6.2.4, appendix A.9).
    mutating func deadlineReached(_ now: Timestamp) {
        guard let deadline, deadline <= now else { return }
        if lossTime != nil {
            detectLost(now)
            packets.dropSettled()
            return
        }
        ptoCount += 1
        probeCredit = 2
        var copied = 0
        var number = packets.oldest
        while copied < 2, number < packets.next {
            if packets.isOutstanding(number) {
                packets.copyParts(number, into: &lostParts)
                copied += 1
            }
            number += 1
        }
        // Two timeouts in a row may be a path that swallows large frames: probe with small ones.
        if ptoCount >= 2, mtu.fallBack(now) { congestion.maximumDatagramSize = mtu.current }
        lastElicitingSentAt = now
    }

    private mutating func acknowledge(_ numbers: ClosedRange<UInt64>, wasLimited: Bool, now: Timestamp) -> Bool {
        if losses.arrived(numbers, largest: largestAcked ?? 0, now: now), losses.isEmpty { congestion.undo() }
        guard numbers.upperBound >= packets.oldest else { return false }
        var any = false
        var number = numbers.upperBound
        let lowest = max(numbers.lowerBound, packets.oldest)
        while true {
            if packets.isOutstanding(number) {
                any = true
                let packet = packets[number]
                packets.settle(number, into: &acknowledgedParts)
                congestion.acknowledged(packet.byteCount, sentAt: packet.sentAt, wasLimited: wasLimited)
                if let ack = packet.largestAcked { acknowledgedAck = max(acknowledgedAck ?? 0, ack) }
                if mtu.acknowledged(packet.byteCount, isProbe: packet.isPathProbe) { congestion.maximumDatagramSize = mtu.current }
            }
            if number == lowest { return any }
            number -= 1
        }
    }

    /// RFC 9002 appendix A.10: what is old enough, or enough numbers behind, is lost.
    private mutating func detectLost(_ now: Timestamp) {
        lossTime = nil
        guard let largestAcked else { return }
        if losses.expire(before: now - probeTimeout * 2) { congestion.confirmLoss() }
        let lossDelay = lossDelay
        let lostBefore = now - lossDelay
        var latestLost: Timestamp?
        var runStart: Timestamp?
        var longestRun: Duration = .zero
        var number = packets.oldest
        while number <= largestAcked, number < packets.next {
            defer { number += 1 }
            guard packets.isOutstanding(number) else {
                if packets[number].fate == .settled { runStart = nil }
                continue
            }
            let packet = packets[number]
            guard packet.sentAt <= lostBefore || largestAcked >= number + losses.packetThreshold else {
                lossTime = min(lossTime ?? .distantFuture, packet.sentAt + lossDelay)
                continue
            }
            packets.settle(number, into: &lostParts)
            congestion.forget(packet.byteCount)
            lostPacketCount += 1
            if mtu.lost(packet.byteCount, isProbe: packet.isPathProbe, now: now) { congestion.maximumDatagramSize = mtu.current }
            guard !packet.isPathProbe else { continue }
            if losses.add(number, sentAt: packet.sentAt, now: now) { congestion.confirmLoss() }
            latestLost = packet.sentAt
            if let firstSample = rtt.firstSampleTime, packet.sentAt > firstSample {
                longestRun = max(longestRun, packet.sentAt - (runStart ?? packet.sentAt))
                runStart = runStart ?? packet.sentAt
            }
        }
        guard let latestLost else { return }
        congestion.congestionEvent(sentAt: latestLost, now: now)
        if longestRun > probeTimeout * CongestionController.persistentCongestionThreshold { congestion.persistentCongestion() }
    }
}
