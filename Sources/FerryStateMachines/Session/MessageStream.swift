internal import FerryWire

/// The ordered message channel: a byte stream in each direction that carries messages, each after its length in four big-endian bytes.
struct MessageStream: ~Copyable {
    /// Bytes of the length before a message.
    static let prefixByteCount = 4
    /// Credit that both sides have before they know each other's hello.
    static let initialCredit: UInt64 = 65_536
    /// The longest hello.
    static let maximumHelloByteCount = 512

    private(set) var outgoing: SendBuffer
    private(set) var incoming: ReceiveBuffer
    private var headByteCount: Int?
    private let maximumIncoming: Int
    /// The longest message that the peer takes.
    private(set) var maximumOutgoing: Int
    private(set) var isHelloReceived = false
    /// Whether a message did not fit, so that the application waits for room.
    private(set) var isBlocked = false
    /// A credit that the peer must be told.
    private(set) var isCreditDue = false

    init(_ limits: SessionLimits) {
        outgoing = SendBuffer(capacity: limits.messageSendBufferByteCount, credit: Self.initialCredit)
        incoming = ReceiveBuffer(window: limits.messageReceiveWindowByteCount, initialCredit: Self.initialCredit)
        maximumIncoming = limits.maximumMessageByteCount
        maximumOutgoing = limits.maximumMessageByteCount
    }

    /// The longest message that fits now.
    var free: Int { max(0, min(maximumOutgoing, outgoing.free - Self.prefixByteCount)) }

    /// Queues a message, whole or not at all.
    mutating func send(_ message: RawSpan) -> Bool {
        guard outgoing.free >= Self.prefixByteCount + message.byteCount else {
            isBlocked = true
            return false
        }
        withBigEndianBytes(of: UInt64(message.byteCount)) { _ = outgoing.write($0.extracting(droppingFirst: 4)) }
        _ = outgoing.write(message)
        return true
    }

    /// Whether room came free for an application that waits; asks once.
    mutating func takeUnblocked() -> Bool {
        guard isBlocked, outgoing.free >= Self.prefixByteCount + maximumOutgoing else { return false }
        isBlocked = false
        return true
    }

    /// The peer's hello is known.
    mutating func apply(maximumMessage: Int, credit: UInt64) {
        isHelloReceived = true
        maximumOutgoing = min(maximumOutgoing, maximumMessage)
        _ = outgoing.raiseCredit(to: credit)
        _ = incoming.openWindow()
    }

    mutating func raiseCredit(to credit: UInt64) { _ = outgoing.raiseCredit(to: credit) }
    mutating func acknowledge(_ range: Range<UInt64>) { outgoing.acknowledge(range) }
    mutating func lose(_ range: Range<UInt64>) { outgoing.lose(range) }
    mutating func creditLost() { isCreditDue = true }

    /// The credit to tell.
    mutating func takeCredit() -> UInt64 {
        isCreditDue = false
        return incoming.credit
    }

    /// Stores a received part.
    mutating func receive(_ bytes: RawSpan, at offset: UInt64) -> ReceiveBuffer.Outcome { incoming.receive(bytes, at: offset) }

    /// Bytes of the next message if it is complete, -1 if it is not, nil if it is longer than allowed.
    mutating func nextByteCount() -> Int? {
        if headByteCount == nil, incoming.readable >= Self.prefixByteCount {
            var length = 0
            for index in 0..<Self.prefixByteCount { length = length << 8 | Int(incoming.peek(index)) }
            guard length <= (isHelloReceived ? maximumIncoming : Self.maximumHelloByteCount) else { return nil }
            headByteCount = length
        }
        guard let headByteCount, incoming.readable >= Self.prefixByteCount + headByteCount else { return -1 }
        return headByteCount
    }

    /// Replaces the contents of `message` with the next complete one.
    mutating func receive(into message: inout [UInt8]) -> Bool {
        guard let count = nextByteCount(), count >= 0 else { return false }
        message.removeAll(keepingCapacity: true)
        message.reserveCapacity(count)
        incoming.read(count, skipping: Self.prefixByteCount, into: &message)
        headByteCount = nil
        if incoming.updatedCredit() != nil { isCreditDue = true }
        return true
    }

    /// Appends one record of what is to be sent.
    mutating func append(to writer: inout RecordWriter, _ recovery: inout LossRecovery) -> Bool {
        guard let part = outgoing.next(newByteCount: .max) else { return false }
        let overhead = 1 + Varint.byteCount(part.offset) + 4
        guard writer.free > overhead else { return false }
        let count = min(part.byteCount, writer.free - overhead)
        writer.append(varint: RecordType.message)
        writer.append(varint: part.offset)
        writer.append(varint: UInt64(count))
        writer.append(count, of: outgoing.ring, at: part.offset)
        outgoing.sent(part, byteCount: count)
        recovery.note(.message(offset: part.offset, byteCount: count))
        return true
    }

    /// Whether something waits to be sent.
    var isPending: Bool { outgoing.next(newByteCount: .max) != nil }
}
