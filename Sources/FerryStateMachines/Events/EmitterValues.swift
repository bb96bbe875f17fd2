public import FerryWire

/// Bounds and timers of one emitter's lane.
public struct EmitterLimits: Hashable, Sendable {
    /// Events that wait for their acknowledgement, sent or not; at least 1.
    public var windowEventCount: Int
    /// Payload bytes of these events; one event is always taken.
    public var windowByteCount: Int
    /// First and longest interval between repetitions.
    public var retry: ClosedRange<Duration>
    /// First interval between repetitions while nobody is known to own the daemon; it doubles up to the longest of `retry`.
    public var discoveryInterval: Duration
    /// How long everyone is asked in vain before the lane fails; nil for ever.
    public var searchTime: Duration?
    /// Unanswered repetitions after which all peers are asked for the owner.
    public var attemptsBeforeDiscovery: Int

    /// Sets the bounds.
    public init(
        windowEventCount: Int = 1_024, windowByteCount: Int = 8 << 20,
        retry: ClosedRange<Duration> = .milliseconds(250) ... .seconds(5), discoveryInterval: Duration = .milliseconds(10),
        searchTime: Duration? = nil, attemptsBeforeDiscovery: Int = 4
    ) {
        self.windowEventCount = windowEventCount
        self.windowByteCount = windowByteCount
        self.retry = retry
        self.discoveryInterval = discoveryInterval
        self.searchTime = searchTime
        self.attemptsBeforeDiscovery = attemptsBeforeDiscovery
    }
}

/// Who owns the daemon, as far as an emitter knows: both halves change together.
public struct OwnerBelief: Hashable, Sendable {
    /// The node; nil before anybody has answered.
    public var node: NodeKey?
    /// `scheme:rest` where a redirection named one; a hint.
    public var address: String
    /// The epoch under which it owns the daemon.
    public var epoch: Epoch

    /// Joins the two.
    public init(node: NodeKey?, address: String = "", epoch: Epoch = .none) {
        self.node = node
        self.address = address
        self.epoch = epoch
    }
}

/// One message that an emitter's host shall send.
public struct LaneTransmission: Hashable, Sendable {
    /// What to send.
    public enum Destination: Hashable, Sendable {
        /// The believed owner, with an address hint that may be empty.
        case node(NodeKey, address: String)
        /// Every peer, the own node included.
        case everyone
    }

    /// What to send.
    public var message: LaneMessage
    /// To whom.
    public var destination: Destination
}

/// Why a lane can never deliver again.
public struct EmitterLaneError: Error, Hashable, Sendable, CustomStringConvertible {
    /// A kind of failure; new kinds may be added.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        /// The stable name, as logs and JSON show it.
        public let description: String

        private init(_ description: String) { self.description = description }

        /// The owner says that the lane's rules are broken, or has no room for one more lane.
        public static let violation = Code("violation")
        /// A later owner has not processed what an earlier one had accepted: it crashed without a journal.
        public static let acceptedEventsLost = Code("acceptedEventsLost")
        /// Everyone was asked for the owner, for longer than the lane's limit.
        public static let unreachable = Code("unreachable")
        /// The chain's sequence numbers are used up.
        public static let sequenceExhausted = Code("sequenceExhausted")
    }

    /// The kind of failure.
    public var code: Code
    /// One line for a person.
    public var message: String

    /// Describes a failure.
    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    /// `code: message`.
    public var description: String { "\(code): \(message)" }
}
