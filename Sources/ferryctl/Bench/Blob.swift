internal import Ferry
internal import FerryWire

/// A daemon that is nothing but its state: what `bench transfer` moves.
struct Blob: Daemon {
    static let kind = DaemonKind(name: "blob", schemaVersion: 1)

    private(set) var contents = PagedBytes()

    /// Holds the first `byteCount` bytes of the data.
    init(_ data: BenchData, byteCount: Int) {
        data.forEachPiece(upTo: byteCount) { (piece) throws(Never) in contents.append(contentsOf: piece.rawSpan) }
    }

    var predictedByteCount: UInt64 { UInt64(contents.count) }

    mutating func process(_ event: CausalEvent, into outputs: inout DaemonOutputs) throws {}

    func snapshot(into writer: inout SnapshotWriter) async throws { try await writer.stream(contents) }

    init(restoring reader: inout SnapshotReader) async throws { contents = try await reader.streamPagedBytes() }
}
