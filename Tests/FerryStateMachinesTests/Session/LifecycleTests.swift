import FerryCrypto
import FerryStateMachines
import FerryTestKit
import FerryWire
import Testing

@Suite("Sessions end in order") struct LifecycleTests {
    private func established(_ setup: Pair.Setup = Pair.Setup()) throws -> Pair {
        let pair = try Pair(setup)
        #expect(pair.establish())
        return pair
    }

    @Test("The peer learns the reason of a close") func close() throws {
        let pair = try established()
        pair.initiator.session.close(SessionCloseReason(.normal, "done here"), now: pair.now)
        pair.initiator.session.close(SessionCloseReason(.protocolViolation, "too late"), now: pair.now)
        #expect(pair.run { $0.responder.closeReason != nil })
        #expect(pair.responder.closeReason == SessionCloseReason(.normal, "done here", origin: .peer))
        #expect(pair.initiator.closeReason == SessionCloseReason(.normal, "done here"))
        #expect(pair.run { $0.initiator.session.nextDeadline == nil && $0.responder.session.nextDeadline == nil })
        #expect(throws: SessionError.self) { try pair.initiator.send([1]) }
    }

    @Test("Both sides may close at once") func simultaneous() throws {
        let pair = try established()
        pair.initiator.session.close(SessionCloseReason(.normal, "left"), now: pair.now)
        pair.responder.session.close(SessionCloseReason(.normal, "right"), now: pair.now)
        pair.run(for: .seconds(60)) { _ in false }
        #expect(pair.initiator.closeReason?.text == "left")
        #expect(pair.responder.closeReason?.text == "right")
        #expect(pair.initiator.events.filter { if case .closed = $0 { true } else { false } }.count == 1)
        #expect(pair.initiator.outgoing.sentCount < 100)
    }

    @Test("A close whose first frame is lost is repeated, ever more rarely") func lostClose() throws {
        let pair = try established()
        pair.initiator.outgoing.conditions.loss = 1000
        pair.initiator.session.close(SessionCloseReason(.normal, "bye"), now: pair.now)
        pair.flush()
        pair.initiator.outgoing.conditions.loss = 0
        let id = try pair.responder.open()
        _ = try pair.responder.write([1], to: id)
        #expect(pair.run(for: .milliseconds(500)) { $0.responder.closeReason?.code == .normal })
    }

    @Test("Messages that arrived before a close stay readable") func readable() throws {
        let pair = try established()
        try pair.initiator.send([4, 2])
        #expect(pair.run { $0.responder.events.contains(.messagesReadable) })
        pair.initiator.session.close(SessionCloseReason(.normal, ""), now: pair.now)
        #expect(pair.run { $0.responder.closeReason != nil })
        var message: [UInt8] = []
        #expect(pair.responder.take(&message))
        #expect(message == [4, 2])
    }

    @Test("A silent peer is given up at the idle timeout and not before") func idle() throws {
        var setup = Pair.Setup()
        setup.timing.keepAliveInterval = nil
        let pair = try established(setup)
        pair.pass(.seconds(1))
        pair.initiator.outgoing.conditions.loss = 1000
        pair.responder.outgoing.conditions.loss = 1000
        guard let due = pair.initiator.session.nextDeadline else {
            Issue.record("no idle deadline")
            return
        }
        pair.initiator.session.deadlineReached(now: due - .nanoseconds(1))
        pair.initiator.takeEvents()
        #expect(pair.initiator.closeReason == nil)
        pair.initiator.session.deadlineReached(now: due)
        pair.initiator.takeEvents()
        #expect(pair.initiator.closeReason?.code == .timedOut)
    }

    @Test("The shorter idle timeout of both sides counts") func shorterIdle() throws {
        var setup = Pair.Setup()
        setup.timing.keepAliveInterval = nil
        setup.timing.idleTimeout = .seconds(3)
        let pair = try established(setup)
        let start = pair.now
        #expect(pair.run { $0.initiator.closeReason != nil })
        #expect(pair.now - start <= .seconds(4))
    }

