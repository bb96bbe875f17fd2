internal import FerryChunking
internal import FerryWire

/// SnapshotReady messages through one reassembler.
///
/// Time stands still, so that the same lines always give the same verdicts: nothing grows old.
struct ReassemblyInspection {
    private var reassembler = SnapshotReassembler()

    /// Says what became of one message.
    mutating func verdict(_ bytes: [UInt8]) -> JSONValue {
        let header = PieceHeader(bytes.rawSpan)
        do throws(WireError) {
            guard case .snapshotReady(let piece) = try MigrationMessage(decoding: bytes) else {
                return refusal("notSnapshotReady", "another message than SnapshotReady", result: nil, header: nil)
            }
            return feed(piece, header: header)
        } catch {
            // What the decoder refuses for its numbers the reassembler refuses too, in the same order and before it changes.
            let result = header?.refusal
            return refusal(result?.description ?? error.code.description, error.message, result: result?.netMeshName, header: header)
        }
    }

    private mutating func feed(_ piece: SnapshotPiece, header: PieceHeader?) -> JSONValue {
        do throws(ChunkingError) {
            let fields = header?.fields ?? []
            switch try reassembler.feed(piece, now: .zero) {
            case .pending: return .verdict([("result", "pending")] + fields + [pendingCount])
            case .complete(let whole):
                return .verdict(
                    [("result", "complete"), ("total", .integer(whole.count)), ("bytes", .hex(whole))] + fields + [pendingCount])
            }
        } catch {
            return refusal(error.code.description, error.message, result: error.code.netMeshName, header: header, causes(error, piece))
        }
    }

    /// The numbers that a refusal is about, as net-mesh's error carries them.
    private func causes(_ error: ChunkingError, _ piece: SnapshotPiece) -> JSONValue.Members {
        switch error.code {
        case .staleSequence:
            [("got", .id(piece.throughSequence)), ("latest", reassembler.latestSequence(of: piece.origin).map(JSONValue.id) ?? .null)]
        case .totalChunksMismatch:
            [
                ("got", .integer(Int(piece.totalCount))),
                ("expected", reassembler.totalCount(of: piece.origin).map { .integer(Int($0)) } ?? .null),
            ]
        case .tooManyPendingBytes: [("cap", .integer(WireLimits.netMeshSnapshotByteCount))]
        default: []
        }
    }

    private func refusal(
        _ code: String, _ message: String, result: String?, header: PieceHeader?, _ causes: JSONValue.Members = []
    ) -> JSONValue {
        .refusal(
            code, message,
            [("result", result.map(JSONValue.string) ?? .null)] + causes + (header?.fields ?? []) + [pendingCount])
    }

    private var pendingCount: (String, JSONValue) { ("pendingCount", .integer(reassembler.pendingCount)) }
}

/// The fixed part of a SnapshotReady, read without judging it.
private struct PieceHeader {
    let origin: UInt64
    let throughSequence: UInt64
    let index: UInt32
    let totalCount: UInt32
    let byteCount: UInt32

    init?(_ bytes: RawSpan) {
        var reader = ByteReader(bytes)
        do throws(WireError) {
            guard try reader.readUInt8("type") == 1 else { return nil }
            origin = try reader.readUInt64("origin")
            throughSequence = try reader.readUInt64("through sequence")
            index = try reader.readUInt32("chunk index")
            totalCount = try reader.readUInt32("total chunks")
            byteCount = try reader.readUInt32("chunk length")
        } catch {
            return nil
        }
    }

    /// What the reassembler has against these numbers.
    var refusal: ChunkingError.Code? {
        if totalCount == 0 { return .zeroTotalChunks }
        if totalCount > WireLimits.netMeshChunkCount { return .totalChunksTooLarge }
        if index >= totalCount { return .chunkIndexOutOfRange }
        return byteCount > WireLimits.netMeshChunkByteCount ? .chunkTooLarge : nil
    }

    var fields: JSONValue.Members {
        [
            ("daemonOrigin", .id(origin)), ("origin", .id(origin)), ("seqThrough", .id(throughSequence)),
            ("chunkIndex", .integer(Int(index))), ("totalChunks", .integer(Int(totalCount))), ("len", .integer(Int(byteCount))),
        ]
    }
}

extension ChunkingError.Code {
    /// The name of a refusal, as net-mesh has it.
    fileprivate var netMeshName: String {
        self == .staleSequence ? "StaleSeqThrough" : description.prefix(1).uppercased() + description.dropFirst()
    }
}
