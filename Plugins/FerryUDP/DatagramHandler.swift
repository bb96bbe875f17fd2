internal import FerryTransports
internal import NIOCore

/// Hands what the channel reads to its port.
final class DatagramHandler: ChannelInboundHandler {
    typealias Datagram = AddressedEnvelope<ByteBuffer>
    typealias InboundIn = Datagram

    private let port: UDPPort
    /// Links that got something in this round of reads; waking a receiver costs more than queueing a datagram.
    private var linksToWake: [UDPLink] = []

    init(port: UDPPort) { self.port = port }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let datagram = Self.unwrapInboundIn(data)
        let byteCount = datagram.data.readableBytes
        guard byteCount > 0 else { return }
        let segmentByteCount = max(1, datagram.metadata?.segmentSize ?? byteCount)
        let link = port.received(datagram.data.readableBytesSpan, frameByteCount: segmentByteCount, from: datagram.remoteAddress)
        if let link, linksToWake.last !== link { linksToWake.append(link) }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        for link in linksToWake { link.inbound.wakeReceiver() }
        linksToWake.removeAll(keepingCapacity: true)
        context.fireChannelReadComplete()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // An ICMP error says that one peer is gone, and may be forged: not a reason to close the socket. Where NIO thinks otherwise, it closes.
    }

    func channelInactive(context: ChannelHandlerContext) {
        port.channelClosed()
    }
}
