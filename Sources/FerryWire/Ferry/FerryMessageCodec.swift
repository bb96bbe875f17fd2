extension FerryMessage.Body {
    /// The byte after the version: the ten messages of net-mesh keep their numbers, Ferry's own begin at 16.
    var typeByte: UInt8 {
        switch self {
        case .takeSnapshot: 0
        case .snapshotReady: 1
        case .restoreComplete: 2
        case .replayComplete: 3
        case .cutoverNotify: 4
        case .cleanupComplete: 5
        case .migrationFailed: 6
        case .bufferedEvents: 7
        case .activateTarget: 8
        case .activateAck: 9
        case .plan: 16
        case .planReply: 17
        case .release: 18
        case .prepared: 19
        case .refused: 20
        case .abort: 21
        case .tooLate: 22
        case .busy: 23
        case .status: 24
        case .statusReply: 25
        case .unknown: 26
        case .progress: 27
        }
    }
}

extension FerryMessage: WireEncodable, WireDecodable {
    /// Writes `version | type | migration id | epoch u64 | body`.
    public func encode(into sink: inout some ByteSink & ~Copyable & ~Escapable) {
        sink.append(littleEndian: FerryFormat.version)
        sink.append(littleEndian: body.typeByte)
        sink.append(fixed: header.migration)
        sink.append(littleEndian: header.epoch.rawValue)
        body.encode(into: &sink)
    }

    /// Reads header and body.
    ///
    /// - Throws: any code of ``WireError`` except the three of the chain.
    public init(from reader: inout ByteReader) throws(WireError) {
        try reader.readFerryVersion()
        let type = try reader.readUInt8("message type")
        let migration: MigrationID = try reader.read("migration id")
        header = MessageHeader(migration: migration, epoch: try reader.readEpoch())
        body = try Body(type: type, from: &reader)
    }
}

extension FerryMessage.Body {
    fileprivate func encode(into sink: inout some ByteSink & ~Copyable & ~Escapable) {
        switch self {
        case .plan(let plan): plan.encode(into: &sink)
        case .planReply(let reply): reply.encode(into: &sink)
        case .takeSnapshot(let order): order.encode(into: &sink)
        case .snapshotReady(let ready): ready.encode(into: &sink)
        case .restoreComplete(let summary): summary.encode(into: &sink)
        case .bufferedEvents(let events): events.encode(into: &sink)
        case .replayComplete(let replay): replay.encode(into: &sink)
        case .release(let release): release.encode(into: &sink)
        case .prepared(let hash), .activateTarget(let hash): sink.append(fixed: hash)
        case .refused(let reason), .migrationFailed(let reason), .abort(let reason): reason.encode(into: &sink)
        case .cutoverNotify(let commit): commit.encode(into: &sink)
        case .activateAck(let take): take.encode(into: &sink)
        case .cleanupComplete(let figures): figures.encode(into: &sink)
        case .tooLate, .status: break
        case .busy(let migration): sink.append(fixed: migration)
        case .statusReply(let reply): reply.encode(into: &sink)
        case .unknown(let boot): sink.append(fixed: boot)
        case .progress(let progress): progress.encode(into: &sink)
        }
    }

    fileprivate init(type: UInt8, from reader: inout ByteReader) throws(WireError) {
        switch type {
        case 0: self = .takeSnapshot(try TakeSnapshot(from: &reader))
        case 1: self = .snapshotReady(try SnapshotReady(from: &reader))
        case 2: self = .restoreComplete(try StateSummary(from: &reader))
        case 3: self = .replayComplete(try ReplayComplete(from: &reader))
        case 4: self = .cutoverNotify(try CutoverNotify(from: &reader))
        case 5: self = .cleanupComplete(try MoveFigures(from: &reader))
        case 6: self = .migrationFailed(try FailureReason(from: &reader))
        case 7: self = .bufferedEvents(try BufferedEvents(from: &reader))
        case 8: self = .activateTarget(try reader.read("release hash"))
        case 9: self = .activateAck(try Take(from: &reader))
        case 16: self = .plan(try Plan(from: &reader))
        case 17: self = .planReply(try PlanReply(from: &reader))
        case 18: self = .release(try SignedRelease(from: &reader))
        case 19: self = .prepared(try reader.read("release hash"))
        case 20: self = .refused(try FailureReason(from: &reader))
        case 21: self = .abort(try FailureReason(from: &reader))
        case 22: self = .tooLate
        case 23: self = .busy(try reader.read("busy migration id"))
        case 24: self = .status
        case 25: self = .statusReply(try StatusReply(from: &reader))
        case 26: self = .unknown(try reader.read("boot id"))
        case 27: self = .progress(try MoveProgress(from: &reader))
        default: throw WireError(.unknownType, "message type \(type)")
        }
    }
}
