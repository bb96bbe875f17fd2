internal import FerryCrypto
internal import FerryWire

/// The clear header of a data packet: one byte of type and key phase, seven of packet number, big-endian.
struct PacketHeader: Sendable {
    /// Bytes on the wire.
    static let byteCount = 8
    /// The first byte, less the key phase in bit 0.
    static let type: UInt8 = 0x40
    /// The largest packet number; reaching it ends the session.
    static let maximumNumber: UInt64 = 1 << 55

    var number: UInt64
    var isOddPhase: Bool

    init(number: UInt64, isOddPhase: Bool) {
        self.number = number
        self.isOddPhase = isOddPhase
    }

    init?(_ frame: RawSpan) {
        guard frame.byteCount >= Self.byteCount + AEADAlgorithm.tagByteCount else { return nil }
        let word = frame.littleEndianUInt64(at: 0).byteSwapped
        guard UInt8(word >> 56) & 0xFE == Self.type else { return nil }
        isOddPhase = word >> 56 & 1 == 1
        number = word & (1 << 56 - 1)
    }

    /// The eight bytes as one integer.
    var word: UInt64 { UInt64(Self.type | (isOddPhase ? 1 : 0)) << 56 | number }
}

/// Seals and opens packets, and moves both directions to new keys (RFC 9001 §6).
struct PacketProtection: ~Copyable {
    /// Packets sealed under one key before it is changed: far below the confidentiality limit of AES-GCM even for frames of 64 KiB
    /// (RFC 9001 §6.6 and appendix B.1).
    static let updateInterval: UInt64 = 1 << 20
    /// Forged packets after which the session ends: AES-GCM's limit of 2^52 and ChaCha20-Poly1305's of 2^36 (RFC 9001 §6.6), taken together.
    static let integrityLimit: UInt64 = 1 << 36

    private let aead: any AEAD
    private var sendSecret: TrafficSecret
    private var sendCipher: any AEADCipher
    private var receiveSecret: TrafficSecret
    private var receiveCipher: any AEADCipher
    private var nextReceiveCipher: any AEADCipher
    private var previousReceiveCipher: (any AEADCipher)?
    private var previousExpires: Timestamp = .zero
    /// Bit 0 of our packets' type.
    private(set) var isOddPhase = false
    /// The first number sent under the current key.
    private var sendPhaseStart: UInt64 = 0
    /// The lowest number received under the current key.
    private var receivePhaseStart: UInt64 = 0
    private var isUpdateRequested = false
    /// Key updates so far.
    private(set) var updateCount: UInt64 = 0
    /// Packets that failed authentication.
    private(set) var failureCount: UInt64 = 0

    init(aead: any AEAD, send: consuming SecretBytes, receive: consuming SecretBytes, crypto: CryptoProvider) throws(CryptoFailure) {
        let sendSecret = try TrafficSecret(send, crypto: crypto)
        let receiveSecret = try TrafficSecret(receive, crypto: crypto)
        let sendCipher = try sendSecret.makeCipher(aead)
        let receiveCipher = try receiveSecret.makeCipher(aead)
        let next = receiveSecret.next()
        nextReceiveCipher = try next.makeCipher(aead)
        self.aead = aead
        self.sendSecret = sendSecret
        self.sendCipher = sendCipher
        self.receiveSecret = receiveSecret
        self.receiveCipher = receiveCipher
    }

    /// Asks for new keys as soon as RFC 9001 §6.1 allows.
    mutating func requestUpdate() { isUpdateRequested = true }

    /// Changes the keys if that is asked for, or due, and the peer has acknowledged a packet of the current ones.
    mutating func updateIfDue(next: UInt64, largestAcked: UInt64?, now: Timestamp, keepFor: Duration) throws(CryptoFailure) {
        guard isUpdateRequested || next - sendPhaseStart >= Self.updateInterval, let largestAcked, largestAcked >= sendPhaseStart else {
            return
        }
        try rotate(next: next, now: now, keepFor: keepFor)
        // The peer goes on with the old keys until it has seen the new ones: their time runs from its first packet under them.
        previousExpires = .distantFuture
        receivePhaseStart = .max
    }

    /// Appends header, ciphertext and tag.
    func seal(_ plaintext: RawSpan, number: UInt64, into output: inout OutputRawSpan) throws(CryptoFailure) {
        let word = PacketHeader(number: number, isOddPhase: isOddPhase).word
        try withBigEndianBytes(of: word) { header throws(CryptoFailure) in
            output.append(contentsOf: header)
            try sendCipher.seal(plaintext, nonce: aead.algorithm.nonce(counter: number), authenticating: header, into: &output)
        }
    }

    /// Appends the plaintext of `frame`; nothing changes when it does not authenticate, except the count of failures.
    ///
    /// - Parameters:
    ///   - next: the number of our next packet, in case the peer has changed the keys.
    ///   - keepFor: how long the old key stays good for late packets; three probe timeouts.
    mutating func open(
        _ frame: RawSpan, _ packet: PacketHeader, into output: inout OutputRawSpan, next: UInt64, now: Timestamp, keepFor: Duration
    ) throws(CryptoFailure) {
        if previousReceiveCipher != nil, previousExpires <= now { previousReceiveCipher = nil }
        let isCurrent = packet.isOddPhase == isOddPhase
        var cipher = receiveCipher
        var isUpdate = false
        if !isCurrent {
            if packet.number < receivePhaseStart, let previousReceiveCipher {
                cipher = previousReceiveCipher
            } else {
                cipher = nextReceiveCipher
                isUpdate = true
            }
        }
        do throws(CryptoFailure) {
            try cipher.open(
                frame.extracting(droppingFirst: PacketHeader.byteCount), nonce: aead.algorithm.nonce(counter: packet.number),
                authenticating: frame.extracting(first: PacketHeader.byteCount), into: &output)
        } catch {
            failureCount += 1
            throw error
        }
        if isUpdate {
            try rotate(next: next, now: now, keepFor: keepFor)
            receivePhaseStart = packet.number
        } else if isCurrent, packet.number < receivePhaseStart {
            if receivePhaseStart == .max { previousExpires = now + keepFor }
            receivePhaseStart = packet.number
        }
    }

    private mutating func rotate(next: UInt64, now: Timestamp, keepFor: Duration) throws(CryptoFailure) {
        let newSend = sendSecret.next()
        let newSendCipher = try newSend.makeCipher(aead)
        let newReceive = receiveSecret.next()
        let following = newReceive.next()
        let followingCipher = try following.makeCipher(aead)
        sendSecret = newSend
        sendCipher = newSendCipher
        receiveSecret = newReceive
        previousReceiveCipher = receiveCipher
        previousExpires = now + keepFor
        receiveCipher = nextReceiveCipher
        nextReceiveCipher = followingCipher
        isOddPhase.toggle()
        sendPhaseStart = next
        isUpdateRequested = false
        updateCount += 1
    }
}

extension HandshakeResult {
    /// The two keys in the order of this side.
    consuming func makeProtection(isInitiator: Bool, crypto: CryptoProvider) throws(CryptoFailure) -> PacketProtection {
        let toResponder = keys.initiatorToResponder.copy()
        let toInitiator = keys.responderToInitiator.copy()
        return isInitiator
            ? try PacketProtection(aead: aead, send: toResponder, receive: toInitiator, crypto: crypto)
            : try PacketProtection(aead: aead, send: toInitiator, receive: toResponder, crypto: crypto)
    }
}
