internal import FerryStateMachines
internal import FerryWire

#if canImport(FoundationEssentials)
internal import FoundationEssentials
#else
internal import Foundation
#endif

// What a node knows, as lines of the operator's socket.
extension Duration {
    /// For JSON.
    var inSeconds: Double { Double(wholeNanoseconds) / 1e9 }
}

extension ControlReply.DaemonLine {
    init(_ status: DaemonStatus) {
        self.init(
            origin: "\(status.origin)", entityID: status.entity.hex, kind: "\(status.kind)", epoch: "\(status.epoch)",
            state: status.standing.rawValue, events: status.processedEventCount)
    }
}

extension ControlReply.MoveLine {
    init(_ move: MoveStatus) {
        self.init(
            migration: move.migration.hex, daemon: "\(move.daemon)", role: "\(move.role)", source: move.source.hex,
            target: move.target.hex, phase: "\(move.phase)", elapsedSeconds: move.elapsed.inSeconds,
            ageInPhaseSeconds: move.ageInPhase.inSeconds,
            bytes: move.byteCount, totalBytes: move.totalByteCount, bytesPerSecond: Double(move.bytesPerSecond),
            replayLag: move.replayLag, estimatedPauseMilliseconds: move.estimatedPause.map { $0.inSeconds * 1_000 },
            retries: move.retryCount, stall: move.stall, boundSeconds: move.bound.inSeconds, result: move.result)
    }
}

extension ControlReply.ProgressLine {
    init(_ progress: MigrationProgress) {
        self.init(
            migration: progress.migration.hex, phase: "\(progress.phase)", bytes: progress.byteCount, totalBytes: progress.totalByteCount,
            bytesPerSecond: progress.bytesPerSecond, elapsedSeconds: progress.elapsed.inSeconds, stall: progress.stall)
    }
}

extension ControlReply.ReportLine {
    init(_ report: MigrationReport) {
        self.init(
            result: "completed", migration: report.migration.hex, daemon: "\(report.daemon)", stateBytes: report.stateByteCount,
            wireBytes: report.wireByteCount, durationSeconds: report.duration.inSeconds,
            pauseMilliseconds: report.pause.inSeconds * 1_000, longestStallMilliseconds: report.longestStall.inSeconds * 1_000,
            predictedDurationSeconds: report.predictedDuration?.inSeconds,
            predictedPauseMilliseconds: report.predictedPause.map { $0.inSeconds * 1_000 }, replayedInputs: report.replayedInputCount,
            mode: report.mode.controlName, rounds: report.rounds, determinism: report.determinism.description, epoch: "\(report.epoch)",
            receipt: Data(report.receipt.bytes).base64EncodedString())
    }
}

extension ControlReply.DigestLine {
    init(_ digest: StateDigest) {
        self.init(
            digest: digest.digest.hex, bytes: digest.byteCount, events: digest.processedEventCount,
            chainSequence: digest.chainHead.sequence, chainHead: digest.chainHead.bytes.hex)
    }
}

extension ControlReply.PlanLine {
    init(_ plan: MovePlan) {
        self.init(
            kind: "\(plan.kind)", mode: plan.mode.controlName, stateBytes: plan.stateByteCount, wireBytes: plan.wireByteCount,
            durationSeconds: plan.duration?.inSeconds, pauseMilliseconds: plan.pause.map { $0.inSeconds * 1_000 },
            memoryBytes: plan.memoryByteCount, boundSeconds: plan.bound.inSeconds)
    }
}

extension MoveMode {
    /// As requests and replies have it.
    package var controlName: String {
        switch self {
        case .live: "live"
        case .stopAndCopy: "stop-and-copy"
        }
    }
}
