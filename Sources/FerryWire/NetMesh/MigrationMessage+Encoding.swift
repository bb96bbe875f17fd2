extension MigrationMessage: WireEncodable {
    /// Writes the message's one encoding.
    ///
    /// The 7,000-byte limit of pieces and event payloads is the decoder's, so that a test can exceed it. Without an encoding are texts and
    /// lengths beyond their fields (`.limitExceeded`) and failure codes that net-mesh lacks (`.invalidValue`).
    public func encode(into sink: inout some ByteSink & ~Copyable & ~Escapable) {
        sink.append(littleEndian: typeByte)
        sink.append(littleEndian: origin.rawValue)
        switch self {
        case .takeSnapshot(_, let target), .cutoverNotify(_, let target): sink.append(littleEndian: target.rawValue)
        case .snapshotReady(let piece):
            sink.append(littleEndian: piece.throughSequence)
            sink.append(littleEndian: piece.index)
            sink.append(littleEndian: piece.totalCount)
            sink.append(length32: piece.bytes, "snapshot piece")
        case .restoreComplete(_, let sequence), .activateAck(_, let sequence): sink.append(littleEndian: sequence)
        case .replayComplete(_, let sequence, let head):
            sink.append(littleEndian: sequence)
            sink.append(fixed: head)
        case .migrationFailed(_, let reason): reason.writeNetMesh(into: &sink)
        case .bufferedEvents(_, let events):
            sink.append(count32: events.count, "buffered events")
            for event in events { event.encode(into: &sink) }
        case .cleanupComplete, .activateTarget: break
        }
    }
}

extension FailureReason {
    fileprivate func writeNetMesh(into sink: inout some ByteSink & ~Copyable & ~Escapable) {
        sink.append(littleEndian: code.rawValue)
        switch code {
        case .notReady, .factoryNotFound, .computeNotSupported, .alreadyMigrating: break
        case .stateFailed, .identityTransportFailed:
            sink.append(text16: message, limit: WireLimits.netMeshFailureTextByteCount, "failure text")
        case .notReadyTimeout: sink.append(littleEndian: attempts)
        default: sink.require(false, WireError(.invalidValue, "failure code \(code.rawValue) is not one of net-mesh"))
        }
    }
}
