public import FerryWire

extension StateSnapshot {
    /// Seals the daemon's key for a node and puts it into the snapshot, bound to the snapshot's own chain link.
    ///
    /// - Throws: `.invalidSignerKey` when the keypair is not the snapshot's daemon; what sealing throws. The snapshot is then as it was: one
    ///   without an envelope is never taken for a sealed one.
    public mutating func sealIdentity(
        of keypair: EntityKeypair, to target: FixedBytes32, crypto: CryptoProvider, random: any SecureRandom
    ) throws(CryptoFailure) {
        guard keypair.entityID == entity else {
            throw CryptoFailure(.invalidSignerKey, "the keypair is not that of the snapshot's daemon")
        }
        envelope = try IdentityEnvelope(
            sealing: keypair, to: target, binding: chainLink.bytes.rawSpan, crypto: crypto, random: random
        ).bytes
    }

    /// Opens the envelope with a node's static key.
    ///
    /// - Returns: nil without an envelope, which is no error; else a full keypair of the snapshot's daemon.
    /// - Throws: `.invalidSignerKey`, `.invalidAttestation`, `.sealOpenFailed`, in the order of the checks, the snapshot's daemon being the
    ///   expected signer and its chain link what the envelope is bound to.
    public func openIdentity(with identity: NodeIdentity) throws(CryptoFailure) -> EntityKeypair? {
        guard let envelope else { return nil }
        guard let parsed = IdentityEnvelope(copying: envelope.rawSpan) else {
            throw CryptoFailure(.sealOpenFailed, "identity envelope: not \(IdentityEnvelope.byteCount) bytes of a known version")
        }
        return try parsed.open(with: identity, binding: chainLink.bytes.rawSpan, expecting: entity)
    }
}
