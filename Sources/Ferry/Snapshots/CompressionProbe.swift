/// Decides which chunks are worth a try at compression: after one that did not shrink, the next ones are stored untried, ever more of them.
struct CompressionProbe {
    /// The longest run of untried chunks: just under 4 MiB of state at the default chunk size.
    static let maximumRunLength = 15

    private var runLength = 0
    private var untriedCount = 0

    /// Whether the next chunk is tried; to be asked once a chunk.
    mutating func nextIsTried() -> Bool {
        guard untriedCount > 0 else { return true }
        untriedCount -= 1
        return false
    }

    /// Tells how a tried chunk went.
    mutating func tried(shrank: Bool) {
        runLength = shrank ? 0 : min(2 * runLength + 1, Self.maximumRunLength)
        untriedCount = runLength
    }
}
