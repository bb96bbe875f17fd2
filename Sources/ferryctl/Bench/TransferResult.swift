/// What one move of `bench transfer` took.
struct TransferRun: Sendable {
    var stateByteCount: UInt64
    var wireByteCount: UInt64
    /// From the accepted order to the receipt.
    var durationSeconds: Double
    /// The limit just before and just after the move, in 10^6 bytes a second.
    var limits: [Double] = []
    /// User and system time of both nodes over the move; of the one process that has both for memory.
    var cpuSeconds: Double?
    /// The larger of the two nodes'; nil where both are one process.
    var peakExtraByteCount: Int?

    var megabytesPerSecond: Double { Double(stateByteCount) / durationSeconds / 1e6 }
    var limitMegabytesPerSecond: Double? { limits.mean }
    var ratio: Double? { limitMegabytesPerSecond.map { megabytesPerSecond / $0 } }
    var cpuSecondsPerGigabyte: Double? { cpuSeconds.map { $0 / Double(stateByteCount) * 1e9 } }

    var json: JSONValue {
        .object([
            ("durationSeconds", .number(durationSeconds)), ("wireBytes", .integer(Int(clamping: wireByteCount))),
            ("megabytesPerSecond", .number(megabytesPerSecond)), ("limitMegabytesPerSecond", .optional(limitMegabytesPerSecond)),
            ("ratio", .optional(ratio)), ("cpuSecondsPerGigabyte", .optional(cpuSecondsPerGigabyte)),
            ("peakExtraBytes", .optional(peakExtraByteCount)),
        ])
    }
}

/// All moves over one transport; its figures are medians.
struct TransferResult: Sendable {
    var transport: DemoTransport
    var crypto: DemoCrypto
    var compression: DemoCompression
    var dataKind: BenchDataKind
    var runs: [TransferRun] = []

    var megabytesPerSecond: Double? { runs.map(\.megabytesPerSecond).median }
    var limitMegabytesPerSecond: Double? { runs.compactMap(\.limitMegabytesPerSecond).median }
    var ratio: Double? { runs.compactMap(\.ratio).median }
    var cpuSecondsPerGigabyte: Double? { runs.compactMap(\.cpuSecondsPerGigabyte).median }
    var peakExtraByteCount: Double? { runs.compactMap { $0.peakExtraByteCount.map(Double.init) }.median }

    var json: JSONValue {
        .object([
            ("suite", .string(BenchSuite.transfer.rawValue)), ("transport", .string(transport.rawValue)),
            ("crypto", .string(crypto.rawValue)), ("compression", .string(compression.rawValue)),
            ("dataKind", .string(dataKind.rawValue)), ("stateBytes", .optional(runs.first.map { Int(clamping: $0.stateByteCount) })),
            ("megabytesPerSecond", .optional(megabytesPerSecond)),
            ("limitMegabytesPerSecond", .optional(limitMegabytesPerSecond)), ("ratio", .optional(ratio)),
            ("cpuSecondsPerGigabyte", .optional(cpuSecondsPerGigabyte)),
            ("peakExtraBytes", .optional(peakExtraByteCount.map { Int($0) })), ("runs", .array(runs.map(\.json))),
        ])
    }

    /// One line for a person.
    var line: String {
        "\(transport.rawValue), \(crypto.rawValue), \(compression.rawValue), \(dataKind.rawValue): \(Figure.text(megabytesPerSecond)) MB/s of "
            + "\(Figure.text(limitMegabytesPerSecond)) (\(Figure.ratio(ratio))), \(Figure.ratio(cpuSecondsPerGigabyte)) CPU s/GB, "
            + "\(Figure.mebibytes(peakExtraByteCount)) extra memory at most"
    }
}
