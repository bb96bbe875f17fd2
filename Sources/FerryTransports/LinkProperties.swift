/// What a link promises about the frames that it carries.
public struct LinkProperties: Sendable, Hashable {
    /// The largest frame in bytes; at least 1,200.
    public var maximumFrameByteCount: Int
    /// The largest frame that is known to arrive without path MTU discovery; at least 1,200.
    public var safeFrameByteCount: Int
    /// Whether frames arrive unless the link closes (streams, memory), so that loss means a defect and not congestion.
    public var isLossFree: Bool
    /// Whether the remote address may be forged, so that a peer must prove it before it gets more than three times what it sent.
    public var isAddressSpoofable: Bool

    /// Describes a link.
    public init(maximumFrameByteCount: Int, safeFrameByteCount: Int, isLossFree: Bool, isAddressSpoofable: Bool) {
        self.maximumFrameByteCount = maximumFrameByteCount
        self.safeFrameByteCount = safeFrameByteCount
        self.isLossFree = isLossFree
        self.isAddressSpoofable = isAddressSpoofable
    }

    /// Refuses a frame that the link may not carry; every `send` starts with it.
    ///
    /// - Throws: `.frameTooLarge`, `.malformedFrame` when it is empty.
    public func check(_ frame: RawSpan) throws(TransportError) {
        try check(frameByteCount: frame.byteCount)
    }

    /// Refuses a batch that the link may not carry; every `sendBatch` starts with it.
    ///
    /// - Throws: `.frameTooLarge`, `.malformedFrame` when it is empty.
    public func check(_ frames: RawSpan, frameByteCount: Int, maximumBatchByteCount: Int) throws(TransportError) {
        try check(frameByteCount: frames.isEmpty ? 0 : frameByteCount)
        guard frames.byteCount <= maximumBatchByteCount else {
            throw TransportError(.frameTooLarge, "a batch of \(frames.byteCount) bytes exceeds the maximum of \(maximumBatchByteCount)")
        }
    }

    private func check(frameByteCount: Int) throws(TransportError) {
        guard frameByteCount > 0 else { throw TransportError(.malformedFrame, "a frame has at least one byte") }
        guard frameByteCount <= maximumFrameByteCount else {
            throw TransportError(.frameTooLarge, "a frame of \(frameByteCount) bytes exceeds the maximum of \(maximumFrameByteCount)")
        }
    }
}
