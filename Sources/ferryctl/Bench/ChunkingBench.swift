internal import FerryChunking
internal import FerryWire
internal import FerryZstd

/// Cutting a state into checked and compressed chunks, against the compressor alone over the same chunks.
struct ChunkingBench {
    static let defaultStateByteCount = 64 << 20
    static let levels = [1, 3]

    /// One kind of data at one level.
    struct Measurement {
        var kind: BenchDataKind
        /// Nil without compression.
        var level: Int?
        var stateByteCount: Int
        var storedByteCount = 0
        var ours: [Double] = []
        var raw: [Double] = []

        var megabytesPerSecond: Double? { ours.median }
        var rawMegabytesPerSecond: Double? { raw.median }
        /// The median over the pairs: what disturbs a run disturbs both of its halves.
        var ratio: Double? { zip(ours, raw).map { $0 / $1 }.median }
    }

    var options: BenchOptions

    /// Measures every kind and level that the options name.
    func run(say: (String) -> Void) throws -> [JSONValue] {
        let byteCount = options.stateSize?.byteCount ?? Self.defaultStateByteCount
        var kinds = options.dataKind.map { [$0] } ?? BenchDataKind.allCases
        if options.dataKind == nil, !BenchData.hasFiles {
            say("only random data: scripts/bench-data makes the rest")
            kinds = [.random]
        }
        say("chunking of \(Figure.mebibytes(Double(byteCount))): MB/s with check and format, MB/s of zstd alone, their ratio, compression")
        var results: [JSONValue] = []
        for kind in kinds {
            let state = try BenchData(kind).bytes(byteCount)
            for level in options.compression == .none ? [nil] : Self.levels.map(Optional.some) {
                let measurement = try measure(state, kind, level: level)
                say(measurement.line)
                results.append(measurement.json)
            }
        }
        return results
    }

    private func measure(_ state: [UInt8], _ kind: BenchDataKind, level: Int?) throws -> Measurement {
        var measurement = Measurement(kind: kind, level: level, stateByteCount: state.count)
        // Contexts are pooled by the compressor, which both halves share; the first pass warms them up.
        let zstd = Zstd()
        _ = try encode(state.rawSpan.extracting(first: min(state.count, 8 << 20)), zstd, level)
        for _ in 0..<options.runs {
            let start = ContinuousClock.now
            measurement.storedByteCount = try encode(state.rawSpan, zstd, level)
            measurement.ours.append(Self.rate(state.count, start.duration(to: .now)))
            guard let level else { continue }
            let rawStart = ContinuousClock.now
            try compress(state.rawSpan, zstd, level)
            measurement.raw.append(Self.rate(state.count, rawStart.duration(to: .now)))
        }
        return measurement
    }

    private func encode(_ state: RawSpan, _ zstd: Zstd, _ level: Int?) throws -> Int {
        var encoder = try ChunkEncoder()
        var offset = 0
        var storedByteCount = 0
        while offset < state.byteCount {
            offset += encoder.append(contentsOf: state.extracting(droppingFirst: offset))
            if let level {
                try encoder.closeChunk(compressor: zstd, level: level)
            } else {
                try encoder.closeChunk(compressor: Uncompressed(), level: 0)
            }
            storedByteCount += encoder.record.byteCount
        }
        encoder.closeTrailer()
        return storedByteCount + encoder.record.byteCount
    }

    private func compress(_ state: RawSpan, _ zstd: Zstd, _ level: Int) throws {
        let chunkByteCount = ChunkFormat.defaultChunkByteCount
        let output = RawBuffer(capacity: zstd.maximumCompressedByteCount(for: chunkByteCount))
        for start in stride(from: 0, to: state.byteCount, by: chunkByteCount) {
            output.removeAll()
            try output.append { span throws(ChunkingError) in
                try zstd.compress(state.extracting(start..<min(start + chunkByteCount, state.byteCount)), level: level, into: &span)
            }
        }
    }

    private static func rate(_ byteCount: Int, _ time: Duration) -> Double { Double(byteCount) / time.seconds / 1e6 }
}

extension ChunkingBench.Measurement {
    var compressionRatio: Double { storedByteCount > 0 ? Double(stateByteCount) / Double(storedByteCount) : 0 }

    var json: JSONValue {
        .object([
            ("suite", .string(BenchSuite.chunking.rawValue)), ("dataKind", .string(kind.rawValue)),
            ("compression", .string(level == nil ? "none" : "zstd")), ("level", .optional(level)),
            ("chunkBytes", .integer(ChunkFormat.defaultChunkByteCount)), ("stateBytes", .integer(stateByteCount)),
            ("megabytesPerSecond", .optional(megabytesPerSecond)), ("rawZstdMegabytesPerSecond", .optional(rawMegabytesPerSecond)),
            ("ratio", .optional(ratio)), ("compressionRatio", .number(compressionRatio)),
        ])
    }

    var line: String {
        let name = "\(kind.rawValue), \(level.map { "zstd \($0)" } ?? "uncompressed")"
        let figures = [
            Figure.text(megabytesPerSecond), Figure.text(rawMegabytesPerSecond), Figure.ratio(ratio), Figure.ratio(compressionRatio),
        ]
        return Figure.column(name, -22) + figures.map { Figure.column($0, 9) }.joined()
    }
}