    @Test("Keep-alive holds an idle session open") func keepAlive() throws {
        let pair = try established()
        let before = pair.initiator.outgoing.sentCount
        pair.run(for: .seconds(600)) { _ in false }
        #expect(pair.initiator.closeReason == nil)
        #expect(pair.responder.closeReason == nil)
        #expect(pair.initiator.outgoing.sentCount - before < 200)
    }

    @Test("A dead link ends an active session at the idle timeout") func deadLink() throws {
        let pair = try established()
        let id = try pair.initiator.open()
        _ = try pair.initiator.write([UInt8](repeating: 1, count: 100_000), to: id)
        pair.initiator.outgoing.conditions.loss = 1000
        pair.responder.outgoing.conditions.loss = 1000
        let start = pair.now
        #expect(pair.run(for: .seconds(120)) { $0.initiator.closeReason != nil })
        #expect(pair.initiator.closeReason?.code == .timedOut)
        #expect(pair.now - start <= .seconds(31))
    }

    @Test("Replayed frames change nothing") func replay() throws {
        let pair = try established()
        pair.initiator.outgoing.record = []
        for number in 0..<50 { try pair.initiator.send([UInt8(number)]) }
        pair.pass(.seconds(1))
        var message: [UInt8] = []
        while pair.responder.take(&message) {}
        let before = pair.responder.session.statistics
        for _ in 0..<3 {
            for frame in pair.initiator.outgoing.record ?? [] { pair.responder.session.receive(frame.rawSpan, now: pair.now) }
        }
        #expect(!pair.responder.take(&message))
        #expect(pair.responder.session.statistics.repeatedFrameCount > before.repeatedFrameCount)
        #expect(pair.responder.session.statistics.receivedFrameCount == before.receivedFrameCount)
    }

    @Test("Frames of an earlier session are never accepted in a later one") func earlierSession() throws {
        let first = try established()
        first.initiator.outgoing.record = []
        try first.initiator.send([1])
        first.pass(.seconds(1))
        var setup = Pair.Setup()
        setup.seed = 2
        let second = try established(setup)
        let before = second.responder.session.statistics.receivedFrameCount
        for frame in first.initiator.outgoing.record ?? [] { second.responder.session.receive(frame.rawSpan, now: second.now) }
        #expect(second.responder.session.statistics.receivedFrameCount == before)
        #expect(second.responder.closeReason == nil)
    }

    @Test("No bytes trap: random, cut and altered frames in every state", arguments: 0..<10) func hostileBytes(seed: UInt64) throws {
        let random = SeededRandom(seed: seed)
        var setup = Pair.Setup()
        setup.seed = seed
        let pair = try Pair(setup)
        func shower(_ end: End, _ samples: [[UInt8]]) {
            for _ in 0..<200 {
                var frame = [UInt8](rawCapacity: Int(random.next() % 1500)) { random.fill(&$0) }
                if !samples.isEmpty, random.next() % 4 != 0 {
                    frame = samples[Int(random.next() % UInt64(samples.count))]
                    if random.next() % 2 == 0 {
                        frame.removeLast(Int(random.next() % UInt64(frame.count)))
                    } else {
                        frame[Int(random.next() % UInt64(frame.count))] ^= UInt8(1 + random.next() % 255)
                    }
                }
                end.session.receive(frame.rawSpan, now: pair.now)
            }
        }
        pair.initiator.outgoing.record = []
        pair.responder.outgoing.record = []
        shower(pair.initiator, [])
        shower(pair.responder, [])
        #expect(pair.establish())
        try pair.initiator.send([1, 2, 3])
        pair.pass(.milliseconds(100))
        shower(pair.initiator, pair.responder.outgoing.record ?? [])
        shower(pair.responder, pair.initiator.outgoing.record ?? [])
        #expect(pair.initiator.closeReason == nil)
        #expect(pair.responder.closeReason == nil)
        try pair.initiator.send([4])
        pair.pass(.seconds(1))
        var message: [UInt8] = []
        var count = 0
        while pair.responder.take(&message) { count += 1 }
        #expect(count == 2)
        pair.initiator.session.close(SessionCloseReason(.normal, ""), now: pair.now)
        shower(pair.initiator, pair.responder.outgoing.record ?? [])
    }
}
