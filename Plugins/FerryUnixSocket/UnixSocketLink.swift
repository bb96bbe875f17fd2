public import FerryTransports
internal import NIOCore

/// Frames over one stream socket: in order, without loss, between processes of one user.
public final class UnixSocketLink: BatchingLink {
    /// The path that was dialled; for an accepted link, the path of the listener, since the other end has no name.
    public let remoteAddress: TransportAddress
    /// Loss-free and unforgeable.
    public let properties: LinkProperties
    /// The most bytes in one batch.
    public let maximumBatchByteCount: Int
    private let channel: any Channel
    private let inbound: FrameQueue
    private let outbound: FrameQueue
    private let closeTimeout: TimeAmount

    /// Takes over `channel`, on its event loop and before it is active.
    init(preparing channel: any Channel, remoteAddress: TransportAddress, configuration: UnixSocketConfiguration) throws {
        self.channel = channel
        self.remoteAddress = remoteAddress
        properties = configuration.linkProperties
        maximumBatchByteCount = configuration.maximumBatchByteCount
        inbound = FrameQueue(limits: configuration.queue)
        outbound = FrameQueue(limits: configuration.queue)
        closeTimeout = TimeAmount(configuration.closeTimeout)
        try channel.pipeline.syncOperations.addHandler(
            FrameStreamHandler(
                inbound: inbound, outbound: outbound, maximumFrameByteCount: configuration.maximumFrameByteCount))
    }

    /// Closes the link and throws when the process at the other end belongs to another user.
    func checkPeer() async throws(TransportError) {
        do {
            try await UnixSocketChannel.checkPeer(of: channel).get()
        } catch {
            await close()
            throw error as? TransportError ?? TransportError(.permissionDenied, "cannot tell who listens on \(remoteAddress)", cause: error)
        }
    }

    /// Queues one frame.
    public func send(_ frame: RawSpan) async throws(TransportError) {
        try properties.check(frame)
        try await outbound.send(frame, frameByteCount: frame.byteCount)
    }

    /// Queues frames of equal size.
    public func sendBatch(_ frames: RawSpan, frameByteCount: Int) async throws(TransportError) {
        try properties.check(frames, frameByteCount: frameByteCount, maximumBatchByteCount: maximumBatchByteCount)
        try await outbound.send(frames, frameByteCount: frameByteCount)
    }

    /// Takes the next frame.
    public func receive(into buffer: inout OutputRawSpan) async throws(TransportError) -> Bool {
        try await inbound.receive(into: &buffer)
    }

    /// Takes as many frames of equal size as wait and fit.
    public func receiveBatch(into buffer: inout OutputRawSpan) async throws(TransportError) -> Int? {
        try await inbound.receiveBatch(into: &buffer)
    }

    /// Closes the socket once the frames that `send` took are with the kernel, or after the configured time.
    public func close() async {
        inbound.close()
        outbound.finish()
        let channel = channel
        let timer = channel.eventLoop.scheduleTask(in: closeTimeout) { channel.close(promise: nil) }
        try? await channel.closeFuture.get()
        timer.cancel()
    }
}
