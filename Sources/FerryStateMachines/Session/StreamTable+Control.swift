internal import DequeModule
internal import FerryWire

// Control records about streams.
extension StreamTable {
    /// Whether a control record waits.
    var hasControl: Bool { isControlDue || isConnectionCreditDue || isStreamLimitDue }

    /// Appends the control records that are due, as far as they fit.
    mutating func appendControl(to writer: inout RecordWriter, _ recovery: inout LossRecovery) -> Bool {
        guard hasControl else { return false }
        let before = writer.count
        // The longest of these records has 25 bytes.
        if isConnectionCreditDue, writer.free >= 25 {
            writer.append(varint: RecordType.maximumData)
            writer.append(varint: receiveCredit)
            recovery.note(.maximumData)
            isConnectionCreditDue = false
        }
        if isStreamLimitDue, writer.free >= 25 {
            writer.append(varint: RecordType.maximumStreams)
            writer.append(varint: peerOpenLimit)
            recovery.note(.maximumStreams)
            isStreamLimitDue = false
        }
        if isControlDue { isControlDue = !(appendResets(to: &writer, &recovery) && appendCredits(to: &writer, &recovery)) }
        return writer.count > before
    }

    /// - Returns: whether all fitted.
    private mutating func appendResets(to writer: inout RecordWriter, _ recovery: inout LossRecovery) -> Bool {
        for index in 0..<outgoing.count {
            guard outgoing[index].isResetDue, let code = outgoing[index].resetCode else { continue }
            guard writer.free >= 25 else { return false }
            writer.append(varint: RecordType.resetStream)
            writer.append(varint: outgoing[index].id.rawValue)
            writer.append(varint: code)
            writer.append(varint: outgoing[index].finalByteCount)
            outgoing[index].isResetDue = false
            recovery.note(.reset(outgoing[index].id))
        }
        return true
    }

    /// - Returns: whether all fitted.
    private mutating func appendCredits(to writer: inout RecordWriter, _ recovery: inout LossRecovery) -> Bool {
        for index in 0..<incoming.count {
            if incoming[index].isStopDue, let code = incoming[index].stopCode {
                guard writer.free >= 25 else { return false }
                writer.append(varint: RecordType.stopSending)
                writer.append(varint: incoming[index].id.rawValue)
                writer.append(varint: code)
                incoming[index].isStopDue = false
                recovery.note(.stopSending(incoming[index].id))
            }
            if incoming[index].isCreditDue {
                guard writer.free >= 25 else { return false }
                writer.append(varint: RecordType.maximumStreamData)
                writer.append(varint: incoming[index].id.rawValue)
                writer.append(varint: incoming[index].buffer.credit)
                incoming[index].isCreditDue = false
                recovery.note(.maximumStreamData(incoming[index].id))
            }
        }
        return true
    }
}
