import FerryStateMachines
import FerryWire

/// Inputs as a daemon takes them in: one emitter, sequence after sequence.
struct LogSamples {
    let emitter = OriginHash(rawValue: 7)
    var payloadByteCount = 36

    func event(_ index: UInt64) -> CausalEvent {
        CausalEvent(
            link: CausalLink(origin: emitter, horizon: 0, sequence: index, parent: index &* 3),
            payload: [UInt8](repeating: UInt8(truncatingIfNeeded: index), count: payloadByteCount), receivedAt: 1_000 + index)
    }

    func outcome(_ index: UInt64) -> UInt64 {
        var outcome = InputOutcome(link: event(index).link, failure: nil)
        outcome.output(event(index).payload)
        return outcome.hash
    }
}

/// Keeps a log where closures of the test macros may reach it.
final class LogBox {
    var log: MoveLog
    let samples: LogSamples

    init(_ log: consuming MoveLog, _ samples: LogSamples = LogSamples()) {
        self.log = log
        self.samples = samples
    }

    func append(_ range: ClosedRange<UInt64>, at milliseconds: Int64 = 0) {
        for index in range {
            log.append(samples.event(index), outcome: samples.outcome(index), now: .milliseconds(milliseconds))
        }
    }

    func batches(of byteLimit: Int = 1 << 16) -> [BufferedEvents] {
        var batches: [BufferedEvents] = []
        while let batch = log.nextBatch(byteLimit: byteLimit) { batches.append(batch) }
        return batches
    }

    func acknowledge(_ index: UInt64, at milliseconds: Int64 = 0) -> Bool {
        log.acknowledge(through: index, now: .milliseconds(milliseconds))
    }

    var hasRoom: Bool { log.hasRoom }
    var digest: FixedBytes32 { log.digest }

    func status(at milliseconds: Int64 = 0) -> MoveLogStatus { log.status(now: .milliseconds(milliseconds)) }
}

/// Keeps a follower where closures of the test macros may reach it.
final class FollowerBox {
    var follower = LogFollower()

    var index: UInt64 { follower.index }
    var digest: FixedBytes32 { follower.digest }

    func replay(_ event: CausalEvent, _ outcome: UInt64, expected: UInt64) -> Bool {
        follower.replayed(event, outcome: outcome, expected: expected)
    }

    /// Replays entries as the source's daemon did.
    func replay(_ entries: some Sequence<LoggedInput>) -> Bool {
        entries.allSatisfy { follower.replayed($0.event, outcome: $0.outcome, expected: $0.outcome) }
    }
}

/// The digest of an empty log.
let emptyLogDigest = FixedBytes32([UInt8](repeating: 0, count: 32))

extension Timestamp {
    static func milliseconds(_ count: Int64) -> Timestamp { Timestamp(nanoseconds: count * 1_000_000) }
}
