/// A point on a monotonic clock, in nanoseconds from an origin that only its node knows; machines receive it, none reads a clock.
public struct Timestamp: Comparable, Hashable, Sendable {
    /// Nanoseconds since the clock's origin; never negative for a clock that starts at zero.
    public var nanoseconds: Int64

    /// A point `nanoseconds` after the clock's origin.
    public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

    /// The clock's origin.
    public static let zero = Timestamp(nanoseconds: 0)
    /// Later than every deadline.
    public static let distantFuture = Timestamp(nanoseconds: .max)

    /// Orders by time.
    public static func < (left: Self, right: Self) -> Bool { left.nanoseconds < right.nanoseconds }

    /// The point `duration` later; saturates.
    public static func + (left: Self, duration: Duration) -> Self {
        let (sum, overflow) = left.nanoseconds.addingReportingOverflow(duration.wholeNanoseconds)
        return overflow ? .distantFuture : Timestamp(nanoseconds: sum)
    }

    /// The point `duration` earlier; saturates.
    public static func - (left: Self, duration: Duration) -> Self {
        let (difference, overflow) = left.nanoseconds.subtractingReportingOverflow(duration.wholeNanoseconds)
        return overflow ? Timestamp(nanoseconds: .min) : Timestamp(nanoseconds: difference)
    }

    /// The time from `right` to `left`; negative when `left` is earlier.
    public static func - (left: Self, right: Self) -> Duration {
        let (difference, overflow) = left.nanoseconds.subtractingReportingOverflow(right.nanoseconds)
        return .nanoseconds(overflow ? (left > right ? Int64.max : Int64.min) : difference)
    }
}

extension Duration {
    /// Whole nanoseconds, saturated to 64 bits (292 years).
    package var wholeNanoseconds: Int64 {
        // Nine seconds fit 64 bits of attoseconds, and nearly every timer is shorter; 128-bit division is ten times slower.
        if let attoseconds = Int64(exactly: attoseconds) { return attoseconds / 1_000_000_000 }
        let (seconds, attoseconds) = components
        let (scaled, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        guard !overflow else { return seconds < 0 ? .min : .max }
        let (sum, overflowed) = scaled.addingReportingOverflow(attoseconds / 1_000_000_000)
        return overflowed ? (seconds < 0 ? .min : .max) : sum
    }
}
