internal import NIOCore

/// The links of one socket by remote address, with the caps that keep strangers from filling it.
struct LinkTable {
    private struct Entry {
        var link: UDPLink
        var source: UInt64
        var isHalfOpen: Bool
    }

    private var entries: [SocketAddress: Entry] = [:]
    private var halfOpenCountBySource: [UInt64: Int] = [:]
    private(set) var halfOpenCount = 0

    var isEmpty: Bool { entries.isEmpty }

    subscript(address: SocketAddress) -> UDPLink? { entries[address]?.link }

    func halfOpenCount(of source: UInt64) -> Int { halfOpenCountBySource[source] ?? 0 }

    func hasRoom(for source: UInt64, within configuration: UDPConfiguration) -> Bool {
        entries.count < configuration.linkCount && halfOpenCount < configuration.halfOpenLinkCount
            && halfOpenCount(of: source) < configuration.halfOpenLinkCountPerSource
    }

    mutating func add(_ link: UDPLink, source: UInt64, isHalfOpen: Bool) {
        entries[link.socketAddress] = Entry(link: link, source: source, isHalfOpen: isHalfOpen)
        guard isHalfOpen else { return }
        halfOpenCount += 1
        halfOpenCountBySource[source, default: 0] += 1
    }

    mutating func markValidated(_ link: UDPLink) {
        guard var entry = entries[link.socketAddress], entry.link === link, entry.isHalfOpen else { return }
        entry.isHalfOpen = false
        entries[link.socketAddress] = entry
        countOneLess(entry.source)
    }

    mutating func remove(_ link: UDPLink) {
        // A stranger may have got a new link at this address meanwhile.
        guard let entry = entries[link.socketAddress], entry.link === link else { return }
        entries[link.socketAddress] = nil
        if entry.isHalfOpen { countOneLess(entry.source) }
    }

    /// Takes all links out.
    mutating func removeAll() -> [UDPLink] {
        defer { self = LinkTable() }
        return entries.values.map(\.link)
    }

    private mutating func countOneLess(_ source: UInt64) {
        halfOpenCount -= 1
        let left = halfOpenCount(of: source) - 1
        halfOpenCountBySource[source] = left > 0 ? left : nil
    }
}
