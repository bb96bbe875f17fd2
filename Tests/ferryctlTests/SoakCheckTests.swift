import FerryWire
import Foundation
import Testing

@testable import ferryctl

@Suite struct LifeLedgerTests {
    /// What a daemon wrote that processed the emitter's sequences in order, a millisecond apart, in one epoch.
    private func history(_ sequences: [UInt64]) -> [ProcessedRecord] {
        var link = CausalLink.genesis(OriginHash(rawValue: 9))
        var payload: [UInt8] = []
        return sequences.enumerated().map { index, sequence in
            link = link.next(payload: payload.rawSpan, horizon: 0) ?? link
            payload = InvertedIndex.output(sequence: sequence, wordCount: 3)
            return ProcessedRecord(processedAt: UInt64(index + 1) * 1_000_000, link: link, payload: payload, epoch: 1)
        }
    }

    private func findings(_ records: [(ProcessedRecord, String)]) -> [String] {
        var ledger = LifeLedger()
        let found = records.flatMap { ledger.take($0.0, of: $0.1) }
        return found + ledger.close()
    }

    @Test func `logs that are read in turns make one history`() {
        var records = history([1, 2, 3, 4, 5, 6])
        for index in 3..<6 { records[index].epoch = 2 }
        let (old, new) = (records[..<3].map { ($0, "a.1") }, records[3...].map { ($0, "b.1") })
        #expect(findings(old + new) == [])
        #expect(findings(new + old) == [])
        var ledger = LifeLedger()
        for (record, log) in new { #expect(ledger.take(record, of: log) == []) }
        #expect(ledger.hasHole)
        #expect(ledger.missingSequence == 1)
        for (record, log) in old { #expect(ledger.take(record, of: log) == []) }
        #expect(!ledger.hasHole)
        #expect(ledger.check.processedCount == 6)
        #expect(ledger.check.lostCount(accepted: 6) == 0)
    }

    @Test func `a record that nobody wrote is a hole, and its event lost`() {
        var ledger = LifeLedger()
        let records = history([1, 2, 3, 4])
        for record in [records[0], records[1], records[3]] { #expect(ledger.take(record, of: "a.1") == []) }
        #expect(ledger.hasHole)
        #expect(!ledger.close().isEmpty)
        #expect(!ledger.hasHole)
        #expect(ledger.check.lostCount(accepted: 4) == 1)
        #expect(ledger.check.lostCount(accepted: 2) == 0)
    }

    @Test func `a record that is told twice was processed before`() {
        let records = history([1, 2, 3])
        let late = [(records[0], "a.1"), (records[1], "a.1"), (records[1], "b.1"), (records[2], "a.1")]
        #expect(findings(late).contains { $0.contains("before") })
        let early = [(records[0], "a.1"), (records[2], "a.1"), (records[2], "b.1"), (records[1], "a.1")]
        #expect(findings(early).contains { $0.contains("twice") })
    }

    @Test func `one epoch belongs to one process, and a later one never goes back`() {
        var records = history([1, 2, 3])
        #expect(findings([(records[0], "a.1"), (records[1], "b.1")]).contains { $0.contains("same epoch") })
        records[1].epoch = 3
        records[2].epoch = 2
        let back = [(records[0], "a.1"), (records[1], "b.1"), (records[2], "c.1")]
        #expect(findings(back).contains { $0.contains("follows one of epoch 3") })
    }

    @Test func `an owner that processes before its predecessor has stopped is seen`() {
        var records = history([1, 2])
        records[1].epoch = 2
        records[1].processedAt = records[0].processedAt - 1
        #expect(findings([(records[0], "a.1"), (records[1], "b.1")]).contains { $0.contains("before its predecessor") })
        records[1].processedAt = records[0].processedAt
        #expect(findings([(records[0], "a.1"), (records[1], "b.1")]) == [])
    }

    @Test func `a log is read on from where it ended, by whole records`() throws {
        let folder = try DemoFolder()
        let path = folder.path("log")
        var tail = LogTail(path)
        #expect(try tail.next() == [])
        let log = try ProcessedLog(creating: path)
        let events = history([1, 2, 3]).map { CausalEvent(link: $0.link, payload: $0.payload, receivedAt: 0) }
        log.append(events[0], epoch: Epoch(rawValue: 7))
        log.append(events[1], epoch: Epoch(rawValue: 7))
        let first = try tail.next()
        #expect(first.map(\.link) == events[..<2].map(\.link))
        #expect(first.map(\.epoch) == [7, 7])
        #expect(try tail.next() == [])
        let whole = try Data(contentsOf: URL(fileURLWithPath: path))
        try whole.prefix(ProcessedRecord.byteCount * 2).write(to: URL(fileURLWithPath: path))
        let handle = try #require(FileHandle(forWritingAtPath: path))
        try handle.seekToEnd()
        try handle.write(contentsOf: whole.prefix(10))
        #expect(try tail.next() == [])
        try handle.write(contentsOf: whole[10..<ProcessedRecord.byteCount])
        #expect(try tail.next().map(\.link) == [events[0].link])
    }
}

@Suite struct OwnerWatchTests {
    @Test func `two nodes in one epoch are two owners`() {
        var watch = OwnerWatch()
        #expect(watch.see(1, at: "a.1", epoch: 4, askedAt: 0, seenAt: 10) == nil)
        #expect(watch.see(1, at: "a.1", epoch: 4, askedAt: 20, seenAt: 30) == nil)
        #expect(watch.see(1, at: "b.1", epoch: 4, askedAt: 0, seenAt: 10) != nil)
        #expect(watch.see(2, at: "b.1", epoch: 4, askedAt: 0, seenAt: 10) == nil)
    }

    @Test func `an earlier owner may have answered before the later one, not after it`() {
        var watch = OwnerWatch()
        #expect(watch.see(1, at: "b.1", epoch: 5, askedAt: 100, seenAt: 110) == nil)
        #expect(watch.see(1, at: "a.1", epoch: 4, askedAt: 110, seenAt: 200) == nil)
        #expect(watch.see(1, at: "a.1", epoch: 4, askedAt: 111, seenAt: 200) != nil)
        #expect(watch.owner(of: 1)?.node == "b.1")
        #expect(watch.see(1, at: "a.1", epoch: 6, askedAt: 300, seenAt: 310) == nil)
        #expect(watch.owner(of: 1)?.epoch == 6)
    }
}

@Suite struct SoakWordsTests {
    private let start = ContinuousClock.now
    private let kills = ["a": 0, "b": 0, "c": 0]

    /// What is found at `owner` of a daemon said to be at `a`, after an order whose end nobody told.
    private func finding(
        at owner: String, after order: (source: String, target: String)? = nil, killsOfSource: Int = 0, age: Duration = .seconds(5),
        kills: [String: Int]? = nil
    ) -> SoakWords.Finding {
        var words = SoakWords()
        if let order {
            words.miss(
                SoakWords.UnheardOrder(
                    source: order.source, sourceKillCount: killsOfSource, target: order.target, targetKillCount: 0, givenAt: start,
                    words: "x"))
        }
        words.believe(SoakWords.Verdict(node: "a", killCount: 0, words: "y"))
        return words.check(owner: owner, killCounts: kills ?? self.kills, now: start + age)
    }

    private func isElsewhere(_ finding: SoakWords.Finding) -> Bool { if case .elsewhere = finding { true } else { false } }
    private func isAsSaid(_ finding: SoakWords.Finding) -> Bool { if case .asSaid = finding { true } else { false } }
    private func isOvertaken(_ finding: SoakWords.Finding) -> Bool { if case .overtaken = finding { true } else { false } }

    @Test func `a daemon is where it was said to be, unless that node has died since`() {
        #expect(isAsSaid(finding(at: "a")))
        #expect(isElsewhere(finding(at: "b")))
        #expect(isAsSaid(finding(at: "b", kills: ["a": 1, "b": 0])))
    }

    @Test func `only an order from there to here, in that boot and in time, may have come in between`() {
        #expect(isOvertaken(finding(at: "b", after: ("a", "b"))))
        #expect(isElsewhere(finding(at: "b", after: ("a", "c"))))
        #expect(isElsewhere(finding(at: "b", after: ("c", "b"))))
        #expect(isElsewhere(finding(at: "b", after: ("a", "b"), killsOfSource: 1)))
        #expect(isElsewhere(finding(at: "b", after: ("a", "b"), age: .seconds(61))))
    }

    @Test func `a word is held against a place once`() {
        var words = SoakWords()
        words.believe(SoakWords.Verdict(node: "a", killCount: 0, words: "y"))
        #expect(isElsewhere(words.check(owner: "b", killCounts: kills, now: start)))
        #expect(isAsSaid(words.check(owner: "b", killCounts: kills, now: start)))
    }
}

@Suite struct SoakVerdictTests {
    private func failure(
        _ change: (inout SoakCounts) -> Void, violations: [String] = [], isLiveExpected: Bool = true
    ) -> CommandFailure? {
        var counts = SoakCounts()
        (counts.completed, counts.completedLive, counts.ownerChecks, counts.accepted, counts.kills, counts.stops) = (1, 1, 1, 1, 1, 1)
        change(&counts)
        return SoakReport(seed: 3, durationSeconds: 1, counts: counts, violations: violations, isLiveExpected: isLiveExpected).failure
    }

    @Test func `a violation, and any event that was lost, repeated or reordered, fails a soak`() {
        #expect(failure { _ in } == nil)
        #expect(failure({ _ in }, violations: ["first", "second"])?.message == "seed 3: first")
        #expect(failure { $0.lost = 1 }?.code == "violation")
        #expect(failure { $0.duplicated = 1 }?.code == "violation")
        #expect(failure { $0.reordered = 1 }?.code == "violation")
    }

    @Test func `a soak in which nothing moved, nobody looked or nothing was accepted has shown nothing`() {
        #expect(failure { $0.completed = 0 }?.code == "untested")
        #expect(failure { $0.ownerChecks = 0 }?.code == "untested")
        #expect(failure { $0.accepted = 0 }?.code == "untested")
        #expect(failure { $0.kills = 0 }?.code == "untested")
        #expect(failure { $0.stops = 0 }?.code == "untested")
        #expect(failure { $0.completedLive = 0 }?.code == "untested")
        #expect(failure({ $0.completedLive = 0 }, isLiveExpected: false) == nil)
    }

    @Test func `logs are falsified where nobody is killed, and every kind of fault is injected elsewhere`() {
        for sabotage in SoakSabotage.allCases {
            for transport in [DemoTransport.udp, .unix] {
                #expect(SoakFault.kinds(over: transport, sabotage).contains(.kill) == !sabotage.falsifiesLogs)
            }
        }
        let kinds = SoakFault.kinds(over: .udp, nil) + SoakFault.kinds(over: .unix, nil)
        #expect(SoakFault.allCases.allSatisfy(kinds.contains))
    }
}

@Suite struct WeatherTests {
    @Test func `a thousand of a thousand frames share one fate, and none none`() {
        var dice = FateDice(seed: 3)
        for _ in 0..<100 {
            #expect(dice.roll(Weather(lossPermille: 1_000)) == .dropped)
            #expect(dice.roll(Weather(duplicatePermille: 1_000)) == .repeated)
            #expect(dice.roll(Weather(reorderPermille: 1_000)) == .overtaken)
            #expect(dice.roll(.fair) == .passed)
        }
    }

    @Test func `the same seed drops the same frames, about as many as it should`() {
        let weather = Weather(lossPermille: 100, duplicatePermille: 50, reorderPermille: 50)
        func fates(_ seed: UInt64) -> [FrameFate] {
            var dice = FateDice(seed: seed)
            return (0..<10_000).map { _ in dice.roll(weather) }
        }
        #expect(fates(1) == fates(1))
        #expect(fates(1) != fates(2))
        #expect((800...1_200).contains(fates(1).count { $0 == .dropped }))
        #expect((350...650).contains(fates(1).count { $0 == .repeated }))
    }

    @Test func `a slow link makes frames wait for their turn and drops what its queue does not hold`() {
        var bucket = TokenBucket()
        // 1,000 bytes at 10,000 a second take a tenth of a second each.
        #expect(bucket.wait(for: 1_000, at: 10_000, mayDrop: true, now: 0) == .zero)
        #expect(bucket.wait(for: 1_000, at: 10_000, mayDrop: true, now: 0) == .milliseconds(100))
        #expect(bucket.wait(for: 1_000, at: 10_000, mayDrop: true, now: 0) == .milliseconds(200))
        #expect(bucket.wait(for: 1_000, at: 10_000, mayDrop: true, now: 0) == nil)
        #expect(bucket.wait(for: 1_000, at: 10_000, mayDrop: false, now: 0) == .milliseconds(300))
        #expect(bucket.wait(for: 1_000, at: 10_000, mayDrop: true, now: 1_000_000_000) == .zero)
    }
}
