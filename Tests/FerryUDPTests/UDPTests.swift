import FerryTransports
import FerryUDP
import Testing

@Suite struct UDPSocketTests {
    @Test func portThatIsTakenIsInUseAndNamed() async throws {
        let first = try #require(try await UDPTransport(host: "127.0.0.1", port: 0).listen())
        let port = try #require(first.localAddress.rest.split(separator: ":").last.flatMap { Int($0) })
        do {
            _ = try await UDPTransport(host: "127.0.0.1", port: port).listen()
            Issue.record("two sockets are bound to one port")
        } catch {
            #expect(error.code == .addressInUse)
            #expect(error.message.contains("127.0.0.1:\(port)"))
        }
        await first.close()
    }

    @Test func portZeroIsResolvedAndDialOnlyListensNowhere() async throws {
        let listener = try #require(try await UDPTransport(host: "127.0.0.1", port: 0).listen())
        #expect(listener.localAddress.rest.hasPrefix("127.0.0.1:"))
        #expect(!listener.localAddress.rest.hasSuffix(":0"))
        await listener.close()
        let none = try await UDPTransport().listen()
        #expect(none == nil)
    }

    @Test(arguments: ["udp:127.0.0.1", "udp:127.0.0.1:0", "udp:127.0.0.1:65536", "udp:::1:80", "udp::80", "udp:[]:80", "udp:h:x"])
    func malformedAddressIsRefused(text: String) async throws {
        let address = try #require(TransportAddress(text))
        await expectCode(.invalidAddress) { _ = try await UDPTransport().connect(to: address) }
    }

    @Test func hostNamesAreResolvedAndUnknownOnesUnreachable() async throws {
        try await withPair(host: "localhost", dial: "localhost") { near, far, _ in
            try await near.send(bytes: [1, 2])
            let frame = try await far.receiveBytes()
            #expect(frame == [1, 2])
        }
        await expectCode(.unreachable) {
            _ = try await UDPTransport().connect(to: TransportAddress(scheme: "udp", rest: "no-such-host.invalid:80"))
        }
    }

    @Test func listenerOnAllAddressesServesBothFamiliesAndNamesThemAsPeopleWriteThem() async throws {
        let listener = try #require(try await UDPTransport(host: "::", port: 0).listen())
        let port = try #require(listener.localAddress.rest.split(separator: ":").last)
        for (dialled, prefix) in [("127.0.0.1:\(port)", "127.0.0.1:"), ("[::1]:\(port)", "[::1]:")] {
            let near = try await UDPTransport().connect(to: TransportAddress(scheme: "udp", rest: dialled))
            try await near.send(bytes: [7])
            let far = try #require(try await listener.accept())
            #expect(far.remoteAddress.rest.hasPrefix(prefix))
            try await far.send(bytes: [8])
            let frame = try await near.receiveBytes()
            #expect(frame == [8])
            await near.close()
            await far.close()
        }
        await listener.close()
    }

    @Test func socketStatusSaysWhatTheKernelGave() async throws {
        var huge = UDPConfiguration()
        huge.socketBufferByteCount = 1 << 30
        let listener = try #require(try await UDPTransport(host: "127.0.0.1", port: 0, configuration: huge).listen())
        #expect(listener.socketStatus.receiveBufferByteCount > 0)
        #expect(listener.socketStatus.isReceiveBufferSmall == (listener.socketStatus.receiveBufferByteCount < 1 << 30))
        await listener.close()
        var small = UDPConfiguration()
        small.socketBufferByteCount = 65_536
        small.offload = .none
        let other = try #require(try await UDPTransport(host: "127.0.0.1", port: 0, configuration: small).listen())
        #expect(!other.socketStatus.isReceiveBufferSmall)
        #expect(!other.socketStatus.usesSegmentationOffload && !other.socketStatus.usesReceiveOffload)
        await other.close()
    }

    @Test(arguments: [UDPConfiguration.Offload.automatic, .none], [UDPConfiguration.Offload.automatic, .none])
    func offloadAndPlainPathCarryTheSameFrames(sender: UDPConfiguration.Offload, receiver: UDPConfiguration.Offload) async throws {
        try await withPair(sender: sender, receiver: receiver) { near, far, _ in
            far.addressValidated()
            for size in [1, 100, 1_200, 1_400, 8_192, 30_000] {
                // More than one burst of 64 segments where they are small, and a short last frame.
                let byteCount = min(size * 150 - size / 2, near.maximumBatchByteCount)
                let bytes = (0..<byteCount).map { UInt8(truncatingIfNeeded: $0 / 3 ^ size) }
                let sent = stride(from: 0, to: byteCount, by: size).map { Array(bytes[$0..<min($0 + size, byteCount)]) }
                try await near.sendBatch(bytes: bytes, frameByteCount: size)
                var received: [[UInt8]] = []
                while received.count < sent.count { received += try #require(try await far.receiveFrames()) }
                #expect(received == sent)
            }
        }
    }

    @Test func frameThatThePathDoesNotCarryIsLostAndNoError() async throws {
        // An address that is reserved for documentation: the frames exceed the MTU of the interface towards it.
        let link = try? await UDPTransport().connect(to: TransportAddress(scheme: "udp", rest: "192.0.2.1:9"))
        // A machine without a route says so at once.
        guard let link else { return }
        try await link.send(bytes: [UInt8](repeating: 0, count: 65_000))
        try await link.sendBatch(bytes: [UInt8](repeating: 0, count: 60_000), frameByteCount: 9_000)
        #expect(link.dropCounts.unsentFrameCount >= 1)
        try await link.send(bytes: [1])
        await link.close()
    }

    @Test func datagramsBeyondTheQueueAreDroppedAndCounted() async throws {
        var configuration = UDPConfiguration()
        configuration.inboundQueue = FrameQueue.Limits(byteCount: 10_000, frameCount: 10)
        configuration.halfOpenInboundQueue = configuration.inboundQueue
        configuration.offload = .none
        try await withPair(configuration) { near, far, listener in
            for _ in 0..<25 { try await near.send(bytes: [1]) }
            // The kernel delivers in order, so that the last link to be accepted proves that all frames before it were seen.
            let other = try await UDPTransport().connect(to: listener.localAddress)
            try await other.send(bytes: [2])
            let accepted = try #require(try await listener.accept())
            #expect(listener.dropCounts.queueOverflowFrameCount == 15)
            for _ in 0..<10 {
                let frame = try await far.receiveBytes()
                #expect(frame == [1])
            }
            await other.close()
            await accepted.close()
        }
    }

    @Test func frameFromAnyOtherAddressThanTheDialledOneIsDropped() async throws {
        try await withPair { near, far, _ in
            // The far end's listener answers from its own port; a stranger knows the dialler's port and writes to it.
            let stranger = try await UDPTransport().connect(to: far.remoteAddress)
            try await stranger.send(bytes: [66])
            try await far.send(bytes: [1])
            let frame = try await near.receiveBytes()
            #expect(frame == [1])
            #expect(near.dropCounts.strangerFrameCount == 1)
            await stranger.close()
        }
    }
}
