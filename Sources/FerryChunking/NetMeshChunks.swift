public import FerryWire

/// Cuts a whole snapshot into the messages of the net-mesh profile: pieces of 7,000 bytes, the last one shorter; an empty snapshot is
/// one empty piece. (net-mesh migration §E, `chunk_snapshot`.)
///
/// - Throws: `.limitExceeded` above 700,000 pieces.
public func chunkSnapshot(_ snapshot: RawSpan, origin: OriginHash, throughSequence: UInt64) throws(ChunkingError) -> [SnapshotPiece] {
    let size = WireLimits.netMeshChunkByteCount
    let count = try netMeshPieceCount(of: snapshot.byteCount)
    var pieces: [SnapshotPiece] = []
    pieces.reserveCapacity(count)
    for index in 0..<count {
        let range = (index * size)..<min((index + 1) * size, snapshot.byteCount)
        pieces.append(
            SnapshotPiece(
                origin: origin, throughSequence: throughSequence, index: UInt32(index), totalCount: UInt32(count),
                bytes: [UInt8](copying: snapshot.extracting(range))))
    }
    return pieces
}

/// How many pieces a net-mesh snapshot of `byteCount` bytes has.
///
/// - Throws: `.limitExceeded` above 700,000.
public func netMeshPieceCount(of byteCount: Int) throws(ChunkingError) -> Int {
    let size = WireLimits.netMeshChunkByteCount
    let count = max(byteCount / size + (byteCount.isMultiple(of: size) ? 0 : 1), 1)
    guard count <= WireLimits.netMeshChunkCount else {
        throw ChunkingError(.limitExceeded, "a net-mesh snapshot has at most \(WireLimits.netMeshChunkCount) pieces, not \(count)")
    }
    return count
}
