/// Finds the largest frame that the path carries (RFC 8899, DPLPMTUD): one probe at a time, up a ladder; falls back when large frames vanish.
struct PathMTU: Sendable {
    /// MAX_PROBES.
    static let maximumProbeCount = 3
    /// PMTU_RAISE_TIMER.
    static let raiseInterval: Duration = .seconds(600)
    /// Large frames lost in a row, without one that arrived, that make a black hole.
    static let blackHoleThreshold = 16
    /// Sizes worth trying between the base and the link's maximum: Ethernet and jumbo frames less IP and UDP headers, powers of two.
    static let ladder = [1452, 2048, 4096, 8192, 8952, 16_384, 32_768, 49_152]

    /// BASE_PLPMTU.
    let base: Int
    let maximum: Int
    /// PLPMTU: the size of full frames.
    private(set) var current: Int
    private var ceiling: Int
    private var failedProbeCount = 0
    private var isProbing = false
    private var lostInARow = 0
    private var searchResumesAt: Timestamp?

    init(_ link: SessionLink) {
        maximum = link.maximumFrameByteCount
        base = link.isLossFree ? maximum : link.safeFrameByteCount
        current = base
        ceiling = maximum
    }

    /// The size to probe now, if any.
    func probeByteCount(_ now: Timestamp) -> Int? {
        guard !isProbing else { return nil }
        let limit = searchResumesAt.map { $0 <= now } ?? false ? maximum : ceiling
        guard current < limit else { return nil }
        return Self.ladder.first { $0 > current && $0 <= limit } ?? limit
    }

    /// A probe left.
    mutating func probeSent(_ now: Timestamp) {
        isProbing = true
        if let resume = searchResumesAt, resume <= now {
            ceiling = maximum
            searchResumesAt = nil
        }
    }

    /// A frame arrived.
    ///
    /// - Returns: whether the size of full frames changed.
    mutating func acknowledged(_ byteCount: Int, isProbe: Bool) -> Bool {
        if byteCount > base { lostInARow = 0 }
        guard isProbe else { return false }
        isProbing = false
        failedProbeCount = 0
        guard byteCount > current, byteCount <= ceiling else { return false }
        current = byteCount
        return true
    }

    /// A frame was lost.
    ///
    /// - Returns: whether the size of full frames changed.
    mutating func lost(_ byteCount: Int, isProbe: Bool, now: Timestamp) -> Bool {
        if isProbe {
            isProbing = false
            failedProbeCount += 1
            if failedProbeCount >= Self.maximumProbeCount {
                failedProbeCount = 0
                ceiling = current
                searchResumesAt = now + Self.raiseInterval
            }
            return false
        }
        guard byteCount > base, current > base else { return false }
        lostInARow += 1
        return lostInARow >= Self.blackHoleThreshold && fallBack(now)
    }

    /// Large frames do not arrive any more: back to the base, and search again from there (RFC 8899 §5.2). A burst of losses on a path
    /// whose size has not changed costs a few round trips of small frames, not minutes.
    ///
    /// - Returns: whether the size of full frames changed.
    mutating func fallBack(_ now: Timestamp) -> Bool {
        guard current > base else { return false }
        current = base
        ceiling = maximum
        failedProbeCount = 0
        lostInARow = 0
        searchResumesAt = nil
        return true
    }
}
