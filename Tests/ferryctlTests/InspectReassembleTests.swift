import FerryChunking
import FerryWire
import Foundation
import Testing

@testable import ferryctl

@Suite struct InspectReassembleTests {
    private func message(_ operation: [String: Any], index: Int?) throws -> [UInt8] {
        let size = try #require(operation["size"] as? Int)
        let piece = SnapshotPiece(
            origin: OriginHash(rawValue: UInt64(operation["origin"] as? String ?? "43690") ?? 0),
            throughSequence: UInt64(operation["seq_through"] as? String ?? "1") ?? 0,
            index: UInt32(index ?? operation["chunk_index"] as? Int ?? 0), totalCount: UInt32(operation["total_chunks"] as? Int ?? 0),
            bytes: [UInt8](repeating: 0x5A, count: size))
        return try MigrationMessage.snapshotReady(piece).encoded()
    }

    @Test func `every script of the vectors runs as recorded`() throws {
        let scripts = try InspectVectors.list("reassembler", key: "scripts")
        #expect(scripts.count == 11)
        for script in scripts {
            let name = script["name"] as? String ?? ""
            var inspection = Inspection(.reassemble)
            var verdict: [String: Any] = [:]
            for operation in try #require(script["ops"] as? [[String: Any]]) {
                if operation["op"] as? String == "pending_count" {
                    #expect(plain(verdict["pendingCount"]) == plain(operation["result"]), "\(name)")
                    continue
                }
                for index in (operation["from"] as? Int ?? 0)..<(operation["to"] as? Int ?? 1) {
                    let bytes = try message(operation, index: operation["to"] == nil ? nil : index)
                    verdict = try parseObject(inspection.inspect(.bytes(bytes)).text)
                    let result = try #require(operation["result"] as? String)
                    #expect(verdict["result"] as? String == result, "\(name)")
                    #expect(isAccepted(verdict) == ["pending", "complete"].contains(result), "\(name)")
                }
                for field in ["total", "len", "got", "expected", "latest", "cap"] where operation[field] != nil {
                    #expect(plain(verdict[field]) == plain(operation[field]), "\(name): \(field)")
                }
                if let total = operation["total"] as? Int {
                    #expect(verdict["bytes"] as? String == String(repeating: "5a", count: total))
                    #expect(plain(verdict["origin"]) == plain(operation["origin"]))
                    #expect(plain(verdict["seqThrough"]) == plain(operation["seq_through"]))
                }
            }
        }
    }

    @Test func `the recorded pieces of one snapshot become the recorded snapshot`() throws {
        let group = try #require((try InspectVectors.load()["chunking"] as? [String: Any])?["real_multi_chunk"] as? [String: Any])
        var inspection = Inspection(.reassemble)
        let messages = try #require(group["messages"] as? [[String: Any]])
        let verdicts = try messages.map { try inspection.verdict($0["hex"] as? String ?? "") }
        #expect(verdicts.map { $0["result"] as? String } == ["pending", "pending", "complete"])
        #expect(verdicts.last?["bytes"] as? String == group["snapshot"] as? String)
        #expect(verdicts.last?["pendingCount"] as? Int == 0)
    }

    @Test func `what the decoder refuses for its numbers has the reassembler's name and changes nothing`() throws {
        let origin = String(repeating: "00", count: 16)
        var inspection = Inspection(.reassemble)
        _ = try inspection.verdict(
            try MigrationMessage.snapshotReady(
                SnapshotPiece(origin: OriginHash(rawValue: 0), throughSequence: 0, index: 0, totalCount: 3, bytes: [1])
            ).encoded().hex)
        for (numbers, result, code) in [
            ("00000000" + "00000000" + "00000000", "ZeroTotalChunks", "zeroTotalChunks"),
            ("00000000" + "61ae0a00" + "ffffffff", "TotalChunksTooLarge", "totalChunksTooLarge"),
            ("03000000" + "03000000" + "ffffffff", "ChunkIndexOutOfRange", "chunkIndexOutOfRange"),
            ("00000000" + "03000000" + "591b0000", "ChunkTooLarge", "chunkTooLarge"),
            ("00000000" + "03000000" + "00000000", "ChunkTooLarge", "chunkTooLarge"),
        ] {
            let verdict = try inspection.verdict("01" + origin + numbers)
            #expect(!isAccepted(verdict) && verdict["result"] as? String == result && verdict["error"] as? String == code)
            #expect(verdict["pendingCount"] as? Int == 1)
        }
        for (line, code) in [
            ("01" + origin + "00000000" + "03000000" + "01000000", "truncated"), ("01", "truncated"), ("", "truncated"),
            ("08" + origin, "notSnapshotReady"), ("0a", "unknownType"),
        ] {
            let verdict = try inspection.verdict(line)
            #expect(verdict["error"] as? String == code && verdict["result"] is NSNull && verdict["pendingCount"] as? Int == 1)
        }
    }

    @Test func `every way in which a whole snapshot may be cut ends in its bytes`() throws {
        for count in [1, 6_999, 7_000, 7_001, 13_999, 14_000, 14_001, 100_000] {
            let snapshot = (0..<count).map { UInt8(truncatingIfNeeded: $0 * 7) }
            let pieces = try chunkSnapshot(snapshot.rawSpan, origin: OriginHash(rawValue: 9), throughSequence: .max)
            var inspection = Inspection(.reassemble)
            var verdict: [String: Any] = [:]
            for piece in pieces.reversed() { verdict = try inspection.verdict(MigrationMessage.snapshotReady(piece).encoded().hex) }
            #expect(verdict["bytes"] as? String == snapshot.hex && verdict["total"] as? Int == count)
            #expect(verdict["seqThrough"] as? String == "18446744073709551615")
        }
        for vector in try InspectVectors.list("chunking") {
            let count = try #require(vector["snapshot_len"] as? Int)
            #expect(try netMeshPieceCount(of: count) == vector["total_chunks"] as? Int)
        }
    }
}
