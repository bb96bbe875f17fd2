/// Round-trip time as RFC 9002 §5 estimates it, with its names.
struct RttEstimator: Sendable {
    private(set) var latestRtt: Duration = .zero
    private(set) var minRtt: Duration = .zero
    private(set) var smoothedRtt: Duration
    private(set) var rttVariance: Duration
    private(set) var hasSample = false
    private(set) var firstSampleTime: Timestamp?

    /// kGranularity.
    static let granularity: Duration = .milliseconds(1)

    init(initialRtt: Duration) {
        smoothedRtt = initialRtt
        rttVariance = initialRtt / 2
    }

    /// Takes in a sample (RFC 9002 §5.3).
    mutating func update(sample: Duration, ackDelay: Duration, now: Timestamp) {
        latestRtt = max(sample, .nanoseconds(1))
        guard hasSample else {
            hasSample = true
            firstSampleTime = now
            minRtt = latestRtt
            smoothedRtt = latestRtt
            rttVariance = latestRtt / 2
            return
        }
        minRtt = min(minRtt, latestRtt)
        let adjusted = latestRtt >= minRtt + ackDelay ? latestRtt - ackDelay : latestRtt
        let deviation = smoothedRtt > adjusted ? smoothedRtt - adjusted : adjusted - smoothedRtt
        rttVariance = .nanoseconds((3 * rttVariance.wholeNanoseconds + deviation.wholeNanoseconds) / 4)
        smoothedRtt = .nanoseconds((7 * smoothedRtt.wholeNanoseconds + adjusted.wholeNanoseconds) / 8)
    }

    /// Probe timeout without back-off (RFC 9002 §6.2.1).
    func probeTimeout(maxAckDelay: Duration) -> Duration {
        smoothedRtt + max(rttVariance * 4, Self.granularity) + maxAckDelay
    }

    /// How late a packet may be before it counts as lost (RFC 9002 §6.1.2, kTimeThreshold 9/8).
    var lossDelay: Duration {
        max(.nanoseconds(max(latestRtt, smoothedRtt).wholeNanoseconds * 9 / 8), Self.granularity)
    }
}
