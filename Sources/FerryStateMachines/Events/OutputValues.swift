public import FerryWire

/// One thing that a daemon does to others, in answer to an input.
public struct OutputOperation: Hashable, Sendable {
    /// What is done with the payload.
    public enum Kind: Hashable, Sendable {
        /// It is an output of the daemon's chain, for whoever observes the daemon.
        case emit
        /// It is delivered to a daemon.
        case deliver(OriginHash)
        /// It is published to whoever subscribes to the channel.
        case publish(ChannelName)
        /// The daemon subscribes to another's channel.
        case subscribe(ChannelName, of: OriginHash)
        /// It no longer does.
        case unsubscribe(ChannelName, of: OriginHash)
    }

    /// What is done.
    public var kind: Kind
    /// Empty where nothing is sent along.
    public var payload: [UInt8]

    /// Describes an operation.
    public init(_ kind: Kind, payload: [UInt8] = []) {
        self.kind = kind
        self.payload = payload
    }

    /// What the receiver's host is told.
    public var content: EventContent {
        switch kind {
        case .emit, .deliver: .data
        case .publish(let channel): .published(channel)
        case .subscribe(let channel, _): .subscribe(channel)
        case .unsubscribe(let channel, _): .unsubscribe(channel)
        }
    }
}

/// Bounds of one daemon's unacknowledged outputs, which all travel in the header of its snapshot.
public struct OutputLimits: Hashable, Sendable {
    /// Bytes beyond which the daemon takes no input of nodes; twice as many end the inputs of daemons too, so that two daemons that answer
    /// each other are not stopped by what others ask of them.
    public var windowByteCount: Int
    /// Outputs beyond which it takes none, counted once per receiver.
    public var windowOutputCount: Int
    /// Bytes, with 45 and more an output for its link, that one answer may add.
    public var answerByteCount: Int
    /// Outputs, counted once per receiver, that one answer may add.
    public var answerOutputCount: Int
    /// Lanes that are kept.
    public var laneCount: Int
    /// How long a subscriber may answer without taking anything in before its subscriptions end, and with them what waits for it.
    public var refusalTime: Duration
    /// Timers of each lane, and how long a receiver is sought before it is given up: the longest partition over which nothing that a daemon
    /// has promised is lost, and the longest time for which one dead receiver can stop the daemon. Nil for ever.
    public var lane: EmitterLimits

    /// Sets the bounds; the defaults fill the snapshot's header, so that larger ones make daemons that cannot move.
    public init(
        windowByteCount: Int = 64 << 10, windowOutputCount: Int = 2_048, answerByteCount: Int = 160 << 10, answerOutputCount: Int = 4_096,
        laneCount: Int = WireLimits.outputLaneCount, refusalTime: Duration = .seconds(600),
        lane: EmitterLimits = EmitterLimits(searchTime: .seconds(86_400))
    ) {
        self.windowByteCount = windowByteCount
        self.windowOutputCount = windowOutputCount
        self.answerByteCount = answerByteCount
        self.answerOutputCount = answerOutputCount
        self.laneCount = laneCount
        self.refusalTime = refusalTime
        self.lane = lane
    }
}

/// What becomes of an input, before the daemon sees it.
public enum InputRoute: Hashable, Sendable {
    /// The daemon processes it.
    case daemon
    /// It was for the host, and is done.
    case host
    /// Nobody asked for it, or there is no room for one more subscription; it counts as processed.
    case dropped
}
