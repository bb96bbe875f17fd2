internal import FerryCrypto
internal import FerryWire

// Taking packets in.
extension Connection {
    /// What a packet led to.
    enum Reception: Sendable {
        case dropped
        case processed
        case closedByPeer(SessionCloseReason)
    }

    /// Takes in one frame.
    mutating func receive(_ frame: RawSpan, now: Timestamp) -> Reception {
        guard let header = PacketHeader(frame), frame.byteCount <= scratch.byteCount else {
            reject(frame)
            return .dropped
        }
        guard !replay.isRepeated(header.number) else {
            statistics.repeatedFrameCount += 1
            return .dropped
        }
        var plaintext = RawStorage()
        swap(&plaintext, &scratch)
        defer { swap(&plaintext, &scratch) }
        let count: Int
        do throws(CryptoFailure) {
            let next = recovery.packets.next
            let keepFor = recovery.probeTimeout * 3
            count = try plaintext.fill { output throws(CryptoFailure) in
                try protection.open(frame, header, into: &output, next: next, now: now, keepFor: keepFor)
            }
        } catch {
            statistics.rejectedFrameCount += 1
            if configuration.link.isLossFree { fail(.protocolViolation, "a frame does not authenticate on a link that alters none") }
            if protection.failureCount >= PacketProtection.integrityLimit { fail(.authenticationLimit, "too many forged frames") }
            return .dropped
        }
        statistics.receivedFrameCount += 1
        statistics.receivedByteCount += UInt64(frame.byteCount)
        hasReceived = true
        handshakeFrameDueAt = nil
        idleSince = now
        lastActivity = now
        isElicitingSinceReceive = false
        var closing: SessionCloseReason?
        let isEliciting = process(plaintext.bytes(0, count), &closing, now: now)
        collectAcknowledged()
        collectLost()
        if let closing { return .closedByPeer(closing) }
        guard let isEliciting else { return .processed }
        replay.insert(header.number)
        acks.receive(header.number, isEliciting: isEliciting, maximumDelay: configuration.timing.maximumAckDelay, now: now)
        return .processed
    }

    /// Counts a frame that is none of ours.
    private mutating func reject(_ frame: RawSpan) {
        // Late repeats of handshake frames are harmless.
        if frame.byteCount > 0, frame.byte(at: 0) <= HandshakeFrameType.third {
            statistics.repeatedFrameCount += 1
            return
        }
        statistics.rejectedFrameCount += 1
        if configuration.link.isLossFree { fail(.protocolViolation, "a malformed frame on a link that alters none") }
    }

    /// Obeys the records of a packet.
    ///
    /// - Returns: whether the packet asks for an acknowledgement; nil when it must not get one.
    mutating func process(_ plaintext: RawSpan, _ closing: inout SessionCloseReason?, now: Timestamp) -> Bool? {
        var reader = RecordReader(plaintext)
        var isEliciting = false
        var isKept = true
        guard reader.remaining > 0 else {
            fail(.protocolViolation, "a packet without records")
            return nil
        }
        while reader.remaining > 0 {
            guard let type = reader.varint() else {
                fail(.protocolViolation, "a cut record type")
                return nil
            }
            var outcome: StreamOutcome?
            switch type {
            case RecordType.padding:
                reader.skipPadding()
                continue
            case RecordType.ack:
                if case .accepted = recovery.receiveAck(&reader, now: now) { continue }
            case RecordType.close:
                if let reason = closeReason(&reader) {
                    closing = reason
                    return nil
                }
            case RecordType.ping: outcome = .quiet
            case RecordType.message: outcome = message(&reader)
            case RecordType.stream..<RecordType.stream + 4: outcome = stream(&reader, type)
            default: outcome = control(&reader, type)
            }
            isEliciting = true
            switch outcome {
            case .quiet: continue
            case .event(let event): events.append(event)
            case .discarded: isKept = false
            case .violation(let code, let text):
                fail(code, text)
                return nil
            case nil:
                fail(.protocolViolation, "a malformed record of type \(type)")
                return nil
            }
        }
        return isKept ? isEliciting : nil
    }

