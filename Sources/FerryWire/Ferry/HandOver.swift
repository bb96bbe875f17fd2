/// How far an owner has processed one emitter's lane.
public struct LaneCursor: Hashable, Sendable {
    /// The emitter.
    public var emitter: OriginHash
    /// The highest sequence processed.
    public var sequence: UInt64
    /// The highest epoch that the emitter has proven, where it is a daemon: whoever speaks for it under a lower one is stale.
    public var emitterEpoch: Epoch

    /// Names a position.
    public init(emitter: OriginHash, sequence: UInt64, emitterEpoch: Epoch = .none) {
        self.emitter = emitter
        self.sequence = sequence
        self.emitterEpoch = emitterEpoch
    }
}

/// Outputs to one subscriber that are not acknowledged yet; they travel with the daemon.
public struct OutputLaneState: Hashable, Sendable {
    /// The subscriber.
    public var subscriber: OriginHash
    /// The highest sequence that the subscriber acknowledged.
    public var acknowledged: UInt64
    /// The rest, in order, with their original links.
    public var unacknowledged: [CausalEvent]

    /// Describes a lane.
    public init(subscriber: OriginHash, acknowledged: UInt64, unacknowledged: [CausalEvent]) {
        self.subscriber = subscriber
        self.acknowledged = acknowledged
        self.unacknowledged = unacknowledged
    }
}

/// Where a daemon's host believes another daemon to be: spares the next owner the search, proves nothing.
public struct OwnerHint: Hashable, Sendable {
    /// The other daemon.
    public var daemon: OriginHash
    /// Its owner.
    public var node: NodeKey
    /// The owner's epoch, as far as known.
    public var epoch: Epoch
    /// `scheme:rest`, at most `WireLimits.hintAddressByteCount` bytes; may be empty.
    public var address: String

    /// Describes a belief.
    public init(daemon: OriginHash, node: NodeKey, epoch: Epoch, address: String) {
        self.daemon = daemon
        self.node = node
        self.epoch = epoch
        self.address = address
    }
}

/// The head of a streamed snapshot (CDS1 version 3): everything about the daemon except its state.
public struct SnapshotHeader: Hashable, Sendable {
    /// The daemon's public key.
    public var entity: EntityID
    /// Its lineage.
    public var lineage: LineageID
    /// The epoch that the move burns.
    public var epoch: Epoch
    /// Type and schema of the state that follows.
    public var kind: DaemonKind
    /// The last link of the daemon's own chain.
    public var chainLink: CausalLink
    /// The payload of that link, so that the next parent hash can be formed; empty at genesis.
    public var headPayload: [UInt8]
    /// One per lane, sorted by emitter: the observed horizon in full.
    public var cursors: [LaneCursor]
    /// Sorted by subscriber.
    public var outputLanes: [OutputLaneState]
    /// Subscriptions and subscribers (``DaemonBindings``); empty when there is none of either.
    public var bindings: [UInt8]
    /// Where the daemons are that this one sends to, sorted; no part of what a Release states.
    public var ownerHints: [OwnerHint]
    /// Unix nanoseconds.
    public var createdAt: UInt64

    /// Describes a snapshot.
    public init(
        entity: EntityID, lineage: LineageID, epoch: Epoch, kind: DaemonKind, chainLink: CausalLink, headPayload: [UInt8],
        cursors: [LaneCursor], outputLanes: [OutputLaneState], bindings: [UInt8], ownerHints: [OwnerHint] = [], createdAt: UInt64
    ) {
        self.entity = entity
        self.lineage = lineage
        self.epoch = epoch
        self.kind = kind
        self.chainLink = chainLink
        self.headPayload = headPayload
        self.cursors = cursors
        self.outputLanes = outputLanes
        self.bindings = bindings
        self.ownerHints = ownerHints
        self.createdAt = createdAt
    }
}

/// The totals of a streamed state, as its trailer states them.
public struct StateSummary: Hashable, Sendable {
    /// Number of chunks.
    public var chunkCount: UInt64
    /// Plain bytes, below 2^48.
    public var byteCount: UInt64
    /// Digest over all plain bytes in order.
    public var digest: FixedBytes32

    /// Describes a state.
    public init(chunkCount: UInt64, byteCount: UInt64, digest: FixedBytes32) {
        self.chunkCount = chunkCount
        self.byteCount = byteCount
        self.digest = digest
    }
}

/// What is known of a daemon's replies to the same inputs on another node.
public enum Determinism: UInt8, Hashable, Sendable, CaseIterable, CustomStringConvertible {
    /// Its state has a digest, and both sides compare it.
    case verified = 1
    /// Its outputs are compared, its state is not.
    case outputsOnly = 2
    /// Nothing is compared: it neither has a digest nor any outputs.
    case unverified = 3

    /// Lower-camel-case name, as receipts show it.
    public var description: String {
        switch self {
        case .verified: "verified"
        case .outputsOnly: "outputsOnly"
        case .unverified: "unverified"
        }
    }
}

