internal import Synchronization

/// Everything that a soak counts.
struct SoakCounts: Sendable {
    var moves = 0
    var completed = 0
    var completedLive = 0
    var rolledBack = 0
    var declined = 0
    var inDoubt = 0
    /// Orders whose orchestrator died before it could tell, or could not learn, how they ended.
    var unreported = 0
    /// Words that such an order has made untrue, by the owner's own record.
    var overtaken = 0
    var kills = 0
    var stops = 0
    var cuts = 0
    var relayed = RelayCounts()
    var throttledSeconds = 0.0
    var respawns = 0
    var accepted: UInt64 = 0
    var processed = 0
    var lostByCrash: UInt64 = 0
    var lost = 0
    var duplicated = 0
    var reordered = 0
    var peakByteCount = 0
    var ownerChecks = 0
}

/// What a soak has found so far; everything that runs at once writes here.
final class SoakRecord: Sendable {
    private struct State: Sendable {
        var counts = SoakCounts()
        var violations: [String] = []
    }

    private let state = Mutex(State())
    private let say: @Sendable (String) -> Void
    private let startedAt = MonotonicClock.now

    /// - Parameter say: is told of every violation at once.
    init(say: @escaping @Sendable (String) -> Void) { self.say = say }

    var counts: SoakCounts { state.withLock { $0.counts } }
    var violations: [String] { state.withLock { $0.violations } }

    func count(_ body: (inout SoakCounts) -> Void) { state.withLock { body(&$0.counts) } }

    /// A promise was broken.
    func violate(_ text: String) {
        let line = "\(elapsed) s: \(text)"
        state.withLock { $0.violations.append(line) }
        say("violation at \(line)")
    }

    /// Something that a reader of a failed run wants to know.
    func note(_ text: String) { say("\(elapsed) s: \(text)") }

    private var elapsed: Double { (Double(MonotonicClock.now - startedAt) * 1e-8).rounded() / 10 }
}

/// A soak at its end.
struct SoakReport: Sendable {
    var seed: UInt64
    var durationSeconds: Double
    var counts: SoakCounts
    var violations: [String]
    /// Whether live moves were to be made.
    var isLiveExpected: Bool

    var fields: [(String, JSONValue)] {
        [
            ("durationSeconds", .number(durationSeconds)), ("moves", .integer(counts.moves)), ("completed", .integer(counts.completed)),
            ("completedLive", .integer(counts.completedLive)), ("rolledBack", .integer(counts.rolledBack)),
            ("declined", .integer(counts.declined)), ("inDoubt", .integer(counts.inDoubt)), ("unreported", .integer(counts.unreported)),
            ("overtaken", .integer(counts.overtaken)),
            ("kills", .integer(counts.kills)), ("stops", .integer(counts.stops)), ("cuts", .integer(counts.cuts)),
            ("datagramsDropped", .integer(counts.relayed.dropped)),
            ("datagramsDuplicated", .integer(counts.relayed.repeated)), ("datagramsReordered", .integer(counts.relayed.overtaken)),
            ("throttledSeconds", .number(counts.throttledSeconds)), ("respawns", .integer(counts.respawns)),
            ("eventsAccepted", .integer(Int(counts.accepted))), ("eventsProcessed", .integer(counts.processed)),
            ("eventsLostByCrash", .integer(Int(counts.lostByCrash))), ("eventsLost", .integer(counts.lost)),
            ("eventsDuplicated", .integer(counts.duplicated)), ("eventsReordered", .integer(counts.reordered)),
            ("ownerChecks", .integer(counts.ownerChecks)), ("peakRSSBytes", .integer(counts.peakByteCount)),
            ("violations", .integer(violations.count)), ("firstViolation", violations.first.map(JSONValue.string) ?? .null),
            ("seed", .id(seed)),
        ]
    }

    var lines: [String] {
        [
            "Moves     \(counts.moves): \(counts.completed) completed (\(counts.completedLive) live), \(counts.rolledBack) rolled back, "
                + "\(counts.declined) declined, \(counts.inDoubt) in doubt for a time, \(counts.unreported) whose orchestrator could not tell",
            "Faults    \(counts.kills) kills, \(counts.stops) stops, \(counts.cuts) cuts, \(counts.relayed.dropped) datagrams dropped, "
                + "\(counts.relayed.repeated) twice, \(counts.relayed.overtaken) overtaken, \(Figure.text(counts.throttledSeconds)) s throttled",
            "Events    \(counts.accepted) accepted, \(counts.processed) processed, \(counts.lostByCrash) lost with their nodes",
            "Promises  \(counts.lost) lost, \(counts.duplicated) twice, \(counts.reordered) out of order, "
                + "\(counts.ownerChecks) looks at who owns what",
            "Memory    at most \(Figure.mebibytes(Double(counts.peakByteCount))) in one process",
            "Verdict   \(violations.count) violations in \(Figure.text(durationSeconds)) s, seed \(seed)",
        ]
    }

    /// What was broken first.
    var failure: CommandFailure? {
        if let first = violations.first {
            return CommandFailure(code: "violation", message: "seed \(seed): \(first)")
        }
        guard counts.lost == 0, counts.duplicated == 0, counts.reordered == 0 else {
            return CommandFailure(code: "violation", message: "seed \(seed): events were lost, repeated or reordered")
        }
        let figures = [
            ("move completed", counts.completed), ("live move completed", isLiveExpected ? counts.completedLive : 1),
            ("look at who owns what", counts.ownerChecks), ("event", Int(counts.accepted)), ("node killed", counts.kills),
            ("node stopped", counts.stops),
        ]
        guard let missing = figures.first(where: { $0.1 == 0 }) else { return nil }
        return CommandFailure(code: "untested", message: "seed \(seed): there was no \(missing.0)")
    }
}
