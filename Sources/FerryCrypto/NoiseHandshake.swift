public import FerryWire

/// Which side of a handshake a node is on.
public enum HandshakeRole: Sendable {
    /// Opens the link and sends the first message.
    case initiator
    /// Answers.
    case responder
}

/// The two traffic secrets that a handshake ends with.
public struct NoiseKeys: ~Copyable, Sendable {
    /// Protects what the initiator sends.
    public let initiatorToResponder: SecretBytes
    /// Protects what the responder sends.
    public let responderToInitiator: SecretBytes
}

/// Noise_XX_25519_{AESGCM|ChaChaPoly}_SHA256 (Noise revision 34) as a pure machine.
///
/// The pattern: `-> e`, `<- e, ee, s, es`, `-> s, se`. States: message 0, 1 and 2 pending, then finished; each is either ours to write
/// or ours to read. Invalid input: a call out of turn and a malformed or forged message are errors that leave the machine as it was, so
/// that a forged datagram does not end a handshake; there is no input that traps.
public struct NoiseHandshake: ~Copyable, Sendable {
    /// The longest message that Noise allows.
    public static let maximumMessageByteCount = 65_535

    private let role: HandshakeRole
    private let identity: NodeIdentity
    private let agreement: any KeyAgreement
    private let secrets: any SecretAllocator
    private let ephemeral: SecretBytes
    private let ephemeralPublicKey: FixedBytes32
    private var symmetric: NoiseSymmetricState
    private var remoteEphemeral: FixedBytes32?
    private var messageCount = 0

    /// The peer's X25519 static key, once a message has carried it.
    public private(set) var remoteStaticPublicKey: FixedBytes32?

    /// Begins a handshake; draws the ephemeral key from `random` here and nowhere else.
    ///
    /// - Parameter prologue: data that both sides must agree on, such as the lists of offered suites.
    /// - Throws: `.unsupported` when the provider lacks the suite, X25519 or SHA-256.
    public init(
        role: HandshakeRole, suite: AEADAlgorithm, prologue: RawSpan, identity: NodeIdentity, crypto: CryptoProvider,
        random: any SecureRandom
    ) throws(CryptoFailure) {
        let agreement = try crypto.x25519
        let aead = try crypto.aead(for: suite)
        let hash = try crypto.sha256
        let ephemeral = SecretBytes(byteCount: 32, allocator: crypto.secrets) { random.fill(&$0) }
        ephemeralPublicKey = try agreement.publicKey(of: ephemeral)
        self.role = role
        self.identity = identity
        self.agreement = agreement
        secrets = crypto.secrets
        self.ephemeral = ephemeral
        symmetric = NoiseSymmetricState(
            protocolName: "Noise_XX_25519_\(suite.noiseName)_SHA256", prologue: prologue, aead: aead, hash: hash)
    }

    /// The hash of all that was said so far; after the last message it names the session (Noise §11.2).
    public var handshakeHash: FixedBytes32 { symmetric.handshakeHash }

    /// Whether all three messages have passed.
    public var isFinished: Bool { messageCount == 3 }

    /// Whether the next message is ours to write.
    public var isWriting: Bool { !isFinished && (messageCount.isMultiple(of: 2)) == (role == .initiator) }

    /// Bytes that the next message has beyond its payload.
    public var overheadByteCount: Int {
        switch messageCount {
        case 0: 32
        case 1: 32 + 32 + 16 + 16
        default: 32 + 16 + 16
        }
    }

    /// Appends the next message.
    ///
    /// - Parameter payload: sent in clear in the first message, to an unproven peer in the second, and confidential in the third.
    /// - Throws: `.handshake` out of turn or for too long a payload, `.bufferTooSmall`, `.invalidKey` when the peer's key is of small order;
    ///   nothing is appended and the machine stays as it was.
    public mutating func writeMessage(payload: RawSpan, into output: inout OutputRawSpan) throws(CryptoFailure) {
        guard isWriting else { throw CryptoFailure(.handshake, "the next handshake message is not ours to write") }
        let byteCount = payload.byteCount + overheadByteCount
        guard byteCount <= Self.maximumMessageByteCount else { throw CryptoFailure(.handshake, "the handshake payload is too long") }
        guard output.freeCapacity >= byteCount else {
            throw CryptoFailure(.bufferTooSmall, "the handshake message needs \(byteCount) bytes, the output has \(output.freeCapacity)")
        }
        let start = output.byteCount
        do throws(CryptoFailure) {
            var next = symmetric.copy()
            if messageCount < 2 { writeEphemeral(&next, into: &output) }
            if messageCount == 1 { try mixEphemerals(&next) }
            if messageCount > 0 {
                try writeStatic(&next, into: &output)
                try mixStatic(&next, ofRemote: false)
            }
            try next.encryptAndHash(payload, into: &output)
            symmetric = next
            messageCount += 1
        } catch {
            output.removeLast(output.byteCount - start)
            throw error
        }
    }

