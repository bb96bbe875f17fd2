internal import FerryStateMachines
internal import FerryWire
internal import Synchronization

/// The daemons of a node: those that it owns, those that arrive, and stubs of those that have gone.
final class DaemonTable: Sendable {
    /// Stubs that are kept; beyond them the oldest is forgotten, and its emitters ask around.
    static let maximumStubCount = 65_536

    private struct State {
        var hosts: [OriginHash: DaemonHost] = [:]
        var restored: [OriginHash: DaemonHost] = [:]
        var stubs: [OriginHash] = []
        /// Those of the restored ones that follow a daemon which serves elsewhere.
        var following: Set<OriginHash> = []
    }

    private let state = Mutex(State())
    private let acknowledgements = AcknowledgementQueue()
    private let origins = OriginCache()

    /// Owner or stub.
    func host(_ origin: OriginHash) -> DaemonHost? { state.withLock { $0.hosts[origin] } }

    /// Owners and stubs, sorted by origin.
    var all: [DaemonHost] { state.withLock { $0.hosts.values.sorted { $0.origin < $1.origin } } }

    /// Daemons without stubs.
    var count: Int { state.withLock { $0.hosts.count - $0.stubs.count + $0.restored.count } }

    /// Whether the daemon is owned here, a stub excepted.
    func owns(_ origin: OriginHash) -> Bool { state.withLock { $0.hosts[origin] != nil && !$0.stubs.contains(origin) } }

    /// Adds an owner; false when there is one, or one arrives.
    func insert(_ host: DaemonHost) -> Bool {
        state.withLock { state in
            if state.restored[host.origin] != nil { return false }
            if state.hosts[host.origin] != nil, !state.stubs.contains(host.origin) { return false }
            state.stubs.removeAll { $0 == host.origin }
            state.hosts[host.origin] = host
            return true
        }
    }

    /// Removes an owner or stub.
    func remove(_ origin: OriginHash) {
        state.withLock { state in
            state.hosts[origin] = nil
            state.stubs.removeAll { $0 == origin }
        }
    }

    /// A restored daemon answers `hold` on its lanes, before a stub of its former life here would redirect to who has stopped.
    ///
    /// Of two copies the later one answers; only the one that the source hands over to is ever activated.
    ///
    /// - Parameter isFollowing: whether the daemon serves elsewhere meanwhile; then a stub goes on redirecting to it, until
    ///   ``awaitHandOver(_:)``.
    /// - Returns: false when the daemon is owned here.
    func standBy(_ host: DaemonHost, isFollowing: Bool = false) -> Bool {
        state.withLock { state in
            if state.hosts[host.origin] != nil, !state.stubs.contains(host.origin) { return false }
            state.restored[host.origin] = host
            if isFollowing { state.following.insert(host.origin) } else { state.following.remove(host.origin) }
            return true
        }
    }

    /// The daemon has stopped elsewhere: from here on nobody serves, and its copy here is the next who may.
    func awaitHandOver(_ host: DaemonHost) {
        state.withLock { state in
            if state.restored[host.origin] === host { state.following.remove(host.origin) }
        }
    }

    /// Forgets a restored daemon.
    func standDown(_ host: DaemonHost) {
        state.withLock { state in
            guard state.restored[host.origin] === host else { return }
            state.restored[host.origin] = nil
            state.following.remove(host.origin)
        }
    }

    /// A restored daemon becomes the owner; no other copy answers any more.
    func activate(_ host: DaemonHost) {
        state.withLock { state in
            state.restored[host.origin] = nil
            state.following.remove(host.origin)
            state.stubs.removeAll { $0 == host.origin }
            state.hosts[host.origin] = host
        }
    }

    /// An owner has become a stub.
    func retire(_ origin: OriginHash) {
        state.withLock { state in
            guard state.hosts[origin] != nil, !state.stubs.contains(origin) else { return }
            state.stubs.append(origin)
            if state.stubs.count > Self.maximumStubCount { state.hosts[state.stubs.removeFirst()] = nil }
        }
    }

    /// Who speaks for a daemon on its lanes; nil when nobody here knows it.
    func answering(_ origin: OriginHash) -> DaemonHost? {
        state.withLock { state in
            // While the daemon serves elsewhere, its copy could only make emitters wait whom the stub sends there.
            if state.following.contains(origin), let stub = state.hosts[origin] { return stub }
            return state.restored[origin] ?? state.hosts[origin]
        }
    }
}

/// Origins of nodes, so that no event costs a hash of its sender's key.
private final class OriginCache: Sendable {
    private static let maximumCount = 4_096
    private let origins = Mutex<[NodeKey: OriginHash]>([:])

    func origin(of node: NodeKey) -> OriginHash {
        origins.withLock { origins in
            if let origin = origins[node] { return origin }
            if origins.count >= Self.maximumCount { origins.removeAll() }
            let origin = node.originHash
            origins[node] = origin
            return origin
        }
    }
}

extension DaemonTable: LaneOwner {
    func flushReplies() { acknowledgements.flush() }

    /// Lets the daemon take in `hello` or `event`; acknowledgements are coalesced, everything else is answered at once.
    func receiveLane(_ message: LaneMessage, from node: NodeKey, reply: LaneReplyPath) async {
        // A node that spoke as another emitter could have that one's events acknowledged without ever being processed.
        let isNode = message.emitter == origins.origin(of: node)
        guard let host = answering(message.daemon) else {
            reply.trySend(LaneMessage(emitter: message.emitter, daemon: message.daemon, body: .notHere))
            return
        }
        guard let body = await host.receive(message, from: node, isNode: isNode, replyingTo: reply) else { return }
        let answer = LaneMessage(emitter: message.emitter, daemon: message.daemon, body: body)
        if case .acknowledgement = body {
            acknowledgements.append(answer, to: reply)
        } else {
            reply.trySend(answer)
        }
    }
}
