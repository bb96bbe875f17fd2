public import FerryTransports
internal import NIOCore
internal import NIOPosix

/// Accepts links on one socket file.
public final class UnixSocketListener: TransportListener {
    /// `unix:path`.
    public let localAddress: TransportAddress
    private let channel: any Channel
    private let file: SocketFile
    private let links: LinkQueue<UnixSocketLink>

    init(localAddress: TransportAddress, channel: any Channel, file: SocketFile, links: LinkQueue<UnixSocketLink>) {
        self.localAddress = localAddress
        self.channel = channel
        self.file = file
        self.links = links
    }

    /// The next link; nil once the listener is closed.
    public func accept() async throws(TransportError) -> UnixSocketLink? {
        try await links.next()
    }

    /// Removes the socket file, stops listening and closes the links that nobody accepted.
    public func close() async {
        let file = file
        // The file goes first: whoever dials meanwhile finds nobody, and never a dead file.
        // In a task of its own: a node that stops closes its listeners cancelled, and the pool takes no work of those.
        await Task { try? await NIOThreadPool.singleton.runIfActive { file.remove() } }.value
        try? await channel.close()
        for link in links.close() { await link.close() }
    }
}
