public import FerryWire

/// A daemon's key sealed to a node's X25519 static key: 209 bytes, as net-mesh lays them out.
///
/// The binding ties an envelope to its occasion: net-mesh passes the snapshot's 32-byte link, Ferry's own profile a labelled list of
/// identifiers of another length. It is the cipher's associated data, and the daemon's key signs `target key ‖ binding`.
public struct IdentityEnvelope: Hashable, Sendable {
    /// The exact length.
    public static let byteCount = 209
    /// The first byte.
    public static let version: UInt8 = 1

    /// The X25519 static key that can open the envelope.
    public let targetStaticKey: FixedBytes32
    /// Drawn for this envelope alone.
    public let ephemeralKey: FixedBytes32
    /// The daemon that signed, and whose key is inside.
    public let signer: EntityID
    /// Over `target key ‖ binding`.
    public let signature: Signature
    let sealedSeed: FixedBytes32
    let tag: FixedBytes16

    /// The sealed seed and its tag, 48 bytes.
    public var ciphertext: [UInt8] { sealedSeed.bytes + tag.bytes }

    /// Parses exactly 209 bytes with the right version; nil for all else. The fields are checked when the envelope is opened.
    public init?(copying bytes: RawSpan) {
        guard bytes.byteCount == Self.byteCount, bytes.byte(at: 0) == Self.version,
            let targetStaticKey = FixedBytes32(copying: bytes.extracting(1..<33)),
            let ephemeralKey = FixedBytes32(copying: bytes.extracting(33..<65)),
            let sealedSeed = FixedBytes32(copying: bytes.extracting(65..<97)), let tag = FixedBytes16(copying: bytes.extracting(97..<113)),
            let signer = EntityID(copying: bytes.extracting(113..<145)), let signature = Signature(copying: bytes.extracting(145..<209))
        else { return nil }
        self.targetStaticKey = targetStaticKey
        self.ephemeralKey = ephemeralKey
        self.sealedSeed = sealedSeed
        self.tag = tag
        self.signer = signer
        self.signature = signature
    }

    /// Appends the 209 bytes; the caller guarantees the free capacity.
    public func append(to output: inout OutputRawSpan) {
        output.append(Self.version)
        targetStaticKey.append(to: &output)
        ephemeralKey.append(to: &output)
        sealedSeed.append(to: &output)
        tag.append(to: &output)
        signer.append(to: &output)
        signature.append(to: &output)
    }

    /// The 209 bytes.
    public var bytes: [UInt8] {
        [UInt8](rawCapacity: Self.byteCount) { append(to: &$0) }
    }

    /// Seals the keypair's seed.
    ///
    /// - Parameter target: the X25519 static key that the receiving node proved.
    /// - Parameter random: gives the 32 bytes of the ephemeral key.
    /// - Throws: `.readOnly` for a public-only keypair, `.invalidKey` for a small-order target key, `.unsupported`.
    public init(
        sealing keypair: EntityKeypair, to target: FixedBytes32, binding: RawSpan, crypto: CryptoProvider, random: any SecureRandom
    ) throws(CryptoFailure) {
        let agreement = try crypto.x25519
        let ephemeral = SecretBytes(byteCount: 32, allocator: WipedHeap()) { random.fill(&$0) }
        let ephemeralKey = try agreement.publicKey(of: ephemeral)
        let shared = try agreement.sharedSecret(secret: ephemeral, publicKey: target, allocator: WipedHeap())
        let key = Self.sealingKey(shared)
        let sealed = try keypair.withSeed { (seed: borrowing SecretBytes) throws(CryptoFailure) in
            try [UInt8](rawCapacity: 48) { output throws(CryptoFailure) in
                try crypto.sealExtended(
                    seed.bytes, key: key, nonce: Self.nonce(ephemeralKey: ephemeralKey, target: target), authenticating: binding,
                    into: &output)
            }
        }
        guard let sealedSeed = FixedBytes32(copying: sealed.rawSpan), let tag = FixedBytes16(copying: sealed.rawSpan.extracting(32..<48))
        else { throw CryptoFailure(.failed, "sealing gave another length than 48 bytes") }
        targetStaticKey = target
        self.ephemeralKey = ephemeralKey
        self.sealedSeed = sealedSeed
        self.tag = tag
        signer = keypair.entityID
        signature = try keypair.sign(Self.transcript(target: target, binding: binding).rawSpan)
    }

