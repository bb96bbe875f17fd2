extension PlanOffer: WireEncodable, WireDecodable {
    /// Writes `kind | lineage | epoch u64 | predicted bytes u64 | wire bytes u64 | duration u64 | pause u64`.
    public func encode(into sink: inout some ByteSink & ~Copyable & ~Escapable) {
        kind.encode(into: &sink)
        sink.append(fixed: lineage)
        sink.append(littleEndian: epoch.rawValue)
        sink.append(littleEndian: predictedByteCount)
        sink.append(littleEndian: predictedWireByteCount)
        sink.append(littleEndian: predictedDurationNanoseconds)
        sink.append(littleEndian: predictedPauseNanoseconds)
    }

    /// Reads an offer.
    ///
    /// - Throws: what `DaemonKind` throws, `.truncated`.
    public init(from reader: inout ByteReader) throws(WireError) {
        kind = try DaemonKind(from: &reader)
        lineage = try reader.read("lineage")
        epoch = try reader.readEpoch()
        predictedByteCount = try reader.readUInt64("predicted bytes")
        predictedWireByteCount = try reader.readUInt64("predicted wire bytes")
        predictedDurationNanoseconds = try reader.readUInt64("predicted duration")
        predictedPauseNanoseconds = try reader.readUInt64("predicted pause")
    }
}

extension Plan {
    func encode(into sink: inout some ByteSink & ~Copyable & ~Escapable) {
        order.encode(into: &sink)
        sink.append(optional: boot)
        sink.append(flag: offer != nil)
        offer?.encode(into: &sink)
    }

    init(from reader: inout ByteReader) throws(WireError) {
        order = try MoveOrder(from: &reader)
        boot = try reader.readOptional("boot id")
        offer = try reader.readFlag("offer") ? try PlanOffer(from: &reader) : nil
    }
}

extension PlanReply {
    func encode(into sink: inout some ByteSink & ~Copyable & ~Escapable) {
        switch self {
        case .offered(let offer):
            sink.append(littleEndian: UInt8(1))
            offer.encode(into: &sink)
        case .reserved(let boot, let isDurable, let memoryByteCount):
            sink.append(littleEndian: UInt8(2))
            sink.append(fixed: boot)
            sink.append(flag: isDurable)
            sink.append(littleEndian: memoryByteCount)
        case .refused(let reason):
            sink.append(littleEndian: UInt8(3))
            reason.encode(into: &sink)
        }
    }

    init(from reader: inout ByteReader) throws(WireError) {
        switch try reader.readUInt8("plan reply") {
        case 1: self = .offered(try PlanOffer(from: &reader))
        case 2:
            let boot: BootID = try reader.read("boot id")
            let isDurable = try reader.readFlag("durable")
            self = .reserved(boot: boot, isDurable: isDurable, memoryByteCount: try reader.readUInt64("reserved memory"))
        case 3: self = .refused(try FailureReason(from: &reader))
        case let kind: throw WireError(.unknownType, "plan reply \(kind)")
        }
    }
}

extension TakeSnapshot {
    func encode(into sink: inout some ByteSink & ~Copyable & ~Escapable) {
        order.encode(into: &sink)
        sink.append(fixed: targetBoot)
    }

    init(from reader: inout ByteReader) throws(WireError) {
        order = try MoveOrder(from: &reader)
        targetBoot = try reader.read("target boot")
    }
}

extension SnapshotReady {
    func encode(into sink: inout some ByteSink & ~Copyable & ~Escapable) {
        order.encode(into: &sink)
        sink.append(littleEndian: stream)
        snapshot.encode(into: &sink)
    }

    init(from reader: inout ByteReader) throws(WireError) {
        order = try MoveOrder(from: &reader)
        stream = try reader.readUInt64("stream")
        snapshot = try SnapshotHeader(from: &reader)
    }
}