    private func closeReason(_ reader: inout RecordReader) -> SessionCloseReason? {
        guard let code = reader.varint(), let count = reader.lengthPrefix(), count <= 256, let text = reader.take(count) else { return nil }
        return SessionCloseReason(
            SessionCloseReason.Code(rawValue: code), String(decoding: [UInt8](copying: text), as: UTF8.self), origin: .peer)
    }

    private mutating func message(_ reader: inout RecordReader) -> StreamOutcome? {
        guard let offset = reader.varint(), let count = reader.lengthPrefix(), let bytes = reader.take(count) else { return nil }
        switch messages.receive(bytes, at: offset) {
        case .beyondCredit: return .violation(.flowControl, "messages exceed their credit")
        case .discarded: return .discarded
        case .stored(false): return .quiet
        case .stored(true): break
        }
        guard let next = messages.nextByteCount() else { return .violation(.protocolViolation, "a message is too long") }
        guard next >= 0 else { return .quiet }
        if peer == nil, let outcome = takeHello() { return outcome }
        guard let following = messages.nextByteCount() else { return .violation(.protocolViolation, "a message is too long") }
        guard following >= 0, !areMessagesAnnounced else { return .quiet }
        areMessagesAnnounced = true
        return .event(.messagesReadable)
    }

    /// The first message is the peer's hello.
    private mutating func takeHello() -> StreamOutcome? {
        var bytes: [UInt8] = []
        guard messages.receive(into: &bytes), let hello = PeerHello(bytes.rawSpan) else {
            return .violation(.protocolViolation, "a malformed hello")
        }
        messages.apply(maximumMessage: Int(hello.maximumMessageByteCount), credit: hello.messageWindowByteCount)
        streams.openLimit = hello.maximumStreamCount
        streams.initialStreamCredit = hello.streamWindowByteCount
        streams.sendCredit = hello.connectionWindowByteCount
        recovery.maximumAckDelay = .microseconds(Int64(hello.maximumAckDelayMicroseconds))
        idleTimeout = min(idleTimeout, .milliseconds(Int64(clamping: hello.idleTimeoutMilliseconds)))
        handshakeDeadline = nil
        let identity = PeerIdentity(
            nodeKey: nodeKey, staticKey: staticKey, bootID: hello.bootID, profileVersion: hello.version, isDurable: hello.isDurable,
            compressorIDs: hello.compressorIDs)
        peer = identity
        events.append(.established(identity))
        return nil
    }

    private mutating func stream(_ reader: inout RecordReader, _ type: UInt64) -> StreamOutcome? {
        guard let id = reader.varint(), let offset = reader.varint() else { return nil }
        var count = reader.remaining
        if type & RecordType.streamLength != 0 {
            guard let length = reader.lengthPrefix() else { return nil }
            count = length
        }
        guard let bytes = reader.take(count), offset <= Varint.maximum - UInt64(count) else { return nil }
        return streams.receive(bytes, at: offset, isEnd: type & RecordType.streamEnd != 0, on: StreamID(rawValue: id), &events)
    }

    private mutating func control(_ reader: inout RecordReader, _ type: UInt64) -> StreamOutcome? {
        guard let first = reader.varint() else { return nil }
        switch type {
        case RecordType.maximumData:
            streams.sendCredit = max(streams.sendCredit, first)
            return .quiet
        case RecordType.maximumMessageData:
            messages.raiseCredit(to: first)
            return .quiet
        case RecordType.maximumStreams:
            streams.openLimit = max(streams.openLimit, first)
            return .quiet
        default: break
        }
        guard let second = reader.varint() else { return nil }
        let id = StreamID(rawValue: first)
        switch type {
        case RecordType.maximumStreamData: return streams.receiveCredit(id, second)
        case RecordType.stopSending: return streams.receiveStop(id, code: second)
        case RecordType.resetStream:
            guard let final = reader.varint() else { return nil }
            return streams.receiveReset(id, code: second, finalByteCount: final, &events)
        default: return nil
        }
    }
}
