import FerryStateMachines
import FerryWire
import Testing

@Suite("Move log") struct MoveLogTests {
    @Test("batches carry every entry once, in order, from index 1, and a follower that replays them states the same digest")
    func shipsInOrder() {
        let box = LogBox(MoveLog())
        let target = FollowerBox()
        #expect(box.digest == emptyLogDigest)
        #expect(target.digest == emptyLogDigest)
        box.append(1...10)
        while let batch = box.log.nextBatch(byteLimit: 300) {
            #expect(target.follower.admit(batch) == 0..<batch.entries.count)
            #expect(batch.firstIndex == target.index + 1)
            #expect(target.replay(batch.entries))
            #expect(box.acknowledge(target.index))
        }
        #expect(target.index == 10)
        #expect(target.digest == box.digest)
        #expect(target.digest != emptyLogDigest)
    }

    @Test("small batches wait for an acknowledgement once two are in flight; a full one does not, a sealed log sends the rest")
    func pipelining() {
        let box = LogBox(MoveLog())
        box.append(1...1)
        #expect(box.batches().count == 1)
        box.append(2...2)
        #expect(box.batches().count == 1)
        box.append(3...3)
        #expect(box.batches().isEmpty)
        box.append(4...400)
        #expect(box.batches().map(\.firstIndex) == [3])
        box.append(401...401)
        #expect(box.batches().isEmpty)
        box.log.seal()
        #expect(box.batches().map(\.firstIndex) == [401])
    }

    @Test("what is in flight never exceeds the window, but for a single entry that is larger than it")
    func window() {
        let entry = LogSamples().payloadByteCount + MoveLog.entryByteCount
        let box = LogBox(MoveLog(windowByteCount: 3 * entry))
        box.append(1...10)
        #expect(box.batches(of: 2 * entry).map(\.entries.count) == [2, 1])
        #expect(box.acknowledge(2))
        #expect(box.batches(of: 2 * entry).map(\.firstIndex) == [4])
        let large = LogBox(MoveLog(windowByteCount: entry - 1))
        large.append(1...2)
        #expect(large.batches().map(\.entries.count) == [1])
    }

    @Test("an acknowledgement beyond what was sent is refused; a repeated one changes nothing")
    func acknowledgements() {
        let box = LogBox(MoveLog())
        box.append(1...4)
        #expect(!box.acknowledge(1))
        _ = box.log.nextBatch(byteLimit: 250)
        #expect(!box.acknowledge(3))
        #expect(box.acknowledge(2))
        #expect(box.acknowledge(1))
        #expect(box.status().acknowledgedIndex == 2)
    }

    @Test("after a rewind everything that is not acknowledged is sent again, and an acknowledgement of the first copy counts")
    func rewind() {
        let box = LogBox(MoveLog())
        box.append(1...6)
        _ = box.batches()
        #expect(box.acknowledge(2))
        box.log.rewind()
        #expect(box.acknowledge(4))
        #expect(box.batches().map(\.firstIndex) == [5])
        #expect(box.acknowledge(6))
        #expect(box.status().isCaughtUp && box.status().waitingByteCount == 0)
    }

    @Test("a log at its capacity has no room until half of it is free again; a lower limit takes effect at once")
    func capacity() {
        let entry = LogSamples().payloadByteCount + MoveLog.entryByteCount
        let box = LogBox(MoveLog(capacityByteCount: 4 * entry))
        box.append(1...3)
        #expect(box.hasRoom)
        box.append(4...4)
        #expect(!box.hasRoom)
        _ = box.batches()
        #expect(box.acknowledge(1) && !box.hasRoom)
        #expect(box.acknowledge(2) && box.hasRoom)
        box.log.limit(byteCount: 2 * entry)
        #expect(!box.hasRoom)
        #expect(box.acknowledge(3) && box.hasRoom)
    }

    @Test("a log over its limit takes in one byte for every two that the target has replayed, until it is below")
    func limited() {
        let box = LogBox(MoveLog())
        box.append(1...100)
        _ = box.batches()
        let entry = LogSamples().payloadByteCount + MoveLog.entryByteCount
        box.log.limit(byteCount: 10 * entry)
        #expect(!box.hasRoom)
        #expect(box.acknowledge(20) && box.hasRoom)
        box.append(101...109)
        #expect(box.hasRoom)
        box.append(110...110)
        #expect(!box.hasRoom)
        _ = box.batches()
        #expect(box.acknowledge(110))
        box.append(111...119)
        #expect(box.hasRoom)
        box.append(120...120)
        #expect(!box.hasRoom)
    }

    @Test("catching up takes as long as the newest acknowledged entry was old, or as the oldest waiting one is")
    func catchUp() {
        let box = LogBox(MoveLog())
        #expect(box.status(at: 50).catchUp == .zero)
        box.append(1...1, at: 100)
        box.append(2...2, at: 104)
        #expect(box.status(at: 130).catchUp == .milliseconds(30))
        _ = box.batches()
        #expect(box.acknowledge(1, at: 107))
        #expect(box.status(at: 108).catchUp == .milliseconds(7))
        #expect(box.acknowledge(2, at: 109))
        #expect(box.status(at: 500).catchUp == .milliseconds(5))
    }

    @Test("rates are told per second")
    func rates() {
        let box = LogBox(MoveLog())
        let entry = UInt64(LogSamples().payloadByteCount + MoveLog.entryByteCount)
        for index in UInt64(1)...1_000 { box.append(index...index, at: Int64(index)) }
        let rate = box.status(at: 1_000).appendedBytesPerSecond
        #expect((entry * 950...entry * 1_050).contains(rate))
        #expect(box.status(at: 1_000).drainedBytesPerSecond == 0)
    }
}
