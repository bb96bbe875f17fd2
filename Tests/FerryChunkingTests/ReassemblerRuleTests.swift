import FerryChunking
import FerryWire
import Foundation
import Testing

/// The rules of net-mesh migration §E and the faults that they answer, one by one.
@Suite("Reassembly, rule by rule")
struct ReassemblerRuleTests {
    private static let cap = WireLimits.netMeshSnapshotByteCount

    private var reassembler = SnapshotReassembler(maximumAge: .seconds(60))

    private func piece(
        _ index: UInt32, of total: UInt32, size: Int = 10, origin: UInt64 = 1, through: UInt64 = 1, fill: UInt8 = 0
    ) -> SnapshotPiece {
        SnapshotPiece(
            origin: OriginHash(rawValue: origin), throughSequence: through, index: index, totalCount: total,
            bytes: [UInt8](repeating: fill, count: size))
    }

    private mutating func feed(_ piece: SnapshotPiece, at seconds: Int = 0) -> (code: ChunkingError.Code?, whole: [UInt8]?) {
        do throws(ChunkingError) {
            switch try reassembler.feed(piece, now: .seconds(seconds)) {
            case .pending: return (nil, nil)
            case .complete(let whole): return (nil, whole)
            }
        } catch {
            return (error.code, nil)
        }
    }

