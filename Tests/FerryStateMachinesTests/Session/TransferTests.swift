import FerryCrypto
import FerryStateMachines
import FerryWire
import Testing

@Suite("Sessions carry data") struct TransferTests {
    @Test("Two machines establish and know each other") func establishes() throws {
        let pair = try Pair()
        #expect(pair.establish())
        #expect(pair.initiator.session.peer?.nodeKey == pair.responderIdentity.nodeKey)
        #expect(pair.responder.session.peer?.nodeKey == pair.initiatorIdentity.nodeKey)
        #expect(pair.initiator.session.peer?.staticKey == pair.responderIdentity.staticPublicKey)
        #expect(pair.initiator.session.peer?.compressorIDs == [2, 0])
    }

    @Test("64 MiB arrive whole whatever the link loses", arguments: [0, 50, 300]) func streams(loss: Int) throws {
        var setup = Pair.Setup()
        setup.conditions = .losing(loss)
        setup.link.safeFrameByteCount = 16_384
        setup.link.maximumFrameByteCount = 16_384
        let pair = try Pair(setup)
        #expect(pair.establish())
        try transfer(pair, byteCount: 64 << 20)
    }

    @Test("A stream arrives whole under every kind of trouble at once", arguments: 0..<4) func trouble(seed: UInt64) throws {
        var setup = Pair.Setup()
        setup.seed = seed
        setup.conditions = Conditions(jitter: .milliseconds(15), loss: 50, duplication: 50, corruption: 20)
        let pair = try Pair(setup)
        #expect(pair.establish())
        try transfer(pair, byteCount: 1 << 20)
        #expect(pair.responder.session.statistics.rejectedFrameCount > 0)
        #expect(pair.responder.session.statistics.repeatedFrameCount > 0)
    }

    @Test("Frames that overtake each other are not taken for lost for long, and no window stays cut", arguments: [5, 15])
    func reordering(jitter: Int) throws {
        var setup = Pair.Setup()
        setup.link.safeFrameByteCount = 1452
        setup.conditions = Conditions(delay: .milliseconds(1), jitter: .milliseconds(jitter))
        let pair = try Pair(setup)
        #expect(pair.establish())
        let begin = pair.now
        try transfer(pair, byteCount: 8 << 20)
        let statistics = pair.initiator.session.statistics
        #expect(pair.now - begin < .seconds(1), "\(pair.now - begin)")
        #expect(statistics.lostFrameCount * 20 < statistics.sentFrameCount, "\(statistics)")
        #expect(statistics.congestionWindowByteCount >= setup.congestion.initialWindowByteCount, "\(statistics)")
    }

    @Test("Loss on a path that reorders still cuts the window, and is made good") func reorderingAndLoss() throws {
        var setup = Pair.Setup()
        setup.conditions = Conditions(delay: .milliseconds(1), jitter: .milliseconds(15), loss: 50)
        let pair = try Pair(setup)
        #expect(pair.establish())
        try transfer(pair, byteCount: 8 << 20)
        let statistics = pair.initiator.session.statistics
        #expect(statistics.congestionWindowByteCount < 256 << 10, "\(statistics)")
    }

    @Test("Keys change in mid-transfer without a gap") func keyUpdate() throws {
        var setup = Pair.Setup()
        setup.conditions = Conditions(jitter: .milliseconds(10), loss: 20)
        let pair = try Pair(setup)
        #expect(pair.establish())
        // Farther apart than any frame is late: of older keys only the last are kept.
        var due = pair.now
        var isInitiatorsTurn = true
        try transfer(pair, byteCount: 4 << 20) { pair in
            guard due <= pair.now else { return }
            if isInitiatorsTurn { pair.initiator.session.updateKeys() } else { pair.responder.session.updateKeys() }
            isInitiatorsTurn.toggle()
            due = pair.now + .milliseconds(80)
        }
        #expect(pair.initiator.session.statistics.keyUpdateCount > 3)
        #expect(pair.initiator.session.statistics.rejectedFrameCount == 0)
    }

    @Test("Frames travel at the largest size that the path carries") func pathMTU() throws {
        var setup = Pair.Setup()
        setup.link.maximumFrameByteCount = 65_000
        setup.conditions.carriedByteCount = 9000
        let pair = try Pair(setup)
        #expect(pair.establish())
        try transfer(pair, byteCount: 4 << 20)
        #expect(pair.initiator.session.currentFrameByteCount == 8952)
    }

    @Test("A path that begins to swallow large frames is noticed and survived") func blackHole() throws {
        var setup = Pair.Setup()
        setup.link.maximumFrameByteCount = 8192
        let pair = try Pair(setup)
        #expect(pair.establish())
        pair.pass(.seconds(2))
        #expect(pair.initiator.session.currentFrameByteCount == 8192)
        pair.initiator.outgoing.conditions.carriedByteCount = 1400
        try transfer(pair, byteCount: 1 << 20)
        #expect(pair.initiator.session.currentFrameByteCount == 1200)
    }

    @Test("Full frames of a burst have one size") func equalFrames() throws {
        var setup = Pair.Setup()
        setup.link.maximumFrameByteCount = 1200
        let pair = try Pair(setup)
        #expect(pair.establish())
        let before = pair.initiator.outgoing.sentCount
        pair.initiator.outgoing.record = []
        try transfer(pair, byteCount: 1 << 20)
        let sizes = (pair.initiator.outgoing.record ?? []).map(\.count)
        #expect(sizes.filter { $0 == 1200 }.count > (sizes.count * 95) / 100)
        #expect(sizes.allSatisfy { $0 <= 1200 })
        #expect(pair.initiator.outgoing.sentCount > before)
    }

    private func transfer(_ pair: Pair, byteCount: Int, _ each: ((Pair) -> Void)? = nil) throws {
        var writer = PatternWriter(stream: try pair.initiator.session.openStream(), byteCount: byteCount)
        var reader = PatternReader(stream: writer.stream)
        var problem: (any Error)?
        pair.application = { pair in
            each?(pair)
            do {
                try writer.advance(&pair.initiator.session)
                if pair.responder.events.contains(.streamOpened(reader.stream)) { try reader.advance(&pair.responder.session) }
            } catch {
                problem = error
            }
        }
        let isDone = pair.run(for: .seconds(36_000)) { pair in
            reader.isFinished && pair.initiator.events.contains(.streamFinished(writer.stream)) || problem != nil
        }
        #expect(isDone)
        #expect(problem == nil)
        #expect(reader.isCorrect)
        #expect(reader.read == byteCount)
        #expect(pair.initiator.closeReason == nil)
    }
}
