internal import CoreMetrics
internal import FerryStateMachines
internal import FerryWire
internal import Metrics

/// The node's metrics; labels are stable, values carry no keys and no payloads.
struct NodeMetrics: Sendable {
    let processedEvents = Counter(label: "ferry_events_processed")
    let failedEvents = Counter(label: "ferry_events_failed")
    let failedDeliveries = Counter(label: "ferry_deliveries_failed")
    /// What must not happen, and did.
    let defects = Counter(label: "ferry_defects")
    let pause = Timer(label: "ferry_move_pause")
    let duration = Timer(label: "ferry_move_duration")
    let stateBytes = Recorder(label: "ferry_move_state_bytes")

    func moveEnded(_ role: MoveRole, _ outcome: MoveOutcome) {
        Counter(label: "ferry_moves", dimensions: [("role", role.description), ("outcome", outcome.label)]).increment()
        if role == .orchestrator, case .completed(let figures?) = outcome {
            pause.recordNanoseconds(Int64(clamping: figures.pauseNanoseconds))
            duration.recordNanoseconds(Int64(clamping: figures.durationNanoseconds))
            stateBytes.record(Double(figures.stateByteCount))
        }
    }

    func refused(_ counters: MigrationCounters) {
        let causes: [(String, UInt64)] = [
            ("stranger", counters.strangers), ("wrongRole", counters.wrongRole), ("wrongPhase", counters.wrongPhase),
            ("wrongEpoch", counters.wrongEpoch), ("wrongBoot", counters.wrongBoot), ("unproven", counters.unproven),
            ("unknownMove", counters.unknownMoves), ("unauthorized", counters.unauthorized), ("reused", counters.reused),
            ("declined", counters.declined),
        ]
        for (cause, count) in causes where count > 0 {
            Meter(label: "ferry_messages_refused", dimensions: [("cause", cause)]).set(Double(count))
        }
    }
}

extension MoveOutcome {
    /// As metrics, logs and JSON show it.
    var label: String {
        switch self {
        case .completed: "completed"
        case .rolledBack: "rolledBack"
        case .rolledBackAfterCommit: "rolledBack"
        case .declined: "declined"
        case .letGo, .forgotten: "failed"
        }
    }
}
