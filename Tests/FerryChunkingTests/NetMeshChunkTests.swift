import FerryChunking
import FerryWire
import Foundation
import Testing

/// The parts of Tests/Vectors/net-mesh-migration.json that chunking is held against.
private struct Vectors: Decodable {
    struct Chunking: Decodable {
        struct Lengths: Decodable {
            var snapshotLen: Int
            var totalChunks: Int
            var lastLen: Int
        }
        struct Real: Decodable {
            struct Message: Decodable {
                var hex: String
                var chunkIndex: UInt32
                var totalChunks: UInt32
                var len: Int
            }
            var messages: [Message]
            var snapshot: String
        }
        var vectors: [Lengths]
        var realMultiChunk: Real
    }
    struct Reassembler: Decodable {
        struct Result: Decodable {
            var text: String?
            var number: Int?
            init(from decoder: any Decoder) throws {
                let container = try decoder.singleValueContainer()
                number = try? container.decode(Int.self)
                text = try? container.decode(String.self)
            }
        }
        struct Operation: Decodable {
            var op: String
            var origin: String?
            var seqThrough: String?
            var chunkIndex: UInt32?
            var totalChunks: UInt32?
            var size: Int?
            var from: UInt32?
            var to: UInt32?
            var total: Int?
            var result: Result
        }
        struct Script: Decodable {
            var name: String
            var ops: [Operation]
        }
        var scripts: [Script]
    }

    var chunking: Chunking
    var reassembler: Reassembler

    static func load() throws -> Vectors {
        let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return try decoder.decode(Vectors.self, from: Data(contentsOf: folder.appending(path: "Vectors/net-mesh-migration.json")))
    }
}

/// The code that stands for one of net-mesh's error names.
private let codes: [String: ChunkingError.Code] = [
    "ZeroTotalChunks": .zeroTotalChunks, "TotalChunksTooLarge": .totalChunksTooLarge, "ChunkIndexOutOfRange": .chunkIndexOutOfRange,
    "ChunkTooLarge": .chunkTooLarge, "StaleSeqThrough": .staleSequence, "TotalChunksMismatch": .totalChunksMismatch,
    "TooManyPendingBytes": .tooManyPendingBytes,
]

private func piece(_ index: UInt32, of total: UInt32, size: Int = 10, origin: UInt64 = 1, through: UInt64 = 1, fill: UInt8 = 0)
    -> SnapshotPiece
{
    SnapshotPiece(
        origin: OriginHash(rawValue: origin), throughSequence: through, index: index, totalCount: total,
        bytes: [UInt8](repeating: fill, count: size))
}

extension SnapshotReassembler {
    /// Feeds a piece and returns what became of it, as the vectors name it.
    fileprivate mutating func result(_ piece: SnapshotPiece, at seconds: Int = 0) -> (code: ChunkingError.Code?, whole: [UInt8]?) {
        do throws(ChunkingError) {
            guard case .complete(let bytes) = try feed(piece, now: .seconds(seconds)) else { return (nil, nil) }
            return (nil, bytes)
        } catch {
            return (error.code, nil)
        }
    }
}

@Suite("Chunks of the net-mesh profile")
struct NetMeshChunkTests {
    @Test("snapshots are cut into the pieces of the vectors")
    func lengths() throws {
        for vector in try Vectors.load().chunking.vectors {
            let snapshot = [UInt8](repeating: 1, count: vector.snapshotLen)
            let pieces = try chunkSnapshot(snapshot.rawSpan, origin: OriginHash(rawValue: 5), throughSequence: 9)
            #expect(pieces.count == vector.totalChunks)
            #expect(pieces.last?.bytes.count == vector.lastLen)
            #expect(pieces.dropLast().allSatisfy { $0.bytes.count == 7_000 })
            #expect(pieces.enumerated().allSatisfy { $0.offset == Int($0.element.index) && $0.element.totalCount == pieces.count })
        }
    }

    @Test("a recorded snapshot of three messages is assembled, and cut into the same messages again")
    func recorded() throws {
        let real = try Vectors.load().chunking.realMultiChunk
        let snapshot = try #require([UInt8](hex: real.snapshot))
        var reassembler = SnapshotReassembler()
        var pieces: [SnapshotPiece] = []
        var whole: [UInt8]?
        for message in real.messages {
            let bytes = try #require([UInt8](hex: message.hex))
            guard case .snapshotReady(let piece) = try MigrationMessage(decoding: bytes.rawSpan) else {
                Issue.record("not a SnapshotReady")
                return
            }
            #expect(piece.index == message.chunkIndex)
            pieces.append(piece)
            whole = reassembler.result(piece).whole
        }
        #expect(whole == snapshot)
        let first = try #require(pieces.first)
        #expect(try chunkSnapshot(snapshot.rawSpan, origin: first.origin, throughSequence: first.throughSequence) == pieces)
    }

    @Test("a snapshot has 1 to 700,000 pieces, and not one byte more than they hold")
    func pieceCounts() throws {
        #expect(try netMeshPieceCount(of: 0) == 1)
        #expect(try netMeshPieceCount(of: 700_000 * 7_000) == 700_000)
        #expect(code { () throws(ChunkingError) in _ = try netMeshPieceCount(of: 700_000 * 7_000 + 1) } == .limitExceeded)
    }
}

