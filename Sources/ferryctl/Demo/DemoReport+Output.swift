extension DemoReport {
    /// The JSON fields of the command line's contract.
    var fields: [(String, JSONValue)] {
        identityFields + figureFields + eventFields + memoryFields + [("moves", .array(moves.map(Self.json)))]
    }

    private var identityFields: [(String, JSONValue)] {
        [
            ("result", .string(result)), ("transport", .string(options.transport.rawValue)), ("crypto", .string(options.crypto.rawValue)),
            ("compression", .string(options.compression.rawValue)), ("mode", .string(options.mode.rawValue)),
            ("topology", .string(options.topology.rawValue)),
        ]
    }

    private var figureFields: [(String, JSONValue)] {
        [
            ("stateBytes", .integer(Int(stateByteCount))), ("wireBytes", .integer(Int(wireByteCount))),
            ("durationSeconds", .number(durationSeconds)), ("megabytesPerSecond", .optional(megabytesPerSecond)),
            ("pauseMilliseconds", .optional(pauses.last)), ("pauseP50Milliseconds", .optional(pauses.quantile(0.5))),
            ("pauseP99Milliseconds", .optional(pauses.quantile(0.99))), ("longestStallMilliseconds", .optional(stalls.last)),
            ("longestStallP50Milliseconds", .optional(stalls.quantile(0.5))),
        ]
    }

    private var eventFields: [(String, JSONValue)] {
        [
            ("eventsOffered", .integer(Int(offered))), ("eventsAccepted", .integer(Int(accepted))),
            ("eventsProcessed", .optional(accounting?.processed)), ("eventsLost", .optional(accounting?.lost)),
            ("eventsLostByCrash", .optional(lostByCrash)), ("eventsDuplicated", .optional(accounting?.duplicated)),
            ("eventsReordered", .optional(accounting?.reordered)), ("eventRateDuringMove", .optional(eventRateDuringMove)),
            ("stateMatchesTwin", .optional(stateMatchesTwin)), ("chainContinuous", .optional(accounting?.isChainContinuous)),
            ("receiptValid", .optional(isReceiptValid)),
        ]
    }

    private var memoryFields: [(String, JSONValue)] {
        let isOneProcess = options.transport == .memory
        return [
            ("sourcePeakRSSBytes", isOneProcess ? .null : .integer(sourceMemory.peak)),
            ("targetPeakRSSBytes", isOneProcess ? .null : .integer(targetMemory.peak)),
            ("baselineRSSBytes", .optional(baselineByteCount)), ("peakRSSBytes", .optional(processPeakByteCount)),
            ("peakExtraBytes", .optional(peakExtraByteCount)),
        ]
    }

    private static func json(_ move: Move) -> JSONValue {
        .object([
            ("result", .string(move.summary.result)), ("mode", move.summary.mode.map(JSONValue.string) ?? .null),
            ("durationSeconds", .optional(move.summary.durationSeconds)),
            ("pauseMilliseconds", .optional(move.observedPauseNanoseconds.map { Double($0) * 1e-6 } ?? move.summary.pauseMilliseconds)),
            ("longestStallMilliseconds", .number(Double(move.longestStallNanoseconds) * 1e-6)),
            ("wireBytes", .optional(move.summary.wireBytes.map { Int($0) })), ("rounds", .optional(move.summary.rounds)),
        ])
    }

    /// The story of the run in ten lines.
    var lines: [String] {
        let counters = accounting.map { "\($0.lost) lost, \($0.duplicated) twice, \($0.reordered) out of order" } ?? "not counted"
        let memory =
            options.transport == .memory
            ? "one process, at most \(Self.mebibytes(processPeakByteCount))"
            : "at most \(Self.mebibytes(sourceMemory.peak)) at the source, \(Self.mebibytes(targetMemory.peak)) at the target"
        let (twin, chain, receipts) = (
            Self.word(stateMatchesTwin), Self.word(accounting?.isChainContinuous), Self.word(isReceiptValid)
        )
        return [
            "Moved     an inverted index with its identity, \(moves.count) time(s), over \(options.transport.rawValue): \(result)",
            "Back-ends \(options.crypto.rawValue) cryptography, \(options.compression.rawValue) compression, \(options.topology.rawValue)",
            "State     \(Self.mebibytes(Int(stateByteCount))) each time, \(Self.mebibytes(Int(wireByteCount))) on the wire in all",
            "Speed     \(Self.rounded(megabytesPerSecond)) MB/s, \(Self.rounded(durationSeconds)) s in all moves",
            "Pause     \(Self.rounded(pauses.last)) ms at most between two owners",
            "Stall     \(Self.rounded(stalls.last)) ms at most without a processed event",
            "Events    \(offered) offered, \(accepted) accepted, \(accounting?.processed ?? 0) processed",
            "Promises  \(counters)",
            "Proof     state equal to a twin that never moved: \(twin); chain unbroken: \(chain); receipts hold: \(receipts)",
            "Memory    \(memory)",
        ]
    }

    private static func word(_ truth: Bool?) -> String { truth.map { $0 ? "yes" : "NO" } ?? "not compared" }
    private static func rounded(_ value: Double?) -> String { value.map { String(($0 * 10).rounded() / 10) } ?? "–" }
    private static func mebibytes(_ byteCount: Int?) -> String { byteCount.map { "\(rounded(Double($0) / 1_048_576)) MiB" } ?? "–" }
}
