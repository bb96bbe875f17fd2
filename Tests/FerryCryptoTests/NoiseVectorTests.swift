import FerryCrypto
import FerryWire
import Testing

private struct NoiseFile: Decodable {
    struct Message: Decodable, Sendable {
        let payload: String
        let ciphertext: String
    }

    struct Vector: Decodable, Sendable {
        let source: String
        let protocolName: String
        let initPrologue: String
        let initStatic: String
        let initEphemeral: String
        let respStatic: String
        let respEphemeral: String
        let handshakeHash: String?
        let messages: [Message]

        var suite: AEADAlgorithm { protocolName.contains("AESGCM") ? .aes256GCM : .chaCha20Poly1305 }
    }

    let vectors: [Vector]
}

@Suite("Published vectors of Noise XX")
struct NoiseVectorTests {
    @Test("every message, the handshake hash and the transport keys match", arguments: ProviderPair.all)
    func publishedVectorsMatch(pair: ProviderPair) throws {
        let file: NoiseFile = try vectorFile("noise-xx.json")
        #expect(file.vectors.count == 4)
        for vector in file.vectors { try check(vector, pair) }
    }

    private func check(_ vector: NoiseFile.Vector, _ pair: ProviderPair) throws {
        let prologue = try hex(vector.initPrologue)
        var initiator = try NoiseHandshake(
            role: .initiator, suite: vector.suite, prologue: prologue.rawSpan,
            identity: pair.left.crypto.identity(staticSecret: vector.initStatic), crypto: pair.left.crypto,
            random: FixedRandom(bytes: hex(vector.initEphemeral)))
        var responder = try NoiseHandshake(
            role: .responder, suite: vector.suite, prologue: prologue.rawSpan,
            identity: pair.right.crypto.identity(staticSecret: vector.respStatic), crypto: pair.right.crypto,
            random: FixedRandom(bytes: hex(vector.respEphemeral)))
        for (index, message) in vector.messages.prefix(3).enumerated() {
            let payload = try hex(message.payload)
            let written: [UInt8]
            let read: [UInt8]
            if index == 1 {
                written = try responder.written(payload)
                read = try initiator.readPayload(written)
            } else {
                written = try initiator.written(payload)
                read = try responder.readPayload(written)
            }
            #expect(written.hex == message.ciphertext, "\(vector.source) message \(index)")
            #expect(read == payload)
        }
        #expect(initiator.handshakeHash == responder.handshakeHash)
        if let expected = vector.handshakeHash { #expect(initiator.handshakeHash.hex == expected) }
        let leftKeys = try initiator.split()
        let rightKeys = try responder.split()
        let toResponder = try pair.left.crypto.aead(for: vector.suite).makeCipher(key: leftKeys.initiatorToResponder)
        let toInitiator = try pair.right.crypto.aead(for: vector.suite).makeCipher(key: rightKeys.responderToInitiator)
        var counters: [UInt64] = [0, 0]
        for (index, message) in vector.messages.enumerated().dropFirst(3) {
            let fromResponder = index % 2 == 1
            let sealed = try (fromResponder ? toInitiator : toResponder).sealed(
                hex(message.payload), nonce: vector.suite.nonce(counter: counters[index % 2]))
            counters[index % 2] += 1
            #expect(sealed.hex == message.ciphertext, "\(vector.source) message \(index)")
        }
    }
}

extension NoiseHandshake {
    mutating func written(_ payload: [UInt8]) throws(CryptoFailure) -> [UInt8] {
        try [UInt8](rawCapacity: payload.count + overheadByteCount) { output throws(CryptoFailure) in
            try writeMessage(payload: payload.rawSpan, into: &output)
        }
    }

    mutating func readPayload(_ message: [UInt8]) throws(CryptoFailure) -> [UInt8] {
        try [UInt8](rawCapacity: message.count) { output throws(CryptoFailure) in
            try readMessage(message.rawSpan, payloadInto: &output)
        }
    }
}
