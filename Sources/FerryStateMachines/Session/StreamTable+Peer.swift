internal import DequeModule
internal import FerryWire

/// What a record about a stream led to.
enum StreamOutcome: Sendable {
    /// Nothing to tell.
    case quiet
    /// Something to tell the application.
    case event(SessionEvent)
    /// The packet must not be acknowledged: there was no room to remember where its bytes go.
    case discarded
    /// The peer broke a rule.
    case violation(SessionCloseReason.Code, String)
}

// What the peer says about bulk streams.
extension StreamTable {
    /// Opens the peer's streams up to `id`, as RFC 9000 §3.2 does, and tells each.
    private mutating func admit(_ id: StreamID, _ events: inout EventQueue) -> StreamOutcome {
        guard !isOwn(id) else { return .violation(.protocolViolation, "the peer wrote to our stream \(id)") }
        let ordinal = id.rawValue >> 1
        guard ordinal < peerOpenLimit else { return .violation(.streamLimit, "stream \(id) is beyond the limit \(peerOpenLimit)") }
        while peerOpenedCount <= ordinal {
            let new = StreamID(rawValue: peerOpenedCount << 1 | (isInitiator ? 1 : 0))
            incoming.append(ReceiveStream(id: new, window: limits.streamWindowByteCount))
            peerOpenedCount += 1
            events.append(.streamOpened(new))
        }
        return .quiet
    }

    /// Notes how far a stream reaches, against all credits.
    private mutating func extend(_ index: Int, to end: UInt64) -> StreamOutcome {
        let stream = incoming[index].id
        if let final = incoming[index].finalByteCount, end > final {
            return .violation(.protocolViolation, "stream \(stream) goes on after its end")
        }
        let growth = end > incoming[index].buffer.highest ? end - incoming[index].buffer.highest : 0
        guard end <= incoming[index].buffer.credit, receivedByteCount + growth <= receiveCredit else {
            return .violation(.flowControl, "stream \(stream) exceeds its credit")
        }
        return .quiet
    }

    /// A STREAM record.
    mutating func receive(
        _ bytes: RawSpan, at offset: UInt64, isEnd: Bool, on id: StreamID, _ events: inout EventQueue
    ) -> StreamOutcome {
        if case .violation(let code, let text) = admit(id, &events) { return .violation(code, text) }
        guard let index = incomingIndex(id) else { return .quiet }
        let end = offset + UInt64(bytes.byteCount)
        if case .violation(let code, let text) = extend(index, to: end) { return .violation(code, text) }
        if isEnd {
            if let known = incoming[index].finalByteCount, known != end {
                return .violation(.protocolViolation, "stream \(id) has two ends")
            }
            guard end >= incoming[index].buffer.highest else { return .violation(.protocolViolation, "stream \(id) ends before its end") }
        }
        if incoming[index].stopCode != nil || incoming[index].resetCode != nil {
            return receiveUnwanted(index, end: end, isEnd: isEnd)
        }
        let before = incoming[index].buffer.highest
        let outcome = incoming[index].buffer.receive(bytes, at: offset)
        receivedByteCount += incoming[index].buffer.highest - before
        var isNew = false
        switch outcome {
        case .stored(let newlyContiguous): isNew = newlyContiguous
        case .beyondCredit: return .violation(.flowControl, "stream \(id) exceeds its credit")
        case .discarded: return .discarded
        }
        if isEnd, incoming[index].finalByteCount == nil {
            incoming[index].finalByteCount = end
            isNew = isNew || incoming[index].buffer.contiguous == end
        }
        guard isNew, !incoming[index].isAnnounced else { return .quiet }
        incoming[index].isAnnounced = true
        return .event(.streamReadable(id))
    }

    /// Bytes of a stream that the application gave up: counted, not kept.
    private mutating func receiveUnwanted(_ index: Int, end: UInt64, isEnd: Bool) -> StreamOutcome {
        if end > incoming[index].buffer.highest {
            let growth = end - incoming[index].buffer.highest
            receivedByteCount += growth
            consumed(Int(growth))
            incoming[index].buffer.skip(to: end)
        }
        if isEnd, incoming[index].stopCode != nil { forgetIncoming(index) }
        return .quiet
    }

