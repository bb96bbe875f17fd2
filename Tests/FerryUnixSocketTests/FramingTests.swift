import FerryTransports
import FerryUnixSocket
import Glibc
import Testing

/// What a peer that writes its own bytes can do.
@Suite struct FramingTests {
    @Test(arguments: [[0, 0, 0, 0], [1, 0, 1, 0], [255, 255, 255, 255], [0, 0, 0, 128]] as [[UInt8]])
    func lengthOutOfRangeClosesThatLinkOnly(prefix: [UInt8]) async throws {
        try await withListener { listener, path in
            let hostile = try connectedSocket(path)
            let victim = try #require(try await listener.accept())
            let honest = try await UnixSocketTransport().connect(to: listener.localAddress)
            let other = try #require(try await listener.accept())
            await write(hostile, prefix + [1, 2, 3])
            await expectCode(.malformedFrame) { _ = try await victim.receiveBytes() }
            let afterwards = await read(hostile, 1)
            #expect(afterwards.isEmpty)
            try await honest.send(bytes: [5])
            let received = try await other.receiveBytes()
            #expect(received == [5])
            close(hostile)
            await victim.close()
            await honest.close()
            await other.close()
        }
    }

    @Test func longestFrameIsAcceptedByteByByteOfItsPrefix() async throws {
        try await withListener { listener, path in
            let peer = try connectedSocket(path)
            let link = try #require(try await listener.accept())
            // 65,536 is the limit; one more is among the garbage above.
            for byte in [0, 0, 1, 0] as [UInt8] { await write(peer, [byte]) }
            let sending = Task { await write(peer, [UInt8](repeating: 7, count: 65_536)) }
            let received = try await link.receiveBytes()
            #expect(received == [UInt8](repeating: 7, count: 65_536))
            _ = await sending.value
            close(peer)
            await link.close()
        }
    }

    @Test func frameThatIsCutOffByTheEndIsNotDelivered() async throws {
        try await withListener { listener, path in
            let peer = try connectedSocket(path)
            let link = try #require(try await listener.accept())
            await write(peer, [2, 0, 0, 0, 8, 9] + [200, 0, 0, 0, 1, 2, 3])
            close(peer)
            let whole = try await link.receiveBytes()
            #expect(whole == [8, 9])
            let end = try await link.receiveBytes()
            #expect(end == nil)
            await link.close()
        }
    }

    @Test func framesLeaveAsLittleEndianLengthAndBytes() async throws {
        try await withListener { listener, path in
            let peer = try connectedSocket(path)
            let link = try #require(try await listener.accept())
            try await link.send(bytes: [4, 5, 6])
            let bytes = await read(peer, 7)
            #expect(bytes == [3, 0, 0, 0, 4, 5, 6])
            close(peer)
            await link.close()
        }
    }

    @Test func linksBeyondTheCapOfPendingOnesAreClosed() async throws {
        var configuration = UnixSocketConfiguration()
        configuration.pendingLinkCount = 2
        try await withListener(configuration) { listener, path in
            let peers = try (0..<3).map { _ in try connectedSocket(path) }
            // One of them is closed without anybody accepting it; the other two wait.
            var ended = 0
            while ended == 0 {
                await Task.yield()
                ended = peers.count { readAvailable($0, 1) == nil }
            }
            #expect(ended == 1)
            for _ in 0..<2 { await (try listener.accept())?.close() }
            for peer in peers { close(peer) }
        }
    }

    @Test func closeEndsInTimeWhenThePeerDoesNotRead() async throws {
        var configuration = UnixSocketConfiguration()
        configuration.closeTimeout = .milliseconds(1)
        try await withListener(configuration) { listener, path in
            let peer = try connectedSocket(path)
            let link = try #require(try await listener.accept())
            let frame = [UInt8](repeating: 1, count: 65_536)
            // More than the kernel's buffer, less than that and the queue.
            for _ in 0..<16 { try await link.send(bytes: frame) }
            await link.close()
            await expectCode(.closed) { try await link.send(bytes: frame) }
            close(peer)
        }
    }
}