    /// Opens the envelope with the node's static key, after all that can be checked in public.
    ///
    /// - Parameter expectedSigner: the daemon that the envelope must belong to, where it is known.
    /// - Returns: a full keypair.
    /// - Throws: `.invalidSignerKey`, `.invalidAttestation`, `.sealOpenFailed`, in the order of the checks.
    public func open(
        with identity: NodeIdentity, binding: RawSpan, expecting expectedSigner: EntityID?
    ) throws(CryptoFailure) -> EntityKeypair {
        let crypto = identity.crypto
        guard expectedSigner == nil || expectedSigner == signer else { throw Self.invalidSignerKey }
        let transcript = Self.transcript(target: targetStaticKey, binding: binding)
        guard try signer.isValid(signature, for: transcript.rawSpan, crypto: crypto) else {
            // No signature holds under what is no point; whether it is one costs as much as the signature, so only a failure asks.
            throw Edwards25519.isPoint(signer.rawValue) ? Self.invalidAttestation : Self.invalidSignerKey
        }
        guard targetStaticKey == identity.staticPublicKey else { throw Self.sealOpenFailed }
        let keypair = try EntityKeypair(seed: openSeed(with: identity, binding: binding), crypto: crypto)
        guard keypair.entityID == signer else {
            keypair.wipe()
            throw Self.invalidAttestation
        }
        return keypair
    }

    private func openSeed(with identity: NodeIdentity, binding: RawSpan) throws(CryptoFailure) -> SecretBytes {
        let crypto = identity.crypto
        do throws(CryptoFailure) {
            let shared = try identity.sharedSecret(with: ephemeralKey)
            let key = Self.sealingKey(shared)
            let sealed = ciphertext
            return try SecretBytes(byteCount: 32, allocator: crypto.secrets) { output throws(CryptoFailure) in
                try crypto.openExtended(
                    sealed.rawSpan, key: key, nonce: Self.nonce(ephemeralKey: ephemeralKey, target: targetStaticKey),
                    authenticating: binding, into: &output)
            }
        } catch {
            throw error.code == .unsupported ? error : Self.sealOpenFailed
        }
    }

    private static var invalidSignerKey: CryptoFailure {
        CryptoFailure(.invalidSignerKey, "identity envelope: signer_pub is not a valid ed25519 point")
    }

    private static var invalidAttestation: CryptoFailure {
        CryptoFailure(.invalidAttestation, "identity envelope: attestation signature invalid")
    }

    private static var sealOpenFailed: CryptoFailure {
        CryptoFailure(.sealOpenFailed, "identity envelope: seal_open failed (wrong target key or tampered ciphertext)")
    }

    private static func sealingKey(_ shared: borrowing SecretBytes) -> SecretBytes {
        let label = Array("net-identity-envelope".utf8)
        return SecretBytes(byteCount: 32, allocator: WipedHeap()) { keyedBlake2s(key: label.rawSpan, shared.bytes, into: &$0) }
    }

    private static func nonce(ephemeralKey: FixedBytes32, target: FixedBytes32) -> ExtendedNonce {
        let digest = FixedBytes32(label: "net-identity-nonce", ephemeralKey.bytes + target.bytes).bytes
        guard let nonce = ExtendedNonce(copying: digest.rawSpan) else { preconditionFailure("a digest has 32 bytes") }
        return nonce
    }

    private static func transcript(target: FixedBytes32, binding: RawSpan) -> [UInt8] {
        var transcript = target.bytes
        transcript.append(contentsOf: binding)
        return transcript
    }
}
