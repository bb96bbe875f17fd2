internal import FerryTransports
internal import NIOCore
internal import NIOPosix

/// How NIO channels of this transport are set up, on either end.
enum UnixSocketChannel {
    /// Options of one channel, in the order in which they are applied.
    struct Options: Sendable {
        /// A full inbound queue must stop the very next read.
        let messagesPerRead: UInt = 1
        let writeWaterMark = ChannelOptions.Types.WriteBufferWaterMark(low: 262_144, high: 524_288)
        let receiveAllocator = AdaptiveRecvByteBufferAllocator(minimum: 4_096, initial: 65_536, maximum: 262_144)
    }

    static let options = Options()

    static func makeLink(
        on channel: any Channel, to address: TransportAddress, configuration: UnixSocketConfiguration
    ) -> EventLoopFuture<UnixSocketLink> {
        channel.eventLoop.makeCompletedFuture {
            try UnixSocketLink(preparing: channel, remoteAddress: address, configuration: configuration)
        }
    }

    /// Hands a fresh connection to `links`, or fails, and then NIO closes it.
    static func accept(
        _ channel: any Channel, on address: TransportAddress, configuration: UnixSocketConfiguration, into links: LinkQueue<UnixSocketLink>
    ) -> EventLoopFuture<Void> {
        checkPeer(of: channel).flatMap {
            makeLink(on: channel, to: address, configuration: configuration)
        }.flatMapThrowing { link in
            guard links.offer(link) else { throw TransportError(.refused, "too many links wait to be accepted on \(address)") }
        }
    }

    /// Fails when the process at the other end belongs to another user.
    static func checkPeer(of channel: any Channel) -> EventLoopFuture<Void> {
        guard let provider = channel as? any SocketOptionProvider else { return channel.eventLoop.makeSucceededVoidFuture() }
        let option = NIOBSDSocket.Option(rawValue: SystemCalls.peerCredentialsOption)
        let credentials: EventLoopFuture<PeerCredentials> = provider.unsafeGetSocketOption(level: .socket, name: option)
        return credentials.flatMapThrowing { credentials in
            guard credentials.userID == SystemCalls.userID else {
                throw TransportError(.permissionDenied, "the process at the other end belongs to user \(credentials.userID)")
            }
        }
    }
}

extension ClientBootstrap {
    func channelOptions(_ options: UnixSocketChannel.Options) -> Self {
        channelOption(.maxMessagesPerRead, value: options.messagesPerRead)
            .channelOption(.writeBufferWaterMark, value: options.writeWaterMark)
            .channelOption(.recvAllocator, value: options.receiveAllocator)
    }
}

extension ServerBootstrap {
    func childChannelOptions(_ options: UnixSocketChannel.Options) -> Self {
        childChannelOption(.maxMessagesPerRead, value: options.messagesPerRead)
            .childChannelOption(.writeBufferWaterMark, value: options.writeWaterMark)
            .childChannelOption(.recvAllocator, value: options.receiveAllocator)
    }
}
