import FerryCrypto
import FerryTestKit
import FerryWire
import Testing

@testable import FerryStateMachines

@Suite("A peer with keys cannot do harm") struct HostilePeerTests {
    private func established(_ setup: Pair.Setup = Pair.Setup()) throws -> Pair {
        let pair = try Pair(setup)
        #expect(pair.establish())
        return pair
    }

    /// Hands a plaintext to the responder as if it had been opened.
    ///
    /// - Returns: why the session ends, if it does.
    private func inject(_ plaintext: [UInt8], into pair: Pair) -> SessionCloseReason.Code? {
        var closing: SessionCloseReason?
        _ = pair.responder.session.connection?.process(plaintext.rawSpan, &closing, now: pair.now)
        pair.responder.session.deadlineReached(now: pair.now)
        pair.responder.takeEvents()
        return pair.responder.closeReason?.code ?? closing?.code
    }

    private func varint(_ value: UInt64) -> [UInt8] {
        var writer = RecordWriter(capacity: 8)
        writer.begin(limit: 8)
        writer.append(varint: value)
        return [UInt8](copying: writer.bytes)
    }

    @Test(
        "Malformed records close the session",
        arguments: [
            [], [0x3F], [0x40], [0x02], [0x02, 0x05, 0x00, 0x00, 0x06], [0x06, 0x00, 0x05, 0x01], [0x1C, 0x00, 0x05, 0x41],
            [0x0A, 0x00, 0x00, 0x20, 0x01], [0x04, 0x00], [0x02, 0x3F, 0x00, 0x00, 0x00], [0x08, 0x01, 0x00, 0x01], [0x11, 0x01, 0x05],
            [0x05, 0x01, 0x00],
        ] as [[UInt8]]) func malformed(plaintext: [UInt8]) throws
    {
        let pair = try established()
        #expect(inject(plaintext, into: pair) == .protocolViolation)
        #expect(pair.run { $0.initiator.closeReason != nil })
        #expect(pair.initiator.closeReason?.code == .protocolViolation)
        #expect(pair.initiator.closeReason?.origin == .peer)
    }

    @Test("Random plaintexts never trap", arguments: 0..<200) func random(seed: UInt64) throws {
        let random = SeededRandom(seed: seed)
        let pair = try established()
        for _ in 0..<50 {
            var plaintext = [UInt8](rawCapacity: 1 + Int(random.next() % 60)) { random.fill(&$0) }
            // Mostly known types with small numbers, so that the records behind the first are reached too.
            for index in plaintext.indices where random.next() % 3 != 0 { plaintext[index] &= 0x1F }
            _ = inject(plaintext, into: pair)
        }
        pair.pass(.milliseconds(100))
        #expect(pair.responder.events.filter { if case .closed = $0 { true } else { false } }.count <= 1)
    }

    @Test("A stream's credit may be used up but not exceeded") func streamCredit() throws {
        var setup = Pair.Setup()
        setup.limits.streamWindowByteCount = 8192
        let last = [0x0A] + varint(0) + varint(8191) + [1, 9]
        #expect(inject(last, into: try established(setup)) == nil)
        let beyond = [0x0A] + varint(0) + varint(8192) + [1, 9]
        #expect(inject(beyond, into: try established(setup)) == .flowControl)
    }

    @Test("The connection's credit counts over all streams") func connectionCredit() throws {
        var setup = Pair.Setup()
        setup.limits.streamWindowByteCount = 8192
        setup.limits.connectionWindowByteCount = 8192
        let pair = try established(setup)
        #expect(inject([0x0A] + varint(0) + varint(4095) + [1, 9], into: pair) == nil)
        #expect(inject([0x0A] + varint(2) + varint(4095) + [1, 9], into: pair) == nil)
        #expect(inject([0x0A] + varint(4) + varint(0) + [1, 9], into: pair) == .flowControl)
    }

    @Test("The message credit may not be exceeded") func messageCredit() throws {
        let window = UInt64(SessionLimits().messageReceiveWindowByteCount)
        #expect(inject([0x06] + varint(window + 70_000) + [1, 9], into: try established()) == .flowControl)
        #expect(inject([0x06] + varint(window - 1) + [1, 9], into: try established()) == nil)
    }

