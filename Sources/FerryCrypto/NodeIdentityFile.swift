internal import FerryWire

/// The file's 177 bytes: a line that names the format, node key, static public key, ed25519 seed, X25519 secret, and SHA-256 of all that.
private enum IdentityLayout {
    static let firstLine = Array("ferry-identity 1\n".utf8)
    static let nodeKey = firstLine.count..<firstLine.count + 32
    static let staticPublicKey = nodeKey.upperBound..<nodeKey.upperBound + 32
    static let seed = staticPublicKey.upperBound..<staticPublicKey.upperBound + 32
    static let staticSecret = seed.upperBound..<seed.upperBound + 32
    static let checksum = staticSecret.upperBound..<staticSecret.upperBound + 32
    static let byteCount = checksum.upperBound
}

extension NodeIdentity {
    /// Reads an identity file.
    ///
    /// - Throws: `.identityFile`, in one line with path and cause, unless it is a regular file of this user, closed to group and others,
    ///   complete and undamaged; `.unsupported` when the provider lacks ed25519, X25519 or SHA-256.
    public convenience init(contentsOf path: String, crypto: CryptoProvider) throws(CryptoFailure) {
        let file = try SecretFile.read(path, byteCount: IdentityLayout.byteCount, allocator: crypto.secrets)
        let bytes = file.bytes
        guard equalInConstantTime(bytes.extracting(0..<IdentityLayout.firstLine.count), IdentityLayout.firstLine.rawSpan) else {
            throw SecretFile.failure(path, "not an identity file of version 1")
        }
        let hash = try crypto.sha256
        let checksum = [UInt8](rawCapacity: 32) { hash.hash(bytes.extracting(0..<IdentityLayout.checksum.lowerBound), into: &$0) }
        guard equalInConstantTime(checksum.rawSpan, bytes.extracting(IdentityLayout.checksum)) else {
            throw SecretFile.failure(path, "damaged (the checksum does not match)")
        }
        try self.init(
            seed: SecretBytes(copying: bytes.extracting(IdentityLayout.seed), allocator: crypto.secrets),
            staticSecret: SecretBytes(copying: bytes.extracting(IdentityLayout.staticSecret), allocator: crypto.secrets), crypto: crypto)
        guard nodeKey == NodeKey(copying: bytes.extracting(IdentityLayout.nodeKey)),
            staticPublicKey == FixedBytes32(copying: bytes.extracting(IdentityLayout.staticPublicKey))
        else { throw SecretFile.failure(path, "inconsistent (its public keys are not those of its secrets)") }
    }

    /// Draws a new identity and writes it to a new file of mode 0600; missing folders are made with mode 0700.
    ///
    /// - Throws: `.identityFile` when the file exists already or cannot be written; `.unsupported`.
    public static func create(at path: String, crypto: CryptoProvider) throws(CryptoFailure) -> NodeIdentity {
        let identity = try generate(crypto: crypto)
        try identity.write(to: path)
        return identity
    }

    private func write(to path: String) throws(CryptoFailure) {
        let hash = try crypto.sha256
        let file = SecretBytes(byteCount: IdentityLayout.byteCount, allocator: crypto.secrets) { output in
            output.append(contentsOf: IdentityLayout.firstLine.rawSpan)
            nodeKey.append(to: &output)
            staticPublicKey.append(to: &output)
            seed.append(to: &output)
            staticSecret.append(to: &output)
            let checksum = [UInt8](rawCapacity: 32) { hash.hash(output.bytes, into: &$0) }
            output.append(contentsOf: checksum.rawSpan)
        }
        try SecretFile.create(path, contents: file.bytes)
    }
}