    /// Reads the next message and appends its payload.
    ///
    /// - Throws: `.handshake` out of turn or for a malformed message, `.authenticationFailed`, `.invalidKey`, `.bufferTooSmall`; nothing is
    ///   appended and the machine stays as it was, so a genuine message may still follow a forged one.
    public mutating func readMessage(_ message: RawSpan, payloadInto output: inout OutputRawSpan) throws(CryptoFailure) {
        guard !isFinished, !isWriting else { throw CryptoFailure(.handshake, "the next handshake message is not ours to read") }
        guard message.byteCount >= overheadByteCount, message.byteCount <= Self.maximumMessageByteCount else {
            throw CryptoFailure(.handshake, "a handshake message of \(message.byteCount) bytes")
        }
        let keep = (remoteEphemeral, remoteStaticPublicKey)
        do throws(CryptoFailure) {
            var next = symmetric.copy()
            let bodyOffset = try readKeys(message, &next)
            try next.decryptAndHash(message.extracting(bodyOffset..<message.byteCount), into: &output)
            symmetric = next
            messageCount += 1
        } catch {
            (remoteEphemeral, remoteStaticPublicKey) = keep
            throw error
        }
    }

    /// Ends the handshake with its two traffic secrets (Noise §5.2 Split).
    ///
    /// - Throws: `.handshake` before the last message.
    public consuming func split() throws(CryptoFailure) -> NoiseKeys {
        guard isFinished else { throw CryptoFailure(.handshake, "the handshake is not finished") }
        let pair = symmetric.split(into: secrets)
        return NoiseKeys(initiatorToResponder: pair.first, responderToInitiator: pair.second)
    }

    private mutating func readKeys(_ message: RawSpan, _ next: inout NoiseSymmetricState) throws(CryptoFailure) -> Int {
        switch messageCount {
        case 0:
            readEphemeral(message, &next)
            return 32
        case 1:
            readEphemeral(message, &next)
            try mixEphemerals(&next)
            try readStatic(message.extracting(32..<80), &next)
            try mixStatic(&next, ofRemote: true)
            return 80
        default:
            try readStatic(message.extracting(0..<48), &next)
            try mixStatic(&next, ofRemote: true)
            return 48
        }
    }

    private func writeEphemeral(_ next: inout NoiseSymmetricState, into output: inout OutputRawSpan) {
        let start = output.byteCount
        ephemeralPublicKey.append(to: &output)
        next.mixHash(output.bytes.extracting(start..<start + 32))
    }

    private mutating func readEphemeral(_ message: RawSpan, _ next: inout NoiseSymmetricState) {
        let key = message.extracting(0..<32)
        remoteEphemeral = FixedBytes32(copying: key)
        next.mixHash(key)
    }

    private func writeStatic(_ next: inout NoiseSymmetricState, into output: inout OutputRawSpan) throws(CryptoFailure) {
        let key = identity.staticPublicKey.bytes
        try next.encryptAndHash(key.rawSpan, into: &output)
    }

    private mutating func readStatic(_ sealed: RawSpan, _ next: inout NoiseSymmetricState) throws(CryptoFailure) {
        let key = try [UInt8](rawCapacity: 32) { output throws(CryptoFailure) in try next.decryptAndHash(sealed, into: &output) }
        remoteStaticPublicKey = FixedBytes32(key)
    }

    /// The token `ee`.
    private func mixEphemerals(_ next: inout NoiseSymmetricState) throws(CryptoFailure) {
        try next.mixKey(agreement.sharedSecret(secret: ephemeral, publicKey: try known(remoteEphemeral), allocator: WipedHeap()))
    }

    /// The tokens `es` and `se`: the static key of the message's writer with the ephemeral key of its reader.
    private func mixStatic(_ next: inout NoiseSymmetricState, ofRemote: Bool) throws(CryptoFailure) {
        if ofRemote {
            try next.mixKey(agreement.sharedSecret(secret: ephemeral, publicKey: try known(remoteStaticPublicKey), allocator: WipedHeap()))
        } else {
            try next.mixKey(identity.sharedSecret(with: try known(remoteEphemeral)))
        }
    }

    private func known(_ key: FixedBytes32?) throws(CryptoFailure) -> FixedBytes32 {
        guard let key else { throw CryptoFailure(.handshake, "the peer's key is not known yet") }
        return key
    }
}
