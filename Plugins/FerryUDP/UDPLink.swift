public import FerryTransports
internal import NIOCore
internal import Synchronization

/// Frames as datagrams between two addresses: they may be lost, repeated or reordered.
public final class UDPLink: BatchingLink, AddressValidating {
    /// The other end, as `udp:host:port`.
    public let remoteAddress: TransportAddress
    /// Lossy and forgeable; 1,200 bytes are safe, more is for path MTU discovery to find out.
    public let properties: LinkProperties
    /// The most bytes in one batch.
    public let maximumBatchByteCount: Int
    let socketAddress: SocketAddress
    let inbound: FrameQueue
    private let port: UDPPort
    private let isClosed = Atomic(false)

    init(port: UDPPort, to address: SocketAddress, queue: FrameQueue.Limits) {
        self.port = port
        socketAddress = address
        remoteAddress = UDPAddress.describe(address)
        properties = LinkProperties(
            maximumFrameByteCount: port.sender.maximumDatagramByteCount, safeFrameByteCount: 1_200,
            isLossFree: false, isAddressSpoofable: true)
        maximumBatchByteCount = port.configuration.maximumBatchByteCount
        inbound = FrameQueue(limits: queue)
    }

    /// What the kernel gave the socket.
    public var socketStatus: UDPSocketStatus { port.status }

    /// What the socket did not deliver, over all of its links.
    public var dropCounts: UDPDropCounts { port.dropCounts }

    /// Sends one datagram; one that the path does not carry is lost.
    public func send(_ frame: RawSpan) async throws(TransportError) {
        try properties.check(frame)
        try await send(frame, frameByteCount: frame.byteCount)
    }

    /// Sends datagrams of equal size, with as few system calls as the kernel allows.
    public func sendBatch(_ frames: RawSpan, frameByteCount: Int) async throws(TransportError) {
        try properties.check(frames, frameByteCount: frameByteCount, maximumBatchByteCount: maximumBatchByteCount)
        try await send(frames, frameByteCount: frameByteCount)
    }

    /// Takes the next datagram.
    public func receive(into buffer: inout OutputRawSpan) async throws(TransportError) -> Bool {
        try await inbound.receive(into: &buffer)
    }

    /// Takes as many datagrams of equal size as wait and fit.
    public func receiveBatch(into buffer: inout OutputRawSpan) async throws(TransportError) -> Int? {
        try await inbound.receiveBatch(into: &buffer)
    }

    /// The link leaves the half-open count and gets its full queue.
    public func addressValidated() {
        inbound.setLimits(port.configuration.inboundQueue)
        port.addressValidated(of: self)
    }

    /// Forgets the remote address; frames from it are a stranger's from now on.
    public func close() async {
        guard !isClosed.exchange(true, ordering: .relaxed) else { return }
        inbound.close()
        await port.remove(self)
    }

    private func send(_ frames: RawSpan, frameByteCount: Int) async throws(TransportError) {
        var offset = 0
        while offset < frames.byteCount {
            guard !isClosed.load(ordering: .relaxed) else { throw TransportError(.closed, "the link is closed") }
            let byteCount = port.sender.burstByteCount(of: frames.byteCount - offset, frameByteCount: frameByteCount)
            let burst = frames.extracting(offset..<(offset + byteCount))
            switch port.sender.send(burst, frameByteCount: frameByteCount, to: socketAddress) {
            case .sent: break
            case .lost: port.countUnsent((byteCount + frameByteCount - 1) / frameByteCount)
            case .mustWait: try await port.sendWhenWritable(burst, frameByteCount: frameByteCount, to: socketAddress)
            case .closed: throw TransportError(.closed, "the socket is closed")
            }
            offset += byteCount
        }
    }
}
