internal import DequeModule
internal import FerryWire

// What the application does with bulk streams.
extension StreamTable {
    /// Opens the next own stream; nil when the peer's limit, or ours, is reached.
    mutating func open() -> StreamID? {
        guard openedCount < openLimit, outgoing.count < limits.maximumStreamCount else { return nil }
        let id = StreamID(rawValue: openedCount << 1 | (isInitiator ? 0 : 1))
        openedCount += 1
        outgoing.append(SendStream(id: id, capacity: limits.streamWindowByteCount, credit: initialStreamCredit))
        return id
    }

    mutating func write(_ bytes: RawSpan, to id: StreamID) throws(SessionError) -> Int {
        guard let index = outgoingIndex(id) else { throw SessionError(.unknownStream, "no own stream \(id)") }
        guard outgoing[index].resetCode == nil, !outgoing[index].isFinishing else {
            throw SessionError(.streamClosed, "stream \(id) is finished or reset")
        }
        let count = outgoing[index].buffer.write(bytes)
        if count < bytes.byteCount { outgoing[index].isBlocked = true }
        return count
    }

    /// From the stream's beginning to the first byte that the peer has not acknowledged; nil once it has all, or the stream was given up.
    func acknowledgedByteCount(of id: StreamID) -> UInt64? {
        guard let index = outgoingIndex(id), outgoing[index].resetCode == nil else { return nil }
        return outgoing[index].buffer.base
    }

    mutating func finish(_ id: StreamID) throws(SessionError) {
        guard let index = outgoingIndex(id) else { throw SessionError(.unknownStream, "no own stream \(id)") }
        guard outgoing[index].resetCode == nil, !outgoing[index].isFinishing else {
            throw SessionError(.streamClosed, "stream \(id) is finished or reset")
        }
        outgoing[index].isFinishing = true
        outgoing[index].end = .due
    }

    mutating func read(from id: StreamID, into output: inout OutputRawSpan) throws(SessionError) -> StreamReadResult {
        guard let index = incomingIndex(id), incoming[index].stopCode == nil else {
            throw SessionError(.unknownStream, "no stream \(id) of the peer")
        }
        if let code = incoming[index].resetCode {
            forgetIncoming(index)
            return .reset(code: code)
        }
        let count = incoming[index].buffer.read(into: &output)
        if count > 0 {
            consumed(count)
            if incoming[index].finalByteCount == nil, incoming[index].buffer.updatedCredit() != nil {
                incoming[index].isCreditDue = true
                isControlDue = true
            }
            return .bytes(count)
        }
        if incoming[index].isDrained {
            forgetIncoming(index)
            return .finished
        }
        if incoming[index].buffer.readable == 0 { incoming[index].isAnnounced = false }
        return .blocked
    }

    /// Gives a stream of either side up.
    mutating func reset(_ id: StreamID, code: UInt64) {
        if let index = outgoingIndex(id) {
            guard !outgoing[index].isComplete else { return }
            outgoing[index].reset(min(code, Varint.maximum))
            isControlDue = true
        } else if let index = incomingIndex(id), incoming[index].stopCode == nil {
            incoming[index].stopCode = min(code, Varint.maximum)
            consumed(incoming[index].buffer.readable)
            dropUnread(index)
            guard incoming[index].resetCode == nil, incoming[index].finalByteCount == nil else {
                forgetIncoming(index)
                return
            }
            incoming[index].isStopDue = true
            isControlDue = true
        }
    }

    /// Counts bytes that no longer take room, and tells the peer once it is worth it.
    mutating func consumed(_ count: Int) {
        consumedByteCount += UInt64(count)
        let target = consumedByteCount + UInt64(limits.connectionWindowByteCount)
        if target > receiveCredit, target - receiveCredit >= UInt64(limits.connectionWindowByteCount / 2) {
            receiveCredit = target
            isConnectionCreditDue = true
        }
    }

    /// Counts everything between what was consumed and what arrived as consumed.
    private mutating func dropUnread(_ index: Int) {
        let held = incoming[index].buffer.highest - incoming[index].buffer.base - UInt64(incoming[index].buffer.readable)
        consumed(Int(held))
        incoming[index].buffer.discard()
    }

    mutating func forgetIncoming(_ index: Int) {
        if incoming[index].buffer.base < incoming[index].buffer.highest {
            consumed(Int(incoming[index].buffer.highest - incoming[index].buffer.base))
        }
        _ = incoming.remove(at: index)
        peerClosedCount += 1
        let target = peerClosedCount + UInt64(limits.maximumStreamCount)
        if target - peerOpenLimit >= UInt64(max(1, limits.maximumStreamCount / 2)) {
            peerOpenLimit = target
            isStreamLimitDue = true
        }
    }
}
