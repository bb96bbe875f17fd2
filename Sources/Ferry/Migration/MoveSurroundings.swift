internal import FerryChunking
internal import FerryStateMachines
internal import FerryTransports
internal import FerryWire
internal import Logging
internal import Synchronization

/// What the interpreter needs of its node.
struct MoveSurroundings: Sendable {
    let nodeKey: NodeKey
    let table: DaemonTable
    let sessions: SessionTable
    let addresses: AddressBook
    let journal: any MoveJournal
    let compressors: [any Compressor]
    let registrations: [DaemonRegistration]
    let limits: NodeLimits
    let daemonContext: DaemonContext
    let observers: [any NodeObserver]
    let logger: Logger
    let metrics: NodeMetrics
    let clock: NodeClock
    let isReady: @Sendable () -> Bool

    var now: Timestamp { clock.now }

    /// The first own compressor that the peer can undo.
    func compressor(for peer: PeerIdentity) -> any Compressor {
        compressors.first { peer.compressorIDs.contains($0.id) } ?? Uncompressed()
    }
}

/// Where peers listen, as endpoints and orders have told; the newest word counts.
final class AddressBook: Sendable {
    /// Entries that are kept.
    static let maximumCount = 4_096

    private let addresses = Mutex<[NodeKey: TransportAddress]>([:])

    func learn(_ endpoint: Endpoint) {
        guard let key = endpoint.nodeKey, let address = endpoint.address else { return }
        addresses.withLock { addresses in
            if addresses[key] == nil, addresses.count >= Self.maximumCount { return }
            addresses[key] = address
        }
    }

    func address(of node: NodeKey, hint: String = "") -> TransportAddress? {
        TransportAddress(hint) ?? addresses.withLock { $0[node] }
    }
}

/// Bytes of a state in motion, written by the task that moves them and read by the interpreter's timer.
final class TransferProgress: Sendable {
    private let bytes = Atomic<UInt64>(0)

    var byteCount: UInt64 {
        get { bytes.load(ordering: .relaxed) }
        set { bytes.store(newValue, ordering: .relaxed) }
    }
}

extension OutgoingStream: SnapshotSink {}
extension IncomingStream: SnapshotSource {}
