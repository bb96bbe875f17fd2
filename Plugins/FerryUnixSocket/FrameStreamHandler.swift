internal import FerryTransports
internal import NIOCore

/// Turns a byte stream into frames and back: each frame follows its byte count as a little-endian u32.
///
/// It runs on the channel's event loop; queues connect it with the tasks of the host. Inbound, it stops reading while the queue is full, so
/// that the kernel's buffer fills and the peer waits. Outbound, it takes from the queue while the channel is writable.
final class FrameStreamHandler: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    static let prefixByteCount = 4
    /// What one write hands to the kernel, roughly.
    private static let writeByteCount = 262_144

    private let inbound: FrameQueue
    private let outbound: FrameQueue
    private let maximumFrameByteCount: Int
    private var context: ChannelHandlerContext?
    /// Received and not queued yet: less than one frame, or whatever came after the queue filled up.
    private var unqueued = ByteBuffer()
    private var isInboundFull = false
    private var isReadWanted = false
    private var isClosing = false

    init(inbound: FrameQueue, outbound: FrameQueue, maximumFrameByteCount: Int) {
        self.inbound = inbound
        self.outbound = outbound
        self.maximumFrameByteCount = maximumFrameByteCount
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        let eventLoop = context.eventLoop
        let handler = NIOLoopBound(self, eventLoop: eventLoop)
        outbound.setSignals(frames: { eventLoop.execute { handler.value.flushOutbound() } })
        inbound.setSignals(space: { eventLoop.execute { handler.value.resumeInbound() } })
    }

    func channelActive(context: ChannelHandlerContext) {
        flushOutbound()
        context.fireChannelActive()
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.context = nil
        outbound.close()
        // Frames that wait for room are still ours to deliver.
        if !isInboundFull { finishInbound() }
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }

    // MARK: Inbound

    func read(context: ChannelHandlerContext) {
        if isInboundFull {
            isReadWanted = true
        } else {
            context.read()
        }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = Self.unwrapInboundIn(data)
        if unqueued.readableBytes == 0 {
            queueFrames(of: &bytes)
            if bytes.readableBytes > 0 {
                unqueued.clear()
                unqueued.writeImmutableBuffer(bytes)
            }
        } else {
            unqueued.writeBuffer(&bytes)
            queueUnqueued()
        }
    }

    private func resumeInbound() {
        guard isInboundFull else { return }
        isInboundFull = false
        queueUnqueued()
        guard !isInboundFull else { return }
        guard let context else { return finishInbound() }
        if isReadWanted {
            isReadWanted = false
            context.read()
        }
    }

    private func queueUnqueued() {
        // Moved out, since a frame that must be refused closes the channel, and that comes back to this handler.
        var bytes = ByteBuffer()
        swap(&bytes, &unqueued)
        queueFrames(of: &bytes)
        bytes.discardReadBytes()
        unqueued = bytes
    }

    private func queueFrames(of bytes: inout ByteBuffer) {
        defer { inbound.wakeReceiver() }
        while !isInboundFull, let prefix = bytes.getInteger(at: bytes.readerIndex, endianness: .little, as: UInt32.self) {
            let byteCount = Int(prefix)
            guard byteCount > 0, byteCount <= maximumFrameByteCount else {
                bytes.clear()
                return refuse(byteCount: byteCount)
            }
            let end = Self.prefixByteCount + byteCount
            guard bytes.readableBytes >= end else { return }
            let result = inbound.offer(
                bytes.readableBytesSpan.extracting(Self.prefixByteCount..<end), frameByteCount: byteCount, isLast: false)
            switch result {
            case .taken: bytes.moveReaderIndex(forwardBy: end)
            case .full: isInboundFull = true
            case .closed: return bytes.clear()
            }
        }
    }

    private func refuse(byteCount: Int) {
        let limit = maximumFrameByteCount
        let message = "the peer announced a frame of \(byteCount) bytes, allowed are 1 to \(limit)"
        inbound.finish(throwing: TransportError(.malformedFrame, message))
        context?.close(promise: nil)
    }

    private func finishInbound() {
        unqueued = ByteBuffer()
        inbound.finish()
        inbound.setSignals()
    }

    // MARK: Outbound

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable { flushOutbound() }
        context.fireChannelWritabilityChanged()
    }

    private func flushOutbound() {
        guard let context, !isClosing else { return }
        var hasWritten = false
        while context.channel.isWritable {
            let waiting = outbound.byteCount
            var bytes = context.channel.allocator.buffer(capacity: min(Self.writeByteCount, waiting) + maximumFrameByteCount)
            let isEnded = takeFrames(into: &bytes)
            if bytes.readableBytes > 0 {
                context.write(Self.wrapOutboundOut(bytes), promise: nil)
                hasWritten = true
            }
            if isEnded {
                isClosing = true
                context.writeAndFlush(Self.wrapOutboundOut(ByteBuffer())).assumeIsolated().whenComplete { _ in context.close(promise: nil) }
                return
            }
            if bytes.readableBytes < Self.writeByteCount { break }
        }
        if hasWritten { context.flush() }
    }

    /// Whether the queue has ended.
    private func takeFrames(into bytes: inout ByteBuffer) -> Bool {
        while bytes.readableBytes < Self.writeByteCount {
            let start = bytes.writerIndex
            bytes.writeInteger(UInt32(0))
            var result = FrameQueue.PollResult.empty
            bytes.writeWithOutputRawSpan(minimumWritableBytes: maximumFrameByteCount) {
                result = outbound.poll(into: &$0, isSingle: true)
            }
            guard case .frames = result else {
                bytes.moveWriterIndex(to: start)
                return result == .ended
            }
            let byteCount = bytes.writerIndex - start - Self.prefixByteCount
            bytes.setInteger(UInt32(byteCount), at: start, endianness: .little)
        }
        return false
    }
}
