public import FerryTransports

/// What a Unix socket link may hold; every limit is per link unless it says otherwise.
public struct UnixSocketConfiguration: Sendable, Hashable {
    /// The largest frame in bytes; at least 1,200. A peer that announces a larger one is cut off before anything is buffered.
    public var maximumFrameByteCount = 65_536
    /// The most bytes in one batch; at least one frame.
    public var maximumBatchByteCount = 262_144
    /// The most that waits in each direction before the sender waits, here or, through the kernel's buffer, at the other end.
    public var queue = FrameQueue.Limits(byteCount: 1_048_576, frameCount: 16_384)
    /// The most links of a listener that wait for `accept`; one more is closed.
    public var pendingLinkCount = 128
    /// How long `close` waits for a peer to take the frames that `send` took; what is left then is lost.
    public var closeTimeout: Duration = .seconds(1)

    /// The defaults: 64 KiB frames, 256 KiB batches, 1 MiB a direction, one second to close.
    public init() {}

    var linkProperties: LinkProperties {
        LinkProperties(
            maximumFrameByteCount: maximumFrameByteCount, safeFrameByteCount: maximumFrameByteCount,
            isLossFree: true, isAddressSpoofable: false)
    }
}
