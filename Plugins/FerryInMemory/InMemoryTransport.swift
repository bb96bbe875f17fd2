public import FerryTransports

/// Links within one process: addresses are `memory:name`.
///
/// It is also the smallest example of a transport. A transport is three types: this one opens links, a listener accepts them, and a link
/// carries frames. What is hard about them (bounds, back-pressure, cancellation, waking everybody on close) is in `FrameQueue` and
/// `LinkQueue` of FerryTransports.
public struct InMemoryTransport: Transport {
    /// `memory`.
    public var scheme: String { "memory" }
    private let network: InMemoryNetwork
    private let name: String?

    /// Joins `network`.
    ///
    /// - Parameter name: what others dial, without the scheme; nil to dial only.
    public init(network: InMemoryNetwork, name: String? = nil) {
        self.network = network
        self.name = name
    }

    /// Opens a link to the listener of that name.
    ///
    /// - Throws: `.invalidAddress`, `.refused`.
    public func connect(to address: TransportAddress) async throws(TransportError) -> InMemoryLink {
        guard address.scheme == scheme else { throw TransportError(.invalidAddress, "\(address) is no \(scheme) address") }
        guard let links = network.listener(named: address.rest) else { throw TransportError(.refused, "nobody listens on \(address)") }
        let own = TransportAddress(scheme: scheme, rest: name ?? "unnamed")
        let (near, far) = InMemoryLink.pair(from: own, to: address, limits: network.limits)
        guard links.offer(far) else { throw TransportError(.refused, "too many links wait to be accepted on \(address)") }
        return near
    }

    /// Claims this transport's name; nil when it has none.
    ///
    /// - Throws: `.addressInUse`.
    public func listen() async throws(TransportError) -> InMemoryListener? {
        guard let name else { return nil }
        let address = TransportAddress(scheme: scheme, rest: name)
        guard let links = network.addListener(named: name) else { throw TransportError(.addressInUse, "\(address) is taken") }
        return InMemoryListener(localAddress: address, network: network, links: links)
    }
}

/// Accepts the links that are dialled to one name.
public struct InMemoryListener: TransportListener {
    /// `memory:name`.
    public let localAddress: TransportAddress
    let network: InMemoryNetwork
    let links: LinkQueue<InMemoryLink>

    /// The next link; nil once the listener is closed.
    public func accept() async throws(TransportError) -> InMemoryLink? {
        try await links.next()
    }

    /// Gives the name back and closes the links that nobody accepted.
    public func close() async {
        network.removeListener(named: localAddress.rest, links: links)
        for link in links.close() { await link.close() }
    }
}
