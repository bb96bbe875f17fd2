public import FerryWire

/// A set of nodes that a node obeys; itself is always in it.
public enum NetMeshPolicy: Hashable, Sendable {
    /// No other node.
    case localOnly
    /// These nodes; an empty set is `localOnly`.
    case allowList(Set<NodeID>)
    /// Every admitted peer.
    case anyAdmitted

    /// Whether `node` is in the set, seen from `local`.
    public func admits(_ node: NodeID, local: NodeID) -> Bool {
        if node == local { return true }
        return switch self {
        case .localOnly: false
        case .allowList(let nodes): nodes.contains(node)
        case .anyAdmitted: true
        }
    }
}

/// Whether the daemon's key travels with its snapshot.
public enum NetMeshIdentityTransport: Hashable, Sendable {
    /// Sealed to the target's key, or no move.
    case required
    /// Sealed if the target's key is known, else the snapshot goes without, and the host is told.
    case preferred
    /// Never; the target needs a fallback key.
    case none
}

/// Which hooks a host has; a missing one costs no action.
public struct NetMeshHooksPresent: OptionSet, Hashable, Sendable {
    /// One bit a hook.
    public let rawValue: UInt8
    /// Wraps the bits.
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// Seals and opens identity envelopes: `seal`, `unseal`.
    public static let identity = Self(rawValue: 1)
    /// `askReadiness`.
    public static let readiness = Self(rawValue: 2)
    /// `postRestore`.
    public static let postRestore = Self(rawValue: 4)
    /// `preCleanup`.
    public static let preCleanup = Self(rawValue: 8)
    /// `failureHook`.
    public static let failure = Self(rawValue: 16)
    /// All of them.
    public static let all: Self = [.identity, .readiness, .postRestore, .preCleanup, .failure]
}

/// How long each part of a move may take, as its orchestrator counts.
public struct NetMeshBudgets: Hashable, Sendable {
    /// From the order to the first piece of the snapshot.
    public var snapshot: Duration
    /// From the first piece to RestoreComplete: transfer, restore and post-restore hook.
    public var transfer: Duration
    /// From one BufferedEvents to its ReplayComplete.
    public var replayStep: Duration
    /// All of them.
    public var replay: Duration
    /// From CutoverNotify to CleanupComplete.
    public var cutover: Duration
    /// From ActivateTarget to ActivateAck, after which the move is in doubt.
    public var activation: Duration
    /// Any one hook; part of the budget of the phase that it falls in.
    public var hook: Duration
    /// First and longest interval between repeated messages; doubles from one to the other.
    public var retry: ClosedRange<Duration>

    /// Sets the budgets.
    public init(
        snapshot: Duration = .seconds(30), transfer: Duration = .seconds(120), replayStep: Duration = .seconds(30),
        replay: Duration = .seconds(90), cutover: Duration = .seconds(30), activation: Duration = .seconds(30),
        hook: Duration = .seconds(5), retry: ClosedRange<Duration> = .milliseconds(500) ... .seconds(16)
    ) {
        self.snapshot = snapshot
        self.transfer = transfer
        self.replayStep = replayStep
        self.replay = replay
        self.cutover = cutover
        self.activation = activation
        self.hook = hook
        self.retry = retry
    }

    /// The longest from the order until the move has completed, is rolled back or is reported in doubt.
    public var totalBound: Duration { snapshot + transfer + replay + cutover + activation + hook }
}

/// Bounds of one node's dispatcher; every table has one.
public struct NetMeshLimits: Hashable, Sendable {
    /// Moves in progress in each role.
    public var movesPerRole: Int
    /// Registered factories and expectations.
    public var factoryCount: Int
    /// Snapshots in assembly, of all senders.
    public var assemblyCount: Int
    /// Snapshots in assembly of any one sender.
    public var assembliesPerSender: Int
    /// Bytes of all pieces in assembly, with what keeping each costs.
    public var assemblyByteCount: Int
    /// Bytes of one snapshot.
    public var snapshotByteCount: Int
    /// Inputs captured, queued or held for one daemon.
    public var bufferedEventCount: Int
    /// Payload bytes of these.
    public var bufferedByteCount: Int
    /// Inputs of one move that are remembered so that none is processed twice.
    public var rememberedInputCount: Int
    /// Moves that are over and remembered, in each role.
    public var rememberedMoveCount: Int
    /// Nodes whose capabilities are known.
    public var placementNodeCount: Int
    /// How long an assembly, a record without progress and a remembered outcome are kept.
    public var recordAge: Duration
    /// How long a source keeps a copy that has left its registry and of which it hears no more, and how long an orchestrator can tell it how
    /// the move ended. Long, since it may be the last copy; an operator ends it with ``NetMeshDispatcher/settle(_:asCompleted:now:)``.
    public var retiredAge: Duration

