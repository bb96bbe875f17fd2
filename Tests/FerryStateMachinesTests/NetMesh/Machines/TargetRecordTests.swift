import FerryWire
import Testing

@testable import FerryStateMachines

/// The target's table on its own.
struct TargetRecordTests {
    private let limits = NetMeshLimits(bufferedEventCount: 3, bufferedByteCount: 100)

    private func arrival(orchestrator: NodeID = Sample.orchestrator) -> NetMeshArrival {
        NetMeshArrival(
            origin: Sample.origin, orchestrator: orchestrator, sender: orchestrator, source: Sample.source, attempt: 1,
            snapshot: Sample.snapshot(), wireSequence: 3, firstPiece: [], isAuthorized: true, now: Sample.at(0))
    }

    private func restored() -> NetMeshArrival {
        var arrival = arrival()
        arrival.setHead(Sample.link(3))
        arrival.enter(.restored, now: Sample.at(1))
        return arrival
    }

    @Test("Inputs before the restore are refused")
    func inputsBeforeRestore() {
        var early = arrival()
        let before = early
        #expect(throws: NetMeshRefusal.self) { try early.take([Sample.event(1)], limits: limits, now: Sample.at(1)) }
        #expect(early == before)
    }

    @Test("Inputs that wait for replay are bounded, and a refusal says what the totals would be")
    func boundedQueue() throws {
        var arrival = restored()
        try arrival.take([1, 2].map { Sample.event($0) }, limits: limits, now: Sample.at(1))
        let before = arrival
        let refusal = #expect(throws: NetMeshRefusal.self) {
            try arrival.take([3, 4].map { Sample.event($0) }, limits: limits, now: Sample.at(1))
        }
        #expect(refusal?.reason == .bufferFull(eventCount: 4, byteCount: 4))
        #expect(arrival == before)
        try arrival.take([Sample.event(3)], limits: limits, now: Sample.at(1))
    }

    @Test("Emitters count on their own: equal sequences of two emitters are two inputs, and none is compared with the daemon's outputs")
    func emittersAreSeparate() throws {
        var arrival = restored()
        let events = [Sample.event(1, emitter: 1), Sample.event(1, emitter: 2), Sample.event(9, emitter: 1)]
        try arrival.take(events, limits: limits, now: Sample.at(1))
        #expect(arrival.nextBatch(now: Sample.at(1)) == events)
    }

    @Test("An input is replayed once, whatever repeats it")
    func replayOnce() throws {
        var arrival = restored()
        try arrival.take([Sample.event(1), Sample.event(1)], limits: limits, now: Sample.at(1))
        #expect(arrival.nextBatch(now: Sample.at(1)) == [Sample.event(1)])
        arrival.batchReplayed(head: Sample.link(4), now: Sample.at(2))
        try arrival.take([Sample.event(1)], limits: limits, now: Sample.at(3))
        #expect(arrival.nextBatch(now: Sample.at(3)) == [])
        #expect(arrival.hold(Sample.event(1), limits: limits) == .duplicate)
    }

    @Test("One batch is replayed at a time, in order of arrival")
    func oneBatchAtATime() throws {
        var arrival = restored()
        try arrival.take([Sample.event(1)], limits: limits, now: Sample.at(1))
        try arrival.take([Sample.event(2)], limits: limits, now: Sample.at(1))
        #expect(arrival.nextBatch(now: Sample.at(1)) == [Sample.event(1)])
        #expect(arrival.nextBatch(now: Sample.at(1)) == nil)
        arrival.batchReplayed(head: Sample.link(3), now: Sample.at(1))
        #expect(arrival.nextBatch(now: Sample.at(1)) == [Sample.event(2)])
    }

    @Test("A held input that a batch brings too is replayed in the batch's order, and not again at the activation")
    func batchTakesOver() throws {
        var arrival = restored()
        #expect(arrival.hold(Sample.event(6), limits: limits) == .held)
        #expect(arrival.hold(Sample.event(6), limits: limits) == .duplicate)
        try arrival.take([5, 6].map { Sample.event($0) }, limits: limits, now: Sample.at(1))
        #expect(arrival.nextBatch(now: Sample.at(1)) == [5, 6].map { Sample.event($0) })
        #expect(arrival.heldEventCount == 0 && arrival.heldByteCount == 0)
        #expect(arrival.takeHeld() == [])
    }

    @Test("Held inputs are bounded, at the limit and one past it")
    func boundedHold() {
        var arrival = arrival()
        for sequence in 1...UInt64(3) { #expect(arrival.hold(Sample.event(sequence), limits: limits) == .held) }
        #expect(arrival.hold(Sample.event(4), limits: limits) == .refused(.bufferFull(eventCount: 4, byteCount: 4)))
        #expect(arrival.takeHeld().count == 3)
    }

    @Test("Inputs that come after the order to go live wait behind the held ones and never move the target back")
    func lateInputsDoNotRewind() throws {
        var arrival = restored()
        try arrival.take([], limits: limits, now: Sample.at(1))
        #expect(arrival.nextBatch(now: Sample.at(1)) == [])
        arrival.batchReplayed(head: Sample.link(3), now: Sample.at(1))
        _ = arrival.takeHeld()
        arrival.enter(.activating, now: Sample.at(2))
        try arrival.take([Sample.event(1)], limits: limits, now: Sample.at(3))
        #expect(arrival.stage == .activating)
        #expect(arrival.takeHeld() == [Sample.event(1)])
    }

    @Test("Going live is one step: the record is never in neither table nor in both")
    func completionIsOneStep() throws {
        var target = NetMeshTarget()
        try target.begin(restored(), limit: 8)
        target.complete(Sample.origin, replayedSequence: 4, limits: limits, now: Sample.at(5))
        #expect(target.records.isEmpty)
        #expect(target.completed[Sample.origin]?.replayedSequence == 4)
        target.complete(Sample.origin, replayedSequence: 9, limits: limits, now: Sample.at(6))
        #expect(target.completed[Sample.origin]?.replayedSequence == 4)
    }

    @Test("A completed record does not stand in the way of the next arrival, and an abort of that does not touch it")
    func completedDoesNotShadow() throws {
        var target = NetMeshTarget()
        try target.begin(restored(), limit: 8)
        target.complete(Sample.origin, replayedSequence: 4, limits: limits, now: Sample.at(5))
        try target.begin(arrival(orchestrator: Sample.stranger), limit: 8)
        target.abort(Sample.origin)
        #expect(target.records.isEmpty)
        #expect(target.completed[Sample.origin]?.orchestrator == Sample.orchestrator)
    }

    @Test("An aborted arrival leaves no completed record")
    func abortLeavesNothing() throws {
        var target = NetMeshTarget()
        try target.begin(restored(), limit: 8)
        target.abort(Sample.origin)
        #expect(target == NetMeshTarget())
    }

    @Test("What was processed here before the daemon left and came back is not processed again")
    func rememberedAcrossMoves() throws {
        var target = NetMeshTarget()
        var first = restored()
        try first.take([Sample.event(1)], limits: limits, now: Sample.at(1))
        try target.begin(first, limit: 8)
        target.complete(Sample.origin, replayedSequence: 4, limits: limits, now: Sample.at(2))
        try target.begin(restored(), limit: 8)
        #expect(target.records[Sample.origin]?.hold(Sample.event(1), limits: limits) == .duplicate)
        target.complete(Sample.origin, replayedSequence: 5, limits: limits, now: Sample.at(3))
        let isFresh = target.isFresh(Sample.event(1), for: Sample.origin, limit: 8)
        #expect(!isFresh)
    }

    @Test("Completed records expire just after their time, and the oldest makes room at the cap")
    func completedExpire() throws {
        var target = NetMeshTarget()
        let limits = NetMeshLimits(rememberedMoveCount: 1, recordAge: .seconds(10))
        try target.begin(restored(), limit: 8)
        target.complete(Sample.origin, replayedSequence: 4, limits: limits, now: Sample.at(0))
        target.expire(now: Sample.at(9))
        #expect(target.completed.count == 1)
        target.expire(now: Sample.at(10))
        #expect(target.completed.isEmpty)
    }

    @Test("A live daemon's inputs are told apart from those it has replayed, up to the cap")
    func freshInputs() throws {
        var target = NetMeshTarget()
        var arrival = restored()
        try arrival.take([Sample.event(1)], limits: limits, now: Sample.at(1))
        try target.begin(arrival, limit: 8)
        target.complete(Sample.origin, replayedSequence: 4, limits: limits, now: Sample.at(5))
        let old = target.isFresh(Sample.event(1), for: Sample.origin, limit: 8)
        let new = target.isFresh(Sample.event(2), for: Sample.origin, limit: 8)
        let again = target.isFresh(Sample.event(2), for: Sample.origin, limit: 8)
        #expect([old, new, again] == [false, true, false])
    }
}
