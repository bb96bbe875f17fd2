import Ferry
import FerryCrypto
import FerryInMemory
import FerrySodium
import FerryWire
import Testing

@Suite(.timeLimit(.minutes(1))) struct FerryNodeTests {
    @Test("a daemon is spawned once, takes local deliveries in order, and is stopped")
    func localLife() async throws {
        let auditor = Auditor()
        try await withHosts(1, auditor: auditor) { nodes in
            let keypair = try EntityKeypair.generate(crypto: .sodium)
            let entity = try await nodes[0].spawn(LedgerDaemon(seed: 100), identity: keypair)
            #expect(entity == keypair.entityID)
            let twice = await #expect(throws: FerryError.self) {
                try await nodes[0].spawn(LedgerDaemon(seed: 100), identity: keypair)
            }
            #expect(twice?.code == .daemonExists)
            for value in UInt64(0)..<100 { try await nodes[0].deliver(payload(value), to: entity.originHash) }
            #expect(await nodes[0].daemons.map(\.processedEventCount) == [100])
            auditor.expectContinuity(of: entity.originHash)
            #expect(keypair.canSign)
            try await nodes[0].stop(entity.originHash)
            #expect(!keypair.canSign)
            #expect(await nodes[0].daemons.isEmpty)
            let gone = await #expect(throws: FerryError.self) { try await nodes[0].stop(entity.originHash) }
            #expect(gone?.code == .daemonNotFound)
        }
    }

    @Test("a throw counts as processed: the cursor advances and the outputs are dropped")
    func throwing() async throws {
        let auditor = Auditor()
        try await withHosts(1, auditor: auditor) { nodes in
            let entity = try await nodes[0].spawn(LedgerDaemon(seed: 101))
            try await nodes[0].deliver([1], to: entity.originHash)
            try await nodes[0].deliver(payload(2), to: entity.originHash)
            let status = try #require(await nodes[0].daemons.first)
            #expect(status.processedEventCount == 2)
            #expect(status.failedEventCount == 1)
            #expect(auditor.books.outputs.count == 1)
            #expect(auditor.books.inputs.map(\.isFailed) == [true, false])
        }
    }

    @Test("a daemon delivers to itself and to others after its event, never within it")
    func deliveries() async throws {
        let auditor = Auditor()
        try await withHosts(1, auditor: auditor) { nodes in
            let ledger = try await nodes[0].spawn(LedgerDaemon(seed: 102))
            let relay = try EntityKeypair.generate(crypto: .sodium)
            try await nodes[0].spawn(CountdownDaemon(destination: ledger.originHash, own: relay.originHash), identity: relay)
            try await nodes[0].deliver(payload(3), to: relay.originHash)
            // Three to itself, counting down, and one to the ledger for each.
            await eventually { await nodes[0].daemons.map(\.processedEventCount).sorted() == [4, 4] }
        }
    }

    @Test("the daemon limit holds at its value and one past it")
    func daemonLimit() async throws {
        try await withHosts(1, configure: { _, composition in composition.limits.daemonCount = 2 }) { nodes in
            try await nodes[0].spawn(LedgerDaemon(seed: 103))
            try await nodes[0].spawn(LedgerDaemon(seed: 103))
            let error = await #expect(throws: FerryError.self) { try await nodes[0].spawn(LedgerDaemon(seed: 103)) }
            #expect(error?.code == .limitExceeded)
        }
    }

    @Test("a move needs the target's key")
    func keylessTarget() async throws {
        try await withHosts(1) { nodes in
            let entity = try await nodes[0].spawn(LedgerDaemon(seed: 104))
            let error = await #expect(throws: FerryError.self) { _ = try await nodes[0].migrate(entity, to: "memory:1") }
            #expect(error?.code == .invalidEndpoint)
        }
    }

    @Test("a node that was asked to stop ends by itself, and takes no daemon any more", .timeLimit(.minutes(1)))
    func stopRequest() async throws {
        let node = try FerryNode(
            Composition(
                identity: try .generate(crypto: .sodium), crypto: .sodium,
                transports: [InMemoryTransport(network: InMemoryNetwork(), name: "0")],
                daemons: [DaemonRegistration(LedgerDaemon.self)]))
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await node.run() }
            try await node.waitUntilListening()
            node.requestStop()
            // Nothing cancels the group: only the request ends what it waits for.
            try await group.waitForAll()
        }
        let error = await #expect(throws: FerryError.self) { try await node.spawn(LedgerDaemon(seed: 105)) }
        #expect(error?.code == .shuttingDown)
    }
}

/// Passes its input on to another daemon, and counts down by sending to itself.
struct CountdownDaemon: Daemon {
    static let kind = DaemonKind(name: "relay", schemaVersion: 1)
    var destination: OriginHash
    var own: OriginHash

    init(destination: OriginHash, own: OriginHash) {
        self.destination = destination
        self.own = own
    }

    mutating func process(_ event: CausalEvent, into outputs: inout DaemonOutputs) throws {
        outputs.deliver(event.payload, to: destination)
        let value = event.payload.rawSpan.littleEndianUInt64(at: 0)
        if value > 0 { outputs.deliver(payload(value - 1), to: own) }
    }

    func snapshot(into writer: inout SnapshotWriter) async throws {
        writer.write(destination.rawValue)
        writer.write(own.rawValue)
    }

    init(restoring reader: inout SnapshotReader) async throws {
        try await reader.checkpoint()
        destination = OriginHash(rawValue: try reader.read(UInt64.self))
        own = OriginHash(rawValue: try reader.read(UInt64.self))
    }
}
