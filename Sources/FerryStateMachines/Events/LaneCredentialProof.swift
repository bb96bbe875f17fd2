public import FerryCrypto
public import FerryWire

extension LaneCredential {
    /// Signs that `node` owns the daemon under `epoch`.
    ///
    /// - Throws: what the daemon's key throws.
    public init(signing daemon: EntityKeypair, epoch: Epoch, node: NodeKey) throws(CryptoFailure) {
        self.init(daemon: daemon.entityID, epoch: epoch, node: node, daemonSignature: .none)
        daemonSignature = try daemon.sign(signedBytes.rawSpan)
    }

    /// Whether the daemon's key has signed it.
    public func isValid(crypto: CryptoProvider) -> Bool {
        (try? daemon.isValid(daemonSignature, for: signedBytes.rawSpan, crypto: crypto)) ?? false
    }
}
