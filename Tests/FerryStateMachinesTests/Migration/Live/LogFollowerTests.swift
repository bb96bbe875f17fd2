import FerryStateMachines
import FerryWire
import Testing

@Suite("Log follower") struct LogFollowerTests {
    private let samples = LogSamples()

    private func batch(_ range: ClosedRange<UInt64>) -> BufferedEvents {
        BufferedEvents(
            firstIndex: range.lowerBound, entries: range.map { LoggedInput(event: samples.event($0), outcome: samples.outcome($0)) })
    }

    private func follow(through index: UInt64) -> FollowerBox {
        let box = FollowerBox()
        _ = box.replay(batch(1...index).entries)
        return box
    }

    @Test("repetitions are skipped, gaps and index 0 are not admitted")
    func admission() {
        let follower = follow(through: 3).follower
        #expect(follower.admit(batch(4...6)) == 0..<3)
        #expect(follower.admit(batch(2...5)) == 2..<4)
        #expect(follower.admit(batch(1...3)) == 3..<3)
        #expect(follower.admit(batch(5...6)) == nil)
        #expect(follower.admit(BufferedEvents(firstIndex: 0, entries: [])) == nil)
        #expect(follower.admit(BufferedEvents(firstIndex: .max, entries: batch(1...2).entries)) == nil)
        #expect(LogFollower().admit(batch(1...1)) == 0..<1)
    }

    @Test("the first input whose replay differs is named, and nothing is admitted after it")
    func divergence() {
        let box = follow(through: 2)
        let digest = box.digest
        #expect(!box.replay(samples.event(3), samples.outcome(3) ^ 1, expected: samples.outcome(3)))
        #expect(box.follower.divergence == 3)
        #expect(!box.replay(samples.event(4), samples.outcome(4), expected: samples.outcome(4)))
        #expect(box.follower.divergence == 3)
        #expect(box.follower.admit(batch(5...5)) == nil)
        #expect(box.digest != digest)
    }

    @Test("the digest depends on link, payload, receive time, outcome and order")
    func digest() {
        let event = samples.event(1)
        var variants = [event, event, event, event]
        variants[1].link.sequence = 2
        variants[2].payload = []
        variants[3].receivedAt += 1
        var digests: Set<FixedBytes32> = []
        for variant in variants {
            var follower = LogFollower()
            _ = follower.replayed(variant, outcome: 5, expected: 5)
            digests.insert(follower.digest)
        }
        var other = LogFollower()
        _ = other.replayed(event, outcome: 6, expected: 6)
        digests.insert(other.digest)
        #expect(digests.count == 5)
        var (left, right) = (LogFollower(), LogFollower())
        for index in [UInt64(1), 2] { _ = left.replayed(samples.event(index), outcome: 1, expected: 1) }
        for index in [UInt64(2), 1] { _ = right.replayed(samples.event(index), outcome: 1, expected: 1) }
        #expect(left.digest != right.digest)
    }

    @Test("an outcome depends on the input, the kind of error, and every output and delivery with its destination, in order")
    func outcomes() {
        let link = samples.event(1).link
        var outcomes: Set<UInt64> = [
            InputOutcome(link: link, failure: nil).hash, InputOutcome(link: link, failure: "").hash,
            InputOutcome(link: link, failure: "Mistake").hash, InputOutcome(link: samples.event(2).link, failure: nil).hash,
        ]
        func add(_ body: (inout InputOutcome) -> Void) {
            var outcome = InputOutcome(link: link, failure: nil)
            body(&outcome)
            outcomes.insert(outcome.hash)
        }
        let (one, two) = (OriginHash(rawValue: 1), OriginHash(rawValue: 2))
        add { $0.output([1]) }
        add { $0.output([1, 2]) }
        add { $0.output([]) }
        add { $0.delivery(to: one, [1]) }
        add { $0.delivery(to: two, [1]) }
        add { $0.binding([1]) }
        add {
            $0.output([1])
            $0.delivery(to: one, [1])
        }
        add {
            $0.delivery(to: one, [1])
            $0.output([1])
        }
        #expect(outcomes.count == 12)
    }
}
