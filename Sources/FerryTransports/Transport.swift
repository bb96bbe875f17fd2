/// A way to open and accept links; a plug-in implements it, a host lists it.
public protocol Transport: Sendable {
    associatedtype Link: TransportLink
    associatedtype Listener: TransportListener where Listener.Link == Link
    /// The first word of this transport's addresses ("udp", "unix", "memory"); unique within a composition.
    var scheme: String { get }
    /// Opens a link to a listener.
    ///
    /// - Throws: `.unreachable`, `.refused`, `.invalidAddress`, `.permissionDenied`.
    func connect(to address: TransportAddress) async throws(TransportError) -> Link
    /// Binds this transport's own address; nil when it was made to dial only.
    ///
    /// - Throws: `.addressInUse`, `.invalidAddress`, `.permissionDenied`, `.pathTooLong`, `.storage`.
    func listen() async throws(TransportError) -> Listener?
}

/// Accepts links until it is closed.
public protocol TransportListener: Sendable {
    associatedtype Link: TransportLink
    /// The bound address: port 0 is resolved.
    var localAddress: TransportAddress { get }
    /// The next accepted link; nil once the listener is closed. One caller at a time.
    ///
    /// - Throws: `.cancelled`.
    func accept() async throws(TransportError) -> Link?
    /// Stops listening and releases the address; idempotent. Accepted links live on.
    func close() async
}

/// Carries whole frames between two ends: they may be lost, repeated or reordered, never cut, joined or altered.
public protocol TransportLink: Sendable {
    /// The other end.
    var remoteAddress: TransportAddress { get }
    /// What the link promises; constant over its life.
    var properties: LinkProperties { get }
    /// Sends one frame of at least one byte, waiting while the link's bounded queue is full.
    ///
    /// - Throws: `.frameTooLarge`, `.malformedFrame` (an empty one), `.closed`, `.cancelled`.
    func send(_ frame: RawSpan) async throws(TransportError)
    /// Appends the next frame to `buffer`, whose free capacity is at least `properties.maximumFrameByteCount`. One caller at a time.
    ///
    /// A frame that arrived before the other end closed is still returned.
    ///
    /// - Returns: false once the link is closed by either end.
    /// - Throws: `.malformedFrame` when the peer broke the transport's framing, `.cancelled`.
    func receive(into buffer: inout OutputRawSpan) async throws(TransportError) -> Bool
    /// Closes both directions; idempotent, and wakes a waiting `receive`. Frames that `send` took still leave, within a bounded time.
    func close() async
}

/// A link that moves several frames per call: GSO and GRO, `writev`, one queue operation.
public protocol BatchingLink: TransportLink {
    /// The most bytes in one batch.
    var maximumBatchByteCount: Int { get }
    /// Sends `frames` cut into frames of `frameByteCount` bytes each, the last one possibly shorter.
    ///
    /// - Throws: as `send`; `.frameTooLarge` also when the batch exceeds `maximumBatchByteCount`.
    func sendBatch(_ frames: RawSpan, frameByteCount: Int) async throws(TransportError)
    /// Appends at least one frame to `buffer`, whose free capacity is at least `maximumBatchByteCount`. One caller at a time.
    ///
    /// - Returns: the common byte count of the appended frames (the last one possibly shorter), or nil once the link is closed.
    /// - Throws: as `receive`.
    func receiveBatch(into buffer: inout OutputRawSpan) async throws(TransportError) -> Int?
}