@Suite("Reassembler of the net-mesh profile")
struct SnapshotReassemblerTests {
    @Test("every script of the vectors runs as recorded")
    func scripts() throws {
        for script in try Vectors.load().reassembler.scripts {
            var reassembler = SnapshotReassembler()
            for operation in script.ops {
                if operation.op == "pending_count" {
                    #expect(reassembler.pendingCount == operation.result.number, "\(script.name)")
                    continue
                }
                let total = try #require(operation.totalChunks)
                let size = try #require(operation.size)
                let indices =
                    operation.op == "feed_many"
                    ? (operation.from ?? 0)..<(operation.to ?? 0) : (operation.chunkIndex ?? 0)..<((operation.chunkIndex ?? 0) + 1)
                for index in indices {
                    let origin = operation.origin.flatMap(UInt64.init) ?? 43_690
                    let through = operation.seqThrough.flatMap(UInt64.init) ?? 1
                    let result = reassembler.result(piece(index, of: total, size: size, origin: origin, through: through))
                    #expect(result.code == operation.result.text.flatMap { codes[$0] }, "\(script.name), piece \(index)")
                    #expect(result.whole?.count == operation.total, "\(script.name), piece \(index)")
                }
            }
        }
    }

    @Test("pieces are joined by index, whatever their order")
    func joined() {
        var reassembler = SnapshotReassembler()
        #expect(reassembler.result(piece(2, of: 3, size: 1, fill: 2)).whole == nil)
        #expect(reassembler.result(piece(0, of: 3, size: 2, fill: 0)).whole == nil)
        #expect(reassembler.result(piece(1, of: 3, size: 1, fill: 1)).whole == [0, 0, 1, 2])
        #expect(reassembler.pendingCount == 0)
    }

    @Test("a repeated piece replaces the earlier one, in bytes and in their count")
    func repeated() {
        var reassembler = SnapshotReassembler()
        _ = reassembler.result(piece(0, of: 2, size: 7_000, fill: 1))
        _ = reassembler.result(piece(0, of: 2, size: 1, fill: 2))
        #expect(reassembler.result(piece(1, of: 2, size: 1, fill: 3)).whole == [2, 3])
    }

    @Test("700,000 pieces may be announced, one more may not")
    func announcedCount() {
        var reassembler = SnapshotReassembler()
        #expect(reassembler.result(piece(0, of: 700_000)).code == nil)
        #expect(reassembler.result(piece(0, of: 700_001, origin: 2)).code == .totalChunksTooLarge)
        #expect(reassembler.pendingCount == 1)
    }

    @Test("an assembly is dropped at its maximum age, and not just before")
    func age() {
        var reassembler = SnapshotReassembler(maximumAge: .seconds(60))
        _ = reassembler.result(piece(0, of: 3), at: 0)
        _ = reassembler.result(piece(0, of: 3, origin: 2), at: 59)
        #expect(reassembler.pendingCount == 2)
        _ = reassembler.result(piece(0, of: 3, origin: 3), at: 60)
        #expect(reassembler.pendingCount == 2)
        #expect(reassembler.sweep(now: .seconds(118), maximumAge: .seconds(60)) == 0)
        #expect(reassembler.sweep(now: .seconds(120), maximumAge: .seconds(60)) == 2)
    }

    @Test("progress keeps an assembly, a refused piece does not")
    func progress() {
        var reassembler = SnapshotReassembler(maximumAge: .seconds(60))
        _ = reassembler.result(piece(0, of: 3), at: 0)
        #expect(reassembler.result(piece(1, of: 4), at: 30).code == .totalChunksMismatch)
        #expect(reassembler.sweep(now: .seconds(60), maximumAge: .seconds(60)) == 1)
        _ = reassembler.result(piece(0, of: 3), at: 60)
        _ = reassembler.result(piece(1, of: 3), at: 100)
        #expect(reassembler.sweep(now: .seconds(159), maximumAge: .seconds(60)) == 0)
    }

    @Test("a cancelled or swept daemon still refuses older snapshots, and takes the same one again")
    func latestStays() {
        var reassembler = SnapshotReassembler()
        _ = reassembler.result(piece(0, of: 3, through: 7))
        reassembler.cancel(OriginHash(rawValue: 1))
        #expect(reassembler.pendingCount == 0)
        #expect(reassembler.result(piece(0, of: 3, through: 6)).code == .staleSequence)
        #expect(reassembler.result(piece(0, of: 3, through: 7)).code == nil)
        reassembler.sweep(now: .seconds(1_000), maximumAge: .seconds(1))
        #expect(reassembler.result(piece(0, of: 3, through: 6), at: 1_000).code == .staleSequence)
    }

    @Test("a snapshot of one piece is complete at once, and ends an older assembly")
    func singlePiece() {
        var reassembler = SnapshotReassembler()
        _ = reassembler.result(piece(0, of: 3, through: 1))
        #expect(reassembler.result(piece(0, of: 1, size: 4, through: 2)).whole == [0, 0, 0, 0])
        #expect(reassembler.pendingCount == 0)
    }
}
