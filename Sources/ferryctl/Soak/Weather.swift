/// How badly a relay carries what comes its way.
struct Weather: Codable, Hashable, Sendable {
    /// Frames of a thousand that are dropped, sent twice, or overtaken by the next one.
    var lossPermille = 0
    var duplicatePermille = 0
    var reorderPermille = 0
    /// In each direction of each link; nil for as much as the machine carries.
    var bytesPerSecond: Int?

    /// Nothing happens to a frame.
    static let fair = Weather()
}

/// What becomes of one frame.
enum FrameFate: Hashable, Sendable {
    case dropped
    case passed
    case repeated
    /// The next frame goes first.
    case overtaken
}

/// Draws the fates of frames from a seed.
struct FateDice: Sendable {
    private var noise: Noise

    init(seed: UInt64) { noise = Noise(state: seed) }

    mutating func roll(_ weather: Weather) -> FrameFate {
        guard weather.lossPermille + weather.duplicatePermille + weather.reorderPermille > 0 else { return .passed }
        let roll = Int(noise.next() % 1_000)
        if roll < weather.lossPermille { return .dropped }
        if roll < weather.lossPermille + weather.duplicatePermille { return .repeated }
        if roll < weather.lossPermille + weather.duplicatePermille + weather.reorderPermille { return .overtaken }
        return .passed
    }
}

/// A token bucket over the time of a monotonic clock: how long a frame has to wait for its turn on a slow link.
struct TokenBucket: Sendable {
    /// What the queue in front of a slow link holds.
    static let maximumWait = Duration.milliseconds(250)

    private var freeAt: UInt64 = 0

    /// The wait before a frame may leave; nil when the queue is full.
    ///
    /// - Parameters:
    ///   - mayDrop: whether a full queue drops the frame; else it waits however long it takes.
    ///   - now: monotonic nanoseconds.
    mutating func wait(for byteCount: Int, at bytesPerSecond: Int, mayDrop: Bool, now: UInt64) -> Duration? {
        let start = max(freeAt, now)
        let wait = Duration.nanoseconds(Int64(clamping: start - now))
        if mayDrop, wait > Self.maximumWait { return nil }
        freeAt = start + UInt64(byteCount) * 1_000_000_000 / UInt64(max(1, bytesPerSecond))
        return wait
    }
}
