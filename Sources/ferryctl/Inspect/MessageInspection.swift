internal import FerryChunking
internal import FerryWire

/// A migration message; bytes behind it are counted and otherwise ignored, as net-mesh does.
enum MessageInspection {
    static func fields(_ bytes: [UInt8]) throws(WireError) -> JSONValue.Members {
        let message = try MigrationMessage(decoding: bytes)
        // A message has one encoding, so this is what was read.
        let length = try message.measured()
        let origin = JSONValue.id(message.origin.rawValue)
        return [("type", .string(message.typeName)), ("daemonOrigin", origin), ("origin", origin)] + body(of: message) + [
            ("length", .integer(length)), ("trailing", .integer(bytes.count - length)),
        ]
    }

    private static func body(of message: MigrationMessage) -> JSONValue.Members {
        switch message {
        case .takeSnapshot(_, let target), .cutoverNotify(_, let target): [("targetNode", .id(target.rawValue))]
        case .snapshotReady(let piece): body(of: piece)
        case .restoreComplete(_, let sequence): [("restoredSeq", .id(sequence)), ("seq", .id(sequence))]
        case .replayComplete(_, let sequence, let head):
            [("replayedSeq", .id(sequence)), ("seq", .id(sequence)), ("targetHead", LinkInspection.object(head))]
        case .activateAck(_, let sequence): [("replayedSeq", .id(sequence)), ("seq", .id(sequence))]
        case .migrationFailed(_, let reason): body(of: reason)
        case .bufferedEvents(_, let events): [("count", .integer(events.count)), ("events", .array(events.map(object)))]
        case .cleanupComplete, .activateTarget: []
        }
    }

    private static func body(of piece: SnapshotPiece) -> JSONValue.Members {
        [
            ("seqThrough", .id(piece.throughSequence)), ("chunkIndex", .integer(Int(piece.index))),
            ("totalChunks", .integer(Int(piece.totalCount))), ("len", .integer(piece.bytes.count)), ("bytes", .hex(piece.bytes)),
            ("headerOk", .bool(startsLikeSnapshot(piece))),
        ]
    }

    private static func startsLikeSnapshot(_ piece: SnapshotPiece) -> Bool {
        do {
            try StateSnapshot.checkHead(of: piece.bytes.rawSpan, index: piece.index, origin: piece.origin)
            return true
        } catch {
            return false
        }
    }

    private static func body(of reason: FailureReason) -> JSONValue.Members {
        let text: JSONValue
        let attempts: JSONValue
        switch reason.code {
        case .stateFailed, .identityTransportFailed: (text, attempts) = (.string(reason.message), .null)
        case .notReadyTimeout: (text, attempts) = (.null, .integer(Int(reason.attempts)))
        default: (text, attempts) = (.null, .null)
        }
        return [
            ("code", .integer(Int(reason.code.rawValue))), ("name", .string(reason.netMeshName)), ("retriable", .bool(reason.isRetriable)),
            ("display", .string(reason.netMeshDescription)), ("arg", reason.code == .notReadyTimeout ? attempts : text), ("text", text),
            ("attempts", attempts),
        ]
    }

    private static func object(_ event: CausalEvent) -> JSONValue {
        .object([
            ("link", LinkInspection.object(event.link)), ("payload", .hex(event.payload)), ("payloadLen", .integer(event.payload.count)),
            ("receivedAt", .id(event.receivedAt)),
        ])
    }
}
