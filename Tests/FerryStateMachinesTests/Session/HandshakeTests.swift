import FerryCrypto
import FerrySodium
import FerryStateMachines
import FerryTestKit
import FerryWire
import Testing

@Suite("Handshakes prove both sides or fail") struct HandshakeTests {
    @Test("Establishes under loss, repetition, reordering and damage", arguments: 0..<20) func adversity(seed: UInt64) throws {
        var setup = Pair.Setup()
        setup.seed = seed
        setup.conditions = Conditions(jitter: .milliseconds(40), loss: 200, duplication: 200, corruption: 30)
        setup.timing.handshakeTimeout = .seconds(60)
        let pair = try Pair(setup)
        #expect(pair.establish(within: .seconds(60)))
        #expect(pair.initiator.closeReason == nil)
    }

    @Test("Establishes over a link that loses nothing") func streamLink() throws {
        var setup = Pair.Setup()
        setup.link = Pair.streamLink
        setup.conditions.isOrdered = true
        let pair = try Pair(setup)
        #expect(pair.establish())
        #expect(pair.initiator.session.currentFrameByteCount == 65_536)
    }

    @Test("A peer with another key than the dialled one is left before anything is said") func wrongKey() throws {
        var setup = Pair.Setup()
        setup.isExpectingWrongKey = true
        let pair = try Pair(setup)
        #expect(!pair.establish())
        #expect(pair.initiator.closeReason?.code == .wrongPeer)
        #expect(pair.responder.closeReason?.code == .timedOut)
        #expect(pair.responder.session.peer == nil)
    }

    @Test("A node that the policy does not admit is told so and let go") func notAdmitted() throws {
        var setup = Pair.Setup()
        setup.policy = .nodes([])
        let pair = try Pair(setup)
        #expect(!pair.establish())
        #expect(pair.responder.closeReason?.code == .notAdmitted)
        #expect(pair.initiator.closeReason?.code == .notAdmitted)
        #expect(pair.initiator.closeReason?.origin == .peer)
    }

    @Test("An answer altered in flight breaks the handshake instead of lowering the suite") func downgrade() throws {
        for isStream in [false, true] {
            var setup = Pair.Setup()
            if isStream { setup.link = Pair.streamLink }
            let pair = try Pair(setup)
            pair.responder.outgoing.tamper = { frame in
                // Answer: type, attempt, version, suite: claim that only the last suite is known.
                guard frame[0] == 2 else { return }
                frame[19] = AEADAlgorithm.chaCha20Poly1305.rawValue
            }
            let isCommon = CryptoProvider.sodium.aeads.count == 2
            #expect(pair.establish() == !isCommon)
            #expect(pair.initiator.session.peer == nil || !isCommon)
        }
    }

    @Test("Without a common suite both sides stop") func noCommonSuite() throws {
        var setup = Pair.Setup()
        setup.initiatorCrypto = { $0.aeads = $0.aeads.filter { $0.algorithm == .chaCha20Poly1305 } }
        let pair = try Pair(setup)
        #expect(pair.establish())
        let other = try Pair(setup)
        other.initiator.outgoing.tamper = { frame in
            guard frame[0] == 1 else { return }
            frame[8] = 99
        }
        #expect(!other.establish())
        #expect(other.initiator.closeReason?.code == .incompatible)
    }

    @Test("A silent peer times out just at the handshake timeout") func silence() throws {
        var setup = Pair.Setup()
        setup.conditions = .losing(1000)
        let pair = try Pair(setup)
        let end = pair.now + setup.timing.handshakeTimeout
        pair.flush()
        pair.initiator.session.deadlineReached(now: end - .nanoseconds(1))
        pair.initiator.takeEvents()
        #expect(pair.initiator.closeReason == nil)
        pair.initiator.session.deadlineReached(now: end)
        pair.initiator.takeEvents()
        #expect(pair.initiator.closeReason?.code == .timedOut)
        #expect(pair.initiator.session.nextDeadline == nil)
    }

    @Test("An unproved peer gets at most three times what it sent") func amplification() throws {
        let pair = try Pair()
        pair.initiator.outgoing.tamper = { frame in
            // The third message never arrives: the address stays unproved.
            if frame[0] >= 5 { frame = [] }
        }
        pair.run(for: .seconds(9)) { _ in false }
        #expect(pair.responder.outgoing.sentByteCount > 0)
        #expect(pair.responder.outgoing.sentByteCount <= 3 * pair.initiator.outgoing.sentByteCount)
        #expect(pair.initiator.outgoing.sentCount > 2)
    }

    @Test("First frames below 1,200 bytes get no answer on spoofable links") func smallFirstFrame() throws {
        let pair = try Pair()
        pair.initiator.outgoing.tamper = { $0.removeLast($0.count - min($0.count, 1199)) }
        #expect(!pair.establish())
        #expect(pair.responder.outgoing.sentCount == 0)
    }

    @Test("A cookie is good for its address and its time, and establishes") func cookie() throws {
        let pair = try Pair()
        let mint = CookieMint(secret: SeededRandom(seed: 7).next(), crypto: .sodium)
        let address = Array("udp:192.0.2.1:4747".utf8)
        let other = Array("udp:192.0.2.2:4747".utf8)
        let offer = [UInt8](rawCapacity: 2000) { _ = pair.initiator.session.nextFrame(into: &$0, now: pair.now) }
        let reply = [UInt8](rawCapacity: 3 * 1200) { _ = mint.reply(to: offer.rawSpan, from: address.rawSpan, now: pair.now, into: &$0) }
        #expect(!reply.isEmpty && reply.count <= 160)
        pair.initiator.session.receive(reply.rawSpan, now: pair.now)
        let first = [UInt8](rawCapacity: 2000) { _ = pair.initiator.session.nextFrame(into: &$0, now: pair.now) }
        #expect(proves(mint, first, address, pair.now))
        #expect(proves(mint, first, address, pair.now + CookieMint.period))
        #expect(!proves(mint, first, address, pair.now + CookieMint.period * 2))
        #expect(!proves(mint, first, other, pair.now))
        #expect(!proves(mint, offer, address, pair.now))
        let stranger = CookieMint(secret: SeededRandom(seed: 8).next(), crypto: .sodium)
        #expect(!proves(stranger, first, address, pair.now))
        pair.responder.session.receive(first.rawSpan, now: pair.now)
        #expect(pair.establish())
    }

    private func proves(_ mint: CookieMint, _ frame: [UInt8], _ address: [UInt8], _ now: Timestamp) -> Bool {
        mint.isProved(frame.rawSpan, from: address.rawSpan, now: now)
    }

    @Test("Every limit of the configuration is checked at birth") func configuration() throws {
        var setup = Pair.Setup()
        setup.limits.maximumMessageByteCount = 16 << 20
        setup.limits.messageSendBufferByteCount = (16 << 20) + 4
        setup.limits.messageReceiveWindowByteCount = (16 << 20) + 4
        _ = try Pair(setup)
        setup.limits.maximumMessageByteCount += 1
        #expect(throws: SessionError.self) { _ = try Pair(setup) }
        var small = Pair.Setup()
        small.link.safeFrameByteCount = 1199
        #expect(throws: SessionError.self) { _ = try Pair(small) }
    }
}
