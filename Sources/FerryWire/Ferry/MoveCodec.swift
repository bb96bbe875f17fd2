extension BufferedEvents {
    func encode(into sink: inout some ByteSink & ~Copyable & ~Escapable) {
        sink.append(littleEndian: firstIndex)
        sink.append(count32: entries.count, limit: WireLimits.bufferedEventCount, "buffered events")
        for entry in entries {
            entry.event.encodeTyped(into: &sink)
            sink.append(littleEndian: entry.outcome)
        }
    }

    init(from reader: inout ByteReader) throws(WireError) {
        firstIndex = try reader.readUInt64("first log index")
        let count = try reader.readCount(
            limit: WireLimits.bufferedEventCount, minimumByteCount: CausalEvent.minimumByteCount + 8, "buffered events")
        entries = []
        entries.reserveCapacity(count)
        for _ in 0..<count {
            let event = try CausalEvent(typedFrom: &reader)
            entries.append(LoggedInput(event: event, outcome: try reader.readUInt64("outcome")))
        }
    }
}

extension ReplayComplete {
    func encode(into sink: inout some ByteSink & ~Copyable & ~Escapable) {
        sink.append(littleEndian: logIndex)
        sink.append(fixed: inputOutputDigest)
        sink.append(littleEndian: lag)
    }

    init(from reader: inout ByteReader) throws(WireError) {
        logIndex = try reader.readUInt64("log index")
        inputOutputDigest = try reader.read("I/O digest")
        lag = try reader.readUInt64("lag")
    }
}

extension CutoverNotify {
    func encode(into sink: inout some ByteSink & ~Copyable & ~Escapable) {
        sink.require(
            envelope.count == WireLimits.identityEnvelopeByteCount, WireError(.invalidValue, "envelope of \(envelope.count) bytes"))
        sink.append(fixed: release)
        sink.append(contentsOf: envelope.rawSpan)
    }

    init(from reader: inout ByteReader) throws(WireError) {
        release = try reader.read("release hash")
        envelope = [UInt8](copying: try reader.readSpan(byteCount: WireLimits.identityEnvelopeByteCount, "envelope"))
    }
}

extension MoveFigures: WireEncodable, WireDecodable {
    /// Writes the figures and both signed halves: the receipt.
    public func encode(into sink: inout some ByteSink & ~Copyable & ~Escapable) {
        sink.append(littleEndian: stateByteCount)
        sink.append(littleEndian: wireByteCount)
        sink.append(littleEndian: durationNanoseconds)
        sink.append(littleEndian: pauseNanoseconds)
        sink.append(littleEndian: rounds)
        sink.append(littleEndian: predictedDurationNanoseconds)
        sink.append(littleEndian: predictedPauseNanoseconds)
        sink.append(littleEndian: replayedInputCount)
        take.encode(into: &sink)
        release.encode(into: &sink)
    }

    /// Reads the figures and both signed halves, which are not verified here.
    ///
    /// - Throws: what `Take` and `SignedRelease` throw.
    public init(from reader: inout ByteReader) throws(WireError) {
        stateByteCount = try reader.readUInt64("state bytes")
        wireByteCount = try reader.readUInt64("wire bytes")
        durationNanoseconds = try reader.readUInt64("duration")
        pauseNanoseconds = try reader.readUInt64("pause")
        rounds = try reader.readUInt32("rounds")
        predictedDurationNanoseconds = try reader.readUInt64("predicted duration")
        predictedPauseNanoseconds = try reader.readUInt64("predicted pause")
        replayedInputCount = try reader.readUInt64("replayed inputs")
        take = try Take(from: &reader)
        release = try SignedRelease(from: &reader)
    }
}

extension StatusReply {
    func encode(into sink: inout some ByteSink & ~Copyable & ~Escapable) {
        sink.append(littleEndian: standing.rawValue)
        sink.append(fixed: boot)
        sink.append(flag: reason != nil)
        reason?.encode(into: &sink)
    }

    init(from reader: inout ByteReader) throws(WireError) {
        let standing = try reader.readUInt8("standing")
        guard let known = MoveStanding(rawValue: standing) else { throw WireError(.unknownType, "standing \(standing)") }
        self.standing = known
        boot = try reader.read("boot id")
        reason = try reader.readFlag("reason") ? try FailureReason(from: &reader) : nil
    }
}

extension MoveProgress {
    func encode(into sink: inout some ByteSink & ~Copyable & ~Escapable) {
        sink.append(littleEndian: phase.rawValue)
        sink.append(littleEndian: byteCount)
        sink.append(littleEndian: totalByteCount)
        sink.append(littleEndian: bytesPerSecond)
        sink.append(littleEndian: replayLag)
        sink.append(littleEndian: estimatedPauseNanoseconds)
        sink.append(clipping16: stall, limit: WireLimits.textByteCount)
    }

    init(from reader: inout ByteReader) throws(WireError) {
        let phase = try reader.readUInt8("phase")
        guard let known = MigrationPhase(rawValue: phase) else { throw WireError(.unknownType, "phase \(phase)") }
        self.phase = known
        byteCount = try reader.readUInt64("bytes")
        totalByteCount = try reader.readUInt64("total bytes")
        bytesPerSecond = try reader.readUInt64("bytes a second")
        replayLag = try reader.readUInt64("replay lag")
        estimatedPauseNanoseconds = try reader.readUInt64("estimated pause")
        stall = try reader.readText16(limit: WireLimits.textByteCount, "stall")
    }
}
