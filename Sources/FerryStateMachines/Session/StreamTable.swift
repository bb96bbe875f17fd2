internal import DequeModule
internal import FerryWire

/// All bulk streams of a session, both directions, each list in the order of its ids.
struct StreamTable: ~Copyable {
    var outgoing = UniqueDeque<SendStream>()
    var incoming = UniqueDeque<ReceiveStream>()
    let isInitiator: Bool
    let limits: SessionLimits
    /// How many streams were ever opened by us, and may be at most.
    var openedCount: UInt64 = 0
    var openLimit: UInt64 = 0
    /// The same for the peer.
    var peerOpenedCount: UInt64 = 0
    var peerOpenLimit: UInt64
    var peerClosedCount: UInt64 = 0
    /// Credit of each new own stream, from the peer's hello.
    var initialStreamCredit: UInt64 = 0
    /// New bytes sent over all own streams, and the peer's credit for them.
    var sentByteCount: UInt64 = 0
    var sendCredit: UInt64 = 0
    /// Bytes received over all the peer's streams, those of them that were read or dropped, and the credit that the peer has.
    var receivedByteCount: UInt64 = 0
    var consumedByteCount: UInt64 = 0
    var receiveCredit: UInt64
    var isConnectionCreditDue = false
    var isStreamLimitDue = false
    /// Whether any stream has a control record to send.
    var isControlDue = false
    private var turn = 0

    init(isInitiator: Bool, limits: SessionLimits) {
        self.isInitiator = isInitiator
        self.limits = limits
        peerOpenLimit = UInt64(limits.maximumStreamCount)
        receiveCredit = UInt64(limits.connectionWindowByteCount)
    }

    func isOwn(_ id: StreamID) -> Bool { (id.rawValue & 1 == 0) == isInitiator }

    func outgoingIndex(_ id: StreamID) -> Int? {
        var low = 0
        var high = outgoing.count
        while low < high {
            let middle = (low + high) / 2
            if outgoing[middle].id < id { low = middle + 1 } else { high = middle }
        }
        return low < outgoing.count && outgoing[low].id == id ? low : nil
    }

    func incomingIndex(_ id: StreamID) -> Int? {
        var low = 0
        var high = incoming.count
        while low < high {
            let middle = (low + high) / 2
            if incoming[middle].id < id { low = middle + 1 } else { high = middle }
        }
        return low < incoming.count && incoming[low].id == id ? low : nil
    }

    /// Bytes that the peer's connection-wide credit still lets go.
    var newByteAllowance: Int { Int(clamping: sendCredit - min(sendCredit, sentByteCount)) }

    /// Whether any stream has data to send.
    var isPending: Bool {
        let allowance = newByteAllowance
        for index in 0..<outgoing.count where outgoing[index].next(newByteCount: allowance) != nil { return true }
        return false
    }

    /// Appends one stream record, taking turns between streams.
    mutating func append(to writer: inout RecordWriter, _ recovery: inout LossRecovery) -> Bool {
        let allowance = newByteAllowance
        let count = outgoing.count
        for step in 0..<count {
            let index = (turn + step) % count
            guard let part = outgoing[index].next(newByteCount: allowance) else { continue }
            let id = outgoing[index].id
            let overhead = 1 + Varint.byteCount(id.rawValue) + Varint.byteCount(part.offset)
            // A packet's last few bytes are not worth a record of their own.
            guard writer.free >= overhead + 16 else { return false }
            turn = index + 1
            let isWhole = part.byteCount >= writer.free - overhead
            let taken = isWhole ? writer.free - overhead : min(part.byteCount, writer.free - overhead - 4)
            let isEnd =
                outgoing[index].isFinishing && part.offset + UInt64(taken) == outgoing[index].buffer.end
                && outgoing[index].end != .acknowledged
            writer.append(
                varint: RecordType.stream | (isEnd ? RecordType.streamEnd : 0) | (isWhole ? 0 : RecordType.streamLength))
            writer.append(varint: id.rawValue)
            writer.append(varint: part.offset)
            if !isWhole { writer.append(varint: UInt64(taken)) }
            writer.append(taken, of: outgoing[index].buffer.ring, at: part.offset)
            if taken > 0 { outgoing[index].buffer.sent(part, byteCount: taken) }
            if !part.isRepeated { sentByteCount += UInt64(taken) }
            if isEnd { outgoing[index].end = .sent }
            recovery.note(.stream(id, offset: part.offset, byteCount: taken, isEnd: isEnd))
            return true
        }
        return false
    }
}
