internal import FerryCrypto
internal import FerryStateMachines
internal import FerryWire

/// A process of the world: a node, an emitter or a stranger, with its own clocks.
final class SimulationEndpoint {
    let index: Int
    let name: String
    let identity: NodeIdentity
    let origin: OriginHash
    var boot: BootID
    var bootCount = 0
    var isUp = true
    /// Until then the process does nothing.
    var pausedUntil = Timestamp.zero
    /// Its monotonic clock beyond the world's.
    var clockLead = Duration.zero
    /// Its wall clock beyond the world's.
    var wallLead = Duration.zero
    /// The world's time of the timer that is set.
    var armedAt = Timestamp.distantFuture

    init(index: Int, name: String, identity: NodeIdentity, boot: BootID) {
        self.index = index
        self.name = name
        self.identity = identity
        self.boot = boot
        origin = identity.nodeKey.originHash
    }

    var key: NodeKey { identity.nodeKey }

    /// What its peers learn in a handshake.
    func peer(boot: BootID) -> PeerIdentity {
        PeerIdentity(
            nodeKey: key, staticKey: identity.staticPublicKey, bootID: boot, profileVersion: 1, isDurable: false, compressorIDs: [])
    }

    var peer: PeerIdentity { peer(boot: boot) }
}

/// A state on its way from a source to a target.
final class SimulationTransfer {
    let number: UInt64
    let migration: MigrationID
    let from: Int
    let to: Int
    let fromBoot: Int
    let bytes: [UInt8]
    /// The stream's id on its session.
    var stream: UInt64 = 0
    /// Which session carries it, as its network numbers them.
    var session: UInt64 = 0
    var toBoot = 0
    /// Bytes that the network has taken from the source.
    var writtenByteCount = 0
    /// What has arrived at the target.
    var arrived: [UInt8] = []
    var isWhole = false
    /// Whether the source has ended the stream after its last byte.
    var isFinished = false
    /// Broken or given up, on either side.
    var isOver = false

    init(number: UInt64, migration: MigrationID, from: SimulationEndpoint, to: Int, bytes: [UInt8]) {
        self.number = number
        self.migration = migration
        self.from = from.index
        fromBoot = from.bootCount
        self.to = to
        self.bytes = bytes
    }
}
