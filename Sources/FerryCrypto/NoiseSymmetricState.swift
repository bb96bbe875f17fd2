internal import FerryWire

/// Noise §5.2: chaining key, handshake hash and, once a Diffie-Hellman result is mixed in, a cipher.
struct NoiseSymmetricState: ~Copyable, Sendable {
    private(set) var handshakeHash: FixedBytes32
    private var chainingKey: SecretBytes
    private var cipher: (any AEADCipher)?
    private var nonceCounter: UInt64 = 0
    private let aead: any AEAD
    private let hash: any HashAlgorithm

    /// InitializeSymmetric followed by MixHash of the prologue.
    init(protocolName: String, prologue: RawSpan, aead: any AEAD, hash: any HashAlgorithm) {
        var name = Array(protocolName.utf8)
        precondition(name.count <= 32, "longer protocol names would have to be hashed")
        name += [UInt8](repeating: 0, count: 32 - name.count)
        guard let initial = FixedBytes32(name) else { preconditionFailure("the name was padded to 32 bytes") }
        handshakeHash = initial
        chainingKey = SecretBytes(copying: name.rawSpan, allocator: WipedHeap())
        self.aead = aead
        self.hash = hash
        mixHash(prologue)
    }

    private init(copying other: borrowing NoiseSymmetricState) {
        handshakeHash = other.handshakeHash
        chainingKey = other.chainingKey.copy()
        cipher = other.cipher
        nonceCounter = other.nonceCounter
        aead = other.aead
        hash = other.hash
    }

    /// An independent state for a message that may turn out to be forged.
    borrowing func copy() -> NoiseSymmetricState { NoiseSymmetricState(copying: self) }

    mutating func mixHash(_ data: RawSpan) {
        let before = handshakeHash.bytes
        handshakeHash = hash.hash(before.rawSpan, data)
    }

    mutating func mixKey(_ inputKey: borrowing SecretBytes) throws(CryptoFailure) {
        let derived = derive(inputKey.bytes, into: WipedHeap())
        cipher = try aead.makeCipher(key: derived.second)
        nonceCounter = 0
        chainingKey = derived.first
    }

    /// Appends the ciphertext, or the plaintext while there is no key, and mixes it in.
    mutating func encryptAndHash(_ plaintext: RawSpan, into output: inout OutputRawSpan) throws(CryptoFailure) {
        let start = output.byteCount
        guard output.freeCapacity >= plaintext.byteCount + overheadByteCount else {
            throw CryptoFailure(.bufferTooSmall, "the handshake message does not fit the output")
        }
        if let cipher {
            let header = handshakeHash.bytes
            try cipher.seal(plaintext, nonce: nextNonce(), authenticating: header.rawSpan, into: &output)
        } else {
            output.append(contentsOf: plaintext)
        }
        mixHash(output.bytes.extracting(start..<output.byteCount))
    }

    /// Appends the plaintext of what `encryptAndHash` wrote.
    mutating func decryptAndHash(_ ciphertext: RawSpan, into output: inout OutputRawSpan) throws(CryptoFailure) {
        guard ciphertext.byteCount >= overheadByteCount else {
            throw CryptoFailure(.handshake, "the handshake message is too short")
        }
        guard output.freeCapacity >= ciphertext.byteCount - overheadByteCount else {
            throw CryptoFailure(.bufferTooSmall, "the handshake payload does not fit the output")
        }
        if let cipher {
            let header = handshakeHash.bytes
            try cipher.open(ciphertext, nonce: nextNonce(), authenticating: header.rawSpan, into: &output)
        } else {
            output.append(contentsOf: ciphertext)
        }
        mixHash(ciphertext)
    }

    /// Bytes that sealing adds in the present state: a tag, or nothing before the first key.
    var overheadByteCount: Int { cipher == nil ? 0 : AEADAlgorithm.tagByteCount }

    /// Split: the initiator's sending key, then the responder's.
    borrowing func split(into secrets: any SecretAllocator) -> SecretPair {
        derive([UInt8]().rawSpan, into: secrets)
    }

    private mutating func nextNonce() -> AEADNonce {
        defer { nonceCounter += 1 }
        return aead.algorithm.nonce(counter: nonceCounter)
    }

    /// Noise §4.3 HKDF with two outputs: RFC 5869 with the chaining key as salt and no info.
    private borrowing func derive(_ inputKey: RawSpan, into secrets: any SecretAllocator) -> SecretPair {
        let hash = hash
        let salt = chainingKey.bytes
        return withWipedScratch(byteCount: 32 + 64) { (scratch: inout OutputRawSpan) in
            hash.hkdfExtract(salt: salt, inputKey: inputKey, into: &scratch)
            return withWipedScratch(byteCount: 64) { (pair: inout OutputRawSpan) in
                hash.hkdfExpand(key: scratch.bytes, info: [UInt8]().rawSpan, byteCount: 64, into: &pair)
                return SecretPair(
                    first: SecretBytes(copying: pair.bytes.extracting(0..<32), allocator: secrets),
                    second: SecretBytes(copying: pair.bytes.extracting(32..<64), allocator: secrets))
            }
        }
    }
}

/// Two secrets that one derivation gives.
struct SecretPair: ~Copyable {
    let first: SecretBytes
    let second: SecretBytes
}
