internal import Synchronization

/// The memory that states on their way in may take together: what their sources have offered, and what they send beyond it.
final class ArrivalMemory: Sendable {
    /// The least that an arrival reserves: offers are estimates, and small ones are the worst.
    static let floorByteCount: UInt64 = 1 << 20
    /// How many times its offer a state may have; a daemon goes on growing between the offer and the fence.
    static let slack: UInt64 = 4

    /// Bytes in all.
    let byteCount: UInt64
    private let taken = Mutex<UInt64>(0)

    init(byteCount: UInt64) { self.byteCount = byteCount }

    var takenByteCount: UInt64 { taken.withLock { $0 } }

    /// Sets memory aside until the reservation is gone; nil when there is not enough.
    func reserve(offer predictedByteCount: UInt64) -> ArrivalReservation? {
        let reserved = max(predictedByteCount, Self.floorByteCount)
        return take(reserved) ? ArrivalReservation(of: reserved, in: self) : nil
    }

    /// The longest state that an offer admits: without an estimate, all that is there, less what others hold by then.
    func longestState(offer predictedByteCount: UInt64) -> UInt64 {
        guard predictedByteCount > 0 else { return byteCount }
        let (product, isOverflow) = max(predictedByteCount, Self.floorByteCount).multipliedReportingOverflow(by: Self.slack)
        return isOverflow ? byteCount : min(product, byteCount)
    }

    fileprivate func take(_ count: UInt64) -> Bool {
        taken.withLock { taken in
            guard count <= byteCount - taken else { return false }
            taken += count
            return true
        }
    }

    fileprivate func giveBack(_ count: UInt64) { taken.withLock { $0 -= count } }
}

/// One arrival's part of the memory, given back when nobody holds the reservation any more.
final class ArrivalReservation: Sendable {
    private let memory: ArrivalMemory
    private let reserved: Mutex<UInt64>

    fileprivate init(of byteCount: UInt64, in memory: ArrivalMemory) {
        self.memory = memory
        reserved = Mutex(byteCount)
    }

    deinit { memory.giveBack(byteCount) }

    /// What is set aside now.
    var byteCount: UInt64 { reserved.withLock { $0 } }

    /// Makes sure that `byteCount` bytes are set aside; false when there is not enough left.
    func cover(_ byteCount: UInt64) -> Bool {
        reserved.withLock { reserved in
            guard byteCount > reserved else { return true }
            guard memory.take(byteCount - reserved) else { return false }
            reserved = byteCount
            return true
        }
    }
}