    @Test("One stream more than allowed closes the session") func streamLimit() throws {
        var setup = Pair.Setup()
        setup.limits.maximumStreamCount = 4
        #expect(inject([0x0A] + varint(6) + [0, 0], into: try established(setup)) == nil)
        #expect(inject([0x0A] + varint(8) + [0, 0], into: try established(setup)) == .streamLimit)
    }

    @Test("A stream has one end") func streamEnd() throws {
        let pair = try established()
        #expect(inject([0x0B, 0, 2, 1, 9], into: pair) == nil)
        #expect(inject([0x0B, 0, 3, 1, 9], into: pair) == .protocolViolation)
        let other = try established()
        #expect(inject([0x0A, 0, 5, 1, 9], into: other) == nil)
        #expect(inject([0x04, 0, 1, 2], into: other) == .protocolViolation)
    }

    @Test("An acknowledgement of a packet that was never sent closes the session") func unsent() throws {
        #expect(inject([0x02] + varint(1 << 30) + [0, 0, 0], into: try established()) == .protocolViolation)
    }

    @Test("Holes cannot be made without bound") func holes() {
        var buffer = ReceiveBuffer(window: 1 << 20, maximumRangeCount: 16)
        var discarded = 0
        for index in 0..<32 {
            if case .discarded = buffer.receive([1].rawSpan, at: UInt64(index * 2 + 1)) { discarded += 1 }
        }
        #expect(discarded == 16)
        if case .stored(let isNew) = buffer.receive([1].rawSpan, at: 0) { #expect(isNew) }
        #expect(buffer.contiguous == 2)
    }
}

@Suite("The parts of a session do what their sources say") struct SessionPartTests {
    @Test("The replay window tells late from repeated up to 4,096 numbers back") func replayWindow() {
        var window = ReplayWindow()
        window.insert(0)
        #expect(window.isRepeated(0))
        window.insert(5000)
        #expect(window.isRepeated(5001 - 4097))
        #expect(!window.isRepeated(5001 - 4096))
        for number in stride(from: UInt64(1000), to: 5000, by: 3) where !window.isRepeated(number) { window.insert(number) }
        for number in UInt64(1000)..<5000 { #expect(window.isRepeated(number) == (number < 905 || (number - 1000) % 3 == 0)) }
    }

    @Test("Range sets agree with sets", arguments: 0..<20) func rangeSet(seed: UInt64) {
        let random = SeededRandom(seed: seed)
        var ranges = RangeSet64()
        var model = Set<UInt64>()
        for _ in 0..<200 {
            let lower = random.next() % 200
            let range = lower..<lower + random.next() % 20
            if random.next() % 3 == 0 {
                ranges.remove(range)
                model.subtract(range)
            } else {
                ranges.insert(range)
                model.formUnion(range)
            }
            #expect(ranges.ranges.flatMap(Array.init) == model.sorted())
            for (left, right) in zip(ranges.ranges, ranges.ranges.dropFirst()) { #expect(left.upperBound < right.lowerBound) }
        }
    }

    @Test("Integers take the form of RFC 9000 appendix A.1") func varints() {
        let samples: [([UInt8], UInt64)] = [
            ([0xC2, 0x19, 0x7C, 0x5E, 0xFF, 0x14, 0xE8, 0x8C], 151_288_809_941_952_652), ([0x9D, 0x7F, 0x3E, 0x7D], 494_878_333),
            ([0x7B, 0xBD], 15_293), ([0x25], 37),
        ]
        for (bytes, value) in samples {
            var reader = RecordReader(bytes.rawSpan)
            #expect(reader.varint() == value)
            var writer = RecordWriter(capacity: 8)
            writer.begin(limit: 8)
            writer.append(varint: value)
            #expect([UInt8](copying: writer.bytes) == bytes)
        }
    }

    @Test("Round trips are smoothed as RFC 9002 §5.3 says") func roundTrip() {
        var rtt = RttEstimator(initialRtt: .milliseconds(100))
        rtt.update(sample: .milliseconds(40), ackDelay: .zero, now: .zero)
        #expect(rtt.smoothedRtt == .milliseconds(40) && rtt.rttVariance == .milliseconds(20))
        rtt.update(sample: .milliseconds(80), ackDelay: .milliseconds(8), now: .zero)
        #expect(rtt.smoothedRtt == .milliseconds(44))
        #expect(rtt.rttVariance == .milliseconds(23))
        #expect(rtt.minRtt == .milliseconds(40))
    }
}
