import FerryCrypto
import FerryWire
import Testing

@Suite("The handshake as a machine")
struct NoiseHandshakeTests {
    private let ours: NodeIdentity
    private let theirs: NodeIdentity
    private let crypto = NamedProvider.sodium.crypto

    init() throws {
        ours = try NodeIdentity.generate(crypto: crypto)
        theirs = try NodeIdentity.generate(crypto: crypto)
    }

    private func initiator(suite: AEADAlgorithm = .chaCha20Poly1305, prologue: String = "p") throws -> NoiseHandshake {
        let prologue = Array(prologue.utf8)
        return try NoiseHandshake(
            role: .initiator, suite: suite, prologue: prologue.rawSpan, identity: ours, crypto: crypto, random: crypto.random)
    }

    private func responder(suite: AEADAlgorithm = .chaCha20Poly1305, prologue: String = "p") throws -> NoiseHandshake {
        let prologue = Array(prologue.utf8)
        return try NoiseHandshake(
            role: .responder, suite: suite, prologue: prologue.rawSpan, identity: theirs, crypto: crypto, random: crypto.random)
    }

    @Test("both sides learn the other's static key and agree on hash and secrets", arguments: AEADAlgorithm.allCases)
    func bothSidesAgree(suite: AEADAlgorithm) throws {
        var initiator = try initiator(suite: suite)
        var responder = try responder(suite: suite)
        #expect(initiator.isWriting && !responder.isWriting)
        #expect(try responder.readPayload(initiator.written([1])) == [1])
        #expect(try initiator.readPayload(responder.written([2, 2])) == [2, 2])
        #expect(initiator.remoteStaticPublicKey == theirs.staticPublicKey)
        #expect(responder.remoteStaticPublicKey == nil)
        #expect(try responder.readPayload(initiator.written([])) == [])
        #expect(responder.remoteStaticPublicKey == ours.staticPublicKey)
        #expect(initiator.isFinished && responder.isFinished && !initiator.isWriting && !responder.isWriting)
        #expect(initiator.handshakeHash == responder.handshakeHash)
        let left = try initiator.split()
        let right = try responder.split()
        #expect(left.initiatorToResponder.copiedForTest() == right.initiatorToResponder.copiedForTest())
        #expect(left.responderToInitiator.copiedForTest() == right.responderToInitiator.copiedForTest())
        #expect(left.initiatorToResponder.copiedForTest() != left.responderToInitiator.copiedForTest())
    }

    @Test("a forged message changes nothing: the genuine one is still read")
    func forgedMessagesChangeNothing() throws {
        var initiator = try initiator()
        var responder = try responder()
        _ = try responder.readPayload(initiator.written([]))
        let second = try responder.written([9])
        let hash = initiator.handshakeHash
        for offset in second.indices {
            var forged = second
            forged[offset] ^= 0x01
            expectFailure(.authenticationFailed) { _ = try initiator.readPayload(forged) }
            #expect(initiator.remoteStaticPublicKey == nil)
            #expect(initiator.handshakeHash == hash)
        }
        #expect(try initiator.readPayload(second) == [9])
        let third = try initiator.written([8])
        for offset in third.indices {
            var forged = third
            forged[offset] ^= 0x80
            expectFailure(.authenticationFailed) { _ = try responder.readPayload(forged) }
            #expect(responder.remoteStaticPublicKey == nil)
        }
        #expect(try responder.readPayload(third) == [8])
        #expect(initiator.handshakeHash == responder.handshakeHash)
    }

    @Test("every truncation is refused")
    func truncationsAreRefused() throws {
        var initiator = try initiator()
        var responder = try responder()
        let first = try initiator.written([])
        #expect(first.count == 32)
        for byteCount in 0..<first.count { expectFailure(.handshake) { _ = try responder.readPayload(Array(first.prefix(byteCount))) } }
        _ = try responder.readPayload(first)
        let second = try responder.written([1, 2, 3])
        #expect(second.count == 96 + 3)
        for byteCount in 0..<96 { expectFailure(.handshake) { _ = try initiator.readPayload(Array(second.prefix(byteCount))) } }
        for byteCount in 96..<99 { expectFailure(.authenticationFailed) { _ = try initiator.readPayload(Array(second.prefix(byteCount))) } }
        _ = try initiator.readPayload(second)
        let third = try initiator.written([])
        #expect(third.count == 64)
        for byteCount in 0..<64 { expectFailure(.handshake) { _ = try responder.readPayload(Array(third.prefix(byteCount))) } }
        _ = try responder.readPayload(third)
    }

    @Test("calls out of turn are errors")
    func outOfTurn() throws {
        var initiator = try initiator()
        var responder = try responder()
        expectFailure(.handshake) { _ = try initiator.readPayload([UInt8](repeating: 0, count: 200)) }
        expectFailure(.handshake) { _ = try responder.written([]) }
        let first = try initiator.written([])
        expectFailure(.handshake) { _ = try initiator.written([]) }
        _ = try responder.readPayload(first)
        expectFailure(.handshake) { _ = try responder.readPayload(first) }
        _ = try initiator.readPayload(responder.written([]))
        _ = try responder.readPayload(initiator.written([]))
        expectFailure(.handshake) { _ = try initiator.written([]) }
        expectFailure(.handshake) { _ = try responder.readPayload(first) }
        #expect(initiator.isFinished && responder.isFinished)
    }

