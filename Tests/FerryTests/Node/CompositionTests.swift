import Ferry
import FerryChunking
import FerryCrypto
import FerryInMemory
import FerrySodium
import FerryStateMachines
import FerryTransports
import FerryWire
import Testing

@Suite struct CompositionTests {
    @Test("all mistakes are reported at once")
    func allAtOnce() throws {
        let network = InMemoryNetwork()
        var crypto = CryptoProvider.sodium
        let identity = try NodeIdentity.generate(crypto: crypto)
        crypto.aeads = []
        crypto.hashes = []
        var composition = Composition(
            identity: identity, crypto: crypto,
            transports: [InMemoryTransport(network: network, name: "a"), InMemoryTransport(network: network, name: "b")],
            compressors: [Uncompressed(), Uncompressed()],
            daemons: [DaemonRegistration(LedgerDaemon.self), DaemonRegistration(LedgerDaemon.self)],
            knownPeers: [try Endpoint("udp:localhost:1#" + String(repeating: "0", count: 64))])
        composition.limits.chunkByteCount = 1
        do {
            _ = try FerryNode(composition)
            Issue.record("a broken composition was taken")
        } catch {
            let expected = [
                "scheme \"memory\"", "known peer", "no cipher", "SHA-256", "compressor id 0", "kind \"ledger\"",
                "chunkByteCount",
            ]
            for part in expected {
                #expect(error.problems.contains { $0.contains(part) }, "nothing about \(part) in \(error)")
            }
        }
        composition.transports = []
        do {
            _ = try FerryNode(composition)
            Issue.record("a composition without a transport was taken")
        } catch {
            #expect(error.problems.contains { $0.contains("no transport") })
        }
    }

    @Test("limits are taken at their bounds and not past them", arguments: [64 << 10, 4 << 20], [-1, 0, 1])
    func limits(_ bound: Int, _ offset: Int) throws {
        let crypto = CryptoProvider.sodium
        var composition = Composition(
            identity: try NodeIdentity.generate(crypto: crypto), crypto: crypto, transports: [InMemoryTransport(network: InMemoryNetwork())]
        )
        composition.limits.chunkByteCount = bound + offset
        let isInside = (64 << 10...4 << 20).contains(bound + offset)
        if isInside {
            _ = try FerryNode(composition)
        } else {
            #expect(throws: CompositionError.self) { _ = try FerryNode(composition) }
        }
    }

    @Test("endpoints are scheme, rest and key, and the last # starts the key")
    func endpoints() throws {
        let key = String(repeating: "ab", count: 32)
        let endpoint = try Endpoint("unix:/run/a#b.sock#\(key)")
        #expect(endpoint.address == TransportAddress(scheme: "unix", rest: "/run/a#b.sock"))
        #expect(endpoint.nodeKey?.hex == key)
        #expect(endpoint.description == "unix:/run/a#b.sock#\(key)")
        #expect(try Endpoint("#\(key)").address == nil)
        #expect(try Endpoint("udp:[::1]:4747").nodeKey == nil)
        for text in ["", "#", "udp", "udp:", "udp:x#", "udp:x#12", ":x"] {
            #expect(throws: FerryError.self) { _ = try Endpoint(text) }
        }
    }
}
