internal import FerryInMemory
internal import FerryTransports
internal import FerryWire

/// Two ends of one link within this process, over the same kind of socket as a move's.
struct LimitLinks: Sendable {
    let sender: any BatchingLink
    let receiver: any BatchingLink
    private let closeListener: @Sendable () async -> Void

    /// As long as a session's full frames on this path: on loopback there is nothing between the ends that takes less than the link does.
    var frameByteCount: Int { min(sender.properties.maximumFrameByteCount, sender.maximumBatchByteCount) }

    /// Opens a link.
    ///
    /// - Parameter folder: where a socket file goes.
    static func open(_ transport: DemoTransport, frameByteCount: Int?, in folder: DemoFolder) async throws -> LimitLinks {
        let network = InMemoryNetwork(frameByteCount: frameByteCount)
        let address =
            switch transport {
            case .udp: TransportAddress(scheme: "udp", rest: "127.0.0.1:0")
            case .unix: TransportAddress(scheme: "unix", rest: folder.path("limit.sock"))
            case .memory: TransportAddress(scheme: "memory", rest: "limit")
            }
        return try await open(
            dialling: try TransportChoice.dialling(scheme: transport.rawValue, network: network, frameByteCount: frameByteCount),
            listening: try TransportChoice.listening(on: address, network: network, frameByteCount: frameByteCount))
    }

    private static func open(dialling: some Transport, listening: some Transport) async throws -> LimitLinks {
        guard let listener = try await listening.listen() else {
            throw CommandFailure(code: "transport", message: "\(listening.scheme) did not listen")
        }
        do {
            let near = try await dialling.connect(to: listener.localAddress)
            // A datagram link exists at the other end from its first frame on.
            try await near.send([1].rawSpan)
            guard let far = try await listener.accept(), let sender = near as? any BatchingLink,
                let receiver = far as? any BatchingLink
            else {
                throw CommandFailure(code: "transport", message: "\(dialling.scheme) has no batches to measure")
            }
            (far as? any AddressValidating)?.addressValidated()
            let first = RawBuffer(capacity: receiver.maximumBatchByteCount)
            _ = try await first.fill { try await receiver.receiveBatch(into: &$0) }
            return LimitLinks(sender: sender, receiver: receiver) { await listener.close() }
        } catch {
            await listener.close()
            throw error
        }
    }

    private init(sender: any BatchingLink, receiver: any BatchingLink, closeListener: @escaping @Sendable () async -> Void) {
        self.sender = sender
        self.receiver = receiver
        self.closeListener = closeListener
    }

    /// Closes both ends.
    func close() async {
        await sender.close()
        await receiver.close()
        await closeListener()
    }
}
