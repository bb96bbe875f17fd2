public import FerryWire

/// The target's end of the move log: which entries of a batch are new, and whether the replay did what the source's daemon did.
///
/// States: following ──(an outcome differs)──▶ diverged. Once diverged it admits nothing.
///
/// Invalid input. The peer's fault: a batch behind a gap is not admitted. Harmless: repeated entries are skipped.
public struct LogFollower: Hashable, Sendable {
    /// The last entry that was replayed; 0 before the first.
    public var index: UInt64 { log.index }
    /// Rolling digest up to it; zero before the first.
    public var digest: FixedBytes32 { log.value }
    /// The first entry whose replay did something else than the source's daemon did.
    public private(set) var divergence: UInt64?
    private var log = LogDigest()

    /// Follows a log from its first entry.
    public init() {}

    /// Says which entries of a batch are to be replayed now, each followed by ``replayed(_:outcome:expected:)``.
    ///
    /// - Returns: positions within the batch, none when all are repetitions; nil when entries are missing before it, or after a divergence.
    public func admit(_ batch: BufferedEvents) -> Range<Int>? {
        guard divergence == nil, batch.firstIndex > 0, batch.firstIndex - 1 <= index else { return nil }
        let known = index - (batch.firstIndex - 1)
        guard known < UInt64(batch.entries.count) else { return batch.entries.count..<batch.entries.count }
        return Int(known)..<batch.entries.count
    }

    /// Takes in what the replay of the next entry did.
    ///
    /// - Returns: false when it differs from what the source's daemon did; ``divergence`` names the entry.
    public mutating func replayed(_ event: CausalEvent, outcome: UInt64, expected: UInt64) -> Bool {
        log.fold(event, outcome: outcome)
        if outcome != expected, divergence == nil { divergence = log.index }
        return divergence == nil
    }
}
