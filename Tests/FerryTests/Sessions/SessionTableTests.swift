import FerryCrypto
import FerryInMemory
import FerrySodium
import FerryStateMachines
import FerryTransports
import FerryWire
import Synchronization
import Testing

@testable import Ferry

@Suite struct SessionTableTests {
    @Test func concurrentCallersShareOneDial() async throws {
        try await withNodes { left, right in
            let sessions = try await withThrowingTaskGroup(of: SessionDriver.self) { group in
                for _ in 0..<32 { group.addTask { try await left.table.session(to: right.key, at: rightAddress) } }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(sessions.allSatisfy { $0 === sessions[0] })
            #expect(right.delegate.state.withLock { $0.established.count } <= 1)
        }
    }

    @Test func anotherKeyThanTheExpectedOneIsRefused() async throws {
        let stranger = try NodeIdentity.generate(crypto: .sodium).nodeKey
        try await withNodes { left, right in
            let error = await #expect(throws: FerryError.self) { try await left.table.session(to: stranger, at: rightAddress) }
            #expect(error?.code == .wrongPeer)
            #expect(left.table.existing(stranger) == nil)
        }
    }

    @Test func aPeerThatThePolicyDoesNotNameIsTold() async throws {
        try await withNodes(right: { $0.peers = .nodes([]) }) { left, right in
            let error = await #expect(throws: FerryError.self) { try await left.table.session(to: right.key, at: rightAddress) }
            #expect(error?.code == .notAdmitted)
        }
    }

    @Test func aDialThatNamesThePeersKeyNeedsNoPolicyOfItsOwn() async throws {
        try await withNodes(left: { $0.peers = .nodes([]) }) { left, right in
            let session = try await left.table.session(to: right.key, at: rightAddress)
            #expect(session.peer.nodeKey == right.key)
        }
    }

    @Test func failedDialsNameTheirCause() async throws {
        try await withNodes { left, right in
            let nowhere = TransportAddress(scheme: "memory", rest: "nowhere")
            let other = TransportAddress(scheme: "carrier-pigeon", rest: "1")
            let refused = await #expect(throws: FerryError.self) { try await left.table.session(to: right.key, at: nowhere) }
            #expect(refused?.code == .refused)
            let unknown = await #expect(throws: FerryError.self) { try await left.table.session(to: right.key, at: other) }
            #expect(unknown?.code == .noTransport)
            let homeless = await #expect(throws: FerryError.self) { try await left.table.session(to: right.key, at: nil) }
            #expect(homeless?.code == .noAddress)
        }
    }

    @Test func aSilentListenerTimesOut() async throws {
        // Links are queued there and never accepted.
        let network = InMemoryNetwork()
        let listener = try await InMemoryTransport(network: network, name: "right").listen()
        let left = try SessionNode(transports: [InMemoryTransport(network: network)]) { $0.dialTimeout = .milliseconds(50) }
        try await left.running { left in
            let error = await #expect(throws: FerryError.self) {
                try await left.table.session(to: NodeKey(rawValue: left.identity.staticPublicKey), at: rightAddress)
            }
            #expect(error?.code == .timedOut)
        }
        await listener?.close()
    }

    @Test func configuredPeersNeedNoAddress() async throws {
        let identity = try NodeIdentity.generate(crypto: .sodium)
        let key = identity.nodeKey
        let network = InMemoryNetwork()
        let right = try SessionNode(transports: [InMemoryTransport(network: network, name: "right")], identity: identity)
        let left = try SessionNode(transports: [InMemoryTransport(network: network)]) { $0.addresses = [key: rightAddress] }
        try await right.running { right in
            try await left.running { left in
                // The first try only starts the dial.
                #expect(!left.table.trySend(numbered(1), to: key))
                _ = try await left.delegate.wait { $0.established.first }
                #expect(left.table.trySend(numbered(2), to: key))
                let received = try await right.delegate.wait { $0.messages.first }
                #expect(received == numbered(2))
            }
        }
    }

