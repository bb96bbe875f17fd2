public import FerryWire
internal import Synchronization

/// Hears which daemons a net-mesh node hosts; called under no lock, so it may ask and change the registry in turn.
public protocol NetMeshRegistryObserver: Sendable {
    /// A daemon was registered.
    func registered(_ daemon: OriginHash)
    /// A daemon was unregistered, or another one replaces it.
    func unregistered(_ daemon: OriginHash)
}

/// The daemons that a net-mesh node hosts, by origin: a table and nothing else, so that no user code ever runs under its lock.
///
/// Whoever takes a host out of it and waits for the host's isolation may find that the table holds another one by then; hosts recheck
/// before they change anything. (net-mesh migration §F.7.)
final class NetMeshDaemonRegistry: Sendable {
    private let hosts = Mutex<[OriginHash: NetMeshDaemonHost]>([:])
    private let observer: (any NetMeshRegistryObserver)?

    init(observer: (any NetMeshRegistryObserver)? = nil) { self.observer = observer }

    /// Adds a daemon.
    ///
    /// - Throws: `.daemonExists`, without touching the incumbent.
    func register(_ host: NetMeshDaemonHost) throws(FerryError) {
        let isNew = hosts.withLock { hosts in
            guard hosts[host.origin] == nil else { return false }
            hosts[host.origin] = host
            return true
        }
        guard isNew else { throw FerryError(.daemonExists, "daemon \(host.origin) is already registered") }
        observer?.registered(host.origin)
    }

    /// Puts a daemon in the place of another, in one step; the old one need not be idle.
    ///
    /// - Returns: the old one, for the caller to release.
    func replace(_ host: NetMeshDaemonHost) -> NetMeshDaemonHost? {
        let old = hosts.withLock { hosts in hosts.updateValue(host, forKey: host.origin) }
        if old != nil { observer?.unregistered(host.origin) }
        observer?.registered(host.origin)
        return old
    }

    /// Removes a daemon.
    ///
    /// - Throws: `.daemonNotFound`.
    @discardableResult
    func unregister(_ origin: OriginHash) throws(FerryError) -> NetMeshDaemonHost {
        guard let host = hosts.withLock({ $0.removeValue(forKey: origin) }) else {
            throw FerryError(.daemonNotFound, "daemon \(origin) is not registered")
        }
        observer?.unregistered(origin)
        return host
    }

    /// Removes this very host; false when the table holds another one, or none.
    func remove(_ host: NetMeshDaemonHost) -> Bool {
        let isGone = hosts.withLock { hosts in
            guard hosts[host.origin] === host else { return false }
            hosts[host.origin] = nil
            return true
        }
        if isGone { observer?.unregistered(host.origin) }
        return isGone
    }

    /// The daemon's host.
    func host(_ origin: OriginHash) -> NetMeshDaemonHost? { hosts.withLock { $0[origin] } }

    /// Whether the table still holds this very host.
    func isCurrent(_ host: NetMeshDaemonHost) -> Bool { hosts.withLock { $0[host.origin] === host } }

    /// All hosts, by origin.
    var all: [NetMeshDaemonHost] { hosts.withLock { hosts in hosts.values.sorted { $0.origin < $1.origin } } }

    /// The number of daemons.
    var count: Int { hosts.withLock { $0.count } }

    static func stale(_ origin: OriginHash) -> FerryError {
        FerryError(.stale, "daemon \(origin) was replaced or removed meanwhile")
    }
}
