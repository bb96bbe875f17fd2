public import FerryWire

/// One daemon that a node hosts or remembers.
public struct DaemonStatus: Sendable, Hashable {
    /// Where a daemon stands on this node.
    public enum Standing: String, Sendable, Hashable, CaseIterable {
        /// It serves.
        case active
        /// It stands still for a move.
        case fenced
        /// It arrives and is not ours yet.
        case standby
        /// It has gone; a stub redirects.
        case moved
    }

    /// Names the daemon.
    public var origin: OriginHash
    /// Its public key.
    public var entity: EntityID
    /// Its type and schema.
    public var kind: DaemonKind
    /// Its ownership's fencing number.
    public var epoch: Epoch
    /// Where it stands.
    public var standing: Standing
    /// Events that it has processed on this node.
    public var processedEventCount: UInt64
    /// Events of which `process` threw.
    public var failedEventCount: UInt64
    /// Outputs that wait for their receivers, counted once per receiver; many of them stop the daemon's intake.
    public var waitingOutputCount: Int
    /// Receivers that were given up on this node, with their subscriptions and what waited for them.
    public var endedReceiverCount: UInt64
}

/// The state of a daemon in one number, to compare two of them.
public struct StateDigest: Sendable, Hashable {
    /// The digest of the canonical snapshot's plain bytes: BLAKE2s over (length, XXH3-64) of every chunk of 256 KiB.
    public var digest: FixedBytes32
    /// Plain bytes of the snapshot.
    public var byteCount: UInt64
    /// Events that the daemon has processed on this node.
    public var processedEventCount: UInt64
    /// The last link of the daemon's chain.
    public var chainHead: CausalLink
}
