package import FerryCrypto
package import FerryWire

/// Makes and checks the signed halves of the hand-over; everything here is a function of its arguments.
package enum HandOverProofs {
    /// SHA-256 of the release's canonical bytes; nil when it has no encoding or the provider no SHA-256.
    static func hash(_ release: Release, crypto: CryptoProvider) -> ReleaseHash? {
        guard let bytes = try? release.encoded(), let algorithm = try? crypto.sha256 else { return nil }
        let digest = [UInt8](rawCapacity: HashName.sha256.digestByteCount) { algorithm.hash(bytes.rawSpan, into: &$0) }
        return ReleaseHash(digest)
    }

    static func sign(
        _ release: Release, hash: ReleaseHash, daemon: EntityKeypair, node: NodeIdentity
    ) throws(CryptoFailure) -> SignedRelease {
        let bytes = Release.signedBytes(hash)
        return SignedRelease(
            release: release, daemonSignature: try daemon.sign(bytes.rawSpan), nodeSignature: try node.sign(bytes.rawSpan))
    }

    static func isValid(_ signed: SignedRelease, hash: ReleaseHash, crypto: CryptoProvider) -> Bool {
        let bytes = Release.signedBytes(hash)
        return isValid(signed.daemonSignature, by: signed.release.daemon, bytes, crypto: crypto)
            && isValid(signed.nodeSignature, by: signed.release.source, bytes, crypto: crypto)
    }

    static func sign(_ take: Take, daemon: EntityKeypair, node: NodeIdentity) throws(CryptoFailure) -> Take {
        let bytes = take.signedBytes
        var signed = take
        signed.daemonSignature = try daemon.sign(bytes.rawSpan)
        signed.nodeSignature = try node.sign(bytes.rawSpan)
        return signed
    }

    static func isValid(_ take: Take, crypto: CryptoProvider) -> Bool {
        let bytes = take.signedBytes
        return isValid(take.daemonSignature, by: take.daemon, bytes, crypto: crypto)
            && isValid(take.nodeSignature, by: take.target, bytes, crypto: crypto)
    }

    /// Whether a take is the other half of this very release.
    static func isHalf(_ take: Take, of release: Release, hash: ReleaseHash) -> Bool {
        take.release == hash && take.migration == release.migration && take.epoch == release.epoch && take.lineage == release.lineage
            && take.daemon == release.daemon && take.target == release.target && take.targetBoot == release.targetBoot
    }

    /// Whether all four signatures hold and both halves are about one hand-over of one daemon.
    ///
    /// - Throws: `.unsupported` when the provider lacks ed25519 or SHA-256.
    package static func areHalves(_ signed: SignedRelease, _ take: Take, crypto: CryptoProvider) throws(CryptoFailure) -> Bool {
        _ = try crypto.sha256
        _ = try crypto.ed25519
        guard let hash = hash(signed.release, crypto: crypto), isHalf(take, of: signed.release, hash: hash) else { return false }
        return isValid(signed, hash: hash, crypto: crypto) && isValid(take, crypto: crypto)
    }

    package static func sign(_ moved: Moved, daemon: EntityKeypair) throws(CryptoFailure) -> Moved {
        guard let bytes = try? moved.signedBytes() else { throw CryptoFailure(.failed, "the target's address is too long to be signed") }
        var signed = moved
        signed.daemonSignature = try daemon.sign(bytes.rawSpan)
        return signed
    }

    static func isValid(_ moved: Moved, crypto: CryptoProvider) -> Bool {
        guard let bytes = try? moved.signedBytes() else { return false }
        return isValid(moved.daemonSignature, by: moved.daemon, bytes, crypto: crypto)
    }

    /// The facts that an identity envelope is bound to: one of another attempt, pair of nodes or release does not open.
    static func envelopeBinding(_ release: Release, hash: ReleaseHash) -> [UInt8] {
        var counter = ByteCounter()
        writeBinding(release, hash, into: &counter)
        return [UInt8](rawCapacity: counter.byteCount) { writeBinding(release, hash, into: &$0) }
    }

    private static func writeBinding(_ release: Release, _ hash: ReleaseHash, into sink: inout some ByteSink & ~Copyable & ~Escapable) {
        sink.append(contentsOf: Array("ferry-envelope".utf8).rawSpan)
        sink.append(fixed: release.migration)
        sink.append(littleEndian: release.epoch.rawValue)
        sink.append(fixed: release.lineage)
        sink.append(fixed: release.source)
        sink.append(fixed: release.target)
        sink.append(fixed: hash)
    }

    static func bindingsDigest(_ snapshot: SnapshotHeader) -> FixedBytes32 {
        FixedBytes32(label: "ferry-bindings", snapshot.bindings)
    }

    /// A provider without the scheme verifies nothing.
    private static func isValid(_ signature: Signature, by daemon: EntityID, _ bytes: [UInt8], crypto: CryptoProvider) -> Bool {
        (try? daemon.isValid(signature, for: bytes.rawSpan, crypto: crypto)) ?? false
    }

    private static func isValid(_ signature: Signature, by node: NodeKey, _ bytes: [UInt8], crypto: CryptoProvider) -> Bool {
        (try? node.isValid(signature, for: bytes.rawSpan, crypto: crypto)) ?? false
    }
}

extension Signature {
    /// Stands in a value that is about to be signed.
    package static var none: Signature {
        guard let zero = FixedBytes64([UInt8](repeating: 0, count: 64)) else { preconditionFailure("64 bytes are 64 bytes") }
        return Signature(rawValue: zero)
    }
}

extension FixedBytes32 {
    /// What a release states of an empty move log.
    static var zero: FixedBytes32 {
        guard let zero = FixedBytes32([UInt8](repeating: 0, count: 32)) else { preconditionFailure("32 bytes are 32 bytes") }
        return zero
    }
}
