internal import FerryTransports
internal import NIOCore
internal import NIOPosix
internal import Synchronization

/// One bound socket and the links on it; it closes once nobody listens and no link is left.
///
/// Also a dialled link has a bound socket and not a connected one: the kernel reports ICMP errors to connected sockets, anybody can forge
/// them, and NIO closes the channel on most. Frames from any other address than the dialled one are a stranger's and dropped.
final class UDPPort: Sendable {
    private struct State {
        var links = LinkTable()
        var isListening: Bool
        var dropCounts = UDPDropCounts()
        var channel: (any Channel)?
    }

    /// Asked about strangers, and where their links go; nil for a socket that only dials.
    struct Intake: Sendable {
        var links: LinkQueue<UDPLink>
        var admission: (any LinkAdmission)?
    }

    /// Headers of IPv4 and UDP leave this of the largest IP packet; IPv6 has the larger header.
    private static let maximumIPv4DatagramByteCount = 65_507
    private static let maximumIPv6DatagramByteCount = 65_487
    private static let datagramsPerWakeUp: UInt = 32

    let configuration: UDPConfiguration
    let status: UDPSocketStatus
    let sender: DatagramSender
    private let intake: Intake?
    private let state: Mutex<State>

    /// Binds `address` and starts to receive.
    static func open(
        _ address: SocketAddress, configuration: UDPConfiguration, intake: Intake?
    ) async throws(TransportError) -> UDPPort {
        let descriptor: CInt
        let port: UDPPort
        do throws(Errno) {
            descriptor = try SystemCalls.makeDatagramSocket(for: address)
            do throws(Errno) {
                try SystemCalls.bind(descriptor, to: address)
                port = try UDPPort(descriptor: descriptor, protocol: address.protocol, configuration: configuration, intake: intake)
            } catch {
                SystemCalls.close(descriptor)
                throw error
            }
        } catch {
            throw TransportError(error, "cannot bind \(UDPAddress.describe(address))")
        }
        do {
            let channel = try await DatagramBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .channelOption(.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: 65_536))
                .channelOption(.maxMessagesPerRead, value: datagramsPerWakeUp)
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(DatagramHandler(port: port)) }
                }
                .withBoundSocket(descriptor).get()
            if port.status.usesReceiveOffload {
                try await channel.setOption(.datagramReceiveOffload, value: true).get()
                try await channel.setOption(.datagramReceiveSegmentSize, value: true).get()
            }
            port.state.withLock { $0.channel = channel }
            return port
        } catch {
            throw TransportError(.system, "cannot receive on \(UDPAddress.describe(address)): \(error)", cause: error)
        }
    }

    private init(
        descriptor: CInt, protocol family: NIOBSDSocket.ProtocolFamily, configuration: UDPConfiguration, intake: Intake?
    ) throws(Errno) {
        let buffers = SystemCalls.setBuffers(configuration.socketBufferByteCount, of: descriptor)
        let isAutomatic = configuration.offload == .automatic
        self.configuration = configuration
        self.intake = intake
        status = UDPSocketStatus(
            receiveBufferByteCount: buffers.receive, sendBufferByteCount: buffers.send,
            isReceiveBufferSmall: buffers.receive < configuration.socketBufferByteCount,
            usesSegmentationOffload: isAutomatic && System.supportsUDPSegmentationOffload,
            usesReceiveOffload: isAutomatic && System.supportsUDPReceiveOffload)
        sender = try DatagramSender(
            duplicating: descriptor, usesSegmentationOffload: status.usesSegmentationOffload,
            maximumDatagramByteCount: family == .inet6 ? Self.maximumIPv6DatagramByteCount : Self.maximumIPv4DatagramByteCount)
        state = Mutex(State(isListening: intake != nil))
    }

    var localAddress: SocketAddress? { state.withLock { $0.channel?.localAddress } }
    var dropCounts: UDPDropCounts { state.withLock { $0.dropCounts } }

    // MARK: Links

    /// Makes the one link of a socket that dials.
    func dial(_ address: SocketAddress) -> UDPLink {
        let link = UDPLink(port: self, to: address, queue: configuration.inboundQueue)
        state.withLock { $0.links.add(link, source: 0, isHalfOpen: false) }
        return link
    }

    func addressValidated(of link: UDPLink) {
        state.withLock { $0.links.markValidated(link) }
    }

    func remove(_ link: UDPLink) async {
        let isLast = state.withLock { state in
            state.links.remove(link)
            return !state.isListening && state.links.isEmpty
        }
        if isLast { await shutDown() }
    }

    func stopListening() async {
        let isLast = state.withLock { state in
            state.isListening = false
            return state.links.isEmpty
        }
        if isLast { await shutDown() }
        for link in intake?.links.close() ?? [] { await link.close() }
    }

    private func shutDown() async {
        sender.close()
        // Closing fails when it is closed already.
        try? await state.withLock { $0.channel }?.close().get()
    }

    /// Ends every link and the listener: the event loop gave the socket up.
    func channelClosed() {
        sender.close()
        let links = state.withLock { state in
            state.isListening = false
            return state.links.removeAll()
        }
        for link in links { link.inbound.finish() }
        for link in intake?.links.close() ?? [] { link.inbound.finish() }
    }

    // MARK: Sending

    func countUnsent(_ frameCount: Int) {
        state.withLock { $0.dropCounts.unsentFrameCount += frameCount }
    }

    /// Lets the event loop send `frames` once the socket buffer has room.
    func sendWhenWritable(_ frames: RawSpan, frameByteCount: Int, to address: SocketAddress) async throws(TransportError) {
        guard let channel = state.withLock({ $0.channel }) else { throw TransportError(.closed, "the socket is closed") }
        let isBurst = frames.byteCount > frameByteCount
        let frameCount = (frames.byteCount + frameByteCount - 1) / frameByteCount
        var bytes = channel.allocator.buffer(capacity: frames.byteCount)
        bytes.writeBytes(frames)
        let segments = AddressedEnvelope<ByteBuffer>.Metadata(
            ecnState: .transportNotCapable, packetInfo: nil, segmentSize: frameByteCount)
        let datagram = AddressedEnvelope(remoteAddress: address, data: bytes, metadata: isBurst ? segments : nil)
        do {
            try await channel.writeAndFlush(datagram).get()
        } catch {
            countUnsent(frameCount)
            if !channel.isActive { throw TransportError(.closed, "the socket is closed", cause: error) }
        }
    }

    // MARK: Receiving

    /// Takes datagrams of equal size, the last one possibly shorter; on the event loop.
    ///
    /// - Returns: the link whose receiver the caller wakes, once it has read all that is there.
    func received(_ frames: RawSpan, frameByteCount: Int, from address: SocketAddress) -> UDPLink? {
        if let link = state.withLock({ $0.links[address] }) {
            deliver(frames, frameByteCount: frameByteCount, to: link)
            return link
        }
        var offset = 0
        while offset < frames.byteCount {
            let end = min(offset + frameByteCount, frames.byteCount)
            if isAdmitted(frames.extracting(offset..<end), from: address) {
                return accept(frames.extracting(offset..<frames.byteCount), frameByteCount: frameByteCount, from: address)
            }
            state.withLock { $0.dropCounts.strangerFrameCount += 1 }
            offset = end
        }
        return nil
    }

    private func deliver(_ frames: RawSpan, frameByteCount: Int, to link: UDPLink) {
        guard link.inbound.offer(frames, frameByteCount: frameByteCount, isLast: false) == .full else { return }
        state.withLock { $0.dropCounts.queueOverflowFrameCount += (frames.byteCount + frameByteCount - 1) / frameByteCount }
    }

    private func isAdmitted(_ frame: RawSpan, from address: SocketAddress) -> Bool {
        guard let intake, state.withLock({ $0.isListening }) else { return false }
        guard let admission = intake.admission else { return true }
        let source = SystemCalls.source(of: address)
        let load = state.withLock { state in
            LinkLoad(halfOpenCount: state.links.halfOpenCount, halfOpenCountOfSource: state.links.halfOpenCount(of: source))
        }
        // RFC 9000 §8.1: an address that is not proved gets at most three times what it sent.
        let maximumReplyByteCount = 3 * frame.byteCount
        var verdict = LinkVerdict.drop
        var reply = ByteBuffer()
        reply.writeWithOutputRawSpan(minimumWritableBytes: maximumReplyByteCount) { output in
            verdict = admission.admit(frame, from: UDPAddress.describe(address), load: load, reply: &output)
        }
        if verdict == .reply, reply.readableBytes > 0, reply.readableBytes <= maximumReplyByteCount {
            _ = sender.send(reply.readableBytesSpan, frameByteCount: reply.readableBytes, to: address)
        }
        return verdict == .accept
    }

    private func accept(_ frames: RawSpan, frameByteCount: Int, from address: SocketAddress) -> UDPLink? {
        let source = SystemCalls.source(of: address)
        let frameCount = (frames.byteCount + frameByteCount - 1) / frameByteCount
        let link: UDPLink? = state.withLock { state in
            guard state.isListening, state.links.hasRoom(for: source, within: configuration) else {
                state.dropCounts.capFrameCount += frameCount
                return nil
            }
            let link = UDPLink(port: self, to: address, queue: configuration.halfOpenInboundQueue)
            state.links.add(link, source: source, isHalfOpen: true)
            return link
        }
        guard let link else { return nil }
        deliver(frames, frameByteCount: frameByteCount, to: link)
        guard intake?.links.offer(link) != true else { return link }
        state.withLock { state in
            state.links.remove(link)
            state.dropCounts.capFrameCount += frameCount
        }
        return nil
    }
}
