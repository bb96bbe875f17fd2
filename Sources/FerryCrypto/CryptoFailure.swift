/// What went wrong with a key or a ciphertext; never carries key bytes.
public struct CryptoFailure: Error, Sendable, CustomStringConvertible {
    /// A kind of failure; new kinds may be added.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        /// The stable name, as logs and JSON show it.
        public let description: String

        private init(_ description: String) { self.description = description }

        /// A tag does not match.
        public static let authenticationFailed = Code("authenticationFailed")
        /// A signature does not verify.
        public static let invalidSignature = Code("invalidSignature")
        /// Bytes are not a key of the scheme, or a public key is of small order.
        public static let invalidKey = Code("invalidKey")
        /// The keypair has no secret half.
        public static let readOnly = Code("readOnly")
        /// The output has too little free capacity.
        public static let bufferTooSmall = Code("bufferTooSmall")
        /// The provider lacks the algorithm.
        public static let unsupported = Code("unsupported")
        /// An identity file is missing, unreadable, readable by others, or damaged.
        public static let identityFile = Code("identityFile")
        /// A handshake message is malformed, out of turn or from the wrong peer.
        public static let handshake = Code("handshake")
        /// An identity envelope names another signer than expected, or a signer key that is no point of the curve.
        public static let invalidSignerKey = Code("invalidSignerKey")
        /// The signature of an identity envelope, or the key inside, is not the signer's.
        public static let invalidAttestation = Code("invalidAttestation")
        /// An identity envelope is sealed to another key, or its ciphertext is damaged.
        public static let sealOpenFailed = Code("sealOpenFailed")
        /// The back-end reported an error.
        public static let failed = Code("failed")
    }

    /// The kind of failure.
    public var code: Code
    /// One line for a person.
    public var message: String

    /// Describes a failure.
    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    /// `code: message`.
    public var description: String { "\(code): \(message)" }
}
