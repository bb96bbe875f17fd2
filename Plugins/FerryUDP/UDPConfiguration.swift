public import FerryTransports

/// What UDP sockets and links may hold, and which of the kernel's batching they use.
public struct UDPConfiguration: Sendable, Hashable {
    /// How datagrams of equal size are batched.
    public enum Offload: Sendable, Hashable {
        /// Segmentation and receive offload (`UDP_SEGMENT`, `UDP_GRO`) where the kernel has them.
        case automatic
        /// One system call a datagram; slower, and the same for the peer.
        case none
    }

    /// Whether to use segmentation and receive offload.
    public var offload = Offload.automatic
    /// The most bytes in one batch; at least one frame.
    public var maximumBatchByteCount = 262_144
    /// What a link whose address is proved may have waiting; datagrams beyond it are dropped and counted.
    public var inboundQueue = FrameQueue.Limits(byteCount: 4_194_304, frameCount: 65_536)
    /// The same for a half-open link.
    public var halfOpenInboundQueue = FrameQueue.Limits(byteCount: 131_072, frameCount: 256)
    /// The most links of a listener.
    public var linkCount = 1_024
    /// The most links of a listener whose address is not proved, over all sources.
    public var halfOpenLinkCount = 256
    /// The same for one source: an IPv4 address, or 64 bits of an IPv6 address.
    public var halfOpenLinkCountPerSource = 32
    /// The most links of a listener that wait for `accept`.
    public var pendingLinkCount = 256
    /// The socket buffer that is asked for in each direction, in bytes; the kernel may give less.
    public var socketBufferByteCount = 4_194_304

    /// The defaults: offload where there is one, 4 MiB socket buffers and queues, 1,024 links.
    public init() {}
}

/// What the kernel gave a UDP socket.
public struct UDPSocketStatus: Sendable, Hashable {
    /// Bytes of the receive buffer, as the kernel accounts for them (twice what it grants).
    public var receiveBufferByteCount: Int
    /// The same for the send buffer.
    public var sendBufferByteCount: Int
    /// Whether the receive buffer is smaller than was asked for; raise `net.core.rmem_max` to cure it.
    public var isReceiveBufferSmall: Bool
    /// Whether several frames of equal size leave in one system call.
    public var usesSegmentationOffload: Bool
    /// Whether several datagrams of equal size arrive in one system call.
    public var usesReceiveOffload: Bool
}

/// What a UDP socket did not deliver; every count is over the life of the socket.
public struct UDPDropCounts: Sendable, Hashable {
    /// Frames of links whose queue was full.
    public var queueOverflowFrameCount = 0
    /// Frames from strangers that a cap on links turned away.
    public var capFrameCount = 0
    /// Frames from strangers that the admission turned away, with or without a reply, or that reached a socket which only dials.
    public var strangerFrameCount = 0
    /// Frames that the kernel would not send: larger than the path allows, no route, filtered.
    public var unsentFrameCount = 0
}
