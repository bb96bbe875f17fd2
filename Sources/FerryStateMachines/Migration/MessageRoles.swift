package import FerryWire

extension FerryMessage.Body {
    /// Who may hear this from whom. A node that plays two roles may be addressed in both at once.
    package var receivers: [(receiver: MoveRole, sender: MoveRole)] {
        switch self {
        case .plan: [(.source, .orchestrator), (.target, .orchestrator)]
        case .planReply, .progress: [(.orchestrator, .source), (.orchestrator, .target)]
        case .takeSnapshot: [(.source, .orchestrator)]
        case .snapshotReady, .bufferedEvents, .release, .cutoverNotify, .activateTarget: [(.target, .source)]
        case .restoreComplete, .replayComplete, .activateAck: [(.source, .target), (.orchestrator, .target)]
        case .prepared, .refused: [(.source, .target)]
        case .migrationFailed, .cleanupComplete, .busy: [(.orchestrator, .source)]
        case .tooLate: [(.orchestrator, .source), (.target, .source)]
        // The source's word is a decision; the orchestrator's is one only while the target has nothing but a reservation.
        case .abort: [(.target, .source), (.target, .orchestrator), (.source, .orchestrator), (.source, .target)]
        case .status, .statusReply, .unknown:
            [
                (.orchestrator, .source), (.orchestrator, .target), (.source, .orchestrator), (.source, .target), (.target, .source),
                (.target, .orchestrator),
            ]
        }
    }

    /// Whether a node that knows nothing of the move answers `unknown`: only to what waits for an answer, so that no two nodes answer
    /// each other for ever.
    var deservesUnknown: Bool {
        switch self {
        case .takeSnapshot, .snapshotReady, .release, .prepared, .refused, .cutoverNotify, .activateAck, .abort, .status: true
        case .plan, .planReply, .restoreComplete, .bufferedEvents, .replayComplete, .activateTarget, .cleanupComplete, .migrationFailed,
            .tooLate, .busy, .statusReply, .unknown, .progress:
            false
        }
    }
}

extension FerryMessage {
    /// Whether the header's epoch is the attempt's. Before the source has answered there is none, and an orchestrator that has not heard
    /// the answer may repeat its question, withdraw it, or ask how things stand.
    func isOf(_ epoch: Epoch) -> Bool {
        if header.epoch == epoch { return true }
        switch body {
        case .plan, .abort, .status: return header.epoch == .none
        case .planReply(.offered(let offer)): return epoch == .none && offer.epoch == header.epoch
        case .progress, .cleanupComplete: return epoch == .none
        case .statusReply, .unknown, .planReply(.refused), .busy, .migrationFailed: return epoch == .none || header.epoch == .none
        default: return false
        }
    }
}
