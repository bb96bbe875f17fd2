internal import FerryWire

/// Everything that a demo run has found out.
struct DemoReport: Sendable {
    /// One move, with the moments of order and end on the machine's monotonic clock.
    struct Move: Sendable {
        var summary: MoveSummary
        var orderedAt: UInt64
        var endedAt: UInt64
        /// Between the last event that the old owner processed and the first that the new one did.
        var observedPauseNanoseconds: UInt64?
        var longestStallNanoseconds: UInt64 = 0
    }

    var options: DemoOptions
    var moves: [Move] = []
    var offered: UInt64 = 0
    var accepted: UInt64 = 0
    var accounting: Accounting?
    var lostByCrash: Int?
    var stateMatchesTwin: Bool?
    /// Why the run ended early.
    private(set) var breakdown: String?
    /// The daemon that moved, once it was spawned.
    var daemon: SpawnedDaemon?
    /// Whether all receipts prove what they should; nil when no move has one.
    var isReceiptValid: Bool?
    var sourceMemory = MemoryWatch()
    var targetMemory = MemoryWatch()
    var baselineByteCount: Int?
    var processPeakByteCount: Int?

    /// Corrects the last move's result: the processes that could have told are gone.
    mutating func conclude(_ result: String, _ message: String?) {
        guard !moves.isEmpty else { return }
        moves[moves.count - 1].summary.result = result
        moves[moves.count - 1].summary.message = message
    }

    /// The run could not be ended as it should.
    mutating func fail(_ message: String) { breakdown = message }

    /// The worst result of all moves.
    var result: String {
        if breakdown != nil || fallback != nil { return "failed" }
        for worst in ["failed", "inDoubt", "rolledBack", "declined"] where moves.contains(where: { $0.summary.result == worst }) {
            return worst
        }
        return "completed"
    }

    /// A move that was ordered live and was made by stopping the daemon: its copy did not do what it did, which this daemon's must.
    private var fallback: MoveSummary? {
        moves.lazy.map(\.summary).first { $0.mode.map { $0 != options.mode.rawValue } ?? false }
    }

    /// The exit status that the contract of the command line asks for; the first that applies.
    var status: ExitStatus {
        guard result != "failed", !isPromiseBroken else { return .failed }
        switch result {
        case "inDoubt": return .inDoubt
        case "rolledBack", "declined": return .rolledBack
        default: return .success
        }
    }

    private var isPromiseBroken: Bool {
        [accounting?.lost, accounting?.duplicated, accounting?.reordered].contains { $0 ?? 0 != 0 }
            || [stateMatchesTwin, accounting?.isChainContinuous, isReceiptValid].contains(false)
    }

    var failure: CommandFailure? {
        guard status != .success else { return nil }
        if let breakdown { return CommandFailure(code: "failed", message: breakdown) }
        if result != "completed", let move = moves.first(where: { $0.summary.result == result }) {
            return CommandFailure(code: result, message: move.summary.message ?? "the move \(Self.words[result] ?? result)")
        }
        if fallback != nil, !isPromiseBroken {
            return CommandFailure(code: "failed", message: "a live move was refused before the commit, and made by stopping the daemon")
        }
        return CommandFailure(code: "failed", message: "the run broke a promise: see the counters")
    }

    private static let words = [
        "rolledBack": "was rolled back", "declined": "was declined", "inDoubt": "is in doubt", "failed": "failed",
    ]

    var stateByteCount: UInt64 { moves.compactMap(\.summary.stateBytes).max() ?? 0 }
    var wireByteCount: UInt64 { moves.compactMap(\.summary.wireBytes).reduce(0, +) }
    var durationSeconds: Double { moves.compactMap(\.summary.durationSeconds).reduce(0, +) }

    /// State bytes per second over all completed moves, in 10^6 bytes.
    var megabytesPerSecond: Double? {
        let bytes = moves.compactMap { $0.summary.result == "completed" ? $0.summary.stateBytes : nil }.reduce(0, +)
        return durationSeconds > 0 ? Double(bytes) / durationSeconds / 1e6 : nil
    }

    var pauses: [Double] {
        moves.compactMap { $0.observedPauseNanoseconds.map { Double($0) * 1e-6 } ?? $0.summary.pauseMilliseconds }.sorted()
    }
    var stalls: [Double] { moves.map { Double($0.longestStallNanoseconds) * 1e-6 }.sorted() }

    var eventRateDuringMove: Double? {
        guard let accounting, !moves.isEmpty else { return nil }
        let time = moves.reduce(0) { $0 + Double($1.endedAt - $1.orderedAt) * 1e-9 }
        let count = moves.reduce(0) { $0 + accounting.rate(from: $1.orderedAt, to: $1.endedAt) * Double($1.endedAt - $1.orderedAt) * 1e-9 }
        return time > 0 ? count / time : nil
    }

    var peakExtraByteCount: Int? {
        options.transport == .memory ? nil : max(sourceMemory.peakExtra, targetMemory.peakExtra)
    }
}

extension [Double] {
    /// The nearest-rank quantile of a sorted list.
    func quantile(_ fraction: Double) -> Double? {
        guard !isEmpty else { return nil }
        return self[Swift.min(count - 1, Int((Double(count) * fraction).rounded(.up)) - (fraction > 0 ? 1 : 0))]
    }
}
