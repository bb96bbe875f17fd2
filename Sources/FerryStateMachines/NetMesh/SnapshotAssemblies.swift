internal import FerryWire

/// Snapshots that arrive in pieces, one for each daemon and sender, so that no sender can touch what another one sends.
///
/// The checks are those of net-mesh's reassembler in its order (net-mesh migration §E), except that time alone expires an assembly, never a
/// piece; that all assemblies together are bounded; and that a piece which differs from the one held at its index begins a new
/// generation: what was held is dropped first, so that two attempts with equal sequence and piece count do not merge.
/// A refused piece changes nothing.
struct SnapshotAssemblies: Hashable, Sendable {
    struct Key: Hashable, Sendable {
        var origin: OriginHash
        var sender: NodeID
    }

    /// What keeping one piece costs beside its bytes, measured for a dictionary of arrays.
    static let pieceOverheadByteCount = 80

    private struct Assembly: Hashable, Sendable {
        var throughSequence: UInt64
        var totalCount: UInt32
        var pieces: [UInt32: [UInt8]] = [:]
        var byteCount = 0
        var progressAt: Timestamp

        var cost: Int { byteCount + pieces.count * SnapshotAssemblies.pieceOverheadByteCount }

        func follows(_ piece: SnapshotPiece) -> Bool {
            guard piece.throughSequence == throughSequence else { return false }
            return pieces[piece.index].map { $0 == piece.bytes } ?? true
        }
    }

    private var assemblies: [Key: Assembly] = [:]
    /// What all assemblies cost.
    private(set) var cost = 0

    var count: Int { assemblies.count }

    func isPending(_ origin: OriginHash, from sender: NodeID) -> Bool { assemblies[Key(origin: origin, sender: sender)] != nil }

    /// Takes one piece; returns the whole snapshot when it is the last one. A snapshot of one piece leaves an older one's pieces alone, so that
    /// its owner may still refuse it; taken, they are to be dropped.
    ///
    /// - Throws: `.badSnapshot`, `.capacity`.
    mutating func feed(
        _ piece: SnapshotPiece, from sender: NodeID, limits: NetMeshLimits, now: Timestamp
    ) throws(NetMeshRefusal) -> [UInt8]? {
        try Self.check(piece)
        let key = Key(origin: piece.origin, sender: sender)
        try checkFit(of: piece, key, limits)
        guard piece.totalCount > 1 else { return piece.bytes }
        store(piece, key, now)
        guard let assembly = assemblies[key], assembly.pieces.count == Int(assembly.totalCount) else { return nil }
        drop(key)
        var whole: [UInt8] = []
        whole.reserveCapacity(assembly.byteCount)
        for index in 0..<assembly.totalCount { whole += assembly.pieces[index] ?? [] }
        return whole
    }

    private static func check(_ piece: SnapshotPiece) throws(NetMeshRefusal) {
        guard piece.totalCount > 0 else { throw NetMeshRefusal(.badSnapshot, "a snapshot of no pieces") }
        guard piece.totalCount <= WireLimits.netMeshChunkCount else {
            throw NetMeshRefusal(.badSnapshot, "\(piece.totalCount) pieces exceed \(WireLimits.netMeshChunkCount)")
        }
        guard piece.index < piece.totalCount else {
            throw NetMeshRefusal(.badSnapshot, "piece \(piece.index) of \(piece.totalCount)")
        }
        guard (1...WireLimits.netMeshChunkByteCount).contains(piece.bytes.count) else {
            throw NetMeshRefusal(.badSnapshot, "a piece of \(piece.bytes.count) bytes")
        }
    }

    /// Apart from the storing, so that nothing holds the assembly when it changes and it is not copied.
    private func checkFit(of piece: SnapshotPiece, _ key: Key, _ limits: NetMeshLimits) throws(NetMeshRefusal) {
        let known = assemblies[key]
        if let known { try Self.check(piece, against: known) }
        if piece.totalCount > 1 { try checkRoom(for: piece, key, known, limits) }
    }

    private static func check(_ piece: SnapshotPiece, against known: Assembly) throws(NetMeshRefusal) {
        guard piece.throughSequence >= known.throughSequence else {
            throw NetMeshRefusal(.badSnapshot, "a newer snapshot has begun")
        }
        guard piece.throughSequence > known.throughSequence || piece.totalCount == known.totalCount else {
            throw NetMeshRefusal(.badSnapshot, "a piece of \(piece.totalCount) came to an assembly of \(known.totalCount)")
        }
    }

    private func checkRoom(
        for piece: SnapshotPiece, _ key: Key, _ known: Assembly?, _ limits: NetMeshLimits
    ) throws(NetMeshRefusal) {
        let follows = known?.follows(piece) ?? false
        let isHeld = follows && known?.pieces[piece.index] != nil
        let added = isHeld ? 0 : piece.bytes.count
        let byteCount = (follows ? known?.byteCount ?? 0 : 0) + added
        guard byteCount <= limits.snapshotByteCount else {
            let text = "snapshot exceeds \(limits.snapshotByteCount) bytes"
            throw NetMeshRefusal(.capacity, text, reason: FailureReason(.stateFailed, text))
        }
        let freed = follows ? 0 : known?.cost ?? 0
        let total = cost - freed + added + (isHeld ? 0 : Self.pieceOverheadByteCount)
        guard total <= limits.assemblyByteCount else {
            throw Self.noRoom("snapshots in assembly exceed \(limits.assemblyByteCount) bytes")
        }
        guard known == nil else { return }
        guard assemblies.count < limits.assemblyCount else { throw Self.noRoom("\(limits.assemblyCount) snapshots are in assembly") }
        guard assemblies.keys.count(where: { $0.sender == key.sender }) < limits.assembliesPerSender else {
            throw Self.noRoom("\(limits.assembliesPerSender) snapshots of this sender are in assembly")
        }
    }

    private static func noRoom(_ text: String) -> NetMeshRefusal {
        NetMeshRefusal(.capacity, text, reason: FailureReason(.stateFailed, text))
    }

    private mutating func store(_ piece: SnapshotPiece, _ key: Key, _ now: Timestamp) {
        // Taken out while it changes, so that its dictionary is not copied.
        var assembly =
            assemblies.removeValue(forKey: key)
            ?? Assembly(throughSequence: piece.throughSequence, totalCount: piece.totalCount, progressAt: now)
        cost -= assembly.cost
        if !assembly.follows(piece) {
            assembly = Assembly(throughSequence: piece.throughSequence, totalCount: piece.totalCount, progressAt: now)
        }
        if assembly.pieces.updateValue(piece.bytes, forKey: piece.index) == nil {
            assembly.byteCount += piece.bytes.count
            assembly.progressAt = now
        }
        cost += assembly.cost
        assemblies[key] = assembly
    }

    private mutating func drop(_ key: Key) {
        if let dropped = assemblies.removeValue(forKey: key) { cost -= dropped.cost }
    }

    /// Drops what a sender has sent of a daemon; harmless when there is nothing.
    mutating func drop(_ origin: OriginHash, from sender: NodeID) { drop(Key(origin: origin, sender: sender)) }

    /// Drops everything of a node.
    mutating func drop(sender: NodeID) {
        for key in assemblies.keys where key.sender == sender { drop(key) }
    }

    /// Drops what made no progress for `age`.
    mutating func expire(age: Duration, now: Timestamp) {
        for (key, assembly) in assemblies where assembly.progressAt + age <= now { drop(key) }
    }

    func nextDeadline(age: Duration) -> Timestamp? {
        assemblies.values.map { $0.progressAt + age }.min()
    }
}
