internal import ArgumentParser

/// A number of bytes as the command line writes it: `64MiB`, `7000B`, `1GiB`.
struct ByteSize: ExpressibleByArgument, Hashable, Sendable {
    var byteCount: Int

    init(byteCount: Int) { self.byteCount = byteCount }

    init?(argument: String) {
        let units: [(String, Int)] = [
            ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40), ("kB", 1000), ("MB", 1_000_000), ("GB", 1_000_000_000),
            ("B", 1),
        ]
        guard let value = Quantity.parse(argument, units: units), value <= Double(1 << 48) else { return nil }
        byteCount = Int(value)
    }

    var defaultValueDescription: String {
        for (unit, size) in [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)] where byteCount >= size && byteCount.isMultiple(of: size)
        {
            return "\(byteCount / size)\(unit)"
        }
        return "\(byteCount)B"
    }
}

/// A time span as the command line writes it: `250ms`, `10m`.
struct TimeSpan: ExpressibleByArgument, Hashable, Sendable {
    var duration: Duration

    init(_ duration: Duration) { self.duration = duration }

    init?(argument: String) {
        let units: [(String, Int)] = [
            ("ns", 1), ("us", 1000), ("ms", 1_000_000), ("s", 1_000_000_000), ("m", 60_000_000_000), ("h", 3_600_000_000_000),
        ]
        guard let value = Quantity.parse(argument, units: units), value <= 1e18 else { return nil }
        duration = .nanoseconds(Int64(value))
    }

    var defaultValueDescription: String { "\(duration)" }
}

/// A non-negative decimal number with a unit from a list.
enum Quantity {
    static func parse(_ text: String, units: [(String, Int)]) -> Double? {
        let digits = text.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
        let unit = text.dropFirst(digits.count)
        guard let number = Double(digits), number >= 0, let factor = units.first(where: { $0.0 == unit })?.1 else { return nil }
        return number * Double(factor)
    }
}

extension Duration {
    /// The span in seconds.
    var seconds: Double { Double(components.seconds) + Double(components.attoseconds) * 1e-18 }
    /// The span in milliseconds.
    var milliseconds: Double { seconds * 1000 }
    /// The span in nanoseconds.
    var nanoseconds: Int64 { components.seconds * 1_000_000_000 + components.attoseconds / 1_000_000_000 }
}
