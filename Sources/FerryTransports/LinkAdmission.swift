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

/// A transport whose remote addresses may be forged: it lets an admission look at strangers before they cost anything.
public protocol AdmittingTransport: Transport {
    /// As `listen()`, with `admission` asked for every frame that belongs to no link; nil accepts within the transport's caps.
    ///
    /// - Throws: as `listen()`.
    func listen(admission: (any LinkAdmission)?) async throws(TransportError) -> Listener?
}

/// An accepted link that counts as half-open until its session has proved the remote address (RFC 9000 §8.1).
public protocol AddressValidating: TransportLink {
    /// Says that the remote address is proved: the link leaves the half-open count and gets its full share of memory. Idempotent.
    func addressValidated()
}
