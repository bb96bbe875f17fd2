import FerryTransports
import FerryUDP
import Synchronization
import Testing

@Suite struct UDPAdmissionTests {
    @Test func halfOpenLinksPerSourceAtTheCapAndOnePast() async throws {
        var configuration = UDPConfiguration()
        configuration.halfOpenLinkCountPerSource = 3
        try await expectCap(of: 3, configuration)
    }

    @Test func halfOpenLinksInTotalAtTheCapAndOnePast() async throws {
        var configuration = UDPConfiguration()
        configuration.halfOpenLinkCount = 4
        try await expectCap(of: 4, configuration)
    }

    @Test func linksInTotalAtTheCapAndOnePastAlsoWhenProved() async throws {
        var configuration = UDPConfiguration()
        configuration.linkCount = 2
        try await expectCap(of: 2, configuration, isValidating: true)
    }

    @Test func pendingLinksAtTheCapAndOnePast() async throws {
        var configuration = UDPConfiguration()
        configuration.pendingLinkCount = 2
        let listener = try #require(try await UDPTransport(host: "127.0.0.1", port: 0, configuration: configuration).listen())
        let dialled = try await dial(listener, count: 3)
        while listener.dropCounts.capFrameCount == 0 { await Task.yield() }
        for _ in 0..<2 { await (try listener.accept())?.close() }
        try await dialled[0].send(bytes: [1])
        let again = try #require(try await listener.accept())
        #expect(listener.dropCounts.capFrameCount == 1)
        await again.close()
        for link in dialled { await link.close() }
        await listener.close()
    }

    @Test func provedAddressLeavesTheHalfOpenCount() async throws {
        var configuration = UDPConfiguration()
        configuration.halfOpenLinkCountPerSource = 1
        let listener = try #require(try await UDPTransport(host: "127.0.0.1", port: 0, configuration: configuration).listen())
        var links: [UDPLink] = []
        for _ in 0..<3 {
            links += try await dial(listener, count: 1)
            let accepted = try #require(try await listener.accept())
            accepted.addressValidated()
            accepted.addressValidated()
            links.append(accepted)
        }
        #expect(listener.dropCounts.capFrameCount == 0)
        for link in links { await link.close() }
        await listener.close()
    }

    @Test func closedLinkFreesItsPlace() async throws {
        var configuration = UDPConfiguration()
        configuration.linkCount = 1
        let listener = try #require(try await UDPTransport(host: "127.0.0.1", port: 0, configuration: configuration).listen())
        for _ in 0..<5 {
            let dialled = try await dial(listener, count: 1)
            let accepted = try #require(try await listener.accept())
            await accepted.close()
            await dialled[0].close()
        }
        await listener.close()
    }

    @Test func admissionSeesTheFirstFrameAndItsReplyReachesThePeer() async throws {
        let admission = CookieAdmission()
        let listener = try #require(try await UDPTransport(host: "127.0.0.1", port: 0).listen(admission: admission))
        let near = try await UDPTransport().connect(to: listener.localAddress)
        try await near.send(bytes: [1, 1, 1])
        let cookie = try await near.receiveBytes()
        #expect(cookie == [9, 9, 9])
        try await near.send(bytes: [9, 9, 9, 4])
        let far = try #require(try await listener.accept())
        let frame = try await far.receiveBytes()
        #expect(frame == [9, 9, 9, 4])
        let idle = LinkLoad(halfOpenCount: 0, halfOpenCountOfSource: 0)
        #expect(admission.loads == [idle, idle])
        let other = try await UDPTransport().connect(to: listener.localAddress)
        try await other.send(bytes: [9, 9, 9, 5])
        let second = try #require(try await listener.accept())
        #expect(admission.loads.last == LinkLoad(halfOpenCount: 1, halfOpenCountOfSource: 1))
        #expect(listener.dropCounts.strangerFrameCount == 1)
        for link in [near, far, other, second] { await link.close() }
        await listener.close()
    }

    @Test func replyOverThreeTimesTheFrameIsNotSent() async throws {
        let listener = try #require(try await UDPTransport(host: "127.0.0.1", port: 0).listen(admission: CookieAdmission()))
        let near = try await UDPTransport().connect(to: listener.localAddress)
        // One byte earns at most three; the admission tries four first and three at the next frame.
        try await near.send(bytes: [4])
        try await near.send(bytes: [3])
        let reply = try await near.receiveBytes()
        #expect(reply == [0, 0, 0])
        await near.close()
        await listener.close()
    }

    private func expectCap(of cap: Int, _ configuration: UDPConfiguration, isValidating: Bool = false) async throws {
        let listener = try #require(try await UDPTransport(host: "127.0.0.1", port: 0, configuration: configuration).listen())
        let dialled = try await dial(listener, count: cap)
        var accepted: [UDPLink] = []
        for _ in 0..<cap {
            let link = try #require(try await listener.accept())
            if isValidating { link.addressValidated() }
            accepted.append(link)
        }
        #expect(listener.dropCounts.capFrameCount == 0)
        let extra = try await dial(listener, count: 1)
        // The frame after it on a link that exists shows that the refused one was seen.
        try await dialled[0].send(bytes: [2])
        let first = accepted.first { link in link.remoteAddress.rest.hasPrefix("127.0.0.1") }
        let frames = [try await first?.receiveBytes(), try await first?.receiveBytes()]
        #expect(frames == [[1], [2]])
        #expect(listener.dropCounts.capFrameCount == 1)
        for link in dialled + extra + accepted { await link.close() }
        await listener.close()
    }

    /// Links that have sent one frame each.
    private func dial(_ listener: UDPListener, count: Int) async throws -> [UDPLink] {
        var links: [UDPLink] = []
        for _ in 0..<count {
            let link = try await UDPTransport().connect(to: listener.localAddress)
            try await link.send(bytes: [1])
            links.append(link)
        }
        return links
    }
}

/// Accepts what starts with its cookie and sends the cookie otherwise; a single byte asks for that many zeros.
private final class CookieAdmission: LinkAdmission {
    private let seen = Mutex<[LinkLoad]>([])

    var loads: [LinkLoad] { seen.withLock { $0 } }

    func admit(_ frame: RawSpan, from remote: TransportAddress, load: LinkLoad, reply: inout OutputRawSpan) -> LinkVerdict {
        seen.withLock { $0.append(load) }
        let bytes = (0..<frame.byteCount).map { unsafe frame.unsafeLoad(fromByteOffset: $0, as: UInt8.self) }
        if bytes.starts(with: [9, 9, 9]) { return .accept }
        let isRequest = bytes.count == 1
        for _ in 0..<(isRequest ? Int(bytes[0]) : 3) where reply.freeCapacity > 0 { reply.append(isRequest ? 0 : 9) }
        return .reply
    }
}
