internal import FerryCrypto
internal import FerryWire

// Building packets.
extension Connection {
    private static let overheadByteCount = PacketHeader.byteCount + AEADAlgorithm.tagByteCount

    /// Appends one frame, or nothing.
    mutating func nextFrame(into output: inout OutputRawSpan, now: Timestamp) -> Bool {
        guard output.freeCapacity >= recovery.mtu.current else { return false }
        if let due = handshakeFrameDueAt, due <= now, output.freeCapacity >= handshakeFrame.count {
            return sendHandshakeFrame(into: &output, now: now)
        }
        guard recovery.packets.count < SentPackets.maximumCount else {
            fail(.protocolViolation, "the peer acknowledges nothing")
            return false
        }
        if let byteCount = probeByteCount(output.freeCapacity, now) {
            return send(byteCount: byteCount, isPathProbe: true, into: &output, now: now)
        }
        return send(byteCount: recovery.mtu.current, isPathProbe: false, into: &output, now: now)
    }

    private mutating func sendHandshakeFrame(into output: inout OutputRawSpan, now: Timestamp) -> Bool {
        output.append(contentsOf: handshakeFrame.rawSpan)
        statistics.sentFrameCount += 1
        statistics.sentByteCount += UInt64(handshakeFrame.count)
        let wait = configuration.timing.handshakeRetryInterval * (1 << min(handshakeRepeatCount, 4))
        handshakeRepeatCount += 1
        handshakeFrameDueAt = configuration.link.isLossFree ? nil : now + wait
        return true
    }

    /// The size of a path MTU probe that may be sent now.
    private mutating func probeByteCount(_ freeCapacity: Int, _ now: Timestamp) -> Int? {
        guard peer != nil, recovery.ptoCount == 0, let byteCount = recovery.mtu.probeByteCount(now), byteCount <= freeCapacity,
            recovery.congestion.bytesInFlight + byteCount <= recovery.congestion.congestionWindow
        else { return nil }
        return byteCount
    }

    private mutating func send(byteCount: Int, isPathProbe: Bool, into output: inout OutputRawSpan, now: Timestamp) -> Bool {
        let start = output.byteCount
        writer.begin(limit: byteCount - Self.overheadByteCount)
        var isEliciting = isPathProbe
        let mayElicit = isPathProbe || recovery.permitsPacket(now)
        var largestAcked: UInt64?
        if acks.isDue(now) || (acks.isPending && mayElicit && hasElicitingWork) { largestAcked = acks.append(to: &writer, now: now) }
        if isPathProbe {
            writer.append(varint: RecordType.ping)
            writer.pad(to: byteCount)
        } else if mayElicit {
            isEliciting = appendRecords()
        }
        guard writer.count > 0 else { return false }
        // A full burst is cut into frames of one size: the few bytes that no record fits in are padding.
        if isEliciting, writer.free < 32 { writer.pad(to: byteCount) }
        let number = recovery.packets.next
        do throws(CryptoFailure) {
            try protection.updateIfDue(
                next: number, largestAcked: recovery.largestAcked, now: now, keepFor: recovery.probeTimeout * 3)
            try protection.seal(writer.bytes, number: number, into: &output)
        } catch {
            fail(.internalError, "a packet cannot be sealed: \(error.code)")
            return output.byteCount > start
        }
        let sealed = output.byteCount - start
        recovery.sent(byteCount: sealed, isEliciting: isEliciting, isPathProbe: isPathProbe, largestAcked: largestAcked, now: now)
        statistics.sentFrameCount += 1
        statistics.sentByteCount += UInt64(sealed)
        if isEliciting {
            isPingDue = false
            lastActivity = now
            if !isElicitingSinceReceive {
                isElicitingSinceReceive = true
                idleSince = now
            }
        }
        return true
    }

    private var hasElicitingWork: Bool { hasDataToSend || recovery.probeCredit > 0 }

    /// Appends control records, then messages, then bulk data, until the packet is full.
    ///
    /// - Returns: whether anything asks for an acknowledgement.
    private mutating func appendRecords() -> Bool {
        var isEliciting = streams.appendControl(to: &writer, &recovery)
        if messages.isCreditDue, writer.free >= 16 {
            writer.append(varint: RecordType.maximumMessageData)
            writer.append(varint: messages.takeCredit())
            recovery.note(.maximumMessageData)
            isEliciting = true
        }
        while messages.append(to: &writer, &recovery) { isEliciting = true }
        if !messages.isPending {
            while streams.append(to: &writer, &recovery) { isEliciting = true }
        }
        if !isEliciting, isPingDue || recovery.probeCredit > 0, writer.free > 0 {
            writer.append(varint: RecordType.ping)
            isEliciting = true
        }
        return isEliciting
    }

    /// Appends a frame that says why the session ends; sent outside of loss recovery.
    mutating func closeFrame(_ reason: SessionCloseReason, into output: inout OutputRawSpan, now: Timestamp) -> Bool {
        writer.begin(limit: recovery.mtu.current - Self.overheadByteCount)
        let text = Array(reason.text.utf8.prefix(256))
        writer.append(varint: RecordType.close)
        writer.append(varint: min(reason.code.rawValue, Varint.maximum))
        writer.append(varint: UInt64(text.count))
        writer.append(text.rawSpan)
        let start = output.byteCount
        do throws(CryptoFailure) {
            try protection.seal(writer.bytes, number: recovery.packets.next, into: &output)
        } catch {
            return output.byteCount > start
        }
        recovery.sent(byteCount: output.byteCount - start, isEliciting: false, isPathProbe: false, largestAcked: nil, now: now)
        return true
    }
}
