extension LaneMessage.Body {
    /// The byte after the version.
    var typeByte: UInt8 {
        switch self {
        case .hello: 1
        case .welcome: 2
        case .event: 3
        case .acknowledgement: 4
        case .gap: 5
        case .hold: 6
        case .moved: 7
        case .notHere: 8
        case .violation: 9
        case .unproven: 10
        }
    }
}

extension LaneMessage: WireEncodable, WireDecodable {
    /// Writes `version | type | emitter u64 | daemon u64 | body`.
    public func encode(into sink: inout some ByteSink & ~Copyable & ~Escapable) {
        sink.append(littleEndian: FerryFormat.version)
        sink.append(littleEndian: body.typeByte)
        sink.append(littleEndian: emitter.rawValue)
        sink.append(littleEndian: daemon.rawValue)
        switch body {
        case .event(let event): event.encode(into: &sink)
        case .welcome(let cursor, let epoch), .acknowledgement(let cursor, let epoch), .gap(let cursor, let epoch):
            sink.append(littleEndian: cursor)
            sink.append(littleEndian: epoch.rawValue)
        case .hold(let migration, let retryAfterNanoseconds):
            sink.append(fixed: migration)
            sink.append(littleEndian: retryAfterNanoseconds)
        case .moved(let moved): moved.encode(into: &sink)
        case .hello(let credential):
            sink.append(flag: credential != nil)
            if let credential { credential.encode(into: &sink) }
        case .notHere, .violation, .unproven: break
        }
    }

    /// Reads a lane message; only an event's payload and channel and a redirection's address are allocated.
    ///
    /// - Throws: `.truncated`, `.unknownVersion`, `.unknownType`, `.limitExceeded`, `.inconsistent`, `.invalidText`, `.invalidValue`.
    public init(from reader: inout ByteReader) throws(WireError) {
        try reader.readFerryVersion()
        let type = try reader.readUInt8("lane message type")
        emitter = OriginHash(rawValue: try reader.readUInt64("emitter"))
        daemon = OriginHash(rawValue: try reader.readUInt64("daemon"))
        switch type {
        case 1: body = .hello(try reader.readFlag("credential flag") ? try LaneCredential(from: &reader) : nil)
        case 2: body = .welcome(cursor: try reader.readUInt64("cursor"), epoch: try reader.readEpoch())
        case 3: body = .event(try LaneEvent(from: &reader))
        case 4: body = .acknowledgement(cursor: try reader.readUInt64("cursor"), epoch: try reader.readEpoch())
        case 5: body = .gap(cursor: try reader.readUInt64("cursor"), epoch: try reader.readEpoch())
        case 6: body = .hold(migration: try reader.read("migration id"), retryAfterNanoseconds: try reader.readUInt64("retry delay"))
        case 7: body = .moved(try Moved(from: &reader))
        case 8: body = .notHere
        case 9: body = .violation
        case 10: body = .unproven
        default: throw WireError(.unknownType, "lane message type \(type)")
        }
    }
}

extension LaneEvent {
    fileprivate func encode(into sink: inout some ByteSink & ~Copyable & ~Escapable) {
        sink.append(littleEndian: epoch.rawValue)
        sink.append(littleEndian: emitterEpoch.rawValue)
        sink.append(littleEndian: previous)
        sink.append(fixed: link)
        sink.require(content.travelsOnLanes, Self.foreignContent)
        content.encode(into: &sink)
        sink.append(length32: payload, limit: WireLimits.eventPayloadByteCount, "event payload")
    }

    fileprivate init(from reader: inout ByteReader) throws(WireError) {
        epoch = try reader.readEpoch()
        emitterEpoch = try reader.readEpoch()
        previous = try reader.readUInt64("previous sequence")
        link = try reader.read("event link")
        content = try EventContent(from: &reader)
        guard content.travelsOnLanes else { throw Self.foreignContent }
        payload = try reader.readBytes32(limit: WireLimits.eventPayloadByteCount, "event payload")
    }

    private static var foreignContent: WireError { WireError(.invalidValue, "event content that belongs into a move log") }
}
