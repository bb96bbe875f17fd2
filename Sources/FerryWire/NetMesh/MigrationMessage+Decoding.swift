extension MigrationMessage {
    /// Decodes an array, as `init(decoding:)` does a raw span.
    ///
    /// - Throws: the same.
    public init(decoding bytes: [UInt8]) throws(WireError) { try self.init(decoding: bytes.rawSpan) }

    /// Decodes one message as strictly as net-mesh does, in its order of checks, and ignores what follows the message.
    ///
    /// - Throws: `.truncated`, `.unknownType`, `.limitExceeded`, `.invalidValue`, `.invalidText`.
    public init(decoding bytes: RawSpan) throws(WireError) {
        var reader = ByteReader(bytes)
        let type = try reader.readUInt8("message type")
        guard type <= 9 else { throw WireError(.unknownType, "message type \(type)") }
        let origin = OriginHash(rawValue: try reader.readUInt64("origin"))
        switch type {
        case 0: self = .takeSnapshot(origin: origin, target: NodeID(rawValue: try reader.readUInt64("target node")))
        case 1: self = .snapshotReady(try SnapshotPiece(origin: origin, from: &reader))
        case 2: self = .restoreComplete(origin: origin, restoredSequence: try reader.readUInt64("restored sequence"))
        case 3:
            let sequence = try reader.readUInt64("replayed sequence")
            self = .replayComplete(origin: origin, replayedSequence: sequence, targetHead: try reader.read("target head"))
        case 4: self = .cutoverNotify(origin: origin, target: NodeID(rawValue: try reader.readUInt64("target node")))
        case 5: self = .cleanupComplete(origin: origin)
        case 6: self = .migrationFailed(origin: origin, reason: try FailureReason(netMeshFrom: &reader))
        case 7: self = .bufferedEvents(origin: origin, events: try Self.readEvents(from: &reader))
        case 8: self = .activateTarget(origin: origin)
        default: self = .activateAck(origin: origin, replayedSequence: try reader.readUInt64("replayed sequence"))
        }
    }

    private static func readEvents(from reader: inout ByteReader) throws(WireError) -> [CausalEvent] {
        let count = try reader.readCount(
            limit: WireLimits.netMeshBufferedEventCount, minimumByteCount: CausalEvent.minimumByteCount, "buffered events")
        var events: [CausalEvent] = []
        events.reserveCapacity(count)
        for _ in 0..<count {
            events.append(try CausalEvent(from: &reader, payloadLimit: WireLimits.netMeshChunkByteCount))
        }
        return events
    }
}

extension SnapshotPiece {
    fileprivate init(origin: OriginHash, from reader: inout ByteReader) throws(WireError) {
        let throughSequence = try reader.readUInt64("through sequence")
        let index = try reader.readUInt32("chunk index")
        let totalCount = try reader.readUInt32("total chunks")
        let byteCount = Int(try reader.readUInt32("chunk length"))
        guard totalCount > 0 else { throw WireError(.invalidValue, "total chunks is 0") }
        guard totalCount <= WireLimits.netMeshChunkCount else {
            throw WireError(.limitExceeded, "total chunks \(totalCount) exceeds \(WireLimits.netMeshChunkCount)")
        }
        guard index < totalCount else { throw WireError(.invalidValue, "chunk index \(index) of \(totalCount)") }
        guard byteCount <= WireLimits.netMeshChunkByteCount else {
            throw WireError(.limitExceeded, "chunk of \(byteCount) bytes exceeds \(WireLimits.netMeshChunkByteCount)")
        }
        let bytes = [UInt8](copying: try reader.readSpan(byteCount: byteCount, "chunk"))
        self.init(origin: origin, throughSequence: throughSequence, index: index, totalCount: totalCount, bytes: bytes)
    }
}

extension FailureReason {
    fileprivate init(netMeshFrom reader: inout ByteReader) throws(WireError) {
        let code = Code(rawValue: try reader.readUInt16("failure code"))
        switch code {
        case .notReady, .factoryNotFound, .computeNotSupported, .alreadyMigrating: self.init(code)
        case .stateFailed, .identityTransportFailed:
            self.init(code, try reader.readText16(limit: WireLimits.netMeshFailureTextByteCount, "failure text"))
        case .notReadyTimeout: self.init(code, attempts: try reader.readUInt8("attempts"))
        default: throw WireError(.unknownType, "failure code \(code.rawValue)")
        }
    }
}
