internal import FerryStateMachines
internal import FerryWire

/// What earlier moves away from this node tell about the next one; before the first, what an ordinary machine does.
struct TransferHistory: Sendable {
    private var bytesPerSecond = 100e6
    private var wireShare = 1.0
    private var pauseNanoseconds = 5e6
    /// Below this, setting up outweighs the bytes.
    private static let leastByteCount: UInt64 = 1 << 20
    private static let setUpNanoseconds = 50e6

    /// Takes in a move that has ended; the newest counts as much as all before it.
    mutating func learn(_ figures: MoveFigures) {
        if figures.release.release.determinism != .unverified || figures.replayedInputCount > 0 {
            pauseNanoseconds = (pauseNanoseconds + Double(figures.pauseNanoseconds)) / 2
        }
        guard figures.stateByteCount >= Self.leastByteCount, figures.durationNanoseconds > 0 else { return }
        let rate = Double(figures.stateByteCount) / (Double(figures.durationNanoseconds) * 1e-9)
        bytesPerSecond = (bytesPerSecond + rate) / 2
        wireShare = (wireShare + Double(figures.wireByteCount) / Double(figures.stateByteCount)) / 2
    }

    /// Adds to a description what its move will cost.
    func predict(_ description: DaemonDescription) -> DaemonDescription {
        var description = description
        let byteCount = Double(description.predictedByteCount)
        description.predictedWireByteCount = Self.whole(byteCount * wireShare)
        description.predictedDurationNanoseconds = Self.whole(Self.setUpNanoseconds + byteCount / max(bytesPerSecond, 1) * 1e9)
        description.predictedPauseNanoseconds = Self.whole(pauseNanoseconds)
        return description
    }

    /// What a daemon says of itself may be any number; above 10¹⁸ all are the same.
    private static func whole(_ value: Double) -> UInt64 { UInt64(max(0, min(value, 1e18))) }
}
