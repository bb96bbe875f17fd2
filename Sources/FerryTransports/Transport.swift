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
    /// Sends one frame, waiting while the link's bounded queue is full.
    ///
    /// - Throws: `.frameTooLarge`, `.closed`.
    func send(_ frame: RawSpan) async throws(TransportError)
    /// Appends the next frame to `buffer`, whose free capacity is at least `properties.maximumFrameByteCount`. One caller at a time.
    ///
    /// - Returns: false once the link is closed by either end.
    func receive(into buffer: inout OutputRawSpan) async throws(TransportError) -> Bool
    /// Closes both directions; idempotent, and wakes a waiting `receive`.
    func close() async
}

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
}

/// A link that moves several frames per call: GSO and GRO, `writev`, one queue operation.
public protocol BatchingLink: TransportLink {
    /// The most bytes in one batch.
    var maximumBatchByteCount: Int { get }
    /// Sends `frames` cut into frames of `frameByteCount` bytes each, the last one possibly shorter.
    ///
    /// - Throws: `.frameTooLarge`, `.closed`.
    func sendBatch(_ frames: RawSpan, frameByteCount: Int) async throws(TransportError)
    /// Appends at least one frame to `buffer`, whose free capacity is at least `maximumBatchByteCount`. One caller at a time.
    ///
    /// - Returns: the common byte count of the appended frames (the last one possibly shorter), or nil once the link is closed.
    func receiveBatch(into buffer: inout OutputRawSpan) async throws(TransportError) -> Int?
}

/// Looks at the first frame of a datagram peer before any link exists (RFC 9000 §8.1: address validation).
///
/// A session kind supplies it; a listener for spoofable addresses asks it for every frame from an address without a link.
public protocol LinkAdmission: Sendable {
    /// Decides on `frame` from `remote`, appending an optional reply, which is never longer than three times the frame.
    func admit(_ frame: RawSpan, from remote: TransportAddress, load: LinkLoad, reply: inout OutputRawSpan) -> LinkVerdict
}

/// How many half-open links a listener has when it asks.
public struct LinkLoad: Sendable, Hashable {
    /// Links whose address is not proved yet, over all sources.
    public var halfOpenCount: Int
    /// The same for the source in question.
    public var halfOpenCountOfSource: Int

    /// Describes the load.
    public init(halfOpenCount: Int, halfOpenCountOfSource: Int) {
        self.halfOpenCount = halfOpenCount
        self.halfOpenCountOfSource = halfOpenCountOfSource
    }
}

/// What becomes of a frame that belongs to no link.
public enum LinkVerdict: Sendable, Hashable {
    /// Make a link and hand it the frame.
    case accept
    /// Send the reply (if any) and forget the frame.
    case reply
    /// Forget the frame.
    case drop
}
