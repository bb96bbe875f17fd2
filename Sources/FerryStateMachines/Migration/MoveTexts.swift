internal import FerryWire

/// Bytes a second, rounded down; 0 over no time.
func rate(_ byteCount: UInt64, over duration: Duration) -> UInt64 {
    let nanoseconds = UInt64(max(0, duration.wholeNanoseconds))
    guard nanoseconds > 0 else { return 0 }
    let (high, low) = byteCount.multipliedFullWidth(by: 1_000_000_000)
    return high < nanoseconds ? nanoseconds.dividingFullWidth((high, low)).quotient : .max
}

/// Bytes in a time at a rate.
func amount(at bytesPerSecond: UInt64, over duration: Duration) -> UInt64 {
    let (high, low) = bytesPerSecond.multipliedFullWidth(by: UInt64(max(0, duration.wholeNanoseconds)))
    return high < 1_000_000_000 ? (1_000_000_000 as UInt64).dividingFullWidth((high, low)).quotient : .max
}

// How causes of a stall name amounts.
extension UInt64 {
    /// `18 MB/s`, `640 kB/s`, `12 B/s`.
    var rateText: String {
        switch self {
        case 1_000_000...: "\(self / 1_000_000) MB/s"
        case 1_000...: "\(self / 1_000) kB/s"
        default: "\(self) B/s"
        }
    }
}

extension Duration {
    /// `4.2 s`, `35 ms`.
    var secondsText: String {
        let milliseconds = Swift.max(0, wholeNanoseconds) / 1_000_000
        return milliseconds < 1_000 ? "\(milliseconds) ms" : "\(milliseconds / 1_000).\(milliseconds % 1_000 / 100) s"
    }
}
