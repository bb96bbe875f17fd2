public import FerryCrypto
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
        guard let encoded = try? release.release.encoded() else { return false }
        let algorithm = try crypto.sha256
        let digest = [UInt8](rawCapacity: HashName.sha256.digestByteCount) { algorithm.hash(encoded.rawSpan, into: &$0) }
        guard let hash = ReleaseHash(digest), take.release == hash, take.migration == release.release.migration,
            take.epoch == release.release.epoch, take.lineage == release.release.lineage, take.daemon == release.release.daemon,
            take.target == release.release.target, take.targetBoot == release.release.targetBoot
        else { return false }
        let released = Release.signedBytes(hash)
        let taken = take.signedBytes
        // One after the other: `&&` would widen the error's type.
        guard try take.daemon.isValid(release.daemonSignature, for: released.rawSpan, crypto: crypto) else { return false }
        guard try release.release.source.isValid(release.nodeSignature, for: released.rawSpan, crypto: crypto) else { return false }
        guard try take.daemon.isValid(take.daemonSignature, for: taken.rawSpan, crypto: crypto) else { return false }
        return try take.target.isValid(take.nodeSignature, for: taken.rawSpan, crypto: crypto)
    }
}