    @Test("an index beyond the last counts for nothing: it cannot make a snapshot complete that lacks a piece")
    mutating func indexOutOfRange() {
        #expect(feed(piece(0, of: 3)).code == nil)
        #expect(feed(piece(1, of: 3)).code == nil)
        for index: UInt32 in [3, 4, .max] { #expect(feed(piece(index, of: 3)).code == .chunkIndexOutOfRange) }
        #expect(reassembler.pendingCount == 1)
        #expect(feed(piece(2, of: 3)).whole?.count == 30)
    }

    @Test("a snapshot of no pieces leaves nothing behind")
    mutating func zeroTotal() {
        for index: UInt32 in [0, 1, .max] { #expect(feed(piece(index, of: 0)).code == .zeroTotalChunks) }
        #expect(reassembler.pendingCount == 0 && reassembler.latestSequence(of: OriginHash(rawValue: 1)) == nil)
    }

    @Test("4,294,967,295 announced pieces are refused before anything is kept, 700,000 are not")
    mutating func announcedTotal() {
        for total: UInt32 in [700_001, .max] { #expect(feed(piece(0, of: total)).code == .totalChunksTooLarge) }
        #expect(reassembler.latestSequence(of: OriginHash(rawValue: 1)) == nil)
        #expect(feed(piece(699_999, of: 700_000)).code == nil)
    }

    @Test("a piece has 1 to 7,000 bytes, in a snapshot of one piece as in one of many")
    mutating func pieceSize() {
        for total: UInt32 in [1, 3] {
            for size in [0, 7_001] { #expect(feed(piece(0, of: total, size: size, origin: UInt64(total))).code == .chunkTooLarge) }
            for size in [1, 7_000] { #expect(feed(piece(0, of: total, size: size, origin: UInt64(total))).code == nil) }
        }
    }

    @Test("another number of pieces in mid-assembly is refused, and the assembly goes on")
    mutating func totalChanges() {
        #expect(feed(piece(0, of: 3)).code == nil)
        for total: UInt32 in [2, 4, 1] { #expect(feed(piece(0, of: total)).code == .totalChunksMismatch) }
        #expect(reassembler.totalCount(of: OriginHash(rawValue: 1)) == 3)
        #expect(feed(piece(1, of: 3)).code == nil)
        #expect(feed(piece(2, of: 3)).whole?.count == 30)
    }

    @Test("a snapshot of one piece does not take the place of one of many with the same sequence")
    mutating func singlePieceDoesNotReplace() {
        _ = feed(piece(0, of: 2, fill: 1))
        #expect(feed(piece(0, of: 1, fill: 9)).code == .totalChunksMismatch)
        #expect(feed(piece(1, of: 2, fill: 2)).whole == [UInt8](repeating: 1, count: 10) + [UInt8](repeating: 2, count: 10))
        // With none pending it is whole at once, again and again.
        for _ in 0..<2 { #expect(feed(piece(0, of: 1, fill: 9)).whole?.count == 10) }
    }

    @Test("however far sequences grow, a daemon has one assembly: the newest evicts, an older one is refused")
    mutating func newestEvicts() {
        for through: UInt64 in [1, 2, 1_000, .max - 1, .max] {
            #expect(feed(piece(0, of: 3, through: through)).code == nil)
            #expect(reassembler.pendingCount == 1 && reassembler.latestSequence(of: OriginHash(rawValue: 1)) == through)
        }
        for through: UInt64 in [0, 5, .max - 1] { #expect(feed(piece(0, of: 3, through: through)).code == .staleSequence) }
        #expect(reassembler.pendingCount == 1)
    }

    @Test("pieces of two sequences never join: the evicted one's are gone")
    mutating func generationsBySequence() {
        _ = feed(piece(0, of: 2, through: 1, fill: 1))
        #expect(feed(piece(1, of: 2, through: 2, fill: 2)).whole == nil)
        #expect(feed(piece(1, of: 2, through: 1, fill: 1)).code == .staleSequence)
        #expect(feed(piece(0, of: 2, through: 2, fill: 2)).whole == [UInt8](repeating: 2, count: 20))
    }

    @Test("64 MiB of one daemon are held and not a byte more; a piece that is held already may come again")
    mutating func byteCap() {
        let count = UInt32(Self.cap / 7_000)
        for index in 0..<count { #expect(feed(piece(index, of: count + 2, size: 7_000)).code == nil) }
        let room = Self.cap - Int(count) * 7_000
        #expect(feed(piece(count, of: count + 2, size: room + 1)).code == .tooManyPendingBytes)
        #expect(feed(piece(0, of: count + 2, size: 7_000)).code == nil)
        #expect(feed(piece(count, of: count + 2, size: room)).code == nil)
        #expect(feed(piece(count + 1, of: count + 2, size: 1)).code == .tooManyPendingBytes)
        // A shorter repeat gives room back, and another daemon has its own.
        #expect(feed(piece(1, of: count + 2, size: 6_999)).code == nil)
        #expect(feed(piece(0, of: 2, size: 7_000, origin: 2)).code == nil)
        #expect(feed(piece(count + 1, of: count + 2, size: 1)).whole?.count == Self.cap)
    }

    @Test("a parked assembly ends at its age when anybody's piece comes, also when that one is refused for its size")
    mutating func sweptByOtherTraffic() {
        _ = feed(piece(0, of: 3, origin: 1), at: 0)
        _ = feed(piece(0, of: 3, origin: 2), at: 59)
        #expect(reassembler.pendingCount == 2)
        #expect(feed(piece(0, of: 3, size: 0, origin: 3), at: 60).code == .chunkTooLarge)
        #expect(reassembler.pendingCount == 1 && reassembler.totalCount(of: OriginHash(rawValue: 2)) == 3)
    }

    @Test("junk that fails the first check does not even make the reassembler look for what is old")
    mutating func junkIsCheckedFirst() {
        _ = feed(piece(0, of: 3), at: 0)
        for (index, total): (UInt32, UInt32) in [(0, 0), (0, .max), (3, 3)] { _ = feed(piece(index, of: total), at: 1_000) }
        #expect(reassembler.pendingCount == 1)
    }

    @Test("a slow sender with progress inside of every maximum age is never swept")
    mutating func slowSender() {
        for index in 0..<20 as Range<UInt32> {
            #expect(feed(piece(index, of: 21), at: Int(index) * 59).code == nil)
            #expect(reassembler.pendingCount == 1)
        }
        #expect(feed(piece(20, of: 21), at: 20 * 59).whole?.count == 210)
    }

    @Test("the earliest assembly is swept in time, however the others' progress moves")
    mutating func sweepFindsTheEarliest() {
        _ = feed(piece(0, of: 3, origin: 1), at: 0)
        _ = feed(piece(0, of: 3, origin: 2), at: 10)
        _ = feed(piece(1, of: 3, origin: 1), at: 50)
        #expect(feed(piece(0, of: 3, origin: 3), at: 69).code == nil)
        #expect(reassembler.pendingCount == 3)
        #expect(feed(piece(0, of: 3, origin: 4), at: 70).code == nil)
        #expect(reassembler.totalCount(of: OriginHash(rawValue: 2)) == nil && reassembler.pendingCount == 3)
        #expect(feed(piece(0, of: 3, origin: 4), at: 110).code == nil)
        #expect(reassembler.totalCount(of: OriginHash(rawValue: 1)) == nil && reassembler.pendingCount == 2)
    }

    @Test("sweeping does not forget how far a daemon was: an older snapshot stays refused")
    mutating func sweepKeepsLatest() {
        _ = feed(piece(0, of: 3, through: 9), at: 0)
        #expect(feed(piece(0, of: 3, origin: 2), at: 60).code == nil)
        #expect(reassembler.totalCount(of: OriginHash(rawValue: 1)) == nil)
        #expect(feed(piece(0, of: 3, through: 8), at: 60).code == .staleSequence)
        #expect(feed(piece(0, of: 3, through: 9), at: 60).code == nil)
    }

    @Test("a newer snapshot of one daemon leaves the others' pieces alone")
    mutating func evictionIsPerDaemon() {
        _ = feed(piece(0, of: 2, origin: 1, through: 5, fill: 1))
        _ = feed(piece(0, of: 2, origin: 2, through: 5, fill: 2))
        _ = feed(piece(0, of: 2, origin: 2, through: 6, fill: 3))
        #expect(feed(piece(1, of: 2, origin: 1, through: 5, fill: 1)).whole == [UInt8](repeating: 1, count: 20))
    }

    @Test("stragglers of a cancelled transfer are harmless, and the same snapshot may come again")
    mutating func stragglersAfterCancel() {
        _ = feed(piece(0, of: 3, through: 5))
        reassembler.cancel(OriginHash(rawValue: 1))
        #expect(reassembler.pendingCount == 0)
        #expect(feed(piece(1, of: 3, through: 5)).code == nil)
        #expect(feed(piece(2, of: 3, through: 5)).whole == nil)
        #expect(feed(piece(0, of: 3, through: 5)).whole?.count == 30)
        _ = feed(piece(0, of: 3, through: 6))
        #expect(feed(piece(2, of: 3, through: 5)).code == .staleSequence)
    }

    @Test("the checks come in their order: numbers, size, sequence, number of pieces, bytes")
    mutating func orderOfChecks() {
        _ = feed(piece(0, of: 3, through: 10))
        for (wrong, code): (SnapshotPiece, ChunkingError.Code) in [
            (piece(9, of: 0, size: 0, through: 1), .zeroTotalChunks), (piece(.max, of: .max, size: 0, through: 1), .totalChunksTooLarge),
            (piece(5, of: 4, size: 0, through: 1), .chunkIndexOutOfRange), (piece(3, of: 4, size: 0, through: 1), .chunkTooLarge),
            (piece(3, of: 4, size: 7_001, through: 1), .chunkTooLarge), (piece(3, of: 4, through: 9), .staleSequence),
            (piece(3, of: 4, through: 10), .totalChunksMismatch),
        ] {
            #expect(feed(wrong).code == code)
        }
    }

    @Test("two snapshots of equal sequence and piece count mix, as recorded: only what was restored can tell")
    mutating func generationMix() throws {
        struct Recorded: Decodable {
            struct Run: Decodable {
                var bytesFromA: Int
                var bytesFromB: Int
                var restored: Bool
            }
            struct Group: Decodable {
                struct Mix: Decodable {
                    var newer: Run
                    var older: Run
                    private enum CodingKeys: String, CodingKey {
                        case newer = "0.45.1"
                        case older = "0.34.0"
                    }
                }
                var generationMixReal: Mix
            }
            var reassembler: Group
        }
        let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        let data = try Data(contentsOf: folder.appending(path: "Vectors/net-mesh-migration.json"))
        let recorded = try decoder.decode(Recorded.self, from: data).reassembler.generationMixReal
        for run in [recorded.newer, recorded.older] {
            reassembler = SnapshotReassembler()
            #expect(run.bytesFromA == 7_000 && run.restored)
            #expect(feed(piece(0, of: 3, size: run.bytesFromA, fill: 0xA)).whole == nil)
            #expect(feed(piece(1, of: 3, size: 7_000, fill: 0xB)).whole == nil)
            let whole = feed(piece(2, of: 3, size: run.bytesFromB - 7_000, fill: 0xB)).whole
            #expect(whole?.count(where: { $0 == 0xA }) == run.bytesFromA && whole?.count(where: { $0 == 0xB }) == run.bytesFromB)
        }
    }

    @Test("a piece count that exceeds 16 bits is written, read and assembled as it is")
    func pieceCountBeyond16Bits() throws {
        #expect(try netMeshPieceCount(of: 65_536 * 7_000 + 1) == 65_537)
        let piece = SnapshotPiece(
            origin: OriginHash(rawValue: 1), throughSequence: 1, index: 65_536, totalCount: 65_537, bytes: [1])
        guard case .snapshotReady(let read) = try MigrationMessage(decoding: MigrationMessage.snapshotReady(piece).encoded()) else {
            Issue.record("not a SnapshotReady")
            return
        }
        #expect(read == piece)
    }
}
