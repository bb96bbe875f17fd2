import ArgumentParser
import Ferry
import FerryChunking
import FerryWire
import FerryZstd
import Foundation
import Testing

@testable import ferryctl

@Suite struct BenchTests {
    @Test(arguments: [("memory", "none"), ("unix", "zstd"), ("udp", "adaptive")])
    func `the limit is measured over every transport`(transport: String, compression: String) async throws {
        let options = try BenchOptions.parse([
            "--transport", transport, "--compression", compression, "--state-size", "3MiB", "--runs", "1",
        ])
        let transport = try #require(DemoTransport(rawValue: transport))
        let folder = try DemoFolder()
        let links = try await LimitLinks.open(transport, frameByteCount: nil, in: folder)
        let compressor = try #require(options.compression.compressors.first)
        let limit = TransferLimit(links: links, provider: options.crypto.provider, compressor: compressor)
        #expect(try await limit.measure(BenchData(.random).bytes(3 << 20)) > .zero)
        await links.close()
    }

    @Test func `a move within one process is measured against its limit`() async throws {
        let options = try BenchOptions.parse(["--transport", "memory", "--state-size", "2MiB", "--runs", "2"])
        let results = try await TransferBench(options: options).run { _ in }
        let fields = try #require(results.first?.members)
        let names = [
            "suite", "transport", "crypto", "compression", "dataKind", "stateBytes", "megabytesPerSecond", "limitMegabytesPerSecond",
            "ratio", "cpuSecondsPerGigabyte", "peakExtraBytes", "runs",
        ]
        #expect(fields.map(\.0) == names)
        #expect(fields.first { $0.0 == "stateBytes" }?.1.integer ?? 0 >= 2 << 20)
        #expect(fields.first { $0.0 == "megabytesPerSecond" }?.1.number ?? 0 > 0)
        #expect(fields.first { $0.0 == "runs" }?.1.elements?.count == 2)
    }

    @Test func `chunking is measured against zstd alone`() throws {
        let options = try BenchOptions.parse(["--data-kind", "random", "--state-size", "1MiB", "--runs", "3"])
        let results = try ChunkingBench(options: options).run { _ in }
        #expect(results.count == ChunkingBench.levels.count)
        for result in results {
            let fields = try #require(result.members)
            for name in ["megabytesPerSecond", "rawZstdMegabytesPerSecond", "ratio"] {
                #expect(fields.first { $0.0 == name }?.1.number ?? 0 > 0)
            }
            // Noise does not shrink: it is stored as it is, with a header a chunk and a trailer.
            #expect(fields.first { $0.0 == "compressionRatio" }?.1.number ?? 2 < 1)
        }
    }

    @Test func `without compression there is no zstd to compare with`() throws {
        let options = try BenchOptions.parse(["--data-kind", "random", "--compression", "none", "--state-size", "1MiB", "--runs", "1"])
        let fields = try #require(try ChunkingBench(options: options).run { _ in }.first?.members)
        #expect(fields.first { $0.0 == "rawZstdMegabytesPerSecond" }?.1.isNull == true)
        #expect(fields.first { $0.0 == "ratio" }?.1.isNull == true)
    }

    @Test(arguments: [
        ["--runs", "0"], ["--runs", "1001"], ["--state-size", "17GiB"], ["--frame-size", "1199B", "--transport", "unix"],
        ["--frame-size", "8KiB", "--transport", "udp"], ["--frame-size", "8KiB"], ["--data-kind", "music"],
    ])
    func `flags outside of their ranges are refused`(arguments: [String]) {
        #expect(throws: (any Error).self) { try BenchOptions.parse(arguments) }
    }

    @Test(arguments: ["crypto", "session", "pause"])
    func `a suite that is not there is a usage error`(name: String) {
        let error = #expect(throws: (any Error).self) { try BenchCommand.parseAsRoot([name]) }
        #expect(error.map { BenchCommand.exitCode(for: $0).rawValue } == 64)
    }

    @Test func `missing inputs name the script that makes them`() {
        let error = #expect(throws: CommandFailure.self) { try BenchData(.json, folder: "/nonexistent") }
        #expect(error?.message.contains("scripts/bench-data") == true)
    }

    @Test func `a file is repeated for as long as it takes and mixed data take turns`() throws {
        let folder = try DemoFolder()
        for (kind, byte) in [("text", 1), ("json", 2), ("sqlite", 3), ("elf", 4)] {
            let bytes = Data(repeating: UInt8(byte), count: BenchData.pieceByteCount + 5)
            #expect(FileManager.default.createFile(atPath: folder.path(kind), contents: bytes))
        }
        let text = try BenchData(.text, folder: folder.root).bytes(3 * BenchData.pieceByteCount)
        #expect(text.count == 3 * BenchData.pieceByteCount)
        #expect(text.allSatisfy { $0 == 1 })
        let mixed = try BenchData(.mixed, folder: folder.root).bytes(4 * BenchData.pieceByteCount)
        #expect((0..<4).map { mixed[$0 * BenchData.pieceByteCount] } == [1, 2, 3, 4])
    }

    @Test func `noise is the same every time and ends on the byte`() throws {
        let data = try BenchData(.random)
        #expect(data.bytes(1_000_003) == data.bytes(1_000_003))
        #expect(data.bytes(7).count == 7)
        #expect(Blob(data, byteCount: 100_001).contents.count == 100_001)
    }

    @Test func `medians take the middle`() {
        #expect([Double]().median == nil)
        #expect([3.0, 1, 2].median == 2)
        #expect([4.0, 1, 2, 3].median == 2.5)
    }

    @Test func `a flight window holds its sender back until bytes have arrived`() async {
        let window = FlightWindow(limit: 10)
        await window.enter(11)
        async let second: Void = window.enter(5)
        for _ in 0..<1_000_000 where !window.isHolding { await Task.yield() }
        #expect(window.isHolding)
        window.leave(11)
        await second
        #expect(!window.isHolding)
        window.open()
        await window.enter(1_000)
        #expect(!window.isHolding)
    }
}

extension JSONValue {
    fileprivate var members: [(String, JSONValue)]? { if case .object(let members) = self { members } else { nil } }
    fileprivate var elements: [JSONValue]? { if case .array(let elements) = self { elements } else { nil } }
    fileprivate var integer: Int? { if case .integer(let value) = self { value } else { nil } }
    fileprivate var isNull: Bool { if case .null = self { true } else { false } }
    fileprivate var number: Double? {
        switch self {
        case .number(let value): value
        case .integer(let value): Double(value)
        default: nil
        }
    }
}
