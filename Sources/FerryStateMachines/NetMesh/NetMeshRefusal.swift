public import FerryWire

/// Why a message or a call was refused; nothing but counters has changed.
public struct NetMeshRefusal: Error, Hashable, Sendable, CustomStringConvertible {
    /// A kind of refusal; new kinds may be added.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        /// The stable name, as logs and JSON show it.
        public let description: String

        private init(_ description: String) { self.description = description }

        /// The bytes are no message.
        public static let malformed = Code("malformed")
        /// The sender is not an orchestrator that this node obeys, or may not bring this daemon.
        public static let unauthorized = Code("unauthorized")
        /// Another node plays the role that may say this.
        public static let wrongPeer = Code("wrongPeer")
        /// The sender may say this, but not now.
        public static let wrongPhase = Code("wrongPhase")
        /// This node knows no move of the daemon in the role that the message is for.
        public static let unknownMove = Code("unknownMove")
        /// A move of the daemon is in progress.
        public static let alreadyMigrating = Code("alreadyMigrating")
        /// The daemon is not hosted here.
        public static let daemonNotFound = Code("daemonNotFound")
        /// The daemon is hosted here already.
        public static let daemonExists = Code("daemonExists")
        /// Source and target are one node.
        public static let sameNode = Code("sameNode")
        /// No node advertises what the daemon requires.
        public static let noTargetAvailable = Code("noTargetAvailable")
        /// Nothing was registered for the daemon.
        public static let factoryNotFound = Code("factoryNotFound")
        /// Something was registered for the daemon before.
        public static let factoryExists = Code("factoryExists")
        /// The node is starting or going down.
        public static let notReady = Code("notReady")
        /// A piece of a snapshot does not fit what came before, or is none.
        public static let badSnapshot = Code("badSnapshot")
        /// A table or buffer is full.
        public static let capacity = Code("capacity")
    }

    /// The kind of refusal.
    public var code: Code
    /// One line for a person; never discloses state.
    public var message: String
    /// What the sender was answered, if it was; for a refused order, what to tell whoever waits.
    public var reason: FailureReason?

    /// Describes a refusal.
    public init(_ code: Code, _ message: String, reason: FailureReason? = nil) {
        self.code = code
        self.message = message
        self.reason = reason
    }

    /// `code: message`.
    public var description: String { "\(code): \(message)" }
}

/// What was refused, repeated or sent again; the only thing that a refused message changes.
public struct NetMeshCounters: Hashable, Sendable {
    /// Inputs that were no message.
    public var malformed: UInt64 = 0
    /// From nodes that may not order or bring daemons here.
    public var unauthorized: UInt64 = 0
    /// From nodes without the role.
    public var wrongPeer: UInt64 = 0
    /// Out of phase.
    public var wrongPhase: UInt64 = 0
    /// About moves that are not known.
    public var unknownMoves: UInt64 = 0
    /// Refused for any other cause.
    public var declined: UInt64 = 0
    /// Harmless repetitions: accepted, without a further effect.
    public var repeats: UInt64 = 0
    /// Messages that this node sent again.
    public var resent: UInt64 = 0
    /// Messages of this node to itself beyond 32 after one input, dropped.
    public var loopOverflows: UInt64 = 0
    /// Answers of the host that came too late.
    public var lateAnswers: UInt64 = 0
    /// Refused messages by type, 0 to 9.
    public var refusedByType = [UInt64](repeating: 0, count: 10)

    /// Nothing counted yet.
    public init() {}

    /// All refusals.
    public var refused: UInt64 { malformed + unauthorized + wrongPeer + wrongPhase + unknownMoves + declined }

    mutating func count(_ refusal: NetMeshRefusal, type: UInt8?) {
        if let type, Int(type) < refusedByType.count { refusedByType[Int(type)] += 1 }
        switch refusal.code {
        case .malformed: malformed += 1
        case .unauthorized: unauthorized += 1
        case .wrongPeer: wrongPeer += 1
        case .wrongPhase: wrongPhase += 1
        case .unknownMove: unknownMoves += 1
        default: declined += 1
        }
    }
}
