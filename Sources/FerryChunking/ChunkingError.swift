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

        // Refusals of the net-mesh reassembler (net-mesh migration §E).

        /// A snapshot of no pieces.
        public static let zeroTotalChunks = Code("zeroTotalChunks")
        /// A snapshot of more than 700,000 pieces.
        public static let totalChunksTooLarge = Code("totalChunksTooLarge")
        /// A piece's index is not below the number of pieces.
        public static let chunkIndexOutOfRange = Code("chunkIndexOutOfRange")
        /// A piece is empty or has more than 7,000 bytes.
        public static let chunkTooLarge = Code("chunkTooLarge")
        /// A newer snapshot of the daemon has already begun.
        public static let staleSequence = Code("staleSequence")
        /// Pieces of one snapshot disagree on their number.
        public static let totalChunksMismatch = Code("totalChunksMismatch")
        /// The pieces of one snapshot exceed 64 MiB.
        public static let tooManyPendingBytes = Code("tooManyPendingBytes")
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
