/// Why bytes are not a value of a format, why a value has no bytes, or why a link does not follow its predecessor.
public struct WireError: Error, Sendable, CustomStringConvertible {
    /// A kind of failure; new kinds may be added.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        /// The stable name, as logs and JSON show it.
        public let description: String

        private init(_ description: String) { self.description = description }

        /// The input ends before the value does.
        public static let truncated = Code("truncated")
        /// Bytes follow the value.
        public static let trailingBytes = Code("trailingBytes")
        /// The input does not begin as its format does.
        public static let badMagic = Code("badMagic")
        /// A format version that this build does not speak.
        public static let unknownVersion = Code("unknownVersion")
        /// A message type, or a case of a field, that this build does not know.
        public static let unknownType = Code("unknownType")
        /// A length or count exceeds its limit, on encoding or decoding.
        public static let limitExceeded = Code("limitExceeded")
        /// A field holds a value that its format excludes.
        public static let invalidValue = Code("invalidValue")
        /// Text is not UTF-8, or has characters that its format excludes.
        public static let invalidText = Code("invalidText")
        /// A second encoding of a value that has exactly one.
        public static let notCanonical = Code("notCanonical")
        /// Two fields contradict each other.
        public static let inconsistent = Code("inconsistent")
        /// A link belongs to another origin than its predecessor.
        public static let originMismatch = Code("originMismatch")
        /// A link's sequence is not its predecessor's plus one.
        public static let sequenceGap = Code("sequenceGap")
        /// A link's parent is not its predecessor's forward hash.
        public static let parentHashMismatch = Code("parentHashMismatch")
    }

    /// The kind of failure.
    public var code: Code
    /// One line for a person: the field and what is wrong with it, never its content.
    public var message: String
    /// The underlying error, if any.
    public var cause: (any Error)?

    /// Describes a failure.
    public init(_ code: Code, _ message: String, cause: (any Error)? = nil) {
        self.code = code
        self.message = message
        self.cause = cause
    }

    /// `code: message`.
    public var description: String { "\(code): \(message)" }
}
