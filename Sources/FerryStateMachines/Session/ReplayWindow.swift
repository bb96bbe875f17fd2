/// Remembers which packet numbers arrived: a bitmap over the latest 4,096, everything older counts as seen (RFC 4303 §3.4.3).
struct ReplayWindow: Sendable {
    /// How far back a late packet is still told from a repeated one.
    static let packetCount: UInt64 = 4096

    private var words = [UInt64](repeating: 0, count: Int(packetCount / 64))
    /// One above the highest number seen.
    private(set) var next: UInt64 = 0

    /// Whether `number` arrived before, or is too old to tell.
    func isRepeated(_ number: UInt64) -> Bool {
        if number >= next { return false }
        if next - number > Self.packetCount { return true }
        return words[Self.word(number)] & Self.bit(number) != 0
    }

    /// Notes `number`; the caller has asked `isRepeated`.
    mutating func insert(_ number: UInt64) {
        if number >= next {
            if number - next >= Self.packetCount {
                for index in words.indices { words[index] = 0 }
            } else {
                var cleared = next
                while cleared <= number {
                    if cleared.isMultiple(of: 64), number - cleared >= 63 {
                        words[Self.word(cleared)] = 0
                        cleared += 64
                    } else {
                        words[Self.word(cleared)] &= ~Self.bit(cleared)
                        cleared += 1
                    }
                }
            }
            next = number + 1
        }
        words[Self.word(number)] |= Self.bit(number)
    }

    private static func word(_ number: UInt64) -> Int { Int(truncatingIfNeeded: number % packetCount / 64) }
    private static func bit(_ number: UInt64) -> UInt64 { 1 << (number % 64) }
}
