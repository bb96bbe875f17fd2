/// Claims that a daemon's chain is unbroken between two outputs: 40 bytes, origin, both sequences, both forward hashes.
public struct ContinuityProof: WireDecodable, Hashable, Sendable {
    /// The daemon.
    public var origin: OriginHash
    /// The first output.
    public var fromSequence: UInt64
    /// The last output.
    public var toSequence: UInt64
    /// ``forwardHash(_:_:)`` of the first output.
    public var fromHash: UInt64
    /// ``forwardHash(_:_:)`` of the last output.
    public var toHash: UInt64

    /// Joins the parts.
    public init(origin: OriginHash, fromSequence: UInt64, toSequence: UInt64, fromHash: UInt64, toHash: UInt64) {
        self.origin = origin
        self.fromSequence = fromSequence
        self.toSequence = toSequence
        self.fromHash = fromHash
        self.toHash = toHash
    }

    /// Spans two heads of one chain, in either order.
    ///
    /// A link's parent is the forward hash of the output *before* it, so each end of the proof is one sequence below its head; heads at
    /// sequences 0 and 1 both give 0. Nil when the heads are of different daemons.
    public init?(between one: CausalLink, and other: CausalLink) {
        guard one.origin == other.origin else { return nil }
        let (low, high) = one.sequence <= other.sequence ? (one, other) : (other, one)
        self.init(
            origin: one.origin, fromSequence: max(low.sequence, 1) - 1, toSequence: max(high.sequence, 1) - 1, fromHash: low.parent,
            toHash: high.parent)
    }

    /// Reads 40 bytes.
    ///
    /// - Throws: `.truncated`.
    public init(from reader: inout ByteReader) throws(WireError) {
        origin = OriginHash(rawValue: try reader.readUInt64("origin"))
        fromSequence = try reader.readUInt64("first sequence")
        toSequence = try reader.readUInt64("last sequence")
        fromHash = try reader.readUInt64("first hash")
        toHash = try reader.readUInt64("last hash")
    }

    /// What verification against a log finds wrong.
    public enum Failure: Error, Hashable, Sendable {
        /// The log is of another daemon.
        case originMismatch
        /// The first sequence is above the last.
        case invalidRange
        /// The sequences are `WireLimits.continuityProofSpan` or more apart.
        case spanTooLarge
        /// The log lacks an output.
        case missingEvent(sequence: UInt64)
        /// The output with this sequence hashes otherwise than the proof, or its successor, says.
        case hashMismatch(sequence: UInt64)
    }

    /// Checks the claim against outputs that this node holds, in ascending order of sequence.
    ///
    /// - Throws: `.originMismatch`, `.invalidRange`, `.spanTooLarge`, `.missingEvent`, `.hashMismatch`, in this order.
    public func verify(against log: [CausalEvent]) throws(Failure) {
        guard log.allSatisfy({ $0.link.origin == origin }) else { throw .originMismatch }
        guard fromSequence <= toSequence else { throw .invalidRange }
        guard toSequence - fromSequence < WireLimits.continuityProofSpan else { throw .spanTooLarge }
        guard var index = log.firstIndex(where: { $0.link.sequence == fromSequence }) else {
            throw .missingEvent(sequence: fromSequence)
        }
        var hash = log[index].forwardHash
        guard hash == fromHash else { throw .hashMismatch(sequence: fromSequence) }
        var sequence = fromSequence
        while sequence < toSequence {
            sequence += 1
            index += 1
            guard index < log.count, log[index].link.sequence == sequence else { throw .missingEvent(sequence: sequence) }
            guard log[index].link.parent == hash else { throw .hashMismatch(sequence: sequence - 1) }
            hash = log[index].forwardHash
        }
        guard hash == toHash else { throw .hashMismatch(sequence: toSequence) }
    }
}

extension ContinuityProof: WireEncodable {
    /// Writes 40 bytes.
    public func encode(into sink: inout some ByteSink & ~Copyable & ~Escapable) {
        sink.append(littleEndian: origin.rawValue)
        sink.append(littleEndian: fromSequence)
        sink.append(littleEndian: toSequence)
        sink.append(littleEndian: fromHash)
        sink.append(littleEndian: toHash)
    }
}

extension CausalEvent {
    /// The parent of the output that follows this one.
    public var forwardHash: UInt64 { FerryWire.forwardHash(link, payload.rawSpan) }
}
