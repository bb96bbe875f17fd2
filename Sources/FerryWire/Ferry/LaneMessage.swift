/// The event plane: what emitters and owners say about one lane, a pair (emitter, daemon).
public struct LaneMessage: Hashable, Sendable {
    /// Who emits.
    public var emitter: OriginHash
    /// To which daemon.
    public var daemon: OriginHash
    /// What it says.
    public var body: Body

    /// Joins lane and body.
    public init(emitter: OriginHash, daemon: OriginHash, body: Body) {
        self.emitter = emitter
        self.daemon = daemon
        self.body = body
    }

    /// What is said; E emitter, N any node that is asked.
    public enum Body: Hashable, Sendable {
        /// E → N: opens the lane and asks for the cursor; with the credential of a daemon, or none of a node that emits by itself.
        case hello(LaneCredential? = nil)
        /// Owner → E: the cursor (0 when nothing was processed on the lane), and the epoch under which it is owned.
        case welcome(cursor: UInt64, epoch: Epoch)
        /// E → owner.
        case event(LaneEvent)
        /// Owner → E: everything up to `cursor` is processed.
        case acknowledgement(cursor: UInt64, epoch: Epoch)
        /// Owner → E: the event's predecessor is missing; send again from above `cursor`.
        case gap(cursor: UInt64, epoch: Epoch)
        /// Fenced source or a target that is not active yet → E.
        case hold(migration: MigrationID, retryAfterNanoseconds: UInt64)
        /// In-doubt source or stub → E.
        case moved(Moved)
        /// N → E: no copy, no stub, no reservation.
        case notHere
        /// Owner → E: the event breaks the lane's rules; it was not accepted.
        case violation
        /// Owner → E: the node has not shown that it speaks for the emitter, or for the emitter's present owner; say hello with a credential.
        case unproven
    }
}

/// One event on a lane.
public struct LaneEvent: Hashable, Sendable {
    /// The epoch that the emitter believes in; an owner of a lower one is stale, and answers `notHere`.
    public var epoch: Epoch
    /// The epoch under which the emitter itself is owned; 0 of a node that emits by itself.
    public var emitterEpoch: Epoch
    /// The sequence of the emitter's previous event to this daemon; 0 when there is none.
    public var previous: UInt64
    /// The emitter's own chain; its sequence is the lane's.
    public var link: CausalLink
    /// What it means; one of those that travel on lanes.
    public var content: EventContent
    /// Opaque to Ferry.
    public var payload: [UInt8]

    /// Joins the parts.
    public init(
        epoch: Epoch, emitterEpoch: Epoch = .none, previous: UInt64, link: CausalLink, content: EventContent = .data, payload: [UInt8]
    ) {
        self.epoch = epoch
        self.emitterEpoch = emitterEpoch
        self.content = content
        self.previous = previous
        self.link = link
        self.payload = payload
    }
}