    /// A RESET_STREAM record.
    mutating func receiveReset(_ id: StreamID, code: UInt64, finalByteCount: UInt64, _ events: inout EventQueue) -> StreamOutcome {
        if case .violation(let code, let text) = admit(id, &events) { return .violation(code, text) }
        guard let index = incomingIndex(id) else { return .quiet }
        if case .violation(let code, let text) = extend(index, to: finalByteCount) { return .violation(code, text) }
        guard finalByteCount >= incoming[index].buffer.highest, incoming[index].finalByteCount ?? finalByteCount == finalByteCount else {
            return .violation(.protocolViolation, "stream \(id) changed its length")
        }
        guard incoming[index].resetCode == nil else { return .quiet }
        let growth = finalByteCount - incoming[index].buffer.highest
        receivedByteCount += growth
        let unread = finalByteCount - incoming[index].buffer.base
        if incoming[index].stopCode == nil { consumed(Int(unread)) } else { consumed(Int(growth)) }
        incoming[index].buffer.skip(to: finalByteCount)
        incoming[index].finalByteCount = finalByteCount
        incoming[index].resetCode = code
        if incoming[index].stopCode != nil {
            forgetIncoming(index)
            return .quiet
        }
        return .event(.streamReset(id, code: code))
    }

    /// A STOP_SENDING record.
    mutating func receiveStop(_ id: StreamID, code: UInt64) -> StreamOutcome {
        guard isOwn(id), id.rawValue >> 1 < openedCount else {
            return .violation(.protocolViolation, "the peer stopped a stream that we never opened")
        }
        guard let index = outgoingIndex(id), outgoing[index].resetCode == nil, !outgoing[index].isComplete else { return .quiet }
        outgoing[index].reset(code)
        isControlDue = true
        return .event(.streamReset(id, code: code))
    }

    /// A MAX_STREAM_DATA record.
    mutating func receiveCredit(_ id: StreamID, _ credit: UInt64) -> StreamOutcome {
        guard isOwn(id), id.rawValue >> 1 < openedCount else {
            return .violation(.protocolViolation, "credit for a stream that we never opened")
        }
        guard let index = outgoingIndex(id) else { return .quiet }
        _ = outgoing[index].buffer.raiseCredit(to: credit)
        return .quiet
    }

    /// A part of an own stream arrived.
    mutating func acknowledged(_ id: StreamID, _ range: Range<UInt64>, isEnd: Bool) -> StreamOutcome {
        guard let index = outgoingIndex(id), outgoing[index].resetCode == nil else { return .quiet }
        outgoing[index].buffer.acknowledge(range)
        if isEnd { outgoing[index].end = .acknowledged }
        if outgoing[index].isComplete {
            _ = outgoing.remove(at: index)
            return .event(.streamFinished(id))
        }
        guard outgoing[index].isBlocked, outgoing[index].buffer.free >= min(limits.streamWindowByteCount / 2, 256 << 10) else {
            return .quiet
        }
        outgoing[index].isBlocked = false
        return .event(.streamWritable(id))
    }

    /// A part of an own stream was lost.
    mutating func lost(_ id: StreamID, _ range: Range<UInt64>, isEnd: Bool) {
        guard let index = outgoingIndex(id), outgoing[index].resetCode == nil else { return }
        outgoing[index].buffer.lose(range)
        if isEnd, outgoing[index].end == .sent { outgoing[index].end = .due }
    }

    /// The peer knows that an own stream was reset.
    mutating func resetAcknowledged(_ id: StreamID) {
        guard let index = outgoingIndex(id), outgoing[index].resetCode != nil else { return }
        _ = outgoing.remove(at: index)
    }

    /// A control record of a stream was lost.
    mutating func controlLost(_ part: SentPart) {
        switch part {
        case .reset(let id):
            if let index = outgoingIndex(id), outgoing[index].resetCode != nil { outgoing[index].isResetDue = true }
        case .stopSending(let id):
            if let index = incomingIndex(id), incoming[index].stopCode != nil { incoming[index].isStopDue = true }
        case .maximumStreamData(let id):
            if let index = incomingIndex(id), incoming[index].finalByteCount == nil { incoming[index].isCreditDue = true }
        case .maximumData: isConnectionCreditDue = true
        case .maximumStreams: isStreamLimitDue = true
        case .message, .stream, .maximumMessageData: return
        }
        isControlDue = true
    }
}
