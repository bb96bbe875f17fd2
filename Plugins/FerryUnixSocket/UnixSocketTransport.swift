public import FerryTransports
internal import NIOCore
internal import NIOPosix

/// Links between processes of one user on one machine: addresses are `unix:/path/to/socket`.
///
/// Only the owner can connect: the socket file has mode 0600 from its first moment, a folder that Ferry makes has mode 0700, a folder in which
/// others could replace the file is refused, and both ends check the other's user with `SO_PEERCRED`.
public struct UnixSocketTransport: Transport {
    /// `unix`.
    public var scheme: String { "unix" }
    private let path: String?
    private let configuration: UnixSocketConfiguration

    /// Describes a socket.
    ///
    /// - Parameters:
    ///   - path: where to listen, at most 107 bytes; its folder is made if only the last component is missing. Nil to dial only.
    ///   - configuration: the limits of every link.
    public init(path: String? = nil, configuration: UnixSocketConfiguration = UnixSocketConfiguration()) {
        self.path = path
        self.configuration = configuration
    }

    /// Opens a link to the listener at that path.
    ///
    /// - Throws: `.invalidAddress`, `.pathTooLong`, `.refused`, `.permissionDenied`.
    public func connect(to address: TransportAddress) async throws(TransportError) -> UnixSocketLink {
        guard address.scheme == scheme else { throw TransportError(.invalidAddress, "\(address) is no \(scheme) address") }
        let configuration = configuration
        let descriptor = try SocketFile.connect(to: address)
        do {
            let link = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .channelOptions(UnixSocketChannel.options)
                .withConnectedSocket(descriptor) { channel in
                    UnixSocketChannel.makeLink(on: channel, to: address, configuration: configuration)
                }
            try await link.checkPeer()
            return link
        } catch {
            throw error as? TransportError ?? TransportError(.system, "cannot connect to \(address): \(error)", cause: error)
        }
    }

    /// Binds the path, replacing a dead socket file; nil when this transport has none.
    ///
    /// - Throws: `.pathTooLong`, `.invalidAddress`, `.addressInUse` (somebody answers there, or the file is no socket),
    ///   `.permissionDenied`, `.storage`.
    public func listen() async throws(TransportError) -> UnixSocketListener? {
        guard let path else { return nil }
        let address = TransportAddress(scheme: scheme, rest: path)
        let links = LinkQueue<UnixSocketLink>(maximumCount: configuration.pendingLinkCount)
        let configuration = configuration
        do {
            let file = try await NIOThreadPool.singleton.runIfActive { try SocketFile(binding: path) }
            let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .childChannelOptions(UnixSocketChannel.options)
                .childChannelInitializer { channel in
                    UnixSocketChannel.accept(channel, on: address, configuration: configuration, into: links)
                }
                .withBoundSocket(file.descriptor).get()
            return UnixSocketListener(localAddress: address, channel: channel, file: file, links: links)
        } catch {
            throw error as? TransportError ?? TransportError(.system, "cannot listen on \(address): \(error)", cause: error)
        }
    }
}