    @Test func theCapOnSessionsHoldsAtTheLimitAndOnePast() async throws {
        let network = InMemoryNetwork()
        let right = try SessionNode(transports: [InMemoryTransport(network: network, name: "right")]) { $0.maximumSessionCount = 2 }
        try await right.running { right in
            try await withThrowingTaskGroup(of: Void.self) { group in
                let nodes = try (0..<3).map { _ in try SessionNode(transports: [InMemoryTransport(network: network)]) }
                for node in nodes { group.addTask { try await node.table.run(delegate: node.delegate, owner: node.owner) } }
                for node in nodes[..<2] {
                    try await node.table.waitUntilListening()
                    _ = try await node.table.session(to: right.key, at: rightAddress)
                }
                try await nodes[2].table.waitUntilListening()
                let error = await #expect(throws: FerryError.self) { try await nodes[2].table.session(to: right.key, at: rightAddress) }
                #expect(error?.code == .refused)
                #expect(right.table.established.count == 2)
                group.cancelAll()
                try await group.waitForAll()
            }
        }
    }

    @Test func aSessionTooManyWithOnePeerReplacesTheOldest() async throws {
        let identity = try NodeIdentity.generate(crypto: .sodium)
        let network = InMemoryNetwork()
        let right = try SessionNode(transports: [InMemoryTransport(network: network, name: "right")]) { $0.maximumSessionCountPerPeer = 2 }
        let hello = SessionHello(bootID: CryptoProvider.sodium.random.next(), isDurable: false, compressorIDs: [0])
        try await right.running { right in
            try await withThrowingTaskGroup(of: Void.self) { group in
                let nodes = try (0..<3).map { _ in
                    try SessionNode(transports: [InMemoryTransport(network: network)], configure: { $0.hello = hello }, identity: identity)
                }
                for node in nodes {
                    group.addTask { try await node.table.run(delegate: node.delegate, owner: node.owner) }
                    try await node.table.waitUntilListening()
                    _ = try await node.table.session(to: right.key, at: rightAddress)
                }
                _ = try await nodes[0].delegate.wait { $0.closed.first }
                #expect(nodes[1].delegate.state.withLock { $0.closed.isEmpty })
                #expect(nodes[2].delegate.state.withLock { $0.closed.isEmpty })
                group.cancelAll()
                try await group.waitForAll()
            }
        }
    }

    @Test func aNewBootOfAPeerEndsTheSessionsOfItsEarlierOne() async throws {
        let identity = try NodeIdentity.generate(crypto: .sodium)
        let network = InMemoryNetwork()
        let right = try SessionNode(transports: [InMemoryTransport(network: network, name: "right")])
        try await right.running { right in
            try await withThrowingTaskGroup(of: Void.self) { group in
                let boots = try (0..<2).map { _ in try SessionNode(transports: [InMemoryTransport(network: network)], identity: identity) }
                for boot in boots {
                    group.addTask { try await boot.table.run(delegate: boot.delegate, owner: boot.owner) }
                    try await boot.table.waitUntilListening()
                    _ = try await boot.table.session(to: right.key, at: rightAddress)
                }
                _ = try await boots[0].delegate.wait { $0.closed.first }
                #expect(boots[1].delegate.state.withLock { $0.closed.isEmpty })
                group.cancelAll()
                try await group.waitForAll()
            }
        }
    }

    @Test func anAddressInUseEndsTheRun() async throws {
        let network = InMemoryNetwork()
        let listener = try await InMemoryTransport(network: network, name: "right").listen()
        let node = try SessionNode(transports: [InMemoryTransport(network: network, name: "right")])
        let error = await #expect(throws: TransportError.self) { try await node.table.run(delegate: node.delegate, owner: node.owner) }
        #expect(error?.code == .addressInUse)
        await listener?.close()
    }

    @Test func aTableThatDoesNotRunSaysSo() async throws {
        let node = try SessionNode(transports: [])
        let early = await #expect(throws: FerryError.self) { try await node.table.session(to: node.key, at: rightAddress) }
        #expect(early?.code == .notReady)
        try await node.running { _ in }
        let late = await #expect(throws: FerryError.self) { try await node.table.session(to: node.key, at: rightAddress) }
        #expect(late?.code == .shuttingDown)
    }
}
