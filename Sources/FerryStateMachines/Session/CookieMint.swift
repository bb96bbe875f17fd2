public import FerryCrypto
public import FerryWire

/// Answers first frames without keeping anything, and recognises the peers that come back with the answer (RFC 9000 §8.1.2).
///
/// A cookie is four bytes of coarse time and sixteen of keyed BLAKE2s over address, time and offer. The host makes one mint per listener,
/// with a random secret, and uses it where its transport asks about frames from addresses without a link.
public struct CookieMint: Sendable {
    /// How long a cookie stays good: one to two of these.
    public static let period: Duration = .seconds(15)

    private static let cookieByteCount = 20
    private let secret: FixedBytes32
    private let suites: [UInt8]

    /// A mint whose cookies only it recognises.
    ///
    /// - Parameters:
    ///   - secret: 32 random bytes, drawn anew at each start.
    ///   - crypto: the provider that the listener's sessions use; its ciphers are part of the answer.
    public init(secret: FixedBytes32, crypto: CryptoProvider) {
        self.secret = secret
        suites = crypto.suiteNumbers
    }

    /// Appends the answer to an offer, with a cookie in it; at most 160 bytes.
    ///
    /// - Parameter address: the peer's address in any form that is the same each time.
    /// - Returns: false, with nothing appended, when `frame` is not an offer of at least 1,200 bytes.
    public func reply(to frame: RawSpan, from address: RawSpan, now: Timestamp, into reply: inout OutputRawSpan) -> Bool {
        guard frame.byteCount >= HandshakeOffer.minimumFrameByteCount, frame.byte(at: 0) == HandshakeFrameType.offer else { return false }
        var reader = RecordReader(frame.extracting(droppingFirst: 1))
        guard let offer = HandshakeOffer(&reader) else { return false }
        let answer = HandshakeAnswer(to: offer, suites: suites)
            .frame(attempt: offer.attempt, cookie: cookie(for: offer, address, Self.coarse(now)))
        guard reply.freeCapacity >= answer.count else { return false }
        reply.append(contentsOf: answer.rawSpan)
        return true
    }

    /// Whether `frame` is a first handshake message that brings a cookie of this mint for this address, not too old.
    public func isProved(_ frame: RawSpan, from address: RawSpan, now: Timestamp) -> Bool {
        guard frame.byteCount >= HandshakeOffer.minimumFrameByteCount, frame.byte(at: 0) == HandshakeFrameType.first else { return false }
        var reader = RecordReader(frame.extracting(droppingFirst: 1))
        guard let offer = HandshakeOffer(&reader), let count = reader.byte(), Int(count) == Self.cookieByteCount,
            let echoed = reader.take(Int(count))
        else { return false }
        let time = Self.coarse(now)
        return equalInConstantTime(echoed, cookie(for: offer, address, time).rawSpan)
            || equalInConstantTime(echoed, cookie(for: offer, address, time &- 1).rawSpan)
    }

    private static func coarse(_ now: Timestamp) -> UInt32 {
        UInt32(truncatingIfNeeded: now.nanoseconds / period.wholeNanoseconds)
    }

    private func cookie(for offer: HandshakeOffer, _ address: RawSpan, _ time: UInt32) -> [UInt8] {
        var message = Array("ferry-cookie".utf8)
        message.append(bigEndian: time)
        message.append(bigEndian: UInt32(address.byteCount))
        message.append(contentsOf: address)
        message += offer.bytes
        var cookie: [UInt8] = []
        cookie.append(bigEndian: time)
        cookie += keyedBlake2s(key: secret.bytes.rawSpan, message.rawSpan).bytes.prefix(16)
        return cookie
    }
}
