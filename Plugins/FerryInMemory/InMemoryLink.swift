public import FerryTransports

/// One end of a pair of queues: what one end sends, the other receives, in order and without loss.
public struct InMemoryLink: BatchingLink {
    /// The other end's name, or `memory:unnamed`.
    public let remoteAddress: TransportAddress
    /// Loss-free and unforgeable.
    public let properties: LinkProperties
    /// The most bytes in one batch.
    public let maximumBatchByteCount: Int
    private let outbound: FrameQueue
    private let inbound: FrameQueue

    static func pair(from: TransportAddress, to: TransportAddress, limits: InMemoryNetwork.Limits) -> (near: Self, far: Self) {
        let there = FrameQueue(limits: limits.queue)
        let back = FrameQueue(limits: limits.queue)
        return (
            Self(remoteAddress: to, limits: limits, outbound: there, inbound: back),
            Self(remoteAddress: from, limits: limits, outbound: back, inbound: there)
        )
    }

    private init(remoteAddress: TransportAddress, limits: InMemoryNetwork.Limits, outbound: FrameQueue, inbound: FrameQueue) {
        self.remoteAddress = remoteAddress
        self.properties = LinkProperties(
            maximumFrameByteCount: limits.maximumFrameByteCount, safeFrameByteCount: limits.maximumFrameByteCount,
            isLossFree: true, isAddressSpoofable: false)
        self.maximumBatchByteCount = limits.maximumBatchByteCount
        self.outbound = outbound
        self.inbound = inbound
    }

    /// Queues one frame for the other end.
    public func send(_ frame: RawSpan) async throws(TransportError) {
        try properties.check(frame)
        try await outbound.send(frame, frameByteCount: frame.byteCount)
    }

    /// Queues frames of equal size for the other end.
    public func sendBatch(_ frames: RawSpan, frameByteCount: Int) async throws(TransportError) {
        try properties.check(frames, frameByteCount: frameByteCount, maximumBatchByteCount: maximumBatchByteCount)
        try await outbound.send(frames, frameByteCount: frameByteCount)
    }

    /// Takes the next frame that the other end sent.
    public func receive(into buffer: inout OutputRawSpan) async throws(TransportError) -> Bool {
        try await inbound.receive(into: &buffer)
    }

    /// Takes as many frames of equal size as wait and fit.
    public func receiveBatch(into buffer: inout OutputRawSpan) async throws(TransportError) -> Int? {
        try await inbound.receiveBatch(into: &buffer)
    }

    /// Ends both directions; the other end still receives what was sent before.
    public func close() async {
        outbound.finish()
        inbound.close()
    }
}
