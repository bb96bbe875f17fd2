import FerryWire
import Testing

@testable import FerryStateMachines

/// Snapshots in pieces, by daemon and sender.
struct SnapshotAssemblyTests {
    private func piece(
        _ index: UInt32, of count: UInt32 = 3, through sequence: UInt64 = 5, origin: OriginHash = Sample.origin, bytes: [UInt8] = [1]
    ) -> SnapshotPiece {
        SnapshotPiece(origin: origin, throughSequence: sequence, index: index, totalCount: count, bytes: bytes)
    }

    private func feed(
        _ assemblies: inout SnapshotAssemblies, _ piece: SnapshotPiece, from sender: NodeID = Sample.source,
        _ limits: NetMeshLimits = NetMeshLimits(), at seconds: Int64 = 0
    ) throws(NetMeshRefusal) -> [UInt8]? {
        try assemblies.feed(piece, from: sender, limits: limits, now: Sample.at(seconds))
    }

    @Test("Pieces in any order make the snapshot, and nothing stays")
    func anyOrder() throws {
        var assemblies = SnapshotAssemblies()
        #expect(try feed(&assemblies, piece(2, bytes: [3])) == nil)
        #expect(try feed(&assemblies, piece(0, bytes: [1])) == nil)
        #expect(try feed(&assemblies, piece(1, bytes: [2])) == [1, 2, 3])
        #expect(assemblies == SnapshotAssemblies())
    }

    @Test("What a piece may not be, in every way, changes nothing")
    func refusedPieces() throws {
        var assemblies = SnapshotAssemblies()
        _ = try feed(&assemblies, piece(0))
        let before = assemblies
        let bad = [
            piece(0, of: 0), piece(0, of: 700_001), piece(3), piece(1, bytes: []),
            piece(1, bytes: [UInt8](repeating: 0, count: 7_001)), piece(1, through: 4), piece(1, of: 4), piece(0, of: 1),
        ]
        for piece in bad {
            #expect(throws: NetMeshRefusal.self) { try feed(&assemblies, piece, at: 1_000) }
            #expect(assemblies == before)
        }
    }

    @Test("Another sender's pieces, however high their sequence, do not touch an assembly")
    func sendersAreSeparate() throws {
        var assemblies = SnapshotAssemblies()
        _ = try feed(&assemblies, piece(0, of: 2))
        _ = try feed(&assemblies, piece(0, of: 2, through: .max, bytes: [6]), from: Sample.stranger)
        #expect(try feed(&assemblies, piece(1, of: 2, bytes: [2])) == [1, 2])
    }

    @Test("Two attempts with equal sequence and piece count do not merge: a different piece at a held index starts over")
    func generationsDoNotMix() throws {
        var assemblies = SnapshotAssemblies()
        _ = try feed(&assemblies, piece(0, of: 2, bytes: [1]))
        _ = try feed(&assemblies, piece(0, of: 2, bytes: [9]))
        #expect(try feed(&assemblies, piece(1, of: 2, bytes: [8])) == [9, 8])
        _ = try feed(&assemblies, piece(0, of: 3, bytes: [1]))
        _ = try feed(&assemblies, piece(1, of: 3, bytes: [1]))
        _ = try feed(&assemblies, piece(0, of: 3, bytes: [2]))
        #expect(try feed(&assemblies, piece(2, of: 3, bytes: [2])) == nil)
        #expect(try feed(&assemblies, piece(1, of: 3, bytes: [2])) == [2, 2, 2])
    }

    @Test("A newer snapshot of the sender replaces the older one")
    func newerEvicts() throws {
        var assemblies = SnapshotAssemblies()
        _ = try feed(&assemblies, piece(0, of: 2, through: 5))
        _ = try feed(&assemblies, piece(0, of: 2, through: 6, bytes: [7]))
        #expect(assemblies.count == 1)
        #expect(try feed(&assemblies, piece(1, of: 2, through: 6, bytes: [8])) == [7, 8])
    }

    @Test("One snapshot is bounded: at the limit and one byte past it; a held piece may come again")
    func snapshotBound() throws {
        var assemblies = SnapshotAssemblies()
        let limits = NetMeshLimits(snapshotByteCount: 10)
        _ = try feed(&assemblies, piece(0, bytes: [UInt8](repeating: 1, count: 10)), limits)
        _ = try feed(&assemblies, piece(0, bytes: [UInt8](repeating: 1, count: 10)), limits)
        let refusal = #expect(throws: NetMeshRefusal.self) { try feed(&assemblies, piece(1, bytes: [2]), limits) }
        #expect(refusal?.reason != nil)
    }

    @Test("All snapshots together are bounded, with what keeping a piece costs")
    func totalBound() throws {
        let cost = 100 + SnapshotAssemblies.pieceOverheadByteCount
        let limits = NetMeshLimits(assemblyByteCount: 2 * cost)
        var assemblies = SnapshotAssemblies()
        let bytes = [UInt8](repeating: 1, count: 100)
        _ = try feed(&assemblies, piece(0, bytes: bytes), limits)
        _ = try feed(&assemblies, piece(0, origin: Sample.other, bytes: bytes), from: Sample.stranger, limits)
        #expect(assemblies.cost == 2 * cost)
        #expect(throws: NetMeshRefusal.self) { try feed(&assemblies, piece(1, bytes: [1]), limits) }
        assemblies.drop(sender: Sample.stranger)
        #expect(assemblies.cost == cost)
        _ = try feed(&assemblies, piece(1, bytes: bytes), limits)
    }

    @Test("The number of assemblies is bounded, of one sender and of all")
    func countBounds() throws {
        let limits = NetMeshLimits(assemblyCount: 2, assembliesPerSender: 1)
        var assemblies = SnapshotAssemblies()
        _ = try feed(&assemblies, piece(0), limits)
        #expect(throws: NetMeshRefusal.self) { try feed(&assemblies, piece(0, origin: Sample.other), limits) }
        _ = try feed(&assemblies, piece(0), from: Sample.target, limits)
        #expect(throws: NetMeshRefusal.self) { try feed(&assemblies, piece(0), from: Sample.stranger, limits) }
    }

    @Test("Time alone expires an assembly, and progress refreshes it")
    func expiry() throws {
        var assemblies = SnapshotAssemblies()
        _ = try feed(&assemblies, piece(0), at: 0)
        _ = try feed(&assemblies, piece(1), at: 100)
        #expect(assemblies.nextDeadline(age: .seconds(300)) == Sample.at(400))
        assemblies.expire(age: .seconds(300), now: Sample.at(399))
        #expect(assemblies.count == 1)
        assemblies.expire(age: .seconds(300), now: Sample.at(400))
        #expect(assemblies == SnapshotAssemblies())
    }

    @Test("A dropped assembly's stragglers begin another one, which never completes by them alone")
    func stragglers() throws {
        var assemblies = SnapshotAssemblies()
        _ = try feed(&assemblies, piece(0))
        assemblies.drop(Sample.origin, from: Sample.source)
        #expect(try feed(&assemblies, piece(1)) == nil)
        #expect(try feed(&assemblies, piece(2)) == nil)
        #expect(assemblies.count == 1)
    }
}
