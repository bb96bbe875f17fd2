import FerryInMemory
import FerryTransports
import Testing

@Suite struct InMemoryTests {
    @Test func networksDoNotMeet() async throws {
        let listener = try #require(try await InMemoryTransport(network: InMemoryNetwork(), name: "a").listen())
        await expectCode(.refused) { _ = try await InMemoryTransport(network: InMemoryNetwork()).connect(to: listener.localAddress) }
        await listener.close()
    }

    @Test func transportWithoutANameListensNowhere() async throws {
        let listener = try await InMemoryTransport(network: InMemoryNetwork()).listen()
        #expect(listener == nil)
    }

    @Test func acceptedLinkNamesItsDialler() async throws {
        let network = InMemoryNetwork()
        let listener = try #require(try await InMemoryTransport(network: network, name: "a").listen())
        let near = try await InMemoryTransport(network: network, name: "b").connect(to: listener.localAddress)
        let far = try #require(try await listener.accept())
        #expect(near.remoteAddress == TransportAddress("memory:a"))
        #expect(far.remoteAddress == TransportAddress("memory:b"))
        await near.close()
        await listener.close()
    }

    @Test func pendingLinksAtTheCapAndOnePast() async throws {
        var limits = InMemoryNetwork.Limits()
        limits.pendingLinkCount = 2
        let network = InMemoryNetwork(limits: limits)
        let dialling = InMemoryTransport(network: network)
        let listener = try #require(try await InMemoryTransport(network: network, name: "a").listen())
        let links = [try await dialling.connect(to: listener.localAddress), try await dialling.connect(to: listener.localAddress)]
        await expectCode(.refused) { _ = try await dialling.connect(to: listener.localAddress) }
        await listener.close()
        let frame: [UInt8] = [1]
        for link in links {
            await expectCode(.closed) { try await link.send(unsafe _overrideLifetime(frame.span.bytes, borrowing: frame)) }
        }
    }
}

/// Fails unless `body` throws a transport error of this code.
func expectCode(_ code: TransportError.Code, _ body: () async throws -> Void, sourceLocation: SourceLocation = #_sourceLocation) async {
    do {
        try await body()
        Issue.record("expected \(code), nothing was thrown", sourceLocation: sourceLocation)
    } catch let error as TransportError {
        #expect(error.code == code, sourceLocation: sourceLocation)
    } catch {
        Issue.record("expected \(code), got \(error)", sourceLocation: sourceLocation)
    }
}
