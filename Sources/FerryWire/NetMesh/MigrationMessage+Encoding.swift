extension MigrationMessage {
    /// The message's one encoding.
    ///
    /// The 7,000-byte limit of pieces and event payloads is the decoder's, so that a test can exceed it.
    ///
    /// - Throws: `.limitExceeded` when a text or length has no room in its field, `.invalidValue` for a failure code that net-mesh lacks.
    public func encoded() throws(WireError) -> [UInt8] {
        try checkEncodable()
        var counter = ByteCounter()
        write(into: &counter)
        return [UInt8](rawCapacity: counter.byteCount) { write(into: &$0) }
    }

    private func checkEncodable() throws(WireError) {
        switch self {
        case .snapshotReady(let piece): try Self.checkLength32(piece.bytes.count, "snapshot piece")
        case .bufferedEvents(_, let events):
            try Self.checkLength32(events.count, "event count")
            for event in events { try Self.checkLength32(event.payload.count, "event payload") }
        case .migrationFailed(_, let reason):
            guard reason.code.rawValue <= FailureReason.Code.notReadyTimeout.rawValue else {
                throw WireError(.invalidValue, "failure code \(reason.code.rawValue) is not one of net-mesh")
            }
            guard !reason.carriesNetMeshText || reason.message.utf8.count <= WireLimits.netMeshFailureTextByteCount else {
                throw WireError(.limitExceeded, "failure text exceeds \(WireLimits.netMeshFailureTextByteCount) bytes")
            }
        default: break
        }
    }

    private static func checkLength32(_ count: Int, _ field: StaticString) throws(WireError) {
        guard UInt32(exactly: count) != nil else { throw WireError(.limitExceeded, "\(field) \(count) exceeds 32 bits") }
    }

    private func write(into sink: inout some ByteSink & ~Copyable & ~Escapable) {
        sink.append(littleEndian: typeByte)
        sink.append(littleEndian: origin.rawValue)
        switch self {
        case .takeSnapshot(_, let target), .cutoverNotify(_, let target): sink.append(littleEndian: target.rawValue)
        case .snapshotReady(let piece):
            sink.append(littleEndian: piece.throughSequence)
            sink.append(littleEndian: piece.index)
            sink.append(littleEndian: piece.totalCount)
            sink.append(length32: piece.bytes)
        case .restoreComplete(_, let sequence), .activateAck(_, let sequence): sink.append(littleEndian: sequence)
        case .replayComplete(_, let sequence, let head):
            sink.append(littleEndian: sequence)
            head.encode(into: &sink)
        case .migrationFailed(_, let reason): reason.writeNetMesh(into: &sink)
        case .bufferedEvents(_, let events):
            sink.append(littleEndian: UInt32(events.count))
            for event in events {
                event.link.encode(into: &sink)
                sink.append(length32: event.payload)
                sink.append(littleEndian: event.receivedAt)
            }
        case .cleanupComplete, .activateTarget: break
        }
    }
}

extension FailureReason {
    /// Net-mesh sends a text with two of its codes only.
    fileprivate var carriesNetMeshText: Bool { code == .stateFailed || code == .identityTransportFailed }

    fileprivate func writeNetMesh(into sink: inout some ByteSink & ~Copyable & ~Escapable) {
        sink.append(littleEndian: code.rawValue)
        if carriesNetMeshText {
            sink.append(text16: message)
        } else if code == .notReadyTimeout {
            sink.append(littleEndian: attempts)
        }
    }
}
