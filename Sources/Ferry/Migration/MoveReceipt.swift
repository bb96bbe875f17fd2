public import FerryCrypto
internal import FerryStateMachines
public import FerryWire

/// Both signed halves of a hand-over.
public struct MoveReceipt: Sendable, Hashable {
    /// The source's half.
    public var release: SignedRelease
    /// The target's half.
    public var take: Take

    /// Joins the halves.
    public init(release: SignedRelease, take: Take) {
        self.release = release
        self.take = take
    }

    /// Reads what ``bytes`` gave; nothing is verified.
    ///
    /// - Throws: what the halves throw; `.trailingBytes`.
    public init(decoding bytes: RawSpan) throws(WireError) {
        var reader = ByteReader(bytes)
        release = try SignedRelease(from: &reader)
        take = try Take(from: &reader)
        try reader.finish("receipt")
    }

    /// The canonical bytes of both halves; empty when a half has no encoding, which none that was received lacks.
    public var bytes: [UInt8] {
        guard let release = try? release.encoded(), let take = try? take.encoded() else { return [] }
        return release + take
    }

    /// Whether all four signatures hold and both halves are about one hand-over of one daemon.
    ///
    /// - Throws: `.unsupported` when the provider lacks ed25519 or SHA-256.
    public func isValid(crypto: CryptoProvider) throws(CryptoFailure) -> Bool {
        try HandOverProofs.areHalves(release, take, crypto: crypto)
    }
}
