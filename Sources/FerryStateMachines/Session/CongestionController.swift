/// NewReno (RFC 9002 §7), in bytes.
struct CongestionController: Sendable {
    /// kPersistentCongestionThreshold.
    static let persistentCongestionThreshold = 3

    private(set) var congestionWindow: Int
    private(set) var bytesInFlight = 0
    private var slowStartThreshold = Int.max
    private var recoveryStartTime: Timestamp?
    private var ackedInAvoidance = 0
    /// What the window was before it was cut for losses of which not one is certain yet.
    private var beforeCut: (window: Int, threshold: Int)?
    private let maximumWindow: Int
    private let isLossFree: Bool
    var maximumDatagramSize: Int

    init(_ configuration: SessionCongestion, isLossFree: Bool, maximumDatagramSize: Int) {
        self.isLossFree = isLossFree
        self.maximumDatagramSize = maximumDatagramSize
        congestionWindow = isLossFree ? configuration.lossFreeWindowByteCount : configuration.initialWindowByteCount
        maximumWindow = max(configuration.maximumWindowByteCount, congestionWindow)
    }

    private var minimumWindow: Int { 2 * maximumDatagramSize }

    /// Whether one more full packet may leave.
    var hasRoom: Bool { bytesInFlight + maximumDatagramSize <= max(congestionWindow, minimumWindow) }

    /// A packet that counts left.
    mutating func sent(_ byteCount: Int) { bytesInFlight += byteCount }

    /// A packet is no longer in flight for a reason that says nothing about the path.
    mutating func forget(_ byteCount: Int) { bytesInFlight -= byteCount }

    /// A packet arrived (RFC 9002 appendix B.5); `wasLimited` tells whether the window was in use.
    mutating func acknowledged(_ byteCount: Int, sentAt: Timestamp, wasLimited: Bool) {
        bytesInFlight -= byteCount
        guard wasLimited, !isInRecovery(sentAt), congestionWindow < maximumWindow else { return }
        if congestionWindow < slowStartThreshold {
            congestionWindow = min(maximumWindow, congestionWindow + byteCount)
        } else {
            ackedInAvoidance += byteCount
            if ackedInAvoidance >= congestionWindow {
                ackedInAvoidance -= congestionWindow
                congestionWindow = min(maximumWindow, congestionWindow + maximumDatagramSize)
            }
        }
    }

    /// Packets were lost, the latest of them sent at `sentAt` (RFC 9002 appendix B.6).
    mutating func congestionEvent(sentAt: Timestamp, now: Timestamp) {
        guard !isLossFree, !isInRecovery(sentAt) else { return }
        recoveryStartTime = now
        beforeCut = beforeCut ?? (congestionWindow, slowStartThreshold)
        slowStartThreshold = max(congestionWindow / 2, minimumWindow)
        congestionWindow = slowStartThreshold
        ackedInAvoidance = 0
    }

    /// Everything sent over a long period was lost (RFC 9002 §7.6.2).
    mutating func persistentCongestion() {
        guard !isLossFree else { return }
        congestionWindow = minimumWindow
        recoveryStartTime = nil
    }

    /// Each packet whose loss has cut the window has arrived after all (RFC 4015 §3.3).
    mutating func undo() {
        guard let before = beforeCut else { return }
        congestionWindow = max(congestionWindow, before.window)
        slowStartThreshold = max(slowStartThreshold, before.threshold)
        recoveryStartTime = nil
        beforeCut = nil
    }

    /// A packet was lost for certain: what it has cut stays cut.
    mutating func confirmLoss() { beforeCut = nil }

    private func isInRecovery(_ sentAt: Timestamp) -> Bool { recoveryStartTime.map { sentAt <= $0 } ?? false }
}

/// A token bucket that spreads a window over a round trip (RFC 9002 §7.7, N = 1.25).
struct Pacer: Sendable {
    private let burst: Int
    private var tokens: Int
    private var lastFill: Timestamp?

    init(burstByteCount: Int) {
        burst = burstByteCount
        tokens = burstByteCount
    }

    /// Whether `byteCount` bytes may leave now.
    mutating func permits(_ byteCount: Int, window: Int, smoothedRtt: Duration, now: Timestamp) -> Bool {
        let rtt = max(1000, smoothedRtt.wholeNanoseconds)
        let perMillisecond = Self.scaled(window, 1_250_000, rtt)
        let capacity = max(burst, perMillisecond)
        if let lastFill {
            let elapsed = max(0, (now - lastFill).wholeNanoseconds)
            let earned = Self.scaled(window, Int64.min(elapsed, 1_000_000_000) * 5 / 4, rtt)
            if earned > 0 || elapsed > 1_000_000 {
                tokens = min(capacity, tokens + earned)
                self.lastFill = now
            }
        } else {
            lastFill = now
        }
        return tokens >= min(byteCount, capacity)
    }

    /// Bytes left.
    mutating func sent(_ byteCount: Int) { tokens -= byteCount }

    /// When `byteCount` bytes may leave.
    func deadline(_ byteCount: Int, window: Int, smoothedRtt: Duration) -> Timestamp? {
        guard tokens < byteCount, let lastFill else { return nil }
        let rtt = max(1000, smoothedRtt.wholeNanoseconds)
        // One byte more than is missing, since `permits` rounds down.
        let wait = Double(byteCount - tokens + 1) * Double(rtt) * 0.8 / Double(max(window, 1))
        return lastFill + .nanoseconds(Int64(Double.minimum(wait, 1e9)) + 2)
    }

    private static func scaled(_ window: Int, _ nanoseconds: Int64, _ rtt: Int64) -> Int {
        Int(Double.minimum(Double(window) * Double(nanoseconds) / Double(rtt), 1e12))
    }
}

extension Int64 {
    fileprivate static func min(_ left: Int64, _ right: Int64) -> Int64 { left < right ? left : right }
}
