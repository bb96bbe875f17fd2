package import FerryStateMachines
public import FerryWire

/// What a daemon does in answer to one event, and the only randomness that it may use.
public struct DaemonOutputs: Sendable {
    /// The most outputs and deliveries in answer to one event.
    public static let maximumCount = 4_096
    /// The most payload bytes in answer to one event.
    public static let maximumByteCount = 8 << 20

    /// What is done, in order.
    package private(set) var operations: [OutputOperation] = []
    /// Why the answer counts as a throw, if it does.
    package private(set) var failure: FerryError?
    private var byteCount = 0
    private var seed: Seed
    private var generator: EventRandom?

    private struct Seed {
        var lineage: LineageID
        var emitter: OriginHash
        var sequence: UInt64
    }

    /// Opens the answer to an event; hosts do it, and tests of daemons.
    public init(lineage: LineageID, link: CausalLink) {
        seed = Seed(lineage: lineage, emitter: link.origin, sequence: link.sequence)
    }

    /// Appends an output to the daemon's own chain, for whoever observes the daemon.
    ///
    /// - Parameter payload: at most `WireLimits.outputPayloadByteCount` bytes, since the last output travels with the daemon in the header of
    ///   its snapshot; a longer one counts as a throw of `process`. The same holds for every other output.
    public mutating func emit(_ payload: [UInt8]) { append(.emit, payload) }

    /// Delivers a payload to a daemon, itself included, wherever it is: exactly once and in order, also while either of the two moves.
    ///
    /// It is an output of the daemon's own chain, kept until the other daemon has accepted it, and travels with the daemon; never re-entrant.
    public mutating func deliver(_ payload: [UInt8], to destination: OriginHash) { append(.deliver(destination), payload) }

    /// Publishes a payload to every daemon that subscribes to the channel now, exactly once and in order for each.
    ///
    /// Subscribers process it as an event whose `content` is `published`. It is an output of the daemon's own chain even when nobody subscribes.
    public mutating func publish(_ payload: [UInt8], on channel: ChannelName) { append(.publish(channel), payload) }

    /// Subscribes the daemon to another daemon's channel; both may move from then on.
    public mutating func subscribe(to channel: ChannelName, of publisher: OriginHash) { append(.subscribe(channel, of: publisher), []) }

    /// Ends a subscription; what the publisher has sent before it hears of it is not processed any more.
    public mutating func unsubscribe(from channel: ChannelName, of publisher: OriginHash) {
        append(.unsubscribe(channel, of: publisher), [])
    }

    /// The payloads of what was emitted, in order.
    package var emitted: [[UInt8]] {
        operations.compactMap { operation in
            if case .emit = operation.kind { operation.payload } else { nil }
        }
    }

    /// Whether anything is sent to other daemons.
    var hasDeliveries: Bool { operations.contains { $0.kind != .emit } }

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

    private mutating func append(_ kind: OutputOperation.Kind, _ payload: [UInt8]) {
        byteCount += payload.count
        guard payload.count <= WireLimits.outputPayloadByteCount, byteCount <= Self.maximumByteCount,
            operations.count < Self.maximumCount
        else {
            failure = FerryError(.limitExceeded, "the outputs of one event exceed their count or byte limit")
            return
        }
        operations.append(OutputOperation(kind, payload: payload))
    }

    /// Forgets the answer and opens the next, keeping the arrays' room.
    mutating func reopen(link: CausalLink) {
        seed.emitter = link.origin
        seed.sequence = link.sequence
        generator = nil
        failure = nil
        byteCount = 0
        if !operations.isEmpty { operations.removeAll(keepingCapacity: true) }
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
