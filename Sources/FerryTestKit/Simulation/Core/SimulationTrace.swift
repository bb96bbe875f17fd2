internal import FerryStateMachines
internal import FerryWire

/// Everything that happens, in order, as one hash; as lines for a person only where somebody will read them.
struct SimulationTrace {
    /// Lines that are kept of one run; the earliest are dropped in halves.
    static let maximumLineCount = 4_000

    let isReadable: Bool
    private(set) var lines: [String] = []
    private var chained: UInt64 = 0
    private var pending: [UInt8] = []

    init(isReadable: Bool) {
        self.isReadable = isReadable
        pending.reserveCapacity(Self.blockByteCount + 64)
    }

    private static let blockByteCount = 4_096

    /// Takes in four numbers; two runs are the same when all of theirs are.
    mutating func record(_ time: Timestamp, _ kind: UInt64, _ subject: UInt64, _ content: UInt64) {
        append(UInt64(bitPattern: time.nanoseconds))
        append(kind << 32 | subject)
        append(content)
        if pending.count >= Self.blockByteCount { chain() }
    }

    /// Adds a line for a person.
    mutating func say(_ time: Timestamp, _ line: @autoclosure () -> String) {
        guard isReadable else { return }
        if lines.count >= Self.maximumLineCount { lines.removeFirst(Self.maximumLineCount / 2) }
        let microseconds = time.nanoseconds / 1_000
        let fraction = String(microseconds % 1_000)
        lines.append("\(microseconds / 1_000).\(String(repeating: "0", count: 3 - fraction.count))\(fraction) ms  \(line())")
    }

    /// XXH3 over the whole trace.
    var hash: UInt64 {
        var copy = self
        copy.chain()
        return copy.chained
    }

    private mutating func append(_ word: UInt64) {
        var word = word
        for _ in 0..<8 {
            pending.append(UInt8(truncatingIfNeeded: word))
            word >>= 8
        }
    }

    private mutating func chain() {
        append(chained)
        chained = xxh3(pending.rawSpan)
        pending.removeAll(keepingCapacity: true)
    }
}
