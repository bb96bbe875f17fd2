/// What went wrong between state bytes and chunks.
public struct ChunkingError: Error, Sendable, CustomStringConvertible {
    /// A kind of failure; new kinds may be added.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        /// The stable name, as logs and JSON show it.
        public let description: String

        private init(_ description: String) { self.description = description }

        /// The level is outside the compressor's range.
        public static let levelOutOfRange = Code("levelOutOfRange")
        /// The output has too little free capacity.
        public static let bufferTooSmall = Code("bufferTooSmall")
        /// The compression library reported an error.
        public static let compressorFailed = Code("compressorFailed")
        /// A chunk fails its check, its lengths, or its decompression.
        public static let corruptChunk = Code("corruptChunk")
        /// A chunk or trailer arrived out of order.
        public static let outOfOrder = Code("outOfOrder")
        /// A chunk names a compressor that this node lacks.
        public static let unknownCompressor = Code("unknownCompressor")
        /// A length exceeds its limit.
        public static let limitExceeded = Code("limitExceeded")
        /// The stream ended before its trailer, or went on after it.
        public static let truncated = Code("truncated")
        /// A reader asked for other fields than the writer wrote.
        public static let fieldMismatch = Code("fieldMismatch")
    }

    /// The kind of failure.
    public var code: Code
    /// One line for a person.
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
