import FerryCrypto
import FerrySodium
import FerryStateMachines
import FerryWire
import Testing

@testable import Ferry

/// What crosses: sessions that end and begin, a node that goes down, a log that fills, a daemon that comes back.
@Suite(.timeLimit(.minutes(1))) struct MoveRaceTests {
    private func makeOrder(_ entity: EntityID, _ nodes: [FerryNode]) -> MoveOrder {
        MoveOrder(
            id: CryptoProvider.sodium.random.next(), daemon: entity, lineage: nil, source: nodes[0].nodeKey, target: nodes[1].nodeKey,
            targetAddress: "", orchestrator: nodes[0].nodeKey, attempt: 1, mode: .live,
            expiresAt: WallClock.nanoseconds + 60_000_000_000)
    }

    @Test("the end of a session that was replaced already is no loss to a move")
    func staleLoss() async throws {
        try await withHosts(2) { nodes in
            let entity = try await nodes[0].spawn(LedgerDaemon(seed: 160))
            LedgerFaults.shared.set(.hangsInSnapshot, for: 160)
            defer { LedgerFaults.shared.set(nil, for: 160) }
            let handle = try await nodes[0].migrate(entity, to: nodes[1].endpoint)
            await eventually { await nodes[0].moves.contains { $0.role == .source && $0.phase >= .transfer } }
            await nodes[0].core.moves.sessionLost(nodes[1].nodeKey)
            let stall = try #require(await nodes[0].moves.first { $0.role == .source }).stall
            #expect(!stall.isEmpty)
            #expect(!stall.contains("a session with the target"))
            LedgerFaults.shared.set(nil, for: 160)
            #expect(try await handle.value.mode == .live)
        }
    }

    @Test("who asks a node that has gone down is told so, and waits for nothing")
    func shutDown() async throws {
        try await withHosts(2) { nodes in
            let entity = try await nodes[0].spawn(LedgerDaemon(seed: 161))
            let moves = nodes[0].core.moves
            await moves.shutDown()
            let order = makeOrder(entity, nodes)
            let planned = await #expect(throws: FailureReason.self) { _ = try await moves.plan(order) }
            #expect(planned?.code == .notReady)
            let ordered = await #expect(throws: FailureReason.self) { _ = try await moves.order(order) }
            #expect(ordered?.code == .notReady)
        }
    }

    @Test("what a daemon says of its size is a prediction, whatever it says")
    func predictions() {
        let kind = DaemonKind(name: "huge", schemaVersion: 1)
        for byteCount in [0, 1 << 20, UInt64(1) << 63, .max] {
            let description = DaemonDescription(
                kind: kind, lineage: CryptoProvider.sodium.random.next(), epoch: .first, predictedByteCount: byteCount)
            let predicted = TransferHistory().predict(description)
            #expect(predicted.predictedByteCount == byteCount)
            #expect(predicted.predictedWireByteCount == min(byteCount, 1_000_000_000_000_000_000))
            #expect(predicted.predictedDurationNanoseconds > 0)
        }
    }

    @Test("a credential that finds no room in the log waits like an event, however often it is renewed")
    func helloWithoutRoom() async throws {
        try await withHosts(2) { nodes in
            let core = nodes[0].core
            let entity = try await nodes[0].spawn(LedgerDaemon(seed: 162))
            let host = try #require(core.table.host(entity.originHash))
            let live = try await host.freeze(makeOrder(entity, nodes).migration, epoch: Epoch(rawValue: 2), clock: core.clock)
            let keypair = try EntityKeypair.generate(crypto: .sodium)
            let other = nodes[1].nodeKey
            let path = LaneReplyPath(emitters: core.emitters, ownKey: nodes[0].nodeKey)
            func greet(_ epoch: UInt64) async throws -> LaneMessage.Body? {
                let credential = try LaneCredential(signing: keypair, epoch: Epoch(rawValue: epoch), node: other)
                let hello = LaneMessage(emitter: keypair.originHash, daemon: entity.originHash, body: .hello(credential))
                return await host.receive(hello, from: other, isNode: false, replyingTo: path)
            }
            let link = CausalLink(origin: OriginHash(rawValue: 9), horizon: 0, sequence: 1, parent: 0)
            live.append(CausalEvent(link: link, payload: [UInt8](repeating: 0, count: 64 << 20), receivedAt: 0), outcome: 0)
            #expect(!live.hasRoom)
            for epoch in UInt64(1)...5 {
                let answer = try await greet(epoch)
                guard case .hold = answer else {
                    Issue.record("\(String(describing: answer))")
                    return
                }
            }
            #expect(live.status.lastIndex == 1)
            _ = live.nextStep(byteLimit: .max)
            _ = live.acknowledge(through: 1)
            #expect(try await greet(6) == .welcome(cursor: 0, epoch: .first))
        }
    }

    @Test("the longest hold is that of the longest span without room, one that has not ended included")
    func holds() {
        var holds = HoldClock()
        let start = Timestamp(nanoseconds: 1_000)
        #expect(holds.longest(start) == .zero)
        holds.begins(start)
        holds.begins(start + .milliseconds(4))
        #expect(holds.longest(start + .milliseconds(7)) == .milliseconds(7))
        holds.ends(start + .milliseconds(9))
        #expect(holds.longest(start + .seconds(1)) == .milliseconds(9))
        holds.begins(start + .seconds(1))
        holds.ends(start + .seconds(1) + .milliseconds(5))
        #expect(holds.longest(start + .seconds(2)) == .milliseconds(9))
    }

    @Test("a log without room is a hold, from the entry that fills it to the acknowledgement that frees it")
    func logHolds() async throws {
        try await withHosts(1) { nodes in
            let core = nodes[0].core
            let entity = try await nodes[0].spawn(LedgerDaemon(seed: 165))
            let host = try #require(core.table.host(entity.originHash))
            let migration = MigrationID(order: CryptoProvider.sodium.random.next(), attempt: 1)
            let live = try await host.freeze(migration, epoch: Epoch(rawValue: 2), clock: core.clock)
            let link = CausalLink(origin: OriginHash(rawValue: 9), horizon: 0, sequence: 1, parent: 0)
            live.append(CausalEvent(link: link, payload: [1], receivedAt: 0), outcome: 0)
            #expect(live.longestHold == .zero)
            live.append(CausalEvent(link: link, payload: [UInt8](repeating: 0, count: 64 << 20), receivedAt: 0), outcome: 0)
            await eventually { live.longestHold > .zero }
            _ = live.nextStep(byteLimit: .max)
            #expect(live.acknowledge(through: 1) == false)
            _ = live.nextStep(byteLimit: .max)
            #expect(live.acknowledge(through: 2))
            let longest = live.longestHold
            #expect(longest > .zero)
            live.append(CausalEvent(link: link, payload: [1], receivedAt: 0), outcome: 0)
            #expect(live.longestHold == longest)
            live.finish()
        }
    }

    @Test("a stub redirects while its daemon's copy only follows; from the hand-over on the copy answers")
    func stubBesideCopy() async throws {
        try await withHosts(2) { nodes in
            let entity = try await nodes[0].spawn(LedgerDaemon(seed: 163))
            _ = try await nodes[0].migrate(entity, to: nodes[1].endpoint).value
            let (origin, table) = (entity.originHash, nodes[0].core.table)
            let owner = try #require(nodes[1].core.table.host(origin))
            let snapshot = await owner.header(epoch: Epoch(rawValue: 3), createdAt: 0)
            func makeCopy() throws -> DaemonHost {
                try #require(
                    DaemonHost(
                        standby: LedgerDaemon(seed: 163), migration: makeOrder(entity, nodes).migration, snapshot: snapshot,
                        context: nodes[0].core.daemonContext))
            }
            let stub = try #require(table.host(origin))
            let copy = try makeCopy()
            #expect(table.standBy(copy, isFollowing: true))
            #expect(table.answering(origin) === stub)
            try await nodes[0].deliver(payload(1), to: origin, at: nodes[0].endpoint)
            table.awaitHandOver(try makeCopy())
            #expect(table.answering(origin) === stub)
            table.awaitHandOver(copy)
            #expect(table.answering(origin) === copy)
            table.standDown(copy)
            #expect(table.answering(origin) === stub)
            #expect(table.standBy(copy))
            #expect(table.answering(origin) === copy)
        }
    }

    @Test("where there is no stub, a copy that follows answers")
    func copyWithoutStub() async throws {
        try await withHosts(2) { nodes in
            let entity = try await nodes[1].spawn(LedgerDaemon(seed: 164))
            let table = nodes[0].core.table
            let owner = try #require(nodes[1].core.table.host(entity.originHash))
            let snapshot = await owner.header(epoch: Epoch(rawValue: 2), createdAt: 0)
            let copy = try #require(
                DaemonHost(
                    standby: LedgerDaemon(seed: 164), migration: makeOrder(entity, nodes).migration, snapshot: snapshot,
                    context: nodes[0].core.daemonContext))
            #expect(table.standBy(copy, isFollowing: true))
            #expect(table.answering(entity.originHash) === copy)
        }
    }
}