    @Test("a handshake cannot be split before its end")
    func splitTooEarly() throws {
        expectFailure(.handshake) { _ = try initiator().split() }
    }

    @Test("a changed prologue or suite ends at the first encrypted message")
    func differentPrologueOrSuite() throws {
        for change in [("offer: B", AEADAlgorithm.chaCha20Poly1305), ("offer: A, B", .aes256GCM)] {
            var initiator = try initiator(prologue: "offer: A, B")
            var responder = try responder(suite: change.1, prologue: change.0)
            _ = try responder.readPayload(initiator.written([]))
            let second = try responder.written([])
            expectFailure(.authenticationFailed) { _ = try initiator.readPayload(second) }
        }
    }

    @Test("an ephemeral key of small order is refused and the handshake goes on")
    func smallOrderEphemeral() throws {
        var initiator = try initiator()
        var responder = try responder()
        _ = try responder.readPayload(initiator.written([]))
        expectFailure(.invalidKey) { _ = try initiator.readPayload([UInt8](repeating: 0, count: 96)) }
        #expect(try initiator.readPayload(responder.written([4])) == [4])
    }

    @Test("a small-order ephemeral key in the first message leaves no half answer behind")
    func smallOrderFirstMessage() throws {
        var responder = try responder()
        _ = try responder.readPayload([UInt8](repeating: 0, count: 32))
        let answer = [UInt8](rawCapacity: 200) { output in
            expectFailure(.invalidKey) { try responder.writeMessage(payload: [UInt8]().rawSpan, into: &output) }
        }
        #expect(answer.isEmpty)
    }

    @Test("an output one byte short is refused and the message can be written and read again")
    func outputTooSmall() throws {
        var initiator = try initiator()
        var responder = try responder()
        let payload: [UInt8] = [1, 2, 3, 4]
        for (message, overhead) in [(0, 32), (1, 96), (2, 64)] {
            let fromInitiator = message != 1
            expectFailure(.bufferTooSmall) {
                _ = try [UInt8](rawCapacity: overhead + 3) {
                    if fromInitiator {
                        try initiator.writeMessage(payload: payload.rawSpan, into: &$0)
                    } else {
                        try responder.writeMessage(payload: payload.rawSpan, into: &$0)
                    }
                }
            }
            let written = fromInitiator ? try initiator.written(payload) : try responder.written(payload)
            expectFailure(.bufferTooSmall) {
                _ = try [UInt8](rawCapacity: 3) {
                    if fromInitiator {
                        try responder.readMessage(written.rawSpan, payloadInto: &$0)
                    } else {
                        try initiator.readMessage(written.rawSpan, payloadInto: &$0)
                    }
                }
            }
            #expect(try (fromInitiator ? responder.readPayload(written) : initiator.readPayload(written)) == payload)
        }
    }

    @Test("a message has at most 65,535 bytes")
    func messageLimit() throws {
        var initiator = try initiator()
        var responder = try responder()
        let limit = NoiseHandshake.maximumMessageByteCount
        expectFailure(.handshake) { _ = try initiator.written([UInt8](repeating: 0, count: limit - 31)) }
        let first = try initiator.written([UInt8](repeating: 0, count: limit - 32))
        #expect(first.count == limit)
        expectFailure(.handshake) { _ = try responder.readPayload(first + [0]) }
        #expect(try responder.readPayload(first).count == limit - 32)
    }

    @Test("every secret is released, also after failures")
    func secretsAreReleased() throws {
        for provider in NamedProvider.all {
            let allocator = CountingAllocator()
            var crypto = provider.crypto
            crypto.secrets = allocator
            try exchange(crypto)
            #expect(allocator.liveCount == 0)
        }
    }

    private func exchange(_ crypto: CryptoProvider) throws {
        let left = try NodeIdentity.generate(crypto: crypto)
        let right = try NodeIdentity.generate(crypto: crypto)
        let empty = [UInt8]()
        var initiator = try NoiseHandshake(
            role: .initiator, suite: .aes256GCM, prologue: empty.rawSpan, identity: left, crypto: crypto, random: crypto.random)
        var responder = try NoiseHandshake(
            role: .responder, suite: .aes256GCM, prologue: empty.rawSpan, identity: right, crypto: crypto, random: crypto.random)
        _ = try responder.readPayload(initiator.written([]))
        expectFailure(.authenticationFailed) { _ = try initiator.readPayload([UInt8](repeating: 9, count: 120)) }
        _ = try initiator.readPayload(responder.written([]))
        _ = try responder.readPayload(initiator.written([]))
        let keys = try initiator.split()
        let secret = try TrafficSecret(keys.initiatorToResponder.copy(), crypto: crypto)
        _ = try secret.next().makeCipher(crypto.aead(for: .aes256GCM))
    }
}