/// The source's half of the hand-over: what the target must hold to be the daemon's next owner.
public struct Release: Hashable, Sendable {
    /// The daemon's lineage.
    public var lineage: LineageID
    /// The attempt.
    public var migration: MigrationID
    /// The epoch that the target will own.
    public var epoch: Epoch
    /// The daemon's public key.
    public var daemon: EntityID
    /// The node that lets go.
    public var source: NodeKey
    /// The node that may take.
    public var target: NodeKey
    /// The target's boot, as its plan reply stated it.
    public var targetBoot: BootID
    /// Index of the last move-log entry; 0 in stop-and-copy mode, whose log is empty.
    public var lastLogIndex: UInt64
    /// Rolling digest over the move log's inputs and outcomes; zero while the log is empty.
    public var inputOutputDigest: FixedBytes32
    /// Sequence of the chain head.
    public var chainSequence: UInt64
    /// Forward hash of the chain head: xxh3(link ‖ payload).
    public var forwardHash: UInt64
    /// One per lane, sorted by emitter.
    public var cursors: [LaneCursor]
    /// H("ferry-output-lanes", canonical output lanes).
    public var outputLanesDigest: FixedBytes32
    /// H("ferry-bindings", bindings).
    public var bindingsDigest: FixedBytes32
    /// The streamed state.
    public var state: StateSummary
    /// The daemon's own state digest, where it offers one.
    public var stateDigest: FixedBytes32?
    /// What the comparison of both sides proves; `verified` only with a state digest.
    public var determinism: Determinism

    /// States what is released.
    public init(
        lineage: LineageID, migration: MigrationID, epoch: Epoch, daemon: EntityID, source: NodeKey, target: NodeKey, targetBoot: BootID,
        lastLogIndex: UInt64, inputOutputDigest: FixedBytes32, chainSequence: UInt64, forwardHash: UInt64, cursors: [LaneCursor],
        outputLanesDigest: FixedBytes32, bindingsDigest: FixedBytes32, state: StateSummary, stateDigest: FixedBytes32?,
        determinism: Determinism = .unverified
    ) {
        self.lineage = lineage
        self.migration = migration
        self.epoch = epoch
        self.daemon = daemon
        self.source = source
        self.target = target
        self.targetBoot = targetBoot
        self.lastLogIndex = lastLogIndex
        self.inputOutputDigest = inputOutputDigest
        self.chainSequence = chainSequence
        self.forwardHash = forwardHash
        self.cursors = cursors
        self.outputLanesDigest = outputLanesDigest
        self.bindingsDigest = bindingsDigest
        self.state = state
        self.stateDigest = stateDigest
        self.determinism = determinism
    }
}

/// A Release under the daemon's and the source node's keys.
public struct SignedRelease: Hashable, Sendable {
    /// What is signed.
    public var release: Release
    /// By the daemon's key over `"ferry-release" ‖ SHA-256(canonical Release)`.
    public var daemonSignature: Signature
    /// By the source node's key over the same bytes.
    public var nodeSignature: Signature

    /// Joins a release and its signatures.
    public init(release: Release, daemonSignature: Signature, nodeSignature: Signature) {
        self.release = release
        self.daemonSignature = daemonSignature
        self.nodeSignature = nodeSignature
    }
}

/// The target's half of the hand-over, signed with the key that travelled last.
public struct Take: Hashable, Sendable {
    /// The attempt.
    public var migration: MigrationID
    /// The epoch now owned.
    public var epoch: Epoch
    /// The daemon's lineage.
    public var lineage: LineageID
    /// The daemon's public key.
    public var daemon: EntityID
    /// The release that is taken up.
    public var release: ReleaseHash
    /// The new owner.
    public var target: NodeKey
    /// The boot that took it.
    public var targetBoot: BootID
    /// By the daemon's key over `"ferry-take" ‖ the canonical bytes before the signatures`.
    public var daemonSignature: Signature
    /// By the target node's key over the same bytes.
    public var nodeSignature: Signature

    /// Joins a take and its signatures.
    public init(
        migration: MigrationID, epoch: Epoch, lineage: LineageID, daemon: EntityID, release: ReleaseHash, target: NodeKey,
        targetBoot: BootID, daemonSignature: Signature, nodeSignature: Signature
    ) {
        self.migration = migration
        self.epoch = epoch
        self.lineage = lineage
        self.daemon = daemon
        self.release = release
        self.target = target
        self.targetBoot = targetBoot
        self.daemonSignature = daemonSignature
        self.nodeSignature = nodeSignature
    }
}

/// Where a daemon went: signed by its key at the commit, kept as the source's stub, believed by emitters for a higher epoch.
public struct Moved: Hashable, Sendable {
    /// The daemon's public key.
    public var daemon: EntityID
    /// The epoch under which the target owns it.
    public var epoch: Epoch
    /// The attempt that moved it.
    public var migration: MigrationID
    /// The new owner.
    public var target: NodeKey
    /// `scheme:rest` of the target as the order named it; may be empty.
    public var targetAddress: String
    /// By the daemon's key over `"ferry-moved" ‖ the canonical bytes before the signature`.
    public var daemonSignature: Signature

    /// Joins a redirection and its signature.
    public init(
        daemon: EntityID, epoch: Epoch, migration: MigrationID, target: NodeKey, targetAddress: String, daemonSignature: Signature
    ) {
        self.daemon = daemon
        self.epoch = epoch
        self.migration = migration
        self.target = target
        self.targetAddress = targetAddress
        self.daemonSignature = daemonSignature
    }
}
