public import FerryWire

/// What each side of a handshake says in its encrypted payload: its node key, and that key's signature over its X25519 static key and
/// the handshake hash, so that nobody can pass off another node's static key as its own.
public struct StaticKeyBinding: Hashable, Sendable {
    /// Node key and signature: 96 bytes.
    public static let byteCount = NodeKey.byteCount + Signature.byteCount

    /// The claimed node.
    public let nodeKey: NodeKey
    /// Over "ferry-static-binding" ‖ static key ‖ handshake hash.
    public let signature: Signature

    /// Binds the identity's two keys to one handshake.
    ///
    /// - Parameter handshakeHash: as it was **before** the message that carries the binding.
    /// - Throws: `.failed`.
    public init(identity: NodeIdentity, handshakeHash: FixedBytes32) throws(CryptoFailure) {
        nodeKey = identity.nodeKey
        let transcript = Self.transcript(staticPublicKey: identity.staticPublicKey, handshakeHash: handshakeHash)
        signature = try identity.sign(transcript.rawSpan)
    }

    /// Copies the first 96 bytes, or returns nil when there are fewer.
    public init?(copying bytes: RawSpan) {
        guard bytes.byteCount >= Self.byteCount, let nodeKey = NodeKey(copying: bytes),
            let signature = Signature(copying: bytes.extracting(NodeKey.byteCount..<Self.byteCount))
        else { return nil }
        self.nodeKey = nodeKey
        self.signature = signature
    }

    /// Appends the 96 bytes; the caller guarantees the free capacity.
    public func append(to output: inout OutputRawSpan) {
        nodeKey.append(to: &output)
        signature.append(to: &output)
    }

    /// Checks the signature against the static key that the peer proved in the same handshake.
    ///
    /// - Parameter handshakeHash: as it was **before** the message that carried the binding.
    /// - Throws: `.invalidSignature`, `.unsupported`.
    public func verify(staticPublicKey: FixedBytes32, handshakeHash: FixedBytes32, crypto: CryptoProvider) throws(CryptoFailure) {
        let transcript = Self.transcript(staticPublicKey: staticPublicKey, handshakeHash: handshakeHash)
        guard try nodeKey.isValid(signature, for: transcript.rawSpan, crypto: crypto) else {
            throw CryptoFailure(.invalidSignature, "the peer's node key did not sign its static key")
        }
    }

    private static func transcript(staticPublicKey: FixedBytes32, handshakeHash: FixedBytes32) -> [UInt8] {
        Array("ferry-static-binding".utf8) + staticPublicKey.bytes + handshakeHash.bytes
    }
}