    /// Sets the bounds.
    public init(
        movesPerRole: Int = 256, factoryCount: Int = 4_096, assemblyCount: Int = 256, assembliesPerSender: Int = 32,
        assemblyByteCount: Int = 256 << 20, snapshotByteCount: Int = WireLimits.netMeshSnapshotByteCount,
        bufferedEventCount: Int = WireLimits.netMeshBufferedEventCount, bufferedByteCount: Int = 64 << 20,
        rememberedInputCount: Int = 1_000_000, rememberedMoveCount: Int = 1_024,
        placementNodeCount: Int = 4_096, recordAge: Duration = .seconds(300),
        retiredAge: Duration = .seconds(86_400)
    ) {
        self.movesPerRole = movesPerRole
        self.factoryCount = factoryCount
        self.assemblyCount = assemblyCount
        self.assembliesPerSender = assembliesPerSender
        self.assemblyByteCount = assemblyByteCount
        self.snapshotByteCount = snapshotByteCount
        self.bufferedEventCount = bufferedEventCount
        self.bufferedByteCount = bufferedByteCount
        self.rememberedInputCount = rememberedInputCount
        self.rememberedMoveCount = rememberedMoveCount
        self.placementNodeCount = placementNodeCount
        self.recordAge = recordAge
        self.retiredAge = retiredAge
    }
}

/// What a dispatcher obeys and how long it waits.
public struct NetMeshDispatcherConfiguration: Hashable, Sendable {
    /// Who may order daemons away from here.
    public var orchestrators: NetMeshPolicy
    /// Who may bring a daemon here without an envelope, or without being the expected orchestrator.
    public var arrivals: NetMeshPolicy
    /// What a remote orchestrator's order gets; a local order says itself.
    public var identityTransport: NetMeshIdentityTransport
    /// Which hooks exist.
    public var hooks: NetMeshHooksPresent
    /// How long to wait.
    public var budgets: NetMeshBudgets
    /// How much to keep.
    public var limits: NetMeshLimits

    /// Sets the configuration; by default only local orders are obeyed and there are no hooks.
    public init(
        orchestrators: NetMeshPolicy = .localOnly, arrivals: NetMeshPolicy = .localOnly,
        identityTransport: NetMeshIdentityTransport = .required, hooks: NetMeshHooksPresent = [],
        budgets: NetMeshBudgets = NetMeshBudgets(), limits: NetMeshLimits = NetMeshLimits()
    ) {
        self.orchestrators = orchestrators
        self.arrivals = arrivals
        self.identityTransport = identityTransport
        self.hooks = hooks
        self.budgets = budgets
        self.limits = limits
    }
}

/// An order to move a daemon, given at this node.
public struct NetMeshOrder: Hashable, Sendable {
    /// Where the daemon goes.
    public enum Target: Hashable, Sendable {
        /// There.
        case node(NodeID)
        /// To the node with the lowest id, other than the source, that advertises `subprotocol:0x0500` and all of these.
        case automatic(requirements: Set<String>)
    }

    /// The daemon.
    public var origin: OriginHash
    /// Where it is.
    public var source: NodeID
    /// Where it goes.
    public var target: Target
    /// Whether its key goes with it; a remote source decides by its own configuration.
    public var identityTransport: NetMeshIdentityTransport

    /// Describes an order.
    public init(
        origin: OriginHash, source: NodeID, target: Target, identityTransport: NetMeshIdentityTransport = .required
    ) {
        self.origin = origin
        self.source = source
        self.target = target
        self.identityTransport = identityTransport
    }
}
