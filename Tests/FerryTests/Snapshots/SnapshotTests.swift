import Ferry
import FerryChunking
import FerryWire
import Testing

@Suite struct SnapshotTests {
    private static let chunk = 64 << 10

    private func stream(_ body: (inout SnapshotWriter) async throws -> Void) async throws -> SnapshotMemory {
        let memory = SnapshotMemory()
        var writer = try SnapshotWriter(into: memory, chunkByteCount: Self.chunk)
        try await body(&writer)
        _ = try await writer.finish()
        return memory
    }

    @Test("every kind of field comes back, wherever it straddles a chunk", arguments: [0, 1, 3, 7, 8, 15, 16, 17])
    func straddling(_ shift: Int) async throws {
        let bytes = (0..<10_000).map { UInt8(truncatingIfNeeded: $0) }
        let key = FixedBytes32([UInt8](repeating: 9, count: 32))
        let memory = try await stream { writer in
            for _ in 0..<(Self.chunk - shift) { writer.write(5 as UInt8) }
            for round in 0..<40 {
                writer.write(UInt128.max)
                writer.write(Int16(-round))
                writer.write(round % 2 == 0)
                writer.write(Double(round) / 3)
                writer.write(bytes)
                writer.write("§\(round)")
                if let key { writer.write(key) }
                writer.writeMark("end")
                try await writer.checkpoint()
            }
        }
        var reader = SnapshotReader(from: memory)
        for _ in 0..<(Self.chunk - shift) {
            try await reader.checkpoint()
            #expect(try reader.read(UInt8.self) == 5)
        }
        for round in 0..<40 {
            try await reader.checkpoint()
            #expect(try reader.read(UInt128.self) == .max)
            #expect(try reader.read(Int16.self) == Int16(-round))
            #expect(try reader.readBool() == (round % 2 == 0))
            #expect(try reader.readDouble() == Double(round) / 3)
            #expect(try reader.readBytes(limit: 10_000) == bytes)
            #expect(try reader.readText(limit: 10) == "§\(round)")
            #expect(try reader.read(FixedBytes32.self) == key)
            try reader.readMark("end")
        }
        #expect(try await reader.isAtEnd())
        _ = try await reader.finish()
    }

    @Test("paged bytes stream page by page and come back equal", arguments: [0, 1, 4_096, 4_097, 1_000_003])
    func paged(_ count: Int) async throws {
        var store = PagedBytes(repeating: 3, count: count, pageByteCount: 4_096)
        if count > 2 { store.write([1, 2].rawSpan, at: count - 2) }
        let original = store
        let memory = try await stream { writer in
            writer.write(1 as UInt8)
            try await writer.stream(original)
        }
        var reader = SnapshotReader(from: memory)
        try await reader.checkpoint()
        _ = try reader.read(UInt8.self)
        let restored = try await reader.streamPagedBytes(limit: count)
        #expect(restored == original)
        _ = try await reader.finish()
    }

    @Test("a paged store one byte past the reader's limit is refused")
    func pagedLimit() async throws {
        let memory = try await stream { writer in try await writer.stream(PagedBytes(count: 101, pageByteCount: 4_096)) }
        var reader = SnapshotReader(from: memory)
        do {
            _ = try await reader.streamPagedBytes(limit: 100)
            Issue.record("a store past its limit was read")
        } catch let error as FerryError {
            #expect(error.code == .limitExceeded)
        }
    }

    @Test("the window takes 8 MiB past the open chunk between two checkpoints, and not one byte more", arguments: [0, 1])
    func window(_ excess: Int) async throws {
        var writer = try SnapshotWriter(into: DiscardingSnapshotSink(), chunkByteCount: Self.chunk)
        writer.write(contentsOf: [UInt8](repeating: 0, count: Self.chunk + SnapshotWriter.windowByteCount + excess).rawSpan)
        do {
            try await writer.checkpoint()
            #expect(excess == 0)
            #expect(writer.stateByteCount == Self.chunk + SnapshotWriter.windowByteCount)
        } catch let error as FerryError {
            #expect(excess == 1)
            #expect(error.code == .windowExceeded)
        }
    }

    @Test("a long run of bytes needs no window")
    func longRun() async throws {
        let bytes = [UInt8](repeating: 1, count: SnapshotWriter.windowByteCount + 12_345)
        let memory = try await stream { writer in try await writer.stream(bytes.rawSpan) }
        var reader = SnapshotReader(from: memory)
        var runs: [Int] = []
        while try await !reader.isAtEnd() {
            runs.append(reader.unreadByteCount)
            let run = try [UInt8](rawCapacity: reader.unreadByteCount) { output throws(FerryError) in try reader.read(into: &output) }
            #expect(run.allSatisfy { $0 == 1 })
        }
        #expect(runs.reduce(0, +) == bytes.count)
    }

    @Test("fields that are not decoded yet, not there, or not read are told apart")
    func mismatches() async throws {
        let memory = try await stream { writer in writer.write(7 as UInt32) }
        var early = SnapshotReader(from: SnapshotMemory(memory.bytes))
        expect(.checkpointMissing) { () throws(FerryError) in _ = try early.read(UInt8.self) }
        try await early.checkpoint()
        expect(.truncated) { () throws(FerryError) in _ = try early.read(UInt64.self) }
        expect(.fieldMismatch) { () throws(FerryError) in _ = try early.readBool() }
        do {
            _ = try await early.finish()
            Issue.record("unread bytes were overlooked")
        } catch let error as FerryError {
            #expect(error.code == .fieldMismatch)
        }
        var limited = SnapshotReader(from: SnapshotMemory(memory.bytes))
        try await limited.checkpoint()
        expect(.limitExceeded) { () throws(FerryError) in _ = try limited.readBytes(limit: 6) }
        var marked = SnapshotReader(from: SnapshotMemory(memory.bytes))
        try await marked.checkpoint()
        expect(.fieldMismatch) { () throws(FerryError) in try marked.readMark("name") }
    }

    private func expect(_ code: FerryError.Code, _ body: () throws(FerryError) -> Void) {
        do throws(FerryError) {
            try body()
            Issue.record("nothing was thrown instead of \(code)")
        } catch {
            #expect(error.code == code)
        }
    }

    @Test("a stream that is cut anywhere, or goes on after its trailer, is refused")
    func truncation() async throws {
        let memory = try await stream { writer in
            for value in UInt64(0)..<20_000 {
                writer.write(value)
                try await writer.checkpoint()
            }
        }
        let bytes = memory.bytes
        for cut in [0, 1, 27, 28, 1_000, Self.chunk, bytes.count - 53, bytes.count - 52, bytes.count - 1] {
            await #expect(throws: (any Error).self) { try await Self.readAll(Array(bytes[..<cut])) }
        }
        await #expect(throws: FerryError.self) { try await Self.readAll(bytes + [0]) }
        try await Self.readAll(bytes)
    }

    private static func readAll(_ bytes: [UInt8]) async throws {
        var reader = SnapshotReader(from: SnapshotMemory(bytes))
        while try await !reader.isAtEnd() { _ = try reader.read(UInt8.self) }
        _ = try await reader.finish()
    }
}
