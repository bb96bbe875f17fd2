public import FerryCrypto
internal import FerryWire
internal import Synchronization

/// A reproducible source of bytes for tests and simulations: the same seed gives the same run. Never for real keys.
///
/// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014).
public final class SeededRandom: SecureRandom {
    private let state: Mutex<UInt64>

    /// Starts the sequence of `seed`.
    public init(seed: UInt64) {
        state = Mutex(seed)
    }

    /// Fills the output's whole free capacity.
    public func fill(_ output: inout OutputRawSpan) {
        while output.freeCapacity >= 8 {
            output.append(littleEndian: next())
        }
        var rest = next()
        while output.freeCapacity > 0 {
            output.append(littleEndian: UInt8(truncatingIfNeeded: rest))
            rest >>= 8
        }
    }

    /// The next 64 bits.
    public func next() -> UInt64 {
        state.withLock { state in
            state &+= 0x9E37_79B9_7F4A_7C15
            var mixed = state
            mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
            mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
            return mixed ^ (mixed >> 31)
        }
    }
}
