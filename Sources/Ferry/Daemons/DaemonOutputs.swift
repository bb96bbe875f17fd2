public import FerryWire

/// What a daemon does in answer to one event, and the only randomness that it may use.
public struct DaemonOutputs: Sendable {
    /// The most outputs and deliveries in answer to one event.
    public static let maximumCount = 4_096
    /// The most payload bytes in answer to one event.
    public static let maximumByteCount = 8 << 20

    /// What was emitted, in order.
    package private(set) var emitted: [[UInt8]] = []
    private(set) var deliveries: [Delivery] = []
    /// Why the answer counts as a throw, if it does.
    package private(set) var failure: FerryError?
    private var byteCount = 0
    private var seed: Seed
    private var generator: EventRandom?

    struct Delivery: Sendable {
        var destination: OriginHash
        var payload: [UInt8]
    }

    private struct Seed {
        var lineage: LineageID
        var emitter: OriginHash
        var sequence: UInt64
    }

    /// Opens the answer to an event; hosts do it, and tests of daemons.
    public init(lineage: LineageID, link: CausalLink) {
        seed = Seed(lineage: lineage, emitter: link.origin, sequence: link.sequence)
    }

    /// Appends an output to the daemon's own chain.
    ///
    /// - Parameter payload: at most `WireLimits.outputPayloadByteCount` bytes, since the last output travels with the daemon in the header of
    ///   its snapshot; a longer one counts as a throw of `process`.
    public mutating func emit(_ payload: [UInt8]) {
        if admit(payload, limit: WireLimits.outputPayloadByteCount) { emitted.append(payload) }
    }

    /// Delivers a payload to a daemon, itself included, after `process` has returned; never re-entrant.
    ///
    /// - Parameter payload: at most `WireLimits.eventPayloadByteCount` bytes; a longer one counts as a throw of `process`.
    public mutating func deliver(_ payload: [UInt8], to destination: OriginHash) {
        guard admit(payload, limit: WireLimits.eventPayloadByteCount) else { return }
        deliveries.append(Delivery(destination: destination, payload: payload))
    }

    /// A generator whose numbers depend on lineage, emitter and sequence alone, so that a replay draws the same ones.
    public var random: EventRandom {
        mutating get {
            if let generator { return generator }
            let fresh = EventRandom(lineage: seed.lineage, emitter: seed.emitter, sequence: seed.sequence)
            generator = fresh
            return fresh
        }
        set { generator = newValue }
    }

    private mutating func admit(_ payload: [UInt8], limit: Int) -> Bool {
        byteCount += payload.count
        guard payload.count <= limit, byteCount <= Self.maximumByteCount,
            emitted.count + deliveries.count < Self.maximumCount
        else {
            failure = FerryError(.limitExceeded, "the outputs of one event exceed their count or byte limit")
            return false
        }
        return true
    }

    /// Forgets the answer and opens the next, keeping the arrays' room.
    mutating func reopen(link: CausalLink) {
        seed.emitter = link.origin
        seed.sequence = link.sequence
        generator = nil
        failure = nil
        byteCount = 0
        if !emitted.isEmpty { emitted.removeAll(keepingCapacity: true) }
        if !deliveries.isEmpty { deliveries.removeAll(keepingCapacity: true) }
    }
}

/// xoshiro256** (Blackman and Vigna), seeded by an event.
public struct EventRandom: RandomNumberGenerator, Sendable {
    private var words: (UInt64, UInt64, UInt64, UInt64)

    init(lineage: LineageID, emitter: OriginHash, sequence: UInt64) {
        let message = [UInt8](rawCapacity: 32) { output in
            lineage.append(to: &output)
            output.append(littleEndian: emitter.rawValue)
            output.append(littleEndian: sequence)
        }
        let digest = FixedBytes32(label: "ferry-event-random", message).bytes
        words = (
            digest.rawSpan.littleEndianUInt64(at: 0), digest.rawSpan.littleEndianUInt64(at: 8),
            digest.rawSpan.littleEndianUInt64(at: 16), digest.rawSpan.littleEndianUInt64(at: 24)
        )
    }

    /// The next 64 bits.
    public mutating func next() -> UInt64 {
        let scrambled = words.1 &* 5
        let result = (scrambled << 7 | scrambled >> 57) &* 9
        let shifted = words.1 << 17
        words.2 ^= words.0
        words.3 ^= words.1
        words.1 ^= words.2
        words.0 ^= words.3
        words.2 ^= shifted
        words.3 = words.3 << 45 | words.3 >> 19
        return result
    }
}
