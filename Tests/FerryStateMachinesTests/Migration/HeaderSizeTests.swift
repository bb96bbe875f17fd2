import FerryCrypto
import FerryStateMachines
import FerryWire
import Testing

@Suite("Header sizes") struct HeaderSizeTests {
    /// The daemon has processed one event of `payloadByteCount` bytes, and its payload is the head of the daemon's chain.
    private func move(payloadByteCount: Int) throws -> (MoveWorld, MigrationID) {
        let (world, daemon) = try makeWorld(seed: 61, emitterCount: 0)
        let host = try #require(world.nodes[0].daemons[daemon.originHash])
        let payload = [UInt8](repeating: 7, count: payloadByteCount)
        host.process(LogEntry(emitter: OriginHash(rawValue: 1), sequence: 1, payload: payload))
        let migration = try #require(world.order(from: 0, to: 1, by: 0, daemon: daemon))
        world.run(for: .seconds(1))
        return (world, migration)
    }

    @Test("a daemon whose last output fits the snapshot header moves")
    func longestHead() throws {
        let (empty, _) = try move(payloadByteCount: 0)
        #expect(empty.owners.map(\.index) == [1])
        let (world, migration) = try move(payloadByteCount: WireLimits.snapshotHeaderByteCount - 1_024)
        #expect(world.owners.map(\.index) == [1], "\(world.trace)")
        #expect(world.outcome(migration, .source, on: 0)?.reason == nil)
    }

    @Test("a daemon whose last output does not fit the snapshot header goes on at once, with the reason")
    func tooLongHead() throws {
        let (world, migration) = try move(payloadByteCount: WireLimits.snapshotHeaderByteCount)
        #expect(world.outcome(migration, .source, on: 0)?.reason?.code == .stateFailed, "\(world.trace)")
        #expect(world.owners.map(\.index) == [0])
        #expect(world.violations.isEmpty)
    }
}
