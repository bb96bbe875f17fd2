import FerryWire
import Testing

@testable import FerryStateMachines

/// The source's table on its own.
struct SourceRecordTests {
    private let limits = NetMeshLimits(bufferedEventCount: 4, bufferedByteCount: 10)

    private func departure() -> NetMeshDeparture {
        NetMeshDeparture(
            origin: Sample.origin, orchestrator: Sample.orchestrator, target: Sample.target, identityTransport: .none, attempt: 1,
            now: Sample.at(0))
    }

    private func transferring() -> NetMeshDeparture {
        var departure = departure()
        departure.startTransfer([1, 2, 3], head: Sample.link(3), now: Sample.at(1))
        return departure
    }

    @Test("A daemon is claimed by one move at a time, and again when that is over")
    func singleFlight() throws {
        var source = NetMeshSource()
        try source.begin(departure(), limit: 8)
        #expect(throws: NetMeshRefusal.self) { try source.begin(departure(), limit: 8) }
        source.records[Sample.origin]?.release(now: Sample.at(1))
        try source.begin(departure(), limit: 8)
    }

    @Test("The table has a cap, which daemons that have left do not count against")
    func cap() throws {
        var source = NetMeshSource()
        try source.begin(departure(), limit: 1)
        #expect(throws: NetMeshRefusal.self) { try source.check(Sample.other, limit: 1) }
        source.records[Sample.origin]?.release(now: Sample.at(1))
        try source.check(Sample.other, limit: 1)
    }

    @Test("Captured bytes are counted as they come, and the sums always agree")
    func incrementalAccounting() {
        var departure = departure()
        for sequence in 1...UInt64(4) {
            #expect(departure.capture(Sample.event(sequence, payload: [0, 0]), limits: limits) == .captured)
            #expect(departure.capturedByteCount == departure.captured.reduce(0) { $0 + $1.payload.count })
        }
    }

    @Test("A full buffer refuses with what the totals would be, at the count and at the bytes")
    func bufferFull() {
        var byCount = departure()
        for sequence in 1...UInt64(4) { #expect(byCount.capture(Sample.event(sequence), limits: limits) == .captured) }
        #expect(byCount.capture(Sample.event(5), limits: limits) == .refused(.bufferFull(eventCount: 5, byteCount: 5)))
        var byBytes = departure()
        #expect(byBytes.capture(Sample.event(1, payload: [UInt8](repeating: 0, count: 10)), limits: limits) == .captured)
        #expect(byBytes.capture(Sample.event(2), limits: limits) == .refused(.bufferFull(eventCount: 2, byteCount: 11)))
        #expect(byBytes.captured.count == 1)
    }

    @Test("An input that no message can carry is refused while the daemon moves: 7,000 bytes pass, 7,001 do not")
    func oversizedInput() {
        var departure = departure()
        let limits = NetMeshLimits()
        #expect(departure.capture(Sample.event(1, payload: [UInt8](repeating: 0, count: 7_000)), limits: limits) == .captured)
        guard case .refused = departure.capture(Sample.event(2, payload: [UInt8](repeating: 0, count: 7_001)), limits: limits) else {
            Issue.record("an event beyond 7,000 bytes was captured")
            return
        }
    }

    @Test("After the cutover there is nothing to drain: that is an error, not an empty batch")
    func drainAfterCutover() throws {
        var departure = transferring()
        #expect(departure.capture(Sample.event(1), limits: limits) == .captured)
        #expect(try departure.takeBatch() == [Sample.event(1)])
        #expect(try departure.takeBatch() == [])
        #expect(try departure.cutOver(now: Sample.at(2)) == [])
        #expect(throws: NetMeshRefusal.self) { try departure.takeBatch() }
        #expect(throws: NetMeshRefusal.self) { try departure.cutOver(now: Sample.at(2)) }
    }

    @Test("Before the snapshot is out there is no cutover, and before the cutover no cleanup")
    func cleanupBeforeCutover() throws {
        var early = departure()
        #expect(throws: NetMeshRefusal.self) { try early.cutOver(now: Sample.at(1)) }
        var departure = transferring()
        #expect(throws: NetMeshRefusal.self) { try departure.retire(now: Sample.at(1)) }
        #expect(departure == transferring())
        _ = try departure.cutOver(now: Sample.at(1))
        try departure.retire(now: Sample.at(2))
        #expect(throws: NetMeshRefusal.self) { try departure.retire(now: Sample.at(3)) }
    }

    @Test("A rollback gives back every captured input in order, also those that went to the target")
    func rollbackKeepsAll() throws {
        var departure = transferring()
        let events = [1, 2, 3].map { Sample.event($0) }
        for event in events { #expect(departure.capture(event, limits: limits) == .captured) }
        #expect(try departure.takeBatch() == events)
        #expect(departure.captured == events)
    }

    @Test("After the cutover an input goes on to the target, and is kept as long as a rollback may come")
    func lateInput() throws {
        var departure = transferring()
        _ = try departure.cutOver(now: Sample.at(1))
        #expect(departure.capture(Sample.event(1), limits: limits) == .forward(to: Sample.target))
        #expect(departure.captured == [Sample.event(1)])
        departure.release(now: Sample.at(2))
        #expect(departure.captured.isEmpty && departure.capturedByteCount == 0 && departure.snapshot.isEmpty)
        #expect(departure.capture(Sample.event(2), limits: limits) == .forward(to: Sample.target))
        departure.startTail(Sample.at(2), first: .seconds(1))
        departure.tailRepeated(limit: 2)
        #expect(departure.tail == [Sample.event(2)])
        departure.tailRepeated(limit: 2)
        #expect(departure.tail == [] && departure.capturedByteCount == 0 && departure.tailRetry.deadline == nil)
    }

    @Test("A batch fits one packet, and one more event does not")
    func batchSize() {
        let header = NetMeshBatches.headerByteCount
        let room = WireLimits.netMeshMessageByteCount - header
        let half = Sample.event(1, payload: [UInt8](repeating: 0, count: room / 2 - NetMeshBatches.eventHeaderByteCount))
        let rest = room - room / 2 - NetMeshBatches.eventHeaderByteCount
        let exact = Sample.event(2, payload: [UInt8](repeating: 0, count: rest))
        let tooMuch = Sample.event(2, payload: [UInt8](repeating: 0, count: rest + 1))
        #expect(NetMeshBatches.cut([half, exact]).map(\.count) == [2])
        #expect(NetMeshBatches.cut([half, tooMuch]).map(\.count) == [1, 1])
        let message = MigrationMessage.bufferedEvents(origin: Sample.origin, events: [half, exact])
        #expect((try? message.measured()) == 8_104)
    }
}
