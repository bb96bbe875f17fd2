public import FerryTransports
internal import NIOCore

/// Datagrams over IPv4 and IPv6: addresses are `udp:host:port` and `udp:[::1]:port`, host names are resolved.
public struct UDPTransport: AdmittingTransport {
    /// `udp`.
    public var scheme: String { UDPAddress.scheme }
    private let host: String
    private let port: Int?
    private let configuration: UDPConfiguration

    /// Describes a socket.
    ///
    /// - Parameters:
    ///   - host: the address to bind, or its name; `::` serves IPv6 and IPv4.
    ///   - port: 0 lets the kernel choose; nil to dial only.
    ///   - configuration: the limits of the socket and its links.
    public init(host: String = "0.0.0.0", port: Int? = nil, configuration: UDPConfiguration = UDPConfiguration()) {
        self.host = host
        self.port = port
        self.configuration = configuration
    }

    /// Opens a socket for one link. Nothing is sent, so that a listener that is not there shows only by its silence.
    ///
    /// - Throws: `.invalidAddress`, `.unreachable` (no such name, no route).
    public func connect(to address: TransportAddress) async throws(TransportError) -> UDPLink {
        let (host, number) = try UDPAddress.parse(address)
        let remote = try await UDPAddress.resolve(host: host, port: number)
        let local = try await UDPAddress.resolve(host: remote.protocol == .inet6 ? "::" : "0.0.0.0", port: 0)
        do throws(Errno) {
            try SystemCalls.checkRoute(to: remote)
        } catch {
            throw TransportError(error, "no way to \(address)")
        }
        return try await UDPPort.open(local, configuration: configuration, intake: nil).dial(remote)
    }

    /// Binds the port, with every stranger accepted within the caps.
    ///
    /// - Throws: `.addressInUse`, `.invalidAddress`, `.permissionDenied`, `.unreachable` when the host name does not resolve.
    public func listen() async throws(TransportError) -> UDPListener? {
        try await listen(admission: nil)
    }

    /// Binds the port; `admission` is asked for every frame from an address without a link.
    ///
    /// - Throws: as `listen()`.
    public func listen(admission: (any LinkAdmission)?) async throws(TransportError) -> UDPListener? {
        guard let port else { return nil }
        guard (0...Int(UInt16.max)).contains(port) else { throw TransportError(.invalidAddress, "\(port) is no port") }
        let address = try await UDPAddress.resolve(host: host, port: port)
        let links = LinkQueue<UDPLink>(maximumCount: configuration.pendingLinkCount)
        let intake = UDPPort.Intake(links: links, admission: admission)
        return UDPListener(port: try await UDPPort.open(address, configuration: configuration, intake: intake), links: links)
    }
}

/// Accepts links on one socket, which they share: the port is free again once the listener and all of its links are closed.
public final class UDPListener: TransportListener {
    /// `udp:host:port` with the port that the kernel chose.
    public let localAddress: TransportAddress
    private let port: UDPPort
    private let links: LinkQueue<UDPLink>

    init(port: UDPPort, links: LinkQueue<UDPLink>) {
        self.port = port
        self.links = links
        localAddress = port.localAddress.map(UDPAddress.describe) ?? TransportAddress(scheme: UDPAddress.scheme, rest: "?")
    }

    /// What the kernel gave the socket.
    public var socketStatus: UDPSocketStatus { port.status }

    /// What the socket did not deliver, over all of its links.
    public var dropCounts: UDPDropCounts { port.dropCounts }

    /// The next link; nil once the listener is closed.
    public func accept() async throws(TransportError) -> UDPLink? {
        try await links.next()
    }

    /// Accepts no more links.
    public func close() async {
        await port.stopListening()
    }
}
