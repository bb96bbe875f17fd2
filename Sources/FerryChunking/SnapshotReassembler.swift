public import FerryWire

/// Puts the pieces of net-mesh snapshots together again, by the nine steps of net-mesh migration §E in their order.
///
/// At most one assembly per origin is pending. A refused piece changes nothing, except that outdated assemblies may have been swept. There
/// is no identity of an attempt on the wire: two snapshots of equal sequence and piece count mix, which only the restored snapshot can tell.
///
/// Memory: at most 64 MiB of pieces an origin, and some 80 bytes a piece besides (56 MB for 700,000 pieces of one byte). Its owner keeps one
/// reassembler per origin, so the number of origins is the owner's limit.
public struct SnapshotReassembler: Sendable {
    /// What became of a piece that was not refused.
    public enum Outcome: Hashable, Sendable {
        /// Pieces are still missing.
        case pending
        /// The whole snapshot.
        case complete([UInt8])
    }

    private struct Assembly {
        var totalCount: UInt32
        var pieces: [UInt32: [UInt8]] = [:]
        var byteCount = 0
        var lastProgress: Duration
    }

    private var assemblies: [OriginHash: Assembly] = [:]
    private var latest: [OriginHash: UInt64] = [:]
    private let maximumAge: Duration
    /// No assembly's last progress was before this: until it is `maximumAge` ago there is nothing to sweep, and no piece pays for looking.
    private var earliestProgress: Duration?

    /// - Parameter maximumAge: assemblies without progress for this long are dropped when the next piece comes.
    public init(maximumAge: Duration = .seconds(300)) {
        self.maximumAge = maximumAge
    }

    /// How many assemblies wait for pieces.
    public var pendingCount: Int { assemblies.count }

    /// The latest sequence that any accepted piece of a daemon's snapshots had: older ones are refused.
    public func latestSequence(of origin: OriginHash) -> UInt64? { latest[origin] }

    /// How many pieces a daemon's pending assembly consists of; nil when none is pending.
    public func totalCount(of origin: OriginHash) -> UInt32? { assemblies[origin]?.totalCount }

    /// Takes one piece.
    ///
    /// - Parameter now: time since any fixed point; never goes back.
    /// - Throws: `.zeroTotalChunks`, `.totalChunksTooLarge`, `.chunkIndexOutOfRange`, `.chunkTooLarge`, `.staleSequence`,
    ///   `.totalChunksMismatch`, `.tooManyPendingBytes`.
    public mutating func feed(_ piece: SnapshotPiece, now: Duration) throws(ChunkingError) -> Outcome {
        try Self.checkCounts(piece)
        if earliestProgress.map({ now - $0 >= maximumAge }) ?? true { sweep(now: now, maximumAge: maximumAge) }
        guard (1...WireLimits.netMeshChunkByteCount).contains(piece.bytes.count) else {
            throw ChunkingError(.chunkTooLarge, "a piece has 1 to \(WireLimits.netMeshChunkByteCount) bytes, not \(piece.bytes.count)")
        }
        if let known = latest[piece.origin], piece.throughSequence < known {
            throw ChunkingError(.staleSequence, "a piece through sequence \(piece.throughSequence) came after one through \(known)")
        }
        if latest[piece.origin] != piece.throughSequence {
            assemblies[piece.origin] = nil
            latest[piece.origin] = piece.throughSequence
        }
        if let assembly = assemblies[piece.origin], assembly.totalCount != piece.totalCount {
            throw ChunkingError(.totalChunksMismatch, "a piece of \(piece.totalCount) came to an assembly of \(assembly.totalCount)")
        }
        guard piece.totalCount > 1 else { return .complete(piece.bytes) }
        return try store(piece, now: now)
    }

    /// Drops what is pending of a daemon, and still refuses older snapshots of it.
    public mutating func cancel(_ origin: OriginHash) {
        assemblies[origin] = nil
    }

    /// Drops assemblies without progress for `maximumAge` or longer, and still refuses older snapshots; returns how many.
    @discardableResult
    public mutating func sweep(now: Duration, maximumAge: Duration) -> Int {
        let before = assemblies.count
        assemblies = assemblies.filter { now - $0.value.lastProgress < maximumAge }
        earliestProgress = assemblies.values.reduce(now) { min($0, $1.lastProgress) }
        return before - assemblies.count
    }

    private static func checkCounts(_ piece: SnapshotPiece) throws(ChunkingError) {
        guard piece.totalCount > 0 else { throw ChunkingError(.zeroTotalChunks, "a snapshot of no pieces") }
        guard piece.totalCount <= WireLimits.netMeshChunkCount else {
            throw ChunkingError(.totalChunksTooLarge, "\(piece.totalCount) pieces exceed \(WireLimits.netMeshChunkCount)")
        }
        guard piece.index < piece.totalCount else {
            throw ChunkingError(.chunkIndexOutOfRange, "piece \(piece.index) of \(piece.totalCount)")
        }
    }

    private mutating func store(_ piece: SnapshotPiece, now: Duration) throws(ChunkingError) -> Outcome {
        // Taken out while it changes, so that its dictionary is not copied.
        var assembly =
            assemblies.removeValue(forKey: piece.origin)
            ?? Assembly(totalCount: piece.totalCount, lastProgress: now)
        let byteCount = assembly.byteCount - (assembly.pieces[piece.index]?.count ?? 0) + piece.bytes.count
        guard byteCount <= WireLimits.netMeshSnapshotByteCount else {
            assemblies[piece.origin] = assembly
            throw ChunkingError(.tooManyPendingBytes, "\(byteCount) bytes of one snapshot exceed \(WireLimits.netMeshSnapshotByteCount)")
        }
        assembly.pieces[piece.index] = piece.bytes
        assembly.byteCount = byteCount
        assembly.lastProgress = now
        guard assembly.pieces.count == Int(assembly.totalCount) else {
            assemblies[piece.origin] = assembly
            return .pending
        }
        let whole = [UInt8](rawCapacity: byteCount) { output in
            for index in 0..<assembly.totalCount {
                if let bytes = assembly.pieces[index] { output.append(contentsOf: bytes.rawSpan) }
            }
        }
        return .complete(whole)
    }
}
